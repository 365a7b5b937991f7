"""Running cells: who may, what exactly, and where it goes."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from datetime import datetime
from typing import Any

from interview_ext.errors import (
    BadRequest,
    BranchNoRuns,
    Conflict,
    EngineUnavailable,
    Forbidden,
    InterviewError,
    NotFound,
    OwnerElsewhere,
    RoomNotLive,
    TooManyRequests,
)
from interview_ext.execution.cells import Cell, source_digest
from interview_ext.execution.elsewhere import Elsewhere, cells_topic
from interview_ext.execution.elsewhere import Shown as ShownElsewhere
from interview_ext.execution.items import Item
from interview_ext.execution.keeping import Keeper
from interview_ext.execution.kernels import ALL_TAKEN, RoomKernel, kernel_id
from interview_ext.execution.ownership import Ownership, RoomIds
from interview_ext.execution.packages import RoomPackages
from interview_ext.execution.ports import (
    EngineState,
    ExecutionStore,
    KernelDeath,
    KernelLauncher,
    RoomAccess,
    RunDocuments,
    WorkFiles,
)
from interview_ext.execution.records import UNFINISHED, InputRequest, SandboxStatus
from interview_ext.execution.recovery import REASON, TAKEN_OVER, end_unfinished
from interview_ext.execution.rest import Rest
from interview_ext.execution.runner import RoomRunner
from interview_ext.execution.shown import Shown, source_shown
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import Clock, new_id, now
from interview_ext.rooms.model import EVERYONE, DataFile, Document, Room, RoomState, Run
from interview_ext.rooms.ports import Bus, Lease, Leases, Recorder
from interview_ext.rooms.roles import Action, may_read
from interview_ext.storage.memory_leases import MemoryLeases

log = logging.getLogger(__name__)

MAX_FREEZING = 20
"""Requests of one person that may wait for keystrokes at once: each hashes the cell at every
keystroke. A page of ours has one at a time."""
MAX_ANSWER = 64 * 1024
"""Characters of an answer to ``input()``."""
ENGINE_MEMORY_S = 5.0
"""How long what an engine said is shown: every page asks, at every change of the sandbox."""
DATA_FOLDER = "data"
_UP = frozenset({"ready", "busy"})
_LIVING = _UP | {"starting"}
START_S = 60.0
"""How long a run waits for the server's start, in which the runs of its last process are ended."""


