/** Links in what others wrote: asked about, and opened without a way back here. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

/** Where links are somebody else's. */
const FOREIGN =
  '.jp-OutputArea, .jp-RenderedHTMLCommon, .jp-RenderedText, .jp-MarkdownOutput, .jp-Tooltip, .jp-HoverBox, .jupyter-widgets, .vega-embed';

/** Where links in SVG have their address. */
const XLINK = 'http://www.w3.org/1999/xlink';

/** Follow clicks on such links until the result is disposed. */
export function guardLinks(root: HTMLElement, trans: TranslationBundle): IDisposable {
  let disposed = false;
  const onClick = (event: MouseEvent): void => {
    const target = event.target instanceof Element ? event.target : null;
    let link = target?.closest('a, area');
    while (link && addressOf(link) === null) {
      link = link.parentElement?.closest('a, area');
    }
    if (!link?.closest(FOREIGN)) {
      return;
    }
    const address = addressOf(link) ?? '';
    if (address.startsWith('#')) {
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    void ask(address, trans);
  };
  root.addEventListener('click', onClick, true);
  root.addEventListener('auxclick', onClick, true);
  return {
    get isDisposed(): boolean {
      return disposed;
    },
    dispose: () => {
      disposed = true;
      root.removeEventListener('click', onClick, true);
      root.removeEventListener('auxclick', onClick, true);
    }
  };
}

function addressOf(link: Element): string | null {
  return link.getAttribute('href') ?? link.getAttributeNS(XLINK, 'href');
}

/** Return where a link leads if that is another site on the web; null for anything else. */
export function webAddress(address: string): URL | null {
  try {
    const url = new URL(address, 'invalid:');
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

async function ask(address: string, trans: TranslationBundle): Promise<void> {
  const url = webAddress(address);
  if (url === null || url.origin === window.location.origin) {
    return;
  }
  const result = await showDialog({
    title: trans.__('Leave the interview’s page?'),
    body: trans.__(
      'This link was put into the notebook by somebody in the room. It opens %1 in another tab.',
      url.host || url.href
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Stay') }),
      Dialog.okButton({ label: trans.__('Open') })
    ],
    defaultButton: 0
  });
  if (result.button.accept) {
    window.open(url.href, '_blank', 'noopener,noreferrer');
  }
}
