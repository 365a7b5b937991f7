"""A server extension of somebody else's, as any host may have installed: it knows no rooms."""

from __future__ import annotations

from typing import Any

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web


class CarelessHandler(APIHandler):
    """Asks for a login, and no authorizer."""

    @web.authenticated
    def get(self) -> None:
        self.finish({"secret": "third party data"})

    post = get


class OpenHandler(JupyterHandler):
    """Asks for nothing that an authorizer would see."""

    @web.authenticated
    def get(self) -> None:
        self.finish("third party page")


def _load_jupyter_server_extension(app: Any) -> None:
    base = app.web_app.settings["base_url"]
    app.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "/third-party/data"), CarelessHandler),
            (url_path_join(base, "/third-party/page"), OpenHandler),
        ],
    )
