"""The runs of one room: their queue, one after another, and the kernel they run on."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from interview_ext.errors import Conflict, InterviewError, OwnerElsewhere, TooManyRequests
from interview_ext.execution.incoming import Incoming
from interview_ext.execution.intake import Intake
from interview_ext.execution.items import QUIET_S, Item
from interview_ext.execution.kernels import RoomKernel
from interview_ext.execution.ports import (
    ExecutionStore,
    Files,
    KernelDeath,
    KernelLauncher,
    KernelResumed,
)
from interview_ext.execution.records import InputRequest, lasting, run_body
from interview_ext.execution.recovery import REASON, append_note
from interview_ext.execution.stopper import Stopper
from interview_ext.execution.timelimit import Hold, TimeLimit
from interview_ext.rooms.ids import Clock, now
from interview_ext.rooms.model import EVERYONE, Room, Run, RunState, Trust
from interview_ext.rooms.ports import Bus, Recorder, room_topic

log = logging.getLogger(__name__)

MAX_QUEUE = 200
"""Runs that may wait: "run all" of a very long notebook."""
COMMIT_TIMEOUT_S = 5.0
"""How long the end of a run waits for its outputs to be committed before it is told."""
_FLOODED = "[The run was interrupted, because of its output.]\n"
_LOST = "[… output lost in the server's restart: {size} bytes before this]\n"
MOVED = "another server took over"
OWNS_LOOK_S = 0.05
"""Between two looks at whether this server runs the room's cells, while that is in doubt."""
_UNRECORDED = "the run could not be recorded"


