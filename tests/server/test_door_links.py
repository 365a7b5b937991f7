"""Addresses: behind proxies, over HTTPS, and under a host name of their own."""

from __future__ import annotations

from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from interview_ext.door.links import Links
from interview_ext.errors import BadRequest
from interview_ext.rooms.model import Room
from tests.server.conftest import Server, serve


def make(**changes: Any) -> Links:
    """The links of a server with some settings."""
    plain = {"base_url": "/base/", "public_url": "", "rooms_url": "", "trusted_proxies": []}
    return Links.make(**{**plain, **changes})


class Connection:
    """Where a request came from, as tornado has it."""

    def __init__(self, remote_ip: str) -> None:
        self.context = self
        self.remote_ip = remote_ip
        self.protocol = "http"


def request(remote_ip: str = "10.0.0.1", **headers: str) -> HTTPServerRequest:
    """A request from an address, with headers."""
    given = {"Host": "127.0.0.1:8888", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return HTTPServerRequest(
        connection=Connection(remote_ip),  # type: ignore[arg-type]
        start_line=RequestStartLine("GET", "/", "HTTP/1.1"),
        headers=HTTPHeaders(given),
    )


FORWARDED = {
    "X_Forwarded_Host": "interviews.example.org",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_For": "203.0.113.9, 10.0.0.7",
}


def test_links_lead_where_the_asking_browser_is() -> None:
    links = make()
    link = links.join(request(), "room_a", "secret")
    assert link == "http://127.0.0.1:8888/base/interview/r/room_a/join#secret"
    assert not links.is_public(request())


def test_only_trusted_proxies_are_believed() -> None:
    stranger = make()
    assert stranger.origin(request(**FORWARDED)) == "http://127.0.0.1:8888"
    assert stranger.remote_ip(request(**FORWARDED)) == "10.0.0.1"
    trusting = make(trusted_proxies=["10.0.0.0/8"])
    assert trusting.origin(request(**FORWARDED)) == "https://interviews.example.org"
    assert trusting.remote_ip(request(**FORWARDED)) == "203.0.113.9"
    assert trusting.remote_ip(request("192.0.2.1", **FORWARDED)) == "192.0.2.1"
    assert trusting.is_public(request(**FORWARDED))


def test_configured_addresses_win() -> None:
    links = make(public_url="https://a.example/", rooms_url="https://rooms.example:8443")
    assert links.enter(request(), "room_a", "t") == (
        "https://rooms.example:8443/base/interview/r/room_a/join#ticket.t"
    )
    assert links.hostnames == ["a.example", "rooms.example"]


@pytest.mark.parametrize("setting", ["public_url", "rooms_url"])
def test_a_host_that_is_configured_with_https_is_secure(setting: str) -> None:
    links = make(**{setting: "https://Interviews.example.org:443/"})
    asked = request(Host="interviews.example.org")
    assert links.is_secure(asked)
    assert links.origin(asked) == "https://interviews.example.org"
    assert links.origin(request(Host="interviews.example.org:8888")).startswith("http://")
    assert links.origin(request(**FORWARDED)) == "http://127.0.0.1:8888"
    assert not links.is_secure(request(Host="a;b"))
    trusting = make(trusted_proxies=["10.0.0.0/8"], **{setting: "https://interviews.example.org"})
    inner = request(Host="127.0.0.1:8888", X_Forwarded_Host="interviews.example.org")
    assert trusting.origin(inner) == "https://interviews.example.org"
    plain = make(trusted_proxies=["10.0.0.0/8"], **{setting: "http://interviews.example.org"})
    assert plain.origin(request(**FORWARDED)) == "https://interviews.example.org"


@pytest.mark.parametrize("wrong", ["interviews.example.org", "ftp://a.example", "https://", "x:y"])
def test_wrong_settings_are_named(wrong: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        make(public_url=wrong)
    with pytest.raises(ValueError, match="wrong"):
        make(trusted_proxies=["wrong"])


@pytest.mark.parametrize("host", ["a;b", "evil'", "[::1", "a:99999999"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(BadRequest):
        make().host(request(Host=host))


async def join(server: Server, room: Room, headers: dict[str, str]) -> httpx.Response:
    token = await server.invite(room)
    client = server.client(headers=headers)
    path = server.room_path(room) + "api/join"
    return await client.post(path, json={"token": token, "name": "Cora"})


@pytest.mark.parametrize(
    ("trusted", "headers"),
    [
        (
            ["127.0.0.1"],
            {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "interviews.example.org"},
        ),
        ([], {"Host": "interviews.example.org"}),
    ],
    ids=["a trusted one", "one that keeps the host"],
)
async def test_behind_a_tls_proxy_cookies_are_secure(
    tmp_path: Path, trusted: list[str], headers: dict[str, str]
) -> None:
    headers = {**headers, "Origin": "https://interviews.example.org"}
    async with serve(
        tmp_path, trusted_proxies=trusted, public_url="https://interviews.example.org"
    ) as server:
        room = await server.room()
        joined = await join(server, room, headers)
        assert joined.status_code == 200, joined.text
        (morsel,) = SimpleCookie(joined.headers["set-cookie"]).values()
        assert morsel["secure"]
        lobby = await server.client().get(
            joined.json()["url"] + "lobby",
            headers={**headers, "Cookie": f"{morsel.key}={morsel.value}"},
        )
        assert lobby.status_code == 200
        policy = lobby.headers["content-security-policy"]
        assert "https://interviews.example.org/base/interview/r/" in policy
        assert "wss://interviews.example.org/base/interview/r/" in policy
        assert "secure" in lobby.headers["set-cookie"].lower()


async def test_the_same_headers_from_a_stranger_change_nothing(tmp_path: Path) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    async with serve(tmp_path) as server:
        room = await server.room()
        joined = await join(server, room, headers)
        (morsel,) = SimpleCookie(joined.headers["set-cookie"]).values()
        assert not morsel["secure"]
        refused = await join(server, room, {**headers, "Origin": "https://evil.example"})
        assert refused.status_code == 403
