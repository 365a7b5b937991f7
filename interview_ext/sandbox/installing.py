"""One installation: pip, in a container of the profile's image that is then committed.

Not by a Dockerfile: a commit is one layer with exactly what pip changed, while a second stage
would copy the whole environment (0.7 GB) and a single one would keep what was copied in. The
machine's index address and certificates are in the container while pip runs, as one folder and as
the environment of one process; neither is in the layer nor in the image's history. The container
also is confined as a build is not: no capabilities, a network of its own, limits of memory and
processes, and its disk and time are watched.

pip takes wheels only, so no code of a package runs here. Names reach it by a file. What the
packages do later they do in a room's sandbox, without network.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Self

import docker
import docker.errors
import requests
from docker.utils.socket import frames_iter

from interview_ext.errors import PackagesFailed

from .images import archive, host_files, proxies
from .profiles import GIB, MIB, Profile

LABEL = "interview.packages"
"""On our images: what was asked for, as JSON. On the containers that make them: the digest."""
WATCH_S = 2.0
SLACK_S = 60
NETWORK = "interview-packages"
"""The engine's network in which pip runs: no container of anybody else's is reached through it."""
MEMORY_BYTES = 2 * GIB
PROCESSES = 256
LINES_KEPT = 1000
"""Of what an installer says, the last: its reason stands there."""
PIP = (
    "install",
    "--no-cache-dir",
    "--disable-pip-version-check",
    "--no-input",
    "--only-binary=:all:",
    "--progress-bar=off",
    "--requirement=/build/requirements.txt",
)
_SHOWN = re.compile(r"^\s*(Collecting|Downloading|Installing collected packages:) (\S+)(.*)$")
_ADDRESS = re.compile(r"https?://\S+")
SILENT = (docker.errors.DockerException, requests.RequestException, OSError)
"""What docker-py raises when no engine answers."""
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class BuildLimits:
    """What one installation may take.

    Attributes
    ----------
    time_s:
        Longest time.
    growth_bytes:
        What an image may come to on top of its profile's; twice that while it is made, as what
        was downloaded is there beside what was unpacked.
    """

    time_s: float = 600
    growth_bytes: int = 2 * GIB


@dataclass
class _Watch:
    """Ends an installation that takes too long or too much, or whose server stops."""

    client: docker.APIClient
    container: str
    limits: BuildLimits
    closing: threading.Event
    problem: str = ""
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, name="packages-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        ends = time.monotonic() + self.limits.time_s
        try:
            while not self.problem and not self._done.wait(WATCH_S):
                if self.closing.is_set():
                    self.problem = "The server is being stopped."
                elif time.monotonic() > ends:
                    self.problem = f"They were not installed within {self.limits.time_s:.0f} s."
                elif self.grown_bytes() > 2 * self.limits.growth_bytes:
                    self.problem = self.too_large
            if self.problem:
                self.client.remove_container(self.container, force=True)
        except SILENT:  # the engine has gone, or the container has: the installation ends too
            return

    @property
    def too_large(self) -> str:
        """What is said of packages that take too much."""
        return f"They take more than {self.limits.growth_bytes // MIB} MB."

    def grown_bytes(self) -> int:
        """What the container has written so far."""
        rows = self.client.containers(all=True, size=True, filters={"id": self.container})
        return int(rows[0].get("SizeRw", 0)) if rows else 0


def install(
    client: docker.APIClient,
    profile: Profile,
    *,
    base: Any,
    digest: str,
    limits: BuildLimits,
    closing: threading.Event,
    tell: Progress,
) -> str:
    """Install a profile's packages; return the id of an image without a name. Blocks.

    Parameters
    ----------
    base:
        The engine's description of the profile's image.
    closing:
        Set when the server stops: the installation is ended then.

    Raises
    ------
    PackagesFailed
        pip's own sentence, or that they took too long or too much.
    """
    body = _body(base["Id"], digest, limits)
    _provide_network(client)
    container = str(client.create_container_from_config(body)["Id"])
    watch = _Watch(client, container, limits, closing)
    try:
        files = _files(profile)
        client.put_archive(container, "/", archive(files))
        client.start(container)
        with watch:
            code, lines = _install(client, container, profile, files, tell)
        if code:
            raise PackagesFailed(watch.problem or _reason(lines))
        _execute(client, container, ["/bin/rm", "-rf", "/build"], {})
        if watch.grown_bytes() > limits.growth_bytes:
            raise PackagesFailed(watch.too_large)
        return _commit(client, container, base, profile)
    except SILENT:
        if watch.problem:  # it was ended in mid-word
            raise PackagesFailed(watch.problem) from None
        raise
    finally:
        _end(client, container)


def _provide_network(client: docker.APIClient) -> None:
    if any(row["Name"] == NETWORK for row in client.networks(names=[NETWORK])):
        return
    apart = {"com.docker.network.bridge.enable_icc": "false"}
    try:
        client.create_network(NETWORK, driver="bridge", options=apart, check_duplicate=True)
    except docker.errors.APIError as error:
        if error.status_code != 409:  # another server has made it at the same moment
            raise


def _body(base: str, digest: str, limits: BuildLimits) -> dict[str, Any]:
    """The container in which pip runs: it ends and goes by itself if its server has gone."""
    return {
        "Image": base,
        "User": "0:0",
        "WorkingDir": "/",
        "Entrypoint": ["/bin/sleep"],
        "Cmd": [str(int(limits.time_s + SLACK_S))],
        "Labels": {LABEL: digest},
        "HostConfig": {
            "AutoRemove": True,
            "NetworkMode": NETWORK,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Memory": MEMORY_BYTES,
            "MemorySwap": MEMORY_BYTES,
            "NanoCpus": 1_000_000_000,
            "PidsLimit": PROCESSES,
            "LogConfig": {"Type": "none", "Config": {}},
        },
    }


def _files(profile: Profile) -> dict[str, bytes]:
    listed = "".join(f"{package}\n" for package in profile.packages)
    ours = {f"build/{name}": content for name, content in host_files().items()}
    return {"build/requirements.txt": listed.encode(), **ours}


def _install(
    client: docker.APIClient,
    container: str,
    profile: Profile,
    files: Collection[str],
    tell: Progress,
) -> tuple[int, list[str]]:
    """Run the installer; return its exit code and what it said."""
    environment = {"HOME": "/root", "PIP_ROOT_USER_ACTION": "ignore", **proxies()}
    for name, variable in (("ca.pem", "PIP_CERT"), ("pip.conf", "PIP_CONFIG_FILE")):
        if f"build/host/{name}" in files:
            environment[variable] = f"/build/host/{name}"
    argv = profile.installer.argv if profile.installer is not None else ()
    return _execute(client, container, [*argv, *PIP], environment, tell)


def _execute(
    client: docker.APIClient,
    container: str,
    argv: list[str],
    environment: dict[str, str],
    tell: Progress = lambda _: None,
) -> tuple[int, list[str]]:
    made = client.exec_create(container, argv, environment=environment, user="0:0", workdir="/")
    lines: list[str] = []
    rest = ""
    with _output(client, made["Id"]) as output:
        for _, chunk in frames_iter(output, tty=False):
            *whole, rest = (rest + chunk.decode("utf-8", "replace")).split("\n")
            for line in whole:
                lines.append(line)
                shown = _shown(line)
                if shown:
                    tell(shown)
            del lines[:-LINES_KEPT]
    code = client.exec_inspect(made["Id"])["ExitCode"]
    return (1 if code is None else int(code)), [*lines, rest]


def _output(client: docker.APIClient, process: str) -> socket.socket:
    """Start a process; what it says comes through the socket, which docker-py would not close."""
    wrapped = client.exec_start(process, socket=True)
    raw = getattr(wrapped, "_sock", wrapped)
    return socket.socket(fileno=raw.detach())


def _shown(line: str) -> str:
    """What a host sees of a line of pip's: no address of an index."""
    found = _SHOWN.match(line)
    if found is None:
        return ""
    what, first, rest = found.groups()
    if what == "Downloading":
        return f"{what} {first.rsplit('/', 1)[-1]}{rest}"[:200]
    if what == "Collecting":
        return f"{what} {first}"[:200]
    return "Installing what was downloaded"


def _reason(lines: list[str]) -> str:
    """Return pip's own sentence about why it failed."""
    errors = [
        line.removeprefix("ERROR: ").strip()
        for line in lines
        if line.startswith("ERROR: ") and "ResolutionImpossible" not in line
    ]
    said = errors[-1] if errors else "The installer failed without a reason."
    return _ADDRESS.sub("the package index", said)[:500]


def _commit(client: docker.APIClient, container: str, base: Any, profile: Profile) -> str:
    """Make an image of the container that is started as the profile's is; return its id."""
    config = {
        **base["Config"],
        "Labels": {
            **(base["Config"].get("Labels") or {}),
            LABEL: json.dumps(profile.packages),
        },
    }
    made = client.commit(container, conf=config)
    return str(made["Id"])


def _end(client: docker.APIClient, container: str) -> None:
    try:
        client.remove_container(container, force=True)
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):  # gone, or going by itself
            raise