class RoomRunner:
    """One room's queue and kernel. Made by `service` when the room first needs them.

    Attributes
    ----------
    turns:
        For each person, whose turn it is among their own requests.
    rests_at:
        Says when the sandbox ends unless it is used. Set by `service`.
    """

    def __init__(
        self,
        room: Room,
        *,
        launcher: KernelLauncher,
        files: Files,
        store: ExecutionStore,
        bus: Bus,
        timeline: Recorder,
        clock: Clock = now,
        owns: Callable[[], bool] = lambda: True,
    ) -> None:
        self._room_id = room.id
        self._lease = owns
        self._abandoned = False
        self._paused = False
        self._held: list[Incoming] = []
        self._store = store
        self._bus = bus
        self._timeline = timeline
        self._clock = clock
        self.rests_at: Callable[[], datetime | None] = lambda: None
        self.turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._closed = False
        self.kernel = RoomKernel(room, launcher=launcher, files=files, owner=self, clock=clock)
        self._run_s = launcher.limits(room.profile)["run_s"]
        self._time = TimeLimit(self._overdue)
        self._intake = Intake(
            self.kernel,
            publish=self._publish,
            on_flood=self._stop_flood,
            time_limit=self._time,
            owns=self._owns,
        )
        self._stopper = Stopper(self.kernel, self._intake)
        self._queue: deque[Item] = deque()
        self._more = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- life

    def start(self) -> None:
        self._intake.start()
        self._worker = asyncio.create_task(self._work(), name=f"runs of {self._room_id}")

    async def stop(self, reason: str) -> None:
        """End what runs with `reason`, clear the queue, end the kernel."""
        self._closed = True
        if not self._owns():
            await self.abandon()
            return
        try:
            await self.clear()
        except InterviewError as error:  # the store's; the kernel has to end all the same
            log.warning("runs of room %s were not cleared: %s", self._room_id, error.message)
            self._queue.clear()
        current = self._intake.current
        if current is not None and not current.sent:
            current.end(RunState.DIED, reason)
        await self.kernel.stop(reason)
        if current is not None:
            current.end(RunState.DIED, reason)
            await current.finished.wait()
        self._time.end()
        await self._stopper.stop()
        await self._cancel_tasks()
        await self._intake.stop()

    # -- whose the room is

    def suspend(self) -> None:
        """Another server may run the room's cells: nothing is computed, written or recorded."""
        self._time.hold(Hold.DOUBT)
        self._spawn(self.kernel.freeze())

    def resume(self) -> None:
        """Nobody did: go on where it stood."""
        held, self._held = self._held, []
        for message in held:
            self._intake.take(message)
        self._intake.wake()
        self._time.go_on(Hold.DOUBT)
        if not self._paused:
            self._spawn(self.kernel.thaw())

    async def abandon(self) -> None:
        """Another server does: end the kernel and leave no word; the other has said what became
        of the runs.
        """
        self._closed = self._abandoned = True
        self._held.clear()
        self._queue.clear()
        self.kernel.move()
        await self._cancel_tasks()
        await self._stopper.stop()
        self._time.end()
        await self.kernel.stop(MOVED)
        await self._intake.stop()

    def _owns(self) -> bool:
        return not self._abandoned and self._lease()

    async def _lawful(self) -> None:
        """Return when it is certain that this server runs the room's cells.

        Raises
        ------
        OwnerElsewhere
        """
        while not self._owns():
            if self._abandoned:
                raise OwnerElsewhere("Another server runs this interview's cells now.")
            await asyncio.sleep(OWNS_LOOK_S)

    async def _cancel_tasks(self) -> None:
        tasks = [*self._tasks, *([self._worker] if self._worker else [])]
        self._worker = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- what people ask

    async def accept(self, item: Item) -> None:
        """Record a run and queue it.

        Raises
        ------
        TooManyRequests
            Too many wait already.
        """
        if len(self._queue) >= MAX_QUEUE:
            raise TooManyRequests("Too many cells are waiting to run in this interview.")
        await self._save(item, "run.accepted")
        await self._lawful()
        if self._closed:
            await self._drop(item)
            return
        item.cell.set_running()
        self._queue.append(item)
        self._more.set()

    def outlived(self, left: str, item: Item | None) -> None:
        """Go on with the kernel that the server's last process has left, and with its run.

        Called by `service` at the start, before anything else is accepted.
        """
        self.kernel.adopt = left
        if item is None:
            self._spawn(self._adopt_idle())
        else:
            self._queue.append(item)
            self._more.set()

    async def interrupt(self, run_id: str | None) -> None:
        """Interrupt the run, or what runs now; what waits behind it is cleared.

        A run that waits is taken out of the queue, alone.
        """
        waiting = next((item for item in self._queue if item.run.id == run_id), None)
        if waiting is not None:
            self._queue.remove(waiting)
            await self._drop(waiting)
            return
        current = self._intake.current
        if current is None or (run_id is not None and current.run.id != run_id):
            return
        if current.sent:
            self._stopper.interrupt(current)
        else:
            current.interrupted = True
            current.end(RunState.INTERRUPTED)
        await self.clear()

    async def extend(self, run_id: str, seconds: float) -> Run:
        """Give the running cell more time.

        Raises
        ------
        Conflict
            It does not run (any more), or its time is up.
        """
        current = self._intake.current
        if current is None or current.run.id != run_id or self._time.left_s is None:
            raise Conflict("This cell is not running, or its time was up.")
        self._time.extend(seconds)
        limit_s = (current.run.time_limit_s or 0) + seconds
        current.run = replace(current.run, time_limit_s=limit_s)
        await self._save_time(current)
        return current.run

    async def freeze(self) -> None:
        """The room is paused: the sandbox computes nothing, and time limits stand still."""
        self._paused = True
        self._time.hold(Hold.PAUSED)
        await self.kernel.freeze()
        await self._tell_time()

    async def thaw(self) -> None:
        """The room goes on, and with its sandbox the time limit."""
        self._paused = False
        await self.kernel.thaw()

    # -- rest (see rest.Restable)

    @property
    def last_used(self) -> datetime | None:
        """See `rest.Restable`."""
        if not self.kernel.running:
            return None
        return self._clock() if self._in_use else self.kernel.last_activity

    async def rest(self, death: KernelDeath) -> None:
        """See `rest.Restable`."""
        await self.kernel.end(death, unless=lambda: self._in_use)

    def rest_changed(self) -> None:
        """See `rest.Restable`."""
        self.kernel_changed()

    @property
    def _in_use(self) -> bool:
        return bool(self._queue or self._intake.current or self.kernel.frozen)

    async def restart(self) -> None:
        """Replace the kernel process.

        Raises
        ------
        SandboxError
        """
        await self.clear()
        current = self._intake.current
        if current is not None and not current.sent:
            current.end(RunState.CLEARED)
        await self.kernel.restart()

    async def clear(self) -> None:
        """Empty the queue: none of it will run."""
        while self._queue:
            await self._drop(self._queue.popleft())

    @property
    def pending_input(self) -> InputRequest | None:
        """What the running cell asks for, if it does."""
        return self._intake.pending_input

    def answer(self, run_id: str, value: str) -> None:
        """Answer the running cell's question.

        Raises
        ------
        Conflict
            It asks nothing (any more).
        """
        self._intake.answer(run_id, value)

    # -- what the kernel tells (see kernels.Owner)

    def kernel_started(self) -> None:
        """See `kernels.Owner`."""
        self._intake.kernel_started()
        current = self._intake.current
        if current is not None and current.resumed:
            self._intake.begin_again(current)

    def kernel_resumed(self, resumed: KernelResumed) -> None:
        """See `kernels.Owner`."""
        current = self._intake.current
        if current is not None and current.run.id == resumed.run and resumed.lost_bytes:
            self._intake.remark(current, _LOST.format(size=resumed.lost_bytes))

    def kernel_goes_on(self) -> None:
        """See `kernels.Owner`."""
        if not self._paused:
            self._time.go_on(Hold.PAUSED)
            self._spawn(self._tell_time())

    def kernel_changed(self) -> None:
        """See `kernels.Owner`."""
        rests_at = self.rests_at()
        asked = self.pending_input
        self._publish(
            {
                "type": "sandbox",
                "state": lasting(self.kernel.state),
                "death": self.kernel.death_body,
                "waiting": self.kernel.waiting,
                "rests_at": None if rests_at is None else rests_at.isoformat(),
                "input": None if asked is None else asked.as_body(),
            }
        )

    def kernel_ended(self, death: KernelDeath) -> None:
        """See `kernels.Owner`."""
        if self._abandoned:
            return
        self._spawn(self._record_death(death))
        self._intake.kernel_ended(death)

    def kernel_message(self, message: Incoming) -> None:
        """See `kernels.Owner`."""
        if self._held or not self._owns():
            self._held.append(message)  # few: the kernel is frozen
        else:
            self._intake.take(message)

    # -- one run after another

    async def _work(self) -> None:
        while True:
            while not self._queue:
                self._more.clear()
                await self._more.wait()
            item = self._intake.current = self._queue.popleft()
            try:
                state = await self._run(item)
                if state is not RunState.DONE:
                    await self.clear()
            except InterviewError as error:  # the store's: the queue must go on
                log.warning("run %s was not recorded: %s", item.run.id, error.message)
                self._abandon(item)
            except Exception:  # one run's failure must not end the room's queue
                log.exception("run %s failed", item.run.id)
                self._abandon(item)
            finally:
                self._intake.current = None
                item.finished.set()

    async def _run(self, item: Item) -> RunState:
        if item.resumed:
            return await self._go_on(item)
        failure = await self._started(item)
        await self._lawful()
        if item.ending is None:
            self._intake.begin(item)
        if failure is not None:
            self._intake.refuse(item, failure)
            item.end(RunState.ERROR, failure.code)
        if item.ending is None:
            self._time.begin(self._run_s)
            item.run = replace(
                item.run,
                state=RunState.RUNNING,
                started_at=self._clock(),
                time_limit_s=self._run_s,
                deadline_at=self._deadline(),
            )
            await self._save(item, "run.started")
        await self._lawful()
        if item.ending is None and not item.interrupted:
            self._send(item)
            await self._ended(item)
        self._time.end()
        return await self._finish(item)

    async def _go_on(self, item: Item) -> RunState:
        """Wait for the end of a run that the server's last process had begun."""
        failure = await self._started(item)
        resumed = self.kernel.resumed
        if failure is not None or resumed is None:
            log.warning("the kernel of room %s could not be adopted: %s", self._room_id, failure)
            append_note(item.cell, RunState.RUNNING)
            item.end(RunState.INTERRUPTED, REASON)
        elif resumed.run != item.run.id:  # it was killed before the kernel got the cell
            append_note(item.cell, RunState.QUEUED)
            item.end(RunState.INTERRUPTED, REASON)
        else:
            self._time.begin(self._rest_s(item.run))
            await self._tell_time()
        await self._ended(item)
        self._time.end()
        return await self._finish(item)

    def _rest_s(self, run: Run) -> float:
        """What a run that was begun by an earlier process has left; all, if its clock stood."""
        if run.deadline_at is None:
            return run.time_limit_s or self._run_s
        return max(0.0, (run.deadline_at - self._clock()).total_seconds())

    async def _adopt_idle(self) -> None:
        try:
            await self.kernel.start()
        except InterviewError as error:
            log.warning("the kernel of room %s could not be adopted: %s", self._room_id, error)

    async def _started(self, item: Item) -> InterviewError | None:
        """Wait for the kernel, or until the run is ended while it still waits for one."""
        starting = asyncio.ensure_future(self.kernel.start())
        ended = asyncio.ensure_future(item.replied.wait())
        try:
            await asyncio.wait({starting, ended}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done() and item.ending is None:
                await starting
        except InterviewError as error:
            return error
        finally:
            for each in (starting, ended):
                each.cancel()
            await asyncio.gather(starting, ended, return_exceptions=True)
        return None

    def _send(self, item: Item) -> None:
        item.sent = True
        content = {
            "code": item.source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            # The queue is ours: what waits here is cleared here.
            "stop_on_error": False,
        }
        self.kernel.send(
            "shell",
            "execute_request",
            content,
            msg_id=item.run.id,
            metadata={"cellId": item.run.cell_id},
        )
        if not self.kernel.running:
            item.end(RunState.DIED, "crash")

    async def _ended(self, item: Item) -> None:
        """Wait for the reply, then for all output: up to ``idle``, or a silence if it was lost."""
        await item.replied.wait()
        while not item.idle.is_set():
            heard = item.heard
            try:
                async with asyncio.timeout(QUIET_S):
                    await item.idle.wait()
            except TimeoutError:
                if item.heard == heard:
                    return

    async def _finish(self, item: Item) -> RunState:
        await self._lawful()
        digest = self._intake.finish(item)
        state, death = item.outcome()
        item.run = replace(
            item.run,
            state=state,
            execution_count=item.execution_count(),
            output_digest=digest,
            ended_at=self._clock(),
            deadline_at=None,
            death=death,
        )
        await self._commit(item)
        if item.run.network_reported:
            await self._timeline.record(
                self._room_id,
                "run.network",
                actor="server",
                audience=item.audience,
                payload={"run": item.run.id, "targets": ", ".join(item.run.network_reported)},
                trust=Trust.REPORTED,
            )
        await self._save(item, "run.ended")
        return state

    async def _commit(self, item: Item) -> None:
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await item.cell.document.committed()
        except (TimeoutError, InterviewError):
            log.warning("outputs of run %s are not committed yet", item.run.id)

    def _abandon(self, item: Item) -> None:
        """Tell the room that a run has ended whose end could not be stored."""
        if not self._owns():
            return
        item.cell.end(None)
        item.run = replace(
            item.run, state=RunState.INTERRUPTED, ended_at=self._clock(), death=_UNRECORDED
        )
        self._publish({"type": "run", "run": run_body(item.run)})

    async def _drop(self, item: Item) -> None:
        await self._lawful()
        item.cell.end(None)
        item.run = replace(item.run, state=RunState.CLEARED, ended_at=self._clock())
        await self._save(item, "run.ended")

    # -- time

    def _overdue(self) -> None:
        current = self._intake.current
        if current is not None:
            self._stopper.overdue(current, current.run.time_limit_s or self._run_s)

    def _deadline(self) -> datetime | None:
        """When the running cell's time is up; None while its clock stands still."""
        left_s = None if self._time.held else self._time.left_s
        return None if left_s is None else self._clock() + timedelta(seconds=left_s)

    async def _tell_time(self) -> None:
        current = self._intake.current
        if current is None or self._time.left_s is None:
            return
        try:
            await self._save_time(current)
        except InterviewError as error:
            log.warning("a run's time was not recorded: %s", error.message)

    async def _save_time(self, item: Item) -> None:
        item.run = replace(item.run, deadline_at=self._deadline())
        await self._store.save_run(item.run)
        self._publish({"type": "run", "run": run_body(item.run)})

    def _stop_flood(self, item: Item) -> None:
        """End a run whose output has reached a bound; what waits behind it is cleared."""
        if not item.interrupted and item.sent and not item.replied.is_set():
            self._intake.remark(item, _FLOODED)
            self._spawn(self.interrupt(item.run.id))

    # -- the rest

    async def _record_death(self, death: KernelDeath) -> None:
        try:
            await self._lawful()
            await self._timeline.record(
                self._room_id,
                "sandbox.ended",
                actor="server",
                audience=EVERYONE,
                payload={"reason": death.reason, "detail": death.detail},
            )
        except InterviewError as error:
            log.warning("a kernel's end was not recorded: %s", error.message)

    async def _save(self, item: Item, kind: str) -> None:
        """Store the record, put it onto the timeline, and tell the room."""
        await self._lawful()
        run = item.run
        await self._store.save_run(run)
        body = run_body(run)
        await self._timeline.record(
            self._room_id,
            kind,
            actor=run.by if kind == "run.accepted" else "server",
            audience=item.audience,
            # The timeline holds what was reported apart from what was seen.
            payload={name: value for name, value in body.items() if name != "network_reported"},
        )
        self._publish({"type": "run", "run": body})

    def _publish(self, message: dict[str, Any]) -> None:
        if self._abandoned:
            return
        self._bus.publish(room_topic(self._room_id), message)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
