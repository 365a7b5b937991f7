"""``jupyter interview broker``: the process that owns the container engine, and its settings."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_core.application import JupyterApp
from jupyter_core.paths import jupyter_data_dir
from prometheus_client import CollectorRegistry
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket
from traitlets import Bool, Dict, List, TraitError, Unicode, default, validate

from .broker_clients import BrokerUsers
from .broker_datasets import BrokerDatasets
from .broker_desk import BrokerDesk
from .broker_http import BrokerAddress
from .broker_server import MAX_BODY_BYTES, application
from .claims import server_id_of
from .datasets import DatasetFolder
from .docker import DockerEngine
from .installing import BuildLimits
from .kinds import without_installers
from .metrics import SandboxMetrics
from .package_images import PackageImages
from .profile_settings import check_names, check_runtime, profiles_of, profiles_with
from .profiles import GIB, Profile
from .sandboxes import Sandboxes
from .traits import Range

CLIENTS = "clients.json"
CLAIMS = "claims"
DATASETS = "datasets"
SOCKET = "broker.sock"
BACKLOG = 4096
"""Connections that wait to be accepted: every server may open `broker_http.MAX_CLIENTS` at once. A
Unix socket refuses one more at once, where TCP would try again (unix(7), EAGAIN)."""


class BrokerApp(JupyterApp):
    """Owns the container engine, and hands out sandboxes to interview servers."""

    name = "jupyter-interview-broker"
    description = "Hands out sandboxes of its container engine to interview servers."

    state_dir = Unicode(
        help="""Folder, entered by nobody else, that holds the clients' file, the socket and what
        is needed to find the sandboxes again after a restart. One broker per folder.""",
    ).tag(config=True)

    listen = Unicode(
        help="""Where to listen: ``unix:///path/of/a/socket``, ``https://0.0.0.0:8443`` or, on
        loopback only, ``http://127.0.0.1:8442``. Empty: ``broker.sock`` in `state_dir`.""",
    ).tag(config=True)

    certfile = Unicode("", help="Certificate (PEM) for HTTPS.").tag(config=True)

    keyfile = Unicode("", help="Private key (PEM) for HTTPS.").tag(config=True)

    sandbox_profiles = Dict(
        help="""Profiles besides the built-in ones, by name: the folder that holds
        ``profile.json`` and ``Dockerfile``. Servers need the same entry.""",
    ).tag(config=True)

    warm_profiles = List(
        Unicode(), default_value=["python"], help="The profiles whose sandboxes are kept started."
    ).tag(config=True)

    pool_size = Range(
        1,
        min=0,
        max=50,
        help="""Sandboxes kept started for each warm profile at least (0 to 50); more ahead of
        interviews that the clients have planned. 0: none, whatever is planned.""",
    ).tag(config=True)

    pool_memory_bytes = Range(
        GIB,
        min=0,
        max=1024 * GIB,
        help="Memory that all sandboxes which wait may take together, in bytes (0 to 1 TiB).",
    ).tag(config=True)

    runtime = Unicode(
        "",
        help="""The container runtime of all sandboxes, such as ``runsc`` or ``kata``. Empty: the
        engine's default.""",
    ).tag(config=True)

    max_sandboxes = Range(
        100,
        min=1,
        max=10_000,
        help="Sandboxes of all clients that may exist at once, the pool included (1 to 10000).",
    ).tag(config=True)

    room_packages = Bool(
        True,
        help="""Whether rooms of the clients may have packages on top of a profile's. They come
        from the package index that pip goes by on this machine.""",
    ).tag(config=True)

    room_packages_build_s = Range(
        600,
        min=10,
        max=7200,
        help="Longest time, in seconds, that installing a room's packages may take (10 to 7200).",
    ).tag(config=True)

    room_packages_bytes = Range(
        2 * GIB,
        min=1024 * 1024,
        max=64 * GIB,
        help="""Bytes by which an image may grow by a room's packages (1 MiB to 64 GiB). While they
        are installed they may take twice that.""",
    ).tag(config=True)

    sandbox_limits = Dict(
        help="""Limits of the profiles that differ from the built-in ones, by profile, such as
        ``{"python": {"memory_bytes": 2147483648}}``.""",
    ).tag(config=True)

    datasets_bytes = Range(
        100 * GIB,
        min=0,
        max=1024 * 1024 * GIB,
        help="""What all large data files that clients have sent may have together, in bytes (0 to
        1 PiB); equal contents count once. They lie in `state_dir`, whose path cells can read.""",
    ).tag(config=True)

    @default("state_dir")
    def _default_state_dir(self) -> str:
        return str(Path(jupyter_data_dir()) / "interview-broker")

    @default("listen")
    def _default_listen(self) -> str:
        return f"unix://{Path(self.state_dir).absolute() / SOCKET}"

    @default("log_level")
    def _default_log_level(self) -> int:
        return logging.INFO

    @validate("listen")
    def _valid_listen(self, proposal: Any) -> str:
        url: str = proposal["value"]
        try:
            BrokerAddress.parse(url)
        except ValueError as error:
            raise TraitError(f"BrokerApp.listen: {error}") from error
        return url

    @validate("sandbox_profiles")
    def _valid_profiles(self, proposal: Any) -> dict[str, Any]:
        profiles_of(proposal["value"], trait="BrokerApp.sandbox_profiles")
        return dict(proposal["value"])

    @validate("warm_profiles")
    def _valid_warm_profiles(self, proposal: Any) -> list[str]:
        check_names(proposal["value"], self._profiles({}), trait="BrokerApp.warm_profiles")
        return list(proposal["value"])

    @validate("sandbox_limits")
    def _valid_limits(self, proposal: Any) -> dict[str, Any]:
        self._profiles(proposal["value"])
        return dict(proposal["value"])

    @validate("runtime")
    def _valid_runtime(self, proposal: Any) -> str:
        check_runtime(proposal["value"], trait="BrokerApp.runtime")
        return str(proposal["value"])

    def _profiles(self, limits: Mapping[str, Any]) -> Mapping[str, Profile]:
        return profiles_with(
            limits,
            trait="BrokerApp.sandbox_limits",
            profiles=profiles_of(self.sandbox_profiles, trait="BrokerApp.sandbox_profiles"),
        )

    @property
    def clients_file(self) -> Path:
        """Who may come; see `BrokerUsers`."""
        return Path(self.state_dir).absolute() / CLIENTS

    def start(self) -> None:
        """Serve until a signal to end."""
        super().start()
        logging.getLogger("interview_ext").setLevel(int(str(self.log_level)))
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
        folder = Path(self.state_dir).absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        lock = _lock(folder)
        try:
            asyncio.run(self._serve(folder))
        finally:
            os.close(lock)

    async def _serve(self, folder: Path) -> None:
        claims = folder / CLAIMS
        profiles = self._profiles(self.sandbox_limits)
        registry = CollectorRegistry()
        datasets = DatasetFolder(folder / DATASETS, max_bytes=self.datasets_bytes)
        desk = BrokerDesk(
            Sandboxes(
                server_id=server_id_of(claims),
                engine=DockerEngine(runtime=self.runtime, datasets=datasets.shared),
                profiles=profiles if self.room_packages else without_installers(profiles),
                packages=self._package_images(),
                pool_size=self.pool_size,
                pool_bytes=self.pool_memory_bytes,
                warm=self.warm_profiles,
                max_sandboxes=self.max_sandboxes,
                claims=claims,
                datasets=datasets,
                metrics=SandboxMetrics(registry),
            ),
            datasets=BrokerDatasets(datasets, folder / DATASETS / "uses"),
            registry=registry,
        )
        await desk.start()
        try:
            server = self._listen(desk)
        except BaseException:  # an address that is taken, a certificate that cannot be read
            await desk.stop()
            raise
        self.log.info("the sandbox broker listens on %s", self.listen)
        ending = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
        try:
            await ending.wait()
        finally:
            server.stop()
            await desk.stop()
            await server.close_all_connections()

    def _package_images(self) -> PackageImages | None:
        if not self.room_packages:
            return None
        limits = BuildLimits(
            time_s=self.room_packages_build_s, growth_bytes=self.room_packages_bytes
        )
        return PackageImages(limits=limits)

    def _listen(self, desk: BrokerDesk) -> HTTPServer:
        address = BrokerAddress.parse(self.listen)
        tls = None
        if address.base.startswith("https:"):
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.certfile, self.keyfile or None)
        server = HTTPServer(
            application(desk, BrokerUsers(self.clients_file)),
            ssl_options=tls,
            max_body_size=MAX_BODY_BYTES,
        )
        if address.socket_path:
            # Seen by no one before it has its mode: the folder is entered by nobody else.
            server.add_socket(bind_unix_socket(address.socket_path, 0o600, BACKLOG))
            return server
        host, port = address.host_and_port()
        server.add_sockets(bind_sockets(port, host, backlog=BACKLOG))
        return server


def _lock(folder: Path) -> int:
    """Hold the folder until the end of the process. Raises TraitError if another broker does."""
    lock = os.open(folder / "broker.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise TraitError(f"BrokerApp.state_dir: another broker uses {folder}") from None
    return lock
