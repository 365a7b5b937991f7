"""Who the host is outside the doors."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from jupyter_server.auth import IdentityProvider, User
from jupyter_server.auth.identity import LegacyIdentityProvider, PasswordIdentityProvider

from interview_ext.access.login import SERVER_OWNER, display_name, owner_name
from interview_ext.errors import Unauthenticated
from tests.server.conftest import TOKEN, Server


class CompanyLogin(IdentityProvider):
    """A provider that names people, as JupyterHub's does."""


@dataclass
class Handler:
    """What `access.login` reads of a handler."""

    current_user: User | None
    identity_provider: IdentityProvider


STOCK = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)


@pytest.mark.parametrize("provider", STOCK)
def test_one_login_for_all_is_one_owner(provider: type[IdentityProvider]) -> None:
    one, two = (
        Handler(User(username=name, display_name=f"Anonymous {name}"), provider())
        for name in ("browser1", "browser2")
    )
    assert owner_name(one) == owner_name(two) == SERVER_OWNER
    assert display_name(one) is None


def test_a_login_that_names_people_is_believed() -> None:
    handler = Handler(User(username="hanna", display_name="Hanna Host"), CompanyLogin())
    assert owner_name(handler) == "hanna"
    assert display_name(handler) == "Hanna Host"


def test_nobody_is_no_owner() -> None:
    with pytest.raises(Unauthenticated):
        owner_name(Handler(None, CompanyLogin()))


@pytest.mark.asyncio(loop_scope="module")
async def test_rooms_are_found_again_from_another_browser(server: Server) -> None:
    room = await server.room()
    for _ in range(2):
        browser = server.client(headers={"Authorization": f"token {TOKEN}"})
        rooms = (await browser.get(f"{server.base_url}interview/api/rooms")).json()["rooms"]
        assert room.id in [r["id"] for r in rooms]
    stranger = await server.client().get(f"{server.base_url}interview/api/rooms")
    assert stranger.status_code == 401
