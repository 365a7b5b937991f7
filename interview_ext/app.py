"""The server extension: its settings. `house` puts its objects together."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, Dict, Enum, List, TraitError, Unicode, default, validate

from interview_ext.api.handlers.metrics import METRICS_PATH, MetricsHandler
from interview_ext.api.operations import Where
from interview_ext.api.routes import routes
from interview_ext.api.services import SETTING
from interview_ext.door.links import Links
from interview_ext.errors import BusUnavailable, InterviewError, StoreUnavailable
from interview_ext.house import House
from interview_ext.sandbox.broker_http import BrokerAddress
from interview_ext.sandbox.engines import DOCKER, ENGINES, profiles_for
from interview_ext.sandbox.kinds import without_installers
from interview_ext.sandbox.profile_settings import (
    check_names,
    check_runtime,
    profiles_of,
    profiles_with,
)
from interview_ext.sandbox.profiles import GIB, Profile
from interview_ext.sandbox.traits import Range
from interview_ext.storage.backends import MONGODB, REDIS, check_url


class InterviewApp(ExtensionApp):
    """Interview rooms for JupyterLab."""

    name = "interview_ext"
    description = "Live data-science interviews: rooms, roles, shared notebooks, sandboxes."
    extension_url = "/lab"
    load_other_extensions = True

    store_path = Unicode(
        help="""The SQLite file that holds rooms, people, documents and timelines. It and its
        folder are made when missing. A file belongs to one server at a time.""",
    ).tag(config=True)

    store_url = Unicode(
        "",
        help="""The MongoDB database that holds them instead of the file, such as
        ``mongodb://user:password@host1,host2/interviews?replicaSet=rs&tls=true``, or
        ``mongodb+srv://…``, with the options of MongoDB's own drivers. A replica set or a sharded
        cluster is needed. A database belongs to one server at a time, or to the servers that share
        a `bus_url`. A server that cannot reach it when it starts says so and exits. Empty:
        `store_path`, in whose folder the server keeps a little of its own in any case.""",
    ).tag(config=True)

    bus_url = Unicode(
        "",
        help="""The Redis by which several servers of the same `store_url` hear of each other at
        once, such as ``rediss://user:password@host:6379/0`` (``rediss`` is TLS), with the options
        of redis-py's URLs. Nothing is kept there. Empty: a single server.""",
    ).tag(config=True)

    server_url = Unicode(
        "",
        help="""Where the other servers that share a `bus_url` reach this one, without its base
        URL, such as ``http://10.0.0.7:8888``: a server that is asked about a room whose cells
        another one runs passes the request on to it. Needed with a `bus_url`, and of no use
        without.""",
    ).tag(config=True)

    export_dir = Unicode(
        help="""Folder into which each room's documents are written as files, in a folder for
        each room. Empty: ``interviews`` in the server's root folder. The files are copies:
        they are never read back.""",
    ).tag(config=True)

    datasets_dir = Unicode(
        help="""Folder for data files above 16 MiB: each content once, however many rooms have it,
        mounted read-only by their sandboxes. It belongs to one server at a time; cells can read
        its path. Empty: beside `store_path`, named after it.""",
    ).tag(config=True)

    datasets_bytes = Range(
        100 * GIB,
        min=0,
        max=1024 * 1024 * GIB,
        help="""What all data files above 16 MiB may have together, in bytes (0 to 1 PiB); equal
        contents count once.""",
    ).tag(config=True)

    host_name = Unicode(
        help="""What candidates see as the host's name when a room is created without one.""",
    ).tag(config=True)

    public_url = Unicode(
        "",
        help="""Where other people's browsers reach this server, without its base URL, such as
        ``https://interviews.example.org``. Empty: the address at which the host's own browser
        reached it. Behind a proxy that is not in `trusted_proxies` this has to be set.""",
    ).tag(config=True)

    rooms_url = Unicode(
        "",
        help="""The same for the rooms, if they have a host name of their own, which must lead to
        this server too. Browsers then keep what candidates make away from the server's own
        pages, on top of the rooms' content security policy. Empty: `public_url`.""",
    ).tag(config=True)

    trusted_proxies = List(
        Unicode(),
        help="""Addresses or networks of proxies whose ``X-Forwarded-For``, ``-Host`` and
        ``-Proto`` headers are believed, such as ``10.0.0.0/8``. None by default.""",
    ).tag(config=True)

    room_extensions = List(
        Unicode(),
        help="""Names of prebuilt JupyterLab extensions that rooms load besides the built-in
        list (ours, collaboration's, widgets'). An extension sees all that happens in a room.""",
    ).tag(config=True)

    join_attempts_per_minute = Range(
        300,
        min=1,
        max=100_000,
        help="""How often a minute one address may open or redeem invite links (1 to 100000). Each
        who comes does it two or three times, and a whole campus may have one address.""",
    ).tag(config=True)

    sandbox_profiles = Dict(
        help="""Sandbox profiles besides the built-in ones, by name: the folder that holds
        ``profile.json`` and ``Dockerfile``, such as ``{"julia": "/srv/profiles/julia"}``. With a
        broker the same entry is needed there, where the image is built.""",
    ).tag(config=True)

    sandbox_warm_profiles = List(
        Unicode(),
        default_value=["python"],
        help="""The profiles whose sandboxes are kept started. A sandbox of another profile is
        started when a room needs it, which takes one to a few seconds.""",
    ).tag(config=True)

    sandbox_engine = Enum(
        ENGINES,
        default_value=DOCKER,
        help="""What cells run in: ``docker``, locked-down containers; ``wasm``,
        Python in WebAssembly with the standard library only; or ``process``, plain processes of
        the server's own user, which isolates nothing and is only for servers that are throw-away
        containers themselves, such as Binder's. No engine is ever used in place
        of the one that is named.""",
    ).tag(config=True)

    sandbox_pool_size = Range(
        1,
        min=0,
        max=50,
        help="""Sandboxes kept started for each warm profile at least, so that a room gets its
        kernel at once (0 to 50). More are started ahead of interviews that are planned, of any
        profile, and when many were asked for lately. 0: none are kept, whatever is planned.""",
    ).tag(config=True)

    sandbox_pool_memory_bytes = Range(
        GIB,
        min=0,
        max=1024 * GIB,
        help="""Memory that all sandboxes which wait may take together, in bytes (0 to 1 TiB), those
        of `sandbox_pool_size` included. A waiting one of the profile ``python`` is counted with
        128 MiB.""",
    ).tag(config=True)

    sandbox_runtime = Unicode(
        "",
        help="""The container runtime of all sandboxes, by the name that the engine knows it by,
        such as ``runsc`` (gVisor) or ``kata``. Empty: the engine's default.""",
    ).tag(config=True)

    max_sandboxes = Range(
        100,
        min=1,
        max=10_000,
        help="""Sandboxes that may exist at once, those of the pool included (1 to 10000). When all
        are taken, a room waits up to five minutes for its own, in the order of asking.""",
    ).tag(config=True)

    sandbox_limits = Dict(
        help="""Limits of the sandbox profiles that differ from the built-in ones, by profile, such
        as ``{"python": {"memory_bytes": 2147483648, "cpus": 2}}``.""",
    ).tag(config=True)

    room_packages = Bool(
        True,
        help="""Whether hosts may name packages that a room's sandbox has on top of its profile's.
        They come from the package index that pip goes by on this machine. With a broker, both
        have to allow it.""",
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

    sandbox_broker = Unicode(
        "",
        help="""Where the broker listens from which rooms get their sandboxes:
        ``unix:///run/interview-broker/broker.sock`` or ``https://broker.example.org:8443``. It
        owns the container engine, its pool and its limits, and `sandbox_pool_size`,
        `sandbox_warm_profiles`, `max_sandboxes`, `sandbox_limits`, `sandbox_runtime`,
        `room_packages_build_s` and `room_packages_bytes` are then its own. Empty: this server owns
        an engine.""",
    ).tag(config=True)

    sandbox_broker_token_file = Unicode(
        "",
        help="""File with the token that the broker's administrator made for this server, and for
        no other (``jupyter interview broker-token NAME``).""",
    ).tag(config=True)

    sandbox_broker_ca_file = Unicode(
        "",
        help="""Certificates by which the broker is believed, when it is reached over HTTPS.
        Empty: those of the system.""",
    ).tag(config=True)

    @default("store_path")
    def _default_store_path(self) -> str:
        return str(Path(jupyter_data_dir()) / "interviews" / "interviews.sqlite")

    @default("host_name")
    def _default_host_name(self) -> str:
        return getpass.getuser().capitalize()

    @validate(
        "store_path",
        "export_dir",
        "datasets_dir",
        "sandbox_broker_token_file",
        "sandbox_broker_ca_file",
    )
    def _absolute_path(self, proposal: Any) -> str:
        path: str = proposal["value"]
        return str(Path(path).expanduser().absolute()) if path else path

    @validate("public_url", "rooms_url", "server_url")
    def _valid_url(self, proposal: Any) -> str:
        url: str = proposal["value"]
        try:
            Links.make(base_url="/", public_url=url, rooms_url="", trusted_proxies=[])
        except ValueError as error:
            raise TraitError(f"InterviewApp.{proposal['trait'].name}: {error}") from error
        return url

    @validate("store_url", "bus_url")
    def _valid_service_url(self, proposal: Any) -> str:
        name, url = proposal["trait"].name, proposal["value"]
        try:
            check_url(url, MONGODB if name == "store_url" else REDIS)
        except ValueError as error:
            raise TraitError(f"InterviewApp.{name} {error}") from error
        return str(url)

    @validate("sandbox_broker")
    def _valid_broker(self, proposal: Any) -> str:
        url: str = proposal["value"]
        try:
            if url:
                BrokerAddress.parse(url)
        except ValueError as error:
            raise TraitError(f"InterviewApp.sandbox_broker: {error}") from error
        return url

    @validate("trusted_proxies")
    def _valid_proxies(self, proposal: Any) -> list[str]:
        proxies: list[str] = proposal["value"]
        try:
            Links.make(base_url="/", public_url="", rooms_url="", trusted_proxies=proxies)
        except ValueError as error:
            raise TraitError(f"InterviewApp.trusted_proxies: {error}") from error
        return proxies

    @validate("sandbox_profiles")
    def _valid_profiles(self, proposal: Any) -> dict[str, Any]:
        profiles_of(proposal["value"], trait="InterviewApp.sandbox_profiles")
        return dict(proposal["value"])

    @validate("sandbox_warm_profiles")
    def _valid_warm_profiles(self, proposal: Any) -> list[str]:
        trait = "InterviewApp.sandbox_warm_profiles"
        check_names(proposal["value"], self._profiles({}), trait=trait)
        return list(proposal["value"])

    @validate("sandbox_limits")
    def _valid_limits(self, proposal: Any) -> dict[str, Any]:
        self._profiles(proposal["value"])
        return dict(proposal["value"])

    @validate("sandbox_runtime")
    def _valid_runtime(self, proposal: Any) -> str:
        check_runtime(proposal["value"], trait="InterviewApp.sandbox_runtime")
        return str(proposal["value"])

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """The sandbox profiles that rooms can have."""
        profiles = profiles_for(self.sandbox_engine, self._profiles(self.sandbox_limits))
        return profiles if self.room_packages else without_installers(profiles)

    def _profiles(self, limits: Mapping[str, Any]) -> Mapping[str, Profile]:
        return profiles_with(
            limits,
            trait="InterviewApp.sandbox_limits",
            profiles=profiles_of(self.sandbox_profiles, trait="InterviewApp.sandbox_profiles"),
        )

    # -- putting together

    def _link_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Called by jupyter_server with the configuration."""
        with self._rightly_configured():
            super()._link_jupyter_server_extension(serverapp)

    @contextmanager
    def _rightly_configured(self) -> Iterator[None]:
        """End the server, with a line that says why, if a setting is wrong.

        It would otherwise start without any rooms, behind a traceback.
        """
        try:
            yield
        except TraitError as error:
            self.log.critical("The server does not start, since a setting is wrong: %s", error)
            self.exit(1)

    def initialize_settings(self) -> None:
        """Called by jupyter_server once its web application stands."""
        server = self._server
        with self._rightly_configured():
            self.house = House(self, base_url=server.base_url, root_dir=Path(server.root_dir))
        self.settings[SETTING] = self.house.services

    def initialize_handlers(self) -> None:
        """Called by jupyter_server after `initialize_settings`."""
        self.handlers.extend(routes(Where.SERVER))
        self.handlers.append((METRICS_PATH, MetricsHandler, {"metrics": self.house.metrics}))
        self.house.open_doors(self._server.web_app)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Called by jupyter_server once the event loop runs."""
        del serverapp
        try:
            await self.house.start()
        except InterviewError as error:
            self.log.critical("Interviews cannot be held: %s %s", error.message, error.hint)
            lost = isinstance(error, StoreUnavailable) and self.store_url
            if lost or isinstance(error, BusUnavailable):
                # Who names a store or a bus runs a server for interviews, and has something that
                # starts it again; without, it is somebody's own JupyterLab, which does other
                # things too. A server that the others do not hear must not serve rooms.
                self.exit(1)

    async def stop_extension(self) -> None:
        """Called by jupyter_server when it stops."""
        await self.house.stop()

    @property
    def _server(self) -> ServerApp:
        if self.serverapp is None:
            raise RuntimeError("The extension has not been linked to a server.")
        return self.serverapp