class Executions:
    """All runs of this server. Made once by ``house.py``."""

    def __init__(
        self,
        *,
        rooms: RoomAccess,
        documents: RunDocuments,
        launcher: KernelLauncher,
        store: ExecutionStore,
        bus: Bus,
        timeline: Recorder,
        packages: RoomPackages | None = None,
        clock: Clock = now,
        leases: Leases | None = None,
        here: RoomIds = tuple,
        address: str = "",
    ) -> None:
        self._rooms = rooms
        self.ownership = Ownership(
            leases or MemoryLeases(), recover=self._recover, here=self._open_here
        )
        self._here = here
        self._address = address
        self._elsewhere = Elsewhere(bus)
        self._starting = False
        self._left: dict[str, str] = {}
        self._asked: dict[str, Callable[[], None]] = {}
        self._packages = packages
        self._documents = documents
        self._launcher = launcher
        self._store = store
        self._bus = bus
        self._timeline = timeline
        self._clock = clock
        self._runners: dict[str, RoomRunner] = {}
        self._rests: dict[str, Rest] = {}
        self._keeper = Keeper(store=store, timeline=timeline)
        self._engine: tuple[float, EngineState] | None = None
        self._started = asyncio.Event()
        self._freezing: Counter[str] = Counter()
        self._ending: dict[asyncio.Task[None], str] = {}
        """The ends that are under way, with their rooms."""
        self._closed_rooms: set[str] = set()
        self._stopped = False

    # -- life

    async def start(self) -> None:
        """Adopt the kernels that have outlived the server's last process, end the other runs that
        it cut off; from then on, take new ones.
        """
        self._starting = True
        await self.ownership.start(self)
        self._left = {room: name for name, room in (await self._launcher.left()).items()}
        for room in await self._store.list_open_rooms():
            await self._go_on(room)
        self._starting = False
        self._started.set()
        for name in self._left.values():  # of rooms that have ended, or are another server's
            await self._launcher.release(name)
        self._left = {}
        if self._address:
            self.ownership.look_after()

    async def _go_on(self, room: Room) -> None:
        """Clear up after the last process, if another server has not done so already."""
        try:
            runs = [] if room.id in self._left else await self._store.list_runs(room.id)
            if room.id in self._left or any(run.state in UNFINISHED for run in runs):
                await self.ownership.claim_again(room.id, self._address)
        except InterviewError as error:
            log.warning("runs of room %s were not ended: %s", room.id, error.message)

    async def _recover(self, lease: Lease) -> None:
        """See `ownership.Recover`."""
        room = await self._rooms.get(lease.room_id)
        if room.state.is_over:
            return
        starting = self._starting
        going_on = await end_unfinished(
            store=self._store,
            documents=self._documents,
            timeline=self._timeline,
            clock=self._clock,
            left=self._left,
            rooms=[room],
            reason=REASON if starting else TAKEN_OVER,
        )
        for found, item in going_on.values():
            runner = self._runner(found)
            if found.state is RoomState.PAUSED:
                await runner.freeze()
            runner.outlived(self._left.pop(found.id), item)
        if lease.fence > 1 and not starting and room.id not in self._closed_rooms:
            self._go_on_without(room, await self._store.list_runs(room.id))

    def _open_here(self) -> Collection[str]:
        return set(self._here()) - self._closed_rooms

    def _go_on_without(self, room: Room, runs: list[Run]) -> None:
        """Say that the kernel of the server before is gone, as of one that has died here."""
        known = self._elsewhere.of(room.id)
        had = known.state in _LIVING if known else any(run.started_at for run in runs)
        runner = self._runner(room)
        if had and not runner.kernel.running:
            runner.kernel.is_gone(KernelDeath(reason=TAKEN_OVER, detail="Another one goes on."))
        runner.kernel_changed()

    # -- what becomes of leases (see rooms.ports.LeaseListener)

    def doubtful(self, room_id: str) -> None:
        """See `LeaseListener`."""
        if room_id in self._runners:
            self._runners[room_id].suspend()

    def regained(self, room_id: str) -> None:
        """See `LeaseListener`."""
        if room_id in self._runners:
            self._runners[room_id].resume()

    def lost(self, room_id: str) -> None:
        """See `LeaseListener`."""
        self.ownership.forget(room_id)
        rest, runner = self._rests.pop(room_id, None), self._runners.pop(room_id, None)
        self._answer_no_more(room_id)
        if runner is not None:
            log.warning("room %s is another server's now; its kernel here ends", room_id)
            self._in_the_end(room_id, _leave(rest, runner))

    async def stop(self) -> None:
        """End all runs and kernels; whoever comes later is refused."""
        self._stopped = True
        await self._end([*self._runners], "the server was stopped")
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self.ownership.stop()
        self._elsewhere.stop()

    async def close_room(self, room_id: str) -> None:
        """End the runs and the kernel of a room that has ended or is deleted, for good."""
        self._closed_rooms.add(room_id)
        await self._end([room_id], "the interview has ended")
        await self.ownership.release(room_id)
        self._elsewhere.forget(room_id)

    async def keep_files(self, room_id: str) -> None:
        """Take out what the cells wrote, before `close_room` destroys it; the room has ended."""
        runner = self._runners.get(room_id)
        if runner is None or not runner.kernel.running:
            return
        # Whoever is frozen cannot answer.
        await self._runner_does(room_id, RoomRunner.thaw)
        await self._keeper.keep(room_id, runner.kernel)

    async def freeze(self, room_id: str) -> None:
        """Let the room's kernel compute nothing: the interview is paused."""
        await self._runner_does(room_id, RoomRunner.freeze)

    async def thaw(self, room_id: str) -> None:
        """Let it go on."""
        await self._runner_does(room_id, RoomRunner.thaw)

    async def _runner_does(
        self, room_id: str, work: Callable[[RoomRunner], Awaitable[None]]
    ) -> None:
        runner = self._runners.get(room_id)
        if runner is None:
            return
        try:
            await work(runner)
        except InterviewError as error:
            log.warning("the sandbox of room %s did not follow: %s", room_id, error.message)

    def use(self, room: Room) -> None:
        """Start the room's next kernel with the packages it has now."""
        if room.id in self._runners:
            self._runners[room.id].kernel.use(room)

    async def warm(self, room: Room) -> None:
        """Start the room's kernel ahead of the first cell; a failure shows at the first run."""
        try:
            await self._ready(room.id)
            await self._runner(room).kernel.start()
        except OwnerElsewhere:
            return  # that server does
        except InterviewError as error:
            log.warning("the kernel of room %s is not ready: %s", room.id, error.message)

    # -- runs

    async def submit(
        self, actor: Actor, *, document_id: str, cell_id: str, source_sha256: str
    ) -> Run:
        """Accept a run of the cell whose source the page showed.

        Raises
        ------
        Forbidden, RoomNotLive, NotFound
            The actor may not run this cell.
        SourceMismatch
            The server's copy of the cell has not become what the page showed.
        EngineUnavailable
            Nothing can run now.
        TooManyRequests
            Too many runs wait.
        """
        room, document = await self._may_run(actor, document_id)
        # Pages come back while the server still ends the runs that its last stop cut off.
        await self._ready(room.id)
        runner = self._runner(room)
        shared = await self._documents.open(document)
        cell = Cell(shared, cell_id)
        if self._freezing[actor.id] >= MAX_FREEZING:
            raise TooManyRequests("Too many runs wait for what you have typed.")
        self._freezing[actor.id] += 1
        # Before its turn: by then the page may show something else, and the document too.
        freezing = asyncio.create_task(source_shown(shared, cell, source_sha256, self._clock()))
        try:
            # One person's requests one after another: a cell that is still on its way must not
            # be overtaken by the next one of "run all". Others are not held up.
            async with runner.turns[actor.id]:
                if not runner.kernel.running:
                    await self._check_engine()
                frozen = await freezing
                await self._may_run(actor, document_id)  # the wait may have outlived the right
                return await self._accept(actor, runner, cell, frozen)
        finally:
            self._freezing[actor.id] -= 1
            freezing.cancel()
            await asyncio.gather(freezing, return_exceptions=True)

    async def runs(self, actor: Actor) -> list[Run]:
        """Return the runs in documents that the actor may read, in the order of acceptance."""
        room = await self._rooms.check(actor, Action.DOCUMENT_READ)
        documents = await self._store.list_documents(room.id)
        shown = {d.id for d in documents if may_read(actor.role, room, d)}
        return [r for r in await self._store.list_runs(room.id) if r.document_id in shown]

    async def run(self, actor: Actor, run_id: str) -> Run:
        """Return one run; `NotFound` if it does not exist for the actor."""
        await self._rooms.check(actor, Action.DOCUMENT_READ)
        run = await self._store.get_run(run_id)
        if run is None or run.room_id != actor.room_id:
            raise NotFound("There is no such run in this interview.")
        await self._rooms.document(actor, run.document_id)
        return run

    async def interrupt(self, actor: Actor, run_id: str | None = None) -> None:
        """Interrupt a run, or whatever runs now; an ended run is left as it is."""
        room = await self._rooms.check(actor, Action.RUN)
        if run_id is not None and (await self.run(actor, run_id)).state not in UNFINISHED:
            return
        await self._ready(room.id)
        if room.id in self._runners:
            await self._note(room, "run.interrupt", actor, {"run": run_id})
            await self._runners[room.id].interrupt(run_id)

    async def extend(self, actor: Actor, run_id: str, seconds: float) -> Run:
        """Give a running cell more time; for those who lead the room.

        Raises
        ------
        Conflict
            It does not run.
        """
        room = await self._rooms.check(actor, Action.ROOM_MANAGE)
        await self.run(actor, run_id)
        await self._ready(room.id)
        runner = self._runners.get(room.id)
        if runner is None:
            raise Conflict("This cell is not running.")
        run = await runner.extend(run_id, seconds)
        await self._note(room, "run.extended", actor, {"run": run_id, "seconds": seconds})
        return run

    async def restart(self, actor: Actor) -> None:
        """Replace the room's kernel by a fresh one.

        Raises
        ------
        SandboxError
        """
        room = await self._rooms.check(actor, Action.RUN)
        await self._ready(room.id)
        await self._check_engine()
        await self._note(room, "sandbox.restart", actor, {})
        await self._runner(room).restart()

    async def keep(self, actor: Actor) -> None:
        """Have the room's sandbox go on although nothing runs in it."""
        room = await self._rooms.check(actor, Action.RUN)
        await self._ready(room.id)
        if room.id in self._rests:
            self._rests[room.id].keep()

    async def answer(self, actor: Actor, run_id: str, value: str) -> None:
        """Answer the `input()` of the running cell.

        Raises
        ------
        Conflict
            It is not waiting for an answer (any more).
        """
        room = await self._rooms.check(actor, Action.RUN)
        await self.run(actor, run_id)
        if len(value) > MAX_ANSWER or "\n" in value:
            raise BadRequest(f"An answer is one line of at most {MAX_ANSWER} characters.")
        await self._ready(room.id)
        self._runner(room).answer(run_id, value)
        await self._note(room, "run.answer", actor, {"run": run_id, "characters": len(value)})

    def pending_input(self, room_id: str) -> InputRequest | None:
        """Return what a cell of the room asks for now, if one does."""
        runner = self._runners.get(room_id)
        return self._elsewhere.input(room_id) if runner is None else runner.pending_input

    # -- the sandbox

    async def kernel(self, actor: Actor) -> RoomKernel:
        """Return the room's kernel, running or not, for whoever may watch it."""
        room = await self._rooms.check(actor, Action.KERNEL_WATCH)
        await self._ready(room.id)
        return self._runner(room).kernel

    async def sandbox(self, actor: Actor) -> SandboxStatus:
        """Return the sandbox's state, usage, limits and last death."""
        room = await self._rooms.check(actor, Action.KERNEL_WATCH)
        runner = self._runners.get(room.id)
        kernel = None if runner is None else runner.kernel
        shown = self._elsewhere.of(room.id) if runner is None else None
        engine = await self._engine_state(fresh=False)
        state = shown.state if shown else "off" if kernel is None else kernel.state
        return SandboxStatus(
            state=state,
            # A kernel that is up has the room's packages, whoever has heard of it already.
            notice="" if state in _UP else self._notice(room, waits=_waits(shown, kernel)),
            profile=room.profile,
            isolation=engine.isolation,
            rests_at=shown.rests_at if shown else self._rests_at(room.id),
            kernel_id=kernel.id if kernel else kernel_id(room.id) if shown else None,
            limits=self._launcher.limits(room.profile),
            usage=None if kernel is None else await kernel.usage(),
            death=shown.death if shown else kernel.death_body if kernel else None,
            engine={
                "available": engine.available,
                "message": engine.problem,
                "hint": engine.hint,
            },
        )

    async def isolation(self) -> str:
        """Return what stands between cells and the machine, in the engine's word."""
        return (await self._engine_state(fresh=False)).isolation

    # -- files

    async def files(self, actor: Actor) -> WorkFiles:
        """Return what stands in the work folder, or after the end what was kept.

        Raises
        ------
        SandboxGone, Conflict
            They are gone with the kernel; it is frozen.
        """
        room = await self._rooms.check(actor, Action.FILES_READ)
        if room.state.is_over:
            return await self._keeper.listed(room.id)
        await self._ready(room.id)
        runner = self._runners.get(room.id)
        return WorkFiles() if runner is None else await runner.kernel.list_files()

    async def file(self, actor: Actor, path: str) -> bytes:
        """Return one of them. Raises NotFound, BadRequest, TooLarge and as `files` does."""
        room = await self._rooms.check(actor, Action.FILES_READ)
        if room.state.is_over:
            return await self._keeper.read(room.id, path)
        await self._ready(room.id)
        runner = self._runners.get(room.id)
        if runner is None:
            raise NotFound("There is no such file.")
        return await runner.kernel.read_file(path)

    # -- inside

    async def _ready(self, room_id: str) -> None:
        """Return once this server has ended or adopted what its last process had begun, and runs
        the cells of this room.

        Raises
        ------
        EngineUnavailable
            It does not come to that: its start has failed.
        OwnerUnknown, OwnerElsewhere
            Another server does, or nobody can say.
        """
        try:
            async with asyncio.timeout(START_S):
                await self._started.wait()
        except TimeoutError:
            raise EngineUnavailable(
                "The server has not finished its start.",
                hint="Try again in a minute; the server's log says what is missing.",
            ) from None
        await self.ownership.ensure(room_id)

    async def _accept(self, actor: Actor, runner: RoomRunner, cell: Cell, frozen: Shown) -> Run:
        document = cell.document.document
        run = Run(
            id=new_id("run"),
            room_id=document.room_id,
            document_id=document.id,
            cell_id=cell.cell_id,
            source_digest=source_digest(frozen.source),
            log_seq=frozen.log_seq,
            by=actor.id,
            accepted_at=self._clock(),
        )
        await runner.accept(Item.of(run, cell, frozen.source))
        return run

    async def _may_run(self, actor: Actor, document_id: str) -> tuple[Room, Document]:
        await self._rooms.check(actor, Action.RUN)
        room, document, writable = await self._rooms.document(actor, document_id)
        if document.branch_of is not None:
            raise BranchNoRuns("Cells of a branch do not run: the room's kernel is everybody's.")
        if document.kind != "notebook":
            raise BadRequest("Only cells of a notebook can be run.")
        if not writable:
            raise Forbidden("You cannot run cells of a notebook that you cannot edit.")
        return room, document

    def _rests_at(self, room_id: str) -> datetime | None:
        return None if room_id not in self._rests else self._rests[room_id].ends_at

    def _notice(self, room: Room, *, waits: str) -> str:
        """Return why the room has to wait, or cannot run, as everybody in it may know."""
        said = self._packages.notice(room) if self._packages is not None else ""
        return said or waits

    async def _engine_state(self, *, fresh: bool) -> EngineState:
        """Return whether an engine answers, at most `ENGINE_MEMORY_S` old unless fresh."""
        at = asyncio.get_running_loop().time()
        if fresh or self._engine is None or at - self._engine[0] > ENGINE_MEMORY_S:
            self._engine = (at, await self._launcher.engine())
        return self._engine[1]

    async def _check_engine(self) -> None:
        engine = await self._engine_state(fresh=True)
        if not engine.available:
            raise EngineUnavailable(
                engine.problem or "No container engine answers.", hint=engine.hint or None
            )

    async def _note(self, room: Room, kind: str, actor: Actor, payload: dict[str, Any]) -> None:
        await self._timeline.record(
            room.id, kind, actor=actor.id, audience=EVERYONE, payload=payload
        )

    def _runner(self, room: Room) -> RoomRunner:
        """Return the room's runner, made at the first need.

        Raises
        ------
        EngineUnavailable, RoomNotLive
            The server stops, or the room has been closed, since the caller looked.
        """
        if self._stopped:
            raise EngineUnavailable("The server is being stopped.", hint="Try again in a minute.")
        if room.id in self._closed_rooms:
            raise RoomNotLive("The interview has ended.")
        if room.id not in self._runners:
            runner = RoomRunner(
                room,
                launcher=self._launcher,
                files=lambda: self._data_files(room.id),
                store=self._store,
                bus=self._bus,
                timeline=self._timeline,
                clock=self._clock,
                owns=lambda: self.ownership.owns(room.id),
            )
            runner.start()
            runner.rests_at = lambda: self._rests_at(room.id)
            self._elsewhere.forget(room.id)
            self._asked[room.id] = self._bus.subscribe(
                cells_topic(room.id), lambda _message: runner.kernel_changed()
            )
            self._runners[room.id] = runner
            self._rests[room.id] = rest = Rest(
                runner,
                idle_s=self._launcher.limits(room.profile)["idle_s"],
                before=lambda: self._keeper.keep(room.id, runner.kernel),
                clock=self._clock,
            )
            rest.start()
        return self._runners[room.id]

    async def _data_files(self, room_id: str) -> Mapping[str, bytes | DataFile]:
        return {
            f"{DATA_FOLDER}/{file.path}": file
            if file.dataset
            else await self._store.read_content(file.digest)
            for file in await self._store.list_data_files(room_id)
        }

    def _answer_no_more(self, room_id: str) -> None:
        unsubscribe = self._asked.pop(room_id, None)
        if unsubscribe is not None:
            unsubscribe()

    async def _end(self, room_ids: list[str], reason: str) -> None:
        for room_id in room_ids:
            self._answer_no_more(room_id)
            rest = self._rests.pop(room_id, None)
            if rest is not None:
                await rest.stop()
            runner = self._runners.pop(room_id, None)
            if runner is not None:
                self._in_the_end(room_id, runner.stop(reason))
        # Somebody else may have begun with it, and who gives the room's lease back too early lets
        # its last run wait for that for ever. Whoever waits may be cancelled; nobody else knows of
        # these kernels any more.
        ending = [task for task, room_id in self._ending.items() if room_id in room_ids]
        await asyncio.shield(asyncio.gather(*ending))

    def _in_the_end(self, room_id: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"the end of {room_id} here")
        self._ending[task] = room_id
        task.add_done_callback(self._ending.pop)


async def _leave(rest: Rest | None, runner: RoomRunner) -> None:
    if rest is not None:
        await rest.stop()
    await runner.abandon()


def _waits(shown: ShownElsewhere | None, kernel: RoomKernel | None) -> str:
    """Return why the room's kernel is not there yet; empty if it waits for nothing."""
    if shown is not None:
        return ALL_TAKEN if shown.waiting else ""
    return "" if kernel is None else kernel.notice
