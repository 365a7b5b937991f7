"""The server extension: its settings, and the one place where its objects are put together."""

from __future__ import annotations

import asyncio
import getpass
import logging
import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from prometheus_client import CollectorRegistry
from tornado.web import Application
from traitlets import Bool, Dict, Enum, Int, List, TraitError, Unicode, default, validate

from interview_ext.api.datasets import RoomDatasets
from interview_ext.api.handlers.metrics import METRICS_PATH, MetricsHandler
from interview_ext.api.metrics import MeasuredLog, Metrics
from interview_ext.api.operations import Where
from interview_ext.api.routes import routes
from interview_ext.api.services import SETTING, Services
from interview_ext.collab.documents import Documents
from interview_ext.collab.export import Exporter
from interview_ext.collab.socket import Desk
from interview_ext.collab.socket import handlers as document_handlers
from interview_ext.door.context import DoorOptions, Route
from interview_ext.door.doors import Doors
from interview_ext.door.links import Links
from interview_ext.errors import InterviewError
from interview_ext.execution.kernel_socket import KernelDesk
from interview_ext.execution.kernel_socket import routes as kernel_routes
from interview_ext.execution.launcher import SandboxLauncher
from interview_ext.execution.packages import RoomPackages
from interview_ext.execution.ports import Files, OnWait
from interview_ext.execution.service import Executions
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.admission import Admission
from interview_ext.rooms.ids import digest, now
from interview_ext.rooms.model import Room, RoomState
from interview_ext.rooms.ports import ROOMS_TOPIC, Message
from interview_ext.rooms.presence import Presence
from interview_ext.rooms.service import Rooms
from interview_ext.rooms.timeline import Timeline
from interview_ext.sandbox.broker import MAX_PLANNED, Broker, Schedule
from interview_ext.sandbox.broker_client import BrokerClient
from interview_ext.sandbox.broker_http import BrokerAddress, BrokerHttp
from interview_ext.sandbox.claims import server_id_of
from interview_ext.sandbox.datasets import DatasetFolder
from interview_ext.sandbox.engines import CELLS_RUN_IN, DOCKER, ENGINES, engine_of, profiles_for
from interview_ext.sandbox.installing import BuildLimits
from interview_ext.sandbox.kinds import kind, without_installers
from interview_ext.sandbox.metrics import SandboxMetrics
from interview_ext.sandbox.package_images import PackageImages
from interview_ext.sandbox.profile_settings import (
    check_names,
    check_runtime,
    profiles_of,
    profiles_with,
)
from interview_ext.sandbox.profiles import GIB, Profile
from interview_ext.sandbox.provisioner import SandboxRequest
from interview_ext.sandbox.sandboxes import Sandboxes
from interview_ext.sandbox.specs import ProfileSpecs
from interview_ext.storage.backends import check_url, store_of
from interview_ext.storage.memory_bus import MemoryBus

EXPORTS = "interviews"
PLAN_EVERY_S = 15.0

