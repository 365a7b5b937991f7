import { MimeModel, standardRendererFactories } from '@jupyterlab/rendermime';
import { nullTranslator } from '@jupyterlab/translation';
import type { JSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';

import { needsFrame } from '../src/door/html';
import { webAddress } from '../src/door/links';
import { RoomRenderers } from '../src/door/rendermime';
import { RoomSanitizer } from '../src/door/sanitizer';
import { refusingResolver, tameChart } from '../src/door/vega';
import { guardWidgets } from '../src/door/widgets';

const sanitizer = new RoomSanitizer();

describe('RoomSanitizer', () => {
  it.each([
    ['<script>canary()</script>'],
    ['<img src="x" onerror="canary()">'],
    ['<img src="/logout">'],
    ['<img src="data:text/html,x">'],
    ['<svg onload="canary()"><script>canary()</script></svg>'],
    ['<math><mtext><script>canary()</script></mtext></math>'],
    ['<iframe src="javascript:canary()"></iframe>'],
    ['<iframe srcdoc="<script>canary()</script>"></iframe>'],
    ['<base href="http://evil.test/">'],
    ['<meta http-equiv="refresh" content="0;url=http://evil.test/">'],
    ['<link rel="stylesheet" href="http://evil.test/">'],
    ['<style>body { display: none }</style>'],
    ['<form action="/logout"><input name="parentNode"><button>B</button></form>'],
    ['<button data-commandlinker-command="notebook:run-all-cells">B</button>'],
    ['<a id="jp-main-dock-panel" name="x" href="javascript:canary()">x</a>'],
    ['<a href=" java\nscript:canary()">x</a>'],
    ['<a href="/logout" ping="/logout">x</a>'],
    ['<object data="x"></object><embed src="x">'],
    ['<video src="/logout" autoplay></video>'],
    ['<div class="jp-Dialog lm-Widget" style="position: fixed; inset: 0">x</div>'],
    ['<div style="background: url(/logout)">x</div>'],
    ['<p tabindex="1" autofocus accesskey="s" role="alert" aria-live="assertive">x</p>']
  ])('takes the harm out of %s', html => {
    const template = document.createElement('template');
    template.innerHTML = sanitizer.sanitize(html);
    const clean = template.innerHTML;
    expect(clean).not.toMatch(
      /canary|evil|logout|script|data:text|commandlinker|position|url\(|jp-|lm-|\s(on\w+|id|name|ping|tabindex|accesskey|autofocus|role|data-\w+|aria-\w+|srcdoc)=/
    );
    expect(
      template.content.querySelector(
        'script,iframe,base,meta,link,style,form,input,button,object,embed,video,svg,math'
      )
    ).toBeNull();
  });

  it('keeps a DataFrame as it is', () => {
    const html =
      '<table border="1" class="dataframe"><thead><tr style="text-align: right"><th></th><th>a</th></tr></thead>' +
      '<tbody><tr><th>0</th><td>1</td></tr></tbody></table>';
    const template = document.createElement('template');
    template.innerHTML = sanitizer.sanitize(html);
    expect(template.content.querySelector('table.dataframe')).not.toBeNull();
    expect(template.content.querySelectorAll('th, td')).toHaveLength(4);
    expect(template.content.querySelector('tr')!.style.textAlign).toBe('right');
  });

  it('keeps pictures that are in the text, and looks', () => {
    expect(
      sanitizer.sanitize('<img src="data:image/png;base64,AA==" alt="p">')
    ).toContain('data:image/png');
    expect(sanitizer.sanitize('<img src="attachment:a.png">')).toContain(
      'attachment:a.png'
    );
    expect(sanitizer.sanitize('<b style="color: red">x</b>')).toMatch(/color: ?red/);
  });

  it('sends links to a tab that knows nothing of this one', () => {
    expect(sanitizer.sanitize('<a href="https://example.org/">x</a>')).toMatch(
      /rel="noopener noreferrer"/
    );
  });
});

describe('RoomRenderers', () => {
  const renderers = new RoomRenderers({
    initialFactories: standardRendererFactories,
    frameUrl: 'about:blank',
    sanitizer,
    translator: nullTranslator
  });

  async function show(
    mimeType: string,
    data: JSONObject[string],
    trusted: boolean
  ): Promise<Widget> {
    const registry = renderers.clone();
    const model = new MimeModel({ data: { [mimeType]: data }, trusted });
    const renderer = registry.createRenderer(mimeType);
    await renderer.renderModel(model);
    return renderer;
  }

  it('knows no JavaScript, not in a notebook’s own registry either', () => {
    for (const registry of [renderers, renderers.clone(), renderers.clone().clone()]) {
      expect(registry.mimeTypes).toContain('text/html');
      expect(registry.mimeTypes.join()).not.toContain('javascript');
    }
  });

  it('takes no unknown type from an extension', () => {
    const registry = renderers.clone();
    registry.addFactory({
      safe: true,
      mimeTypes: ['text/x-evil'],
      createRenderer: () => {
        throw new Error('not to be called');
      }
    });
    expect(registry.getFactory('text/x-evil')).toBeUndefined();
  });

  it.each([true, false])(
    'shows the same whether trusted or not (%s)',
    async trusted => {
      const html = await show('text/html', '<b onclick="canary()">x</b>', trusted);
      expect(html.node.innerHTML).toContain('<b>x</b>');
      const markdown = await show(
        'text/markdown',
        '<b onclick="canary()">x</b>',
        trusted
      );
      expect(markdown.node.innerHTML).not.toContain('canary');
      const svg = await show(
        'image/svg+xml',
        '<svg xmlns="http://www.w3.org/2000/svg"/>',
        trusted
      );
      expect(svg.node.querySelector('img')?.src).toMatch(/^data:image\/svg/);
    }
  );

  it('prefers rich output without trust', () => {
    expect(
      renderers.preferredMimeType({ 'image/svg+xml': '', 'text/plain': '' }, 'ensure')
    ).toBe('image/svg+xml');
  });

  it('puts HTML with scripts into a frame of its own', async () => {
    const output = await show('text/html', '<p>x</p><script>canary()</script>', true);
    expect(output.node.innerHTML).not.toContain('canary');
    Widget.attach(output, document.body);
    const frame = output.node.querySelector('iframe')!;
    expect(frame.getAttribute('sandbox')).toBe('allow-scripts');
    expect(frame.getAttribute('src')).toBe('about:blank');
    output.dispose();
  });

  it('lets no renderer change the document', async () => {
    const registry = renderers.clone();
    let tried = false;
    registry.addFactory({
      safe: true,
      mimeTypes: ['application/json'],
      createRenderer: () =>
        Object.assign(new Widget(), {
          renderModel: (model: { setData(options: object): void }): Promise<void> => {
            model.setData({ data: { 'text/plain': 'changed' } });
            tried = true;
            return Promise.resolve();
          }
        })
    });
    const model = new MimeModel({ data: { 'application/json': {} } });
    await registry.createRenderer('application/json').renderModel(model);
    expect(tried).toBe(true);
    expect(model.data).toEqual({ 'application/json': {} });
  });
});

describe('charts', () => {
  it('load nothing', async () => {
    await expect(refusingResolver.resolveUrl('/api/contents')).rejects.toThrow();
    expect(refusingResolver.isLocal?.('https://evil.test/')).toBe(true);
  });

  it('lose what reaches outside', () => {
    const spec = {
      usermeta: { embedOptions: { loader: null } },
      signals: [{ name: 's', bind: { input: 'range', element: 'body' } }],
      data: { values: [{ usermeta: 1 }] }
    };
    expect(tameChart(spec)).toEqual({
      signals: [{ name: 's', bind: { input: 'range' } }],
      data: { values: [{ usermeta: 1 }] }
    });
  });
});

describe('needsFrame', () => {
  it.each([
    ['<style scoped>.dataframe { }</style><table></table>', false],
    ['<b>x</b>', false],
    ['<SCRIPT src=x>', true],
    ['<style>#T_a { color: red }</style>', true]
  ])('%s: %s', (html, expected) => {
    expect(needsFrame(html)).toBe(expected);
  });
});

describe('webAddress', () => {
  it.each(['javascript:x', 'data:text/html,x', '/logout', 'blob:x', 'vbscript:x'])(
    '%s is none',
    address => {
      expect(webAddress(address)).toBeNull();
    }
  );

  it('knows sites', () => {
    expect(webAddress('https://example.org/a')?.host).toBe('example.org');
  });
});

describe('guardWidgets', () => {
  it('sanitizes what widgets write, and nothing else', () => {
    const guard = guardWidgets(sanitizer, document.body);
    const widget = document.createElement('div');
    widget.className = 'jupyter-widgets widget-html';
    const content = widget.appendChild(document.createElement('div'));
    content.innerHTML =
      '<b>x</b><meta http-equiv="refresh" content="0;url=http://evil.test/">';
    expect(content.innerHTML).toBe('<b>x</b>');
    const output = widget.appendChild(document.createElement('div'));
    output.className = 'jp-OutputArea';
    output.innerHTML = '<input>';
    expect(output.innerHTML).toBe('<input>');
    guard.dispose();
    content.innerHTML = '<input>';
    expect(content.innerHTML).toBe('<input>');
  });

  it('lets no widget pass for a part of the page', async () => {
    const guard = guardWidgets(sanitizer, document.body);
    const widget = document.body.appendChild(document.createElement('div'));
    widget.className = 'jupyter-widgets';
    widget.classList.add('jp-Dialog', 'mine');
    await Promise.resolve();
    expect(widget.className).toBe('jupyter-widgets mine');
    widget.remove();
    guard.dispose();
  });
});
