"""A person's own web application: settings from an allow-list, routes from a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tornado.routing import Rule
from tornado.web import Application

from interview_ext.door.base import secure_headers
from interview_ext.door.context import DoorContext
from interview_ext.door.csp import Scope, lab_policy
from interview_ext.door.lab_settings import DoorSettings
from interview_ext.door.page import START_SCRIPT
from interview_ext.door.routes import MissingHandler
from interview_ext.door.seats import SeatAuthorizer, SeatIdentity
from interview_ext.rooms.actor import Actor

SERVER_SETTINGS = frozenset(
    {
        "allow_remote_access",
        "iopub_data_rate_limit",
        "iopub_msg_rate_limit",
        "kernel_ws_protocol",
        "limit_rate",
        "local_hostnames",
        "log_function",
        "rate_limit_window",
        "started",
        "version_hash",
    }
)
"""All that a door takes over from the Jupyter server: logging, limits, host names. No
managers, no secrets, no configuration, no application object."""

_PING_INTERVAL_S = 25
"""jupyter_server pings no socket by default; proxies drop quiet ones after 30 s or more."""


def make_application(
    actor: Actor,
    *,
    origin: str,
    secure: bool,
    context: DoorContext,
    server_settings: Mapping[str, Any],
    own_settings: DoorSettings,
    rules: Sequence[Rule],
) -> Application:
    """Return the application behind one seat's door, for as long as `actor` is true.

    Parameters
    ----------
    origin:
        Scheme and host under which the browser sees the door; policies name it.
    own_settings:
        JupyterLab's settings of this person, which outlive the application.
    rules:
        See `routes.door_rules`.
    """
    door_path = context.links.door_path(actor.room_id, actor.id)
    scope = Scope(origin=origin, door_path=door_path, static_path=context.assets.url_path)
    identity = SeatIdentity(actor=actor, token="", updatable_fields=[])
    settings: dict[str, Any] = {
        name: server_settings[name] for name in SERVER_SETTINGS & server_settings.keys()
    }
    hosts = [*settings.get("local_hostnames", ["localhost"]), *context.links.hostnames]
    settings.update(
        local_hostnames=hosts,
        base_url=door_path,
        login_url=door_path,
        identity_provider=identity,
        authorizer=SeatAuthorizer(rooms=context.services.rooms, identity_provider=identity),
        compress_response=True,
        xsrf_cookies=True,
        xsrf_cookie_kwargs={"path": door_path, "samesite": "Lax", "secure": secure},
        trusted_origins=[origin],  # asked by tornado's sockets from 6.6 on
        allow_unauthenticated_access=False,
        headers=secure_headers(lab_policy(scope, inline_script=START_SCRIPT)),
        websocket_ping_interval=_PING_INTERVAL_S,
        interview_services=context.services,
        interview_door=context,
        interview_scope=scope,
        interview_lab_settings=own_settings,
        default_handler_class=MissingHandler,
    )
    return Application(list(rules), **settings)
