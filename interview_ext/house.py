"""Every object of a server, put together: the one place where that is done."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from tornado.web import Application
from traitlets import TraitError

from interview_ext.api.datasets import RoomDatasets
from interview_ext.api.metrics import MeasuredLog, Metrics
from interview_ext.api.operations import Where
from interview_ext.api.routes import routes
from interview_ext.api.services import Services
from interview_ext.api.waiting import WaitingLists
from interview_ext.collab.branches import Branches
from interview_ext.collab.documents import Documents
from interview_ext.collab.export import Exporter
from interview_ext.collab.sealing import BranchKeys, SealedLog
from interview_ext.collab.socket import Desk
from interview_ext.collab.socket import handlers as document_handlers
from interview_ext.door.context import DoorOptions, Route
from interview_ext.door.doors import Doors
from interview_ext.door.for_host import ForHost
from interview_ext.door.links import Links
from interview_ext.door.pass_on import PassOn
from interview_ext.errors import InterviewError, NotFound
from interview_ext.execution.kernel_socket import KernelDesk
from interview_ext.execution.kernel_socket import routes as kernel_routes
from interview_ext.execution.launcher import SandboxLauncher
from interview_ext.execution.packages import RoomPackages
from interview_ext.execution.ports import Files, OnWait
from interview_ext.execution.service import Executions
from interview_ext.pauses import ShortPauses
from interview_ext.rooms.admission import Admission
from interview_ext.rooms.erasure import Erasure
from interview_ext.rooms.ids import digest, now
from interview_ext.rooms.model import Room, RoomState
from interview_ext.rooms.origins import Origins
from interview_ext.rooms.ports import GAP, ROOMS_TOPIC, Bus, Leases, Message, Tickets
from interview_ext.rooms.presence import Presence
from interview_ext.rooms.service import Rooms
from interview_ext.rooms.timeline import Timeline
from interview_ext.sandbox.broker import MAX_PLANNED, Broker, Schedule
from interview_ext.sandbox.broker_client import BrokerClient
from interview_ext.sandbox.broker_http import BrokerAddress, BrokerHttp
from interview_ext.sandbox.claims import server_id_of
from interview_ext.sandbox.datasets import DatasetFolder
from interview_ext.sandbox.engines import CELLS_RUN_IN, DOCKER, engine_of
from interview_ext.sandbox.installing import BuildLimits
from interview_ext.sandbox.kinds import kind
from interview_ext.sandbox.metrics import SandboxMetrics
from interview_ext.sandbox.package_images import PackageImages
from interview_ext.sandbox.provisioner import SandboxRequest
from interview_ext.sandbox.sandboxes import Sandboxes
from interview_ext.sandbox.specs import ProfileSpecs
from interview_ext.storage.backends import bus_of, leases_of, store_of

if TYPE_CHECKING:
    from interview_ext.app import InterviewApp

EXPORTS = "interviews"
PLAN_EVERY_S = 15.0

log = logging.getLogger(__name__)
DELETED = "deleted"


class House:
    """Every object of this server, put together. Made by `InterviewApp`.

    Nothing here is started before `start`; requests that come earlier are told that the
    store is closed.
    """

    def __init__(self, app: InterviewApp, *, base_url: str, root_dir: Path) -> None:
        self._app = app
        self.store = store_of(app.store_url, path=Path(app.store_path))
        self.bus = bus_for(app)
        self.timeline = Timeline(self.store, self.bus)
        self.rooms = Rooms(store=self.store, bus=self.bus, timeline=self.timeline)
        self.presence = Presence(bus=self.bus, timeline=self.timeline)
        self.leases, self._tickets = leases_for(app)
        self.admission = Admission(
            rooms=self.rooms,
            store=self.store,
            bus=self.bus,
            timeline=self.timeline,
            presence=self.presence,
            tickets=self._tickets,
        )
        export_dir = Path(app.export_dir) if app.export_dir else root_dir / EXPORTS
        self.exporter = Exporter(export_dir, timeline=self.timeline)
        registry = CollectorRegistry()
        keys = BranchKeys(self.store)
        update_log = SealedLog(MeasuredLog(self.store, registry), keys)
        self.documents = Documents(update_log=update_log, bus=self.bus, exporter=self.exporter)
        self.branches = Branches(
            rooms=self.rooms,
            documents=self.documents,
            store=self.store,
            keys=keys,
            update_log=update_log,
            bus=self.bus,
            timeline=self.timeline,
        )
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
            leases=self.leases,
            here=self.presence.rooms,
            address=app.server_url,
        )
        self.pass_on: PassOn | None = None
        if self.bus.shared:
            self.pass_on = PassOn(self.leases, self.executions.ownership.elsewhere)
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
        self._following: dict[str, set[asyncio.Task[None]]] = {}
        self.for_host: ForHost | None = None
        if self.bus.shared:
            self.for_host = ForHost(
                elsewhere=self.executions.ownership.elsewhere,
                seat=self.admission.seat_for,
                links=self.links,
            )
        self.services = Services(
            rooms=self.rooms,
            admission=self.admission,
            erasure=Erasure(
                rooms=self.rooms,
                admission=self.admission,
                store=self.store,
                bus=self.bus,
                timeline=self.timeline,
                texts=self.documents,
                quiet=self._quiet,
            ),
            waiting=WaitingLists(rooms=self.rooms, admission=self.admission, bus=self.bus),
            presence=self.presence,
            store=self.store,
            bus=self.bus,
            documents=self.documents,
            branches=self.branches,
            origins=Origins(rooms=self.rooms, store=self.store),
            executions=self.executions,
            packages=self.packages,
            pool=self.sandboxes.pool_state,
            links=self.links,
            datasets=self.datasets,
            host_name=app.host_name,
            profiles=profiles,
            asking=self.for_host,
        )
        self.metrics = Metrics(
            registry,
            rooms=self.store.list_open_rooms,
            document_sockets=lambda: self.documents.peers,
        )
        self._pauses = ShortPauses(idle=lambda: not self.presence.rooms())
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
            pass_on=self.pass_on,
        )
        self._doors.install(web_app)

    async def start(self) -> None:
        """Open the store, clean up after the last stop, and begin.

        Raises
        ------
        StoreUnavailable, BusUnavailable
        """
        if self.datasets is not None:
            await self.datasets.start()
        # Requests are answered from the moment the store is open.
        await self.bus.start()
        await self.store.start()
        await self.presence.start()
        self._pauses.start()
        self._unfollow = self.bus.subscribe(ROOMS_TOPIC, self._on_step)
        await self.documents.start()
        await self.branches.start()
        await self.sandboxes.start()
        await self.executions.start()
        await self.rooms.start()
        if self._doors is not None and self.bus.shared:
            self._doors.watch_seats()
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
        if self.for_host is not None:
            self.for_host.stop()
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
        if self._tickets is not None:
            await self._tickets.stop()
        await self.bus.stop()
        await self.store.stop()
        await self._pauses.stop()

    # -- what one part does when another moves

    def _on_step(self, message: Message) -> None:
        if message == GAP:
            self._in_background(self._follow_unheard(), "rooms that may have moved")
            return
        # Who has made the step gets things ready; the others follow with what they have open.
        work = self._follow(message["room_id"], message["state"], mine=not self.bus.from_elsewhere)
        room_id: str = message["room_id"]
        task = self._in_background(work, f"{room_id} is {message['state']}")
        self._following.setdefault(room_id, set()).add(task)
        task.add_done_callback(partial(self._followed, room_id))

    def _in_background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._steps.add(task)
        task.add_done_callback(self._steps.discard)
        return task

    def _followed(self, room_id: str, task: asyncio.Task[None]) -> None:
        following = self._following.get(room_id, set())
        following.discard(task)
        if not following:
            self._following.pop(room_id, None)

    async def _quiet(self, room_id: str) -> None:
        """Return once what follows a room's end is done: files kept, last outputs committed."""
        await asyncio.gather(*self._following.get(room_id, ()), return_exceptions=True)
        await self.executions.close_room(room_id)
        await self.documents.close_room(room_id)

    async def _follow_unheard(self) -> None:
        """Close what is open here of rooms that have ended without this server's hearing it."""
        for room_id in self.documents.rooms:
            try:
                room = await self.rooms.get(room_id)
            except NotFound:
                await self._follow(room_id, DELETED, mine=False)
            except InterviewError as error:
                log.info("room %s could not be looked at: %s", room_id, error.message)
            else:
                await self._follow(room_id, room.state, mine=False)

    async def _follow(self, room_id: str, state: str, *, mine: bool) -> None:
        if state == RoomState.PAUSED:
            await self.executions.freeze(room_id)
        elif state in (RoomState.LOBBY, RoomState.LIVE):
            await self.executions.thaw(room_id)
            if not mine:
                return
            room = await self.rooms.get(room_id)
            self.packages.begin(room, again=True)
            await self.executions.warm(room)
        elif state in (RoomState.ENDED, DELETED):
            if state == RoomState.ENDED:
                await self.executions.keep_files(room_id)
            self.packages.forget(room_id)
            await self.executions.close_room(room_id)
            await self.branches.close_room(room_id)
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

    def _routes_of(self, admitted: bool) -> list[Route]:  # noqa: FBT001 - the doors call it
        """Return the other parts' routes in a door; they check role and state themselves."""
        found: list[Route] = list(routes(Where.DOOR))
        if admitted:
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


def bus_for(app: InterviewApp) -> Bus:
    """Return the bus that the settings name.

    Raises
    ------
    TraitError
        A bus between servers beside a store that only one can have.
    """
    try:
        return bus_of(app.bus_url, store_url=app.store_url)
    except ValueError as error:
        raise TraitError(f"InterviewApp.bus_url {error}") from error


def leases_for(app: InterviewApp) -> tuple[Leases, Tickets | None]:
    """Return the leases that the settings name.

    Raises
    ------
    TraitError
        A bus between servers without this one's address.
    """
    try:
        return leases_of(app.bus_url, address=app.server_url)
    except ValueError as error:
        raise TraitError(f"InterviewApp.server_url {error}") from error


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