log = logging.getLogger(__name__)
DELETED = "deleted"


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
        cluster is needed. A database belongs to one server at a time. Empty: `store_path`, in whose
        folder the server keeps a little of its own in any case.""",
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

    datasets_bytes = Int(
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

    join_attempts_per_minute = Int(
        60,
        min=1,
        max=100_000,
        help="""How often a minute one address may open or redeem invite links (1 to 100000).""",
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

    sandbox_pool_size = Int(
        1,
        min=0,
        max=50,
        help="""Sandboxes kept started for each warm profile at least, so that a room gets its
        kernel at once (0 to 50). More are started ahead of interviews that are planned, of any
        profile, and when many were asked for lately. 0: none are kept, whatever is planned.""",
    ).tag(config=True)

    sandbox_pool_memory_bytes = Int(
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

    max_sandboxes = Int(
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

    room_packages_build_s = Int(
        600,
        min=10,
        max=7200,
        help="Longest time, in seconds, that installing a room's packages may take (10 to 7200).",
    ).tag(config=True)

    room_packages_bytes = Int(
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

    @validate("public_url", "rooms_url")
    def _valid_url(self, proposal: Any) -> str:
        url: str = proposal["value"]
        try:
            Links.make(base_url="/", public_url=url, rooms_url="", trusted_proxies=[])
        except ValueError as error:
            raise TraitError(f"InterviewApp.{proposal['trait'].name}: {error}") from error
        return url

    @validate("store_url")
    def _valid_store_url(self, proposal: Any) -> str:
        try:
            check_url(proposal["value"])
        except ValueError as error:
            raise TraitError(f"InterviewApp.store_url {error}") from error
        return str(proposal["value"])

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

    def initialize_settings(self) -> None:
        """Called by jupyter_server once its web application stands."""
        server = self._server
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

    async def stop_extension(self) -> None:
        """Called by jupyter_server when it stops."""
        await self.house.stop()

    @property
    def _server(self) -> ServerApp:
        if self.serverapp is None:
            raise RuntimeError("The extension has not been linked to a server.")
        return self.serverapp


class House:
    """Every object of this server, put together. Made by `InterviewApp`.

    Nothing here is started before `start`; requests that come earlier are told that the
    store is closed.
    """

    def __init__(self, app: InterviewApp, *, base_url: str, root_dir: Path) -> None:
        self._app = app
        self.store = store_of(app.store_url, path=Path(app.store_path))
        self.bus = MemoryBus()
        self.timeline = Timeline(self.store, self.bus)
        self.rooms = Rooms(store=self.store, bus=self.bus, timeline=self.timeline)
        self.presence = Presence(bus=self.bus, timeline=self.timeline)
        self.admission = Admission(
            rooms=self.rooms,
            store=self.store,
            bus=self.bus,
            timeline=self.timeline,
            presence=self.presence,
        )
        export_dir = Path(app.export_dir) if app.export_dir else root_dir / EXPORTS
        self.exporter = Exporter(export_dir, timeline=self.timeline)
        registry = CollectorRegistry()
        update_log = MeasuredLog(self.store, registry)
        self.documents = Documents(update_log=update_log, bus=self.bus, exporter=self.exporter)
        self.desk = Desk(documents=self.documents, access=self.rooms, bus=self.bus)
        profiles = app.profiles
        folder = datasets_of(app)
        self.sandboxes = broker_of(app, SandboxMetrics(registry), folder)
        self.packages = RoomPackages(prepare=self.sandboxes.prepare, bus=self.bus)
        self.datasets: RoomDatasets | None = None
        if folder is not None:
            self.datasets = RoomDatasets(
                folder, named=self.store.named_datasets, dropped=self.sandboxes.drop
            )
        self.executions = Executions(
            rooms=self.rooms,
            documents=self.documents,
            launcher=SandboxLauncher(
                request=self._sandbox_of,
                sandboxes=self.sandboxes,
                specs=ProfileSpecs(profiles),
            ),
            store=self.store,
            bus=self.bus,
            timeline=self.timeline,
            packages=self.packages,
        )
        self.kernel_desk = KernelDesk(
            executions=self.executions,
            access=self.rooms,
            bus=self.bus,
            timeline=self.timeline,
        )
        self.links = Links.make(
            base_url=base_url,
            public_url=app.public_url,
            rooms_url=app.rooms_url,
            trusted_proxies=app.trusted_proxies,
        )
        self.services = Services(
            rooms=self.rooms,
            admission=self.admission,
            presence=self.presence,
            store=self.store,
            bus=self.bus,
            documents=self.documents,
            executions=self.executions,
            packages=self.packages,
            pool=self.sandboxes.pool_state,
            links=self.links,
            datasets=self.datasets,
            host_name=app.host_name,
            profiles=profiles,
        )
        self.metrics = Metrics(
            registry,
            rooms=self.store.list_open_rooms,
            document_sockets=lambda: self.documents.peers,
        )
        self._doors: Doors | None = None
        self._steps: set[asyncio.Task[None]] = set()
        self._unfollow: Callable[[], None] | None = None

    def open_doors(self, web_app: Application) -> None:
        """Stand before what the server answers."""
        self._doors = Doors(
            self.services,
            kernels=self.executions,
            links=self.links,
            server_settings=web_app.settings,
            options=DoorOptions(
                extensions=self._app.room_extensions,
                cells_run_in=CELLS_RUN_IN[self._app.sandbox_engine],
                join_attempts_per_minute=self._app.join_attempts_per_minute,
            ),
            api_routes=self._routes_of,
            cache_dir=Path(self._app.store_path).parent,
        )
        self._doors.install(web_app)

    async def start(self) -> None:
        """Open the store, clean up after the last stop, and begin.

        Raises
        ------
        StoreUnavailable
        """
        if self.datasets is not None:
            await self.datasets.start()
        await self.store.start()
        await self.bus.start()
        self._unfollow = self.bus.subscribe(ROOMS_TOPIC, self._on_step)
        await self.documents.start()
        await self.sandboxes.start()
        await self.executions.start()
        await self.rooms.start()
        if self.datasets is not None:  # what a killed server has left; nothing waits for it
            await self.datasets.sweep()
        self._steps.add(asyncio.create_task(self._tell_plans(), name="plans"))

    async def stop(self) -> None:
        """End what runs, finish what was accepted, close the store."""
        await self.rooms.stop()
        if self._unfollow is not None:
            self._unfollow()
        for task in list(self._steps):
            task.cancel()
        await asyncio.gather(*self._steps, return_exceptions=True)
        if self._doors is not None:
            await self._doors.stop()
        await self.kernel_desk.stop()
        await self.packages.stop()
        await self.executions.stop()
        await self.sandboxes.stop()
        if self.datasets is not None:
            await self.datasets.stop()
        await self.documents.stop()
        await self.exporter.stop()
        await self.desk.stop()
        await self.presence.stop()
        await self.bus.stop()
        await self.store.stop()

    # -- what one part does when another moves

    def _on_step(self, message: Message) -> None:
        work = self._follow(message["room_id"], message["state"])
        task = asyncio.create_task(work, name=f"{message['room_id']} is {message['state']}")
        self._steps.add(task)
        task.add_done_callback(self._steps.discard)

    async def _follow(self, room_id: str, state: str) -> None:
        if state == RoomState.PAUSED:
            await self.executions.freeze(room_id)
        elif state in (RoomState.LOBBY, RoomState.LIVE):
            await self.executions.thaw(room_id)
            room = await self.rooms.get(room_id)
            self.packages.begin(room, again=True)
            await self.executions.warm(room)
        elif state in (RoomState.ENDED, DELETED):
            if state == RoomState.ENDED:
                await self.executions.keep_files(room_id)
            self.packages.forget(room_id)
            await self.executions.close_room(room_id)
            await self.documents.close_room(room_id)
            if state == DELETED and self.datasets is not None:
                await self.datasets.sweep()

    async def _tell_plans(self) -> None:
        """Tell whoever keeps sandboxes warm what is planned, again and again."""
        while True:
            try:
                rooms = await self.store.list_open_rooms()
                for room in rooms:
                    self.packages.begin(room)
                await self.sandboxes.plan(_planned(rooms))
            except InterviewError as error:
                log.info("what is planned could not be told: %s", error.message)
            await asyncio.sleep(PLAN_EVERY_S)

    def _sandbox_of(self, room: Room, files: Files, adopt: str, on_wait: OnWait) -> SandboxRequest:
        return SandboxRequest(
            sandboxes=self.sandboxes,
            room=room.id,
            profile=kind(room.profile, room.packages),
            files=files,
            run_limit=False,
            adopt=adopt,
            on_wait=on_wait,
        )

    def _routes_of(self, actor: Actor) -> list[Route]:
        """Return the other parts' routes in a door; they check role and state themselves."""
        found: list[Route] = list(routes(Where.DOOR))
        if actor.admitted:
            found += document_handlers(self.desk)
            found += kernel_routes(self.kernel_desk)
        return found


