"""docker-py's client, one pool of connections behind it.

Over a Unix socket docker-py keeps a pool for each URL it has asked, 25 of them. Most URLs name a
container: hardly a connection serves twice, and those of containers that have ended stay open.
"""

from __future__ import annotations

from typing import Any

import docker
from docker.transport import UnixHTTPAdapter

MAX_CONNECTIONS = 16
"""Those that are kept; more than there are threads that call."""
_SCHEME = "http+docker://"


class _OnePool(UnixHTTPAdapter):  # type: ignore[misc]
    def get_connection(self, url: str, proxies: Any = None) -> Any:
        del url
        return super().get_connection(_SCHEME, proxies)


def connect(base_url: str | None, timeout_s: float) -> docker.APIClient:
    """Connect to an engine; `base_url` as `DockerEngine` takes it. Raises what docker-py raises."""
    if base_url is not None:
        client = docker.APIClient(base_url=base_url, version="auto", timeout=timeout_s)
    else:
        client = docker.DockerClient.from_env(version="auto", timeout=timeout_s).api
    former = client.adapters.get(_SCHEME)
    if type(former) is UnixHTTPAdapter:
        one = _OnePool(former.socket_path, timeout_s, max_pool_size=MAX_CONNECTIONS)
        client.mount(_SCHEME, one)
        former.close()
    return client
