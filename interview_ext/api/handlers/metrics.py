"""Figures for Prometheus, outside the doors only.

Guarded as jupyter_server guards its own ``/metrics``: by the server's login or token unless
``ServerApp.authenticate_prometheus`` is off. It is no part of the API: it stands in no door's
routes and not in the table of operations.
"""

from __future__ import annotations

from http import HTTPStatus

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from prometheus_client import CONTENT_TYPE_LATEST
from tornado.web import HTTPError

from interview_ext.api.base import AUTH_RESOURCE
from interview_ext.api.metrics import Metrics

METRICS_PATH = "interview/metrics"


class MetricsHandler(JupyterHandler):
    """``GET {base url}interview/metrics``"""

    def initialize(self, metrics: Metrics) -> None:
        """Be told what to show."""
        self._metrics = metrics

    @allow_unauthenticated
    async def get(self) -> None:
        """Answer in Prometheus's text format."""
        if self.settings["authenticate_prometheus"]:
            await self._check_login()
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.set_header("Cache-Control", "no-store")
        self.finish(await self._metrics.text())

    async def _check_login(self) -> None:
        user = self.current_user
        if user is None:
            raise HTTPError(HTTPStatus.FORBIDDEN)
        if not await ensure_async(self.authorizer.is_authorized(self, user, "read", AUTH_RESOURCE)):
            raise HTTPError(HTTPStatus.FORBIDDEN)