def _planned(rooms: list[Room]) -> Schedule:
    """Return the planned starts of rooms that will ask for a sandbox for the first time."""
    coming = [room for room in rooms if room.state is RoomState.SCHEDULED]
    coming.sort(key=lambda room: abs(room.starts_at - now()))
    planned: dict[str, dict[str, datetime]] = {}
    for room in coming[:MAX_PLANNED]:
        planned.setdefault(kind(room.profile, room.packages), {})[room.id] = room.starts_at
    return planned


def datasets_of(app: InterviewApp) -> DatasetFolder | None:
    """Return where large data files go; None if cells run where they cannot be mounted."""
    if app.sandbox_engine != DOCKER:
        return None
    store_path = Path(app.store_path)
    beside = store_path.with_name(f"{store_path.name}.datasets")
    folder = Path(app.datasets_dir) if app.datasets_dir else beside
    return DatasetFolder(folder, max_bytes=app.datasets_bytes)


def broker_of(
    app: InterviewApp,
    metrics: SandboxMetrics | None = None,
    datasets: DatasetFolder | None = None,
) -> Broker:
    """Return what rooms get their sandboxes from: this process, or the broker that is set.

    Raises
    ------
    TraitError
        A broker without a token, or with an engine beside it.
    """
    store_path = Path(app.store_path)
    claims = store_path.with_name(f"{store_path.name}.claims")
    try:
        server_id = server_id_of(claims)
    except OSError:  # the store, which cannot be opened either, says so
        server_id = digest(f"{socket.gethostname()}:{store_path}")[:16]
    if app.sandbox_broker:
        if not app.sandbox_broker_token_file:
            raise TraitError("InterviewApp.sandbox_broker_token_file: a broker needs a token")
        if app.sandbox_engine != DOCKER:
            raise TraitError(
                f"InterviewApp.sandbox_engine: {app.sandbox_engine!r} cannot be used beside "
                "InterviewApp.sandbox_broker, which has an engine of its own"
            )
        ca_file = app.sandbox_broker_ca_file
        http = BrokerHttp(
            BrokerAddress.parse(app.sandbox_broker),
            token_file=Path(app.sandbox_broker_token_file),
            ca_file=Path(ca_file) if ca_file else None,
        )
        return BrokerClient(http, server_id=server_id, profiles=app.profiles, datasets=datasets)
    return Sandboxes(
        server_id=server_id,
        engine=engine_of(
            app.sandbox_engine,
            runtime=app.sandbox_runtime,
            datasets=datasets.shared if datasets else None,
        ),
        profiles=app.profiles,
        pool_size=app.sandbox_pool_size,
        pool_bytes=app.sandbox_pool_memory_bytes,
        warm=app.sandbox_warm_profiles,
        packages=_package_images(app),
        max_sandboxes=app.max_sandboxes,
        claims=claims,
        datasets=datasets,
        metrics=metrics,
    )


def _package_images(app: InterviewApp) -> PackageImages | None:
    if app.sandbox_engine != DOCKER or not app.room_packages:
        return None
    limits = BuildLimits(time_s=app.room_packages_build_s, growth_bytes=app.room_packages_bytes)
    return PackageImages(limits=limits)
