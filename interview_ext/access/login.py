"""The host by the Jupyter server's own login.

Outside the doors the server stays stock: its identity provider says who somebody is.
Rooms belong to an owner's name, which has to be the same tomorrow and in another browser.
"""

from __future__ import annotations

from typing import Protocol

from jupyter_server.auth import IdentityProvider, User

from interview_ext.errors import Unauthenticated

SERVER_OWNER = "owner"
"""Owner of the rooms of a server with one login for all: whoever knows its token or
password. jupyter_server gives each of their browsers another anonymous user name."""


class LoggedIn(Protocol):
    """The part of a `JupyterHandler` that this module reads."""

    @property
    def current_user(self) -> User | None: ...

    @property
    def identity_provider(self) -> IdentityProvider: ...


def has_one_login(provider: IdentityProvider) -> bool:
    """Whether everybody who signs in is the same owner: jupyter_server's own providers.

    A provider of anybody else's (JupyterHub's, a company's) names people.
    """
    return type(provider).__module__.split(".")[0] == "jupyter_server"


def owner_name(handler: LoggedIn) -> str:
    """Return whose rooms the signed-in person sees.

    Raises
    ------
    Unauthenticated
        Nobody is signed in.
    """
    user = handler.current_user
    if user is None:
        raise Unauthenticated("Nobody is signed in on this server.")
    return SERVER_OWNER if has_one_login(handler.identity_provider) else user.username


def display_name(handler: LoggedIn) -> str | None:
    """Return what the signed-in person is called, if the server's login says it."""
    user = handler.current_user
    if user is None or has_one_login(handler.identity_provider):
        return None
    return user.display_name
