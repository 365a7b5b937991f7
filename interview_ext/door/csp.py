"""Content security policies of the doors.

They name paths, never ``'self'``: on a default Jupyter server ``'self'`` is the host's
whole server, so ``<img src=/logout>`` or a fetch of ``/api/contents`` from a cell's output
would go out under the host's login. Tried on JupyterLab 4.6.6 with sockets, matplotlib,
MathJax and ipywidgets.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where a page may reach, as absolute addresses that end with a slash.

    Attributes
    ----------
    origin:
        Scheme and host, as in the browser's address bar.
    door_path:
        What the page may talk to: a door, or a room's public part for the landing page.
    static_path:
        What scripts, styles and fonts may come from.
    """

    origin: str
    door_path: str
    static_path: str

    @property
    def door(self) -> str:
        return self.origin + self.door_path

    @property
    def door_socket(self) -> str:
        return "ws" + self.door.removeprefix("http")

    @property
    def static(self) -> str:
        return self.origin + self.static_path


_CLOSED = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
}


def lab_policy(scope: Scope, *, inline_script: str) -> str:
    """Return the policy of JupyterLab in a door, and of every answer there but static files.

    ``'unsafe-eval'`` is needed by JupyterLab (JSON schemas are compiled), inline styles by
    CodeMirror and Lumino, ``blob:`` workers by the mermaid and PDF renderers. A `srcdoc` frame
    inherits this; frames that run scripts of their own come from the frame page, which has
    `FRAME_POLICY`.

    Parameters
    ----------
    inline_script:
        The text of the one inline script that runs, allowed by its digest
        (https://www.w3.org/TR/CSP3/#match-element-to-source-list). No other one ever does, and
        no event handler in an attribute.
    """
    return _policy(
        _CLOSED
        | {
            "script-src": f"'unsafe-eval' {_digest_source(inline_script)} {scope.static}",
            "style-src": f"'unsafe-inline' {scope.static}",
            "font-src": f"data: {scope.static}",
            "img-src": f"data: blob: {scope.static} {scope.door}",
            "media-src": "data: blob:",
            "connect-src": f"{scope.door} {scope.door_socket} {scope.static}",
            "worker-src": f"blob: {scope.static}",
            "frame-src": f"{scope.static}frame/",
            "manifest-src": "'none'",
        }
    )


def page_policy(scope: Scope, *, inline_script: str) -> str:
    """Return the policy of our own small pages: no inline style, no eval, one inline script."""
    return _policy(
        _CLOSED
        | {
            "script-src": f"{_digest_source(inline_script)} {scope.static}rooms/",
            "style-src": f"{scope.static}rooms/",
            "img-src": f"data: {scope.static}rooms/",
            "connect-src": f"{scope.door} {scope.door_socket} {scope.static}",
        }
    )


STATIC_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""For scripts, styles and fonts, should somebody open one as a page."""


FRAME_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; "
    "base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types default"
)
"""For the frame in which HTML output runs its own scripts: an origin of its own, no
network. The page around it keeps it there: its ``frame-src`` also holds for where the
frame navigates itself to. WebRTC is the one way out that no policy closes (Chromium 156
knows no ``webrtc`` directive): the frame page takes it away, and by its Trusted Types keeps
documents within it from having it. What stays is that the browser opens a connection to
where a frame is sent (by ``src``, ``location`` or a refresh) before it refuses to go there, and
sends nothing over it."""


def _digest_source(text: str) -> str:
    """A script's text as a source: the SHA-256 digest of its UTF-8, in base64."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _policy(directives: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in directives.items())
