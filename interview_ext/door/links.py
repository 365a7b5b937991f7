"""Addresses: the paths of the doors, and the links that other people's browsers reach."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from interview_ext.errors import BadRequest

ROOMS_PREFIX = "interview/r/"
_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$")

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True)
class Links:
    """Builds every address of this package. Made once by ``house.py``.

    Attributes
    ----------
    base_url:
        The Jupyter server's base URL, with slashes around.
    public_url:
        Where others' browsers reach the server, up to and without `base_url`
        (``https://interviews.example.org``); empty: where the asking request came to.
    rooms_url:
        The same for the doors, if they have a host name of their own; empty: `public_url`.
    trusted_proxies:
        Addresses whose ``X-Forwarded-*`` headers are believed.
    """

    base_url: str
    public_url: str = ""
    rooms_url: str = ""
    trusted_proxies: tuple[Network, ...] = ()

    @classmethod
    def make(
        cls, *, base_url: str, public_url: str, rooms_url: str, trusted_proxies: list[str]
    ) -> Links:
        """Return links from settings as people write them; `ValueError` names a wrong one."""
        return cls(
            base_url=base_url,
            public_url=_clean(public_url),
            rooms_url=_clean(rooms_url),
            trusted_proxies=tuple(ipaddress.ip_network(p, strict=False) for p in trusted_proxies),
        )

    # -- paths

    @property
    def rooms_path(self) -> str:
        """Path above all rooms."""
        return self.base_url + ROOMS_PREFIX

    def room_path(self, room_id: str) -> str:
        """Path above all doors of a room; the path of its seat cookies."""
        return f"{self.rooms_path}{room_id}/"

    def door_path(self, room_id: str, participant_id: str) -> str:
        """Base URL of a participant's own application."""
        return f"{self.room_path(room_id)}{participant_id}/"

    # -- links

    def join(self, request: HTTPServerRequest, room_id: str, secret: str) -> str:
        """Return an invite's link. The token stands in the fragment, which reaches no log."""
        root = self.rooms_url or self.public_url or self.origin(request)
        return f"{root}{self.room_path(room_id)}join#{secret}"

    def enter(self, request: HTTPServerRequest, room_id: str, ticket: str) -> str:
        """Return the host's own way in."""
        return self.join(request, room_id, f"ticket.{ticket}")

    def is_public(self, request: HTTPServerRequest) -> bool:
        """Whether a link made for this request leads others to the server."""
        host = urlsplit(self.rooms_url or self.public_url or self.origin(request)).hostname or ""
        try:
            return not ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host != "localhost"

    # -- what a request says

    def origin(self, request: HTTPServerRequest) -> str:
        """Return scheme and host as the person's browser shows them.

        Raises
        ------
        BadRequest
            The Host header is no host.
        """
        return f"{'https' if self.is_secure(request) else 'http'}://{self.host(request)}"

    def host(self, request: HTTPServerRequest) -> str:
        """Return host and port as in the browser's address bar; may raise `BadRequest`."""
        host = self._host(request)
        if not _HOST.match(host):
            raise BadRequest("The request names no valid host.")
        return host

    def is_secure(self, request: HTTPServerRequest) -> bool:
        """Whether the browser talks HTTPS: to the server, to a trusted proxy before it, or to a
        host that is configured with it.
        """
        urls = (urlsplit(url) for url in (self.public_url, self.rooms_url))
        hosts = {url.netloc.lower().removesuffix(":443") for url in urls if url.scheme == "https"}
        if self._host(request).removesuffix(":443") in hosts:
            return True
        proto = self._forwarded(request, "X-Forwarded-Proto") or request.protocol
        return proto.lower() == "https"

    def remote_ip(self, request: HTTPServerRequest) -> str:
        """Return the address of the person's end: the last one that no trusted proxy has."""
        peer = request.remote_ip or ""
        chain = request.headers.get("X-Forwarded-For", "").split(",")
        for address in reversed([a.strip() for a in chain if a.strip()]):
            if not self._trusts(peer):
                break
            peer = address
        return peer

    @property
    def hostnames(self) -> list[str]:
        """Host names of `public_url` and `rooms_url`, under which the doors may be asked."""
        urls = (self.public_url, self.rooms_url)
        return [name for url in urls if (name := urlsplit(url).hostname)]

    def _host(self, request: HTTPServerRequest) -> str:
        return (self._forwarded(request, "X-Forwarded-Host") or request.host).lower()

    def _forwarded(self, request: HTTPServerRequest, header: str) -> str:
        if not self._trusts(request.remote_ip or ""):
            return ""
        return request.headers.get(header, "").split(",")[0].strip()

    def _trusts(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self.trusted_proxies)


def _clean(url: str) -> str:
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not _HOST.match(parts.netloc):
        raise ValueError(f"not an address such as https://interviews.example.org: {url!r}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
