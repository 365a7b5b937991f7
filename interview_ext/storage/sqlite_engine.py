"""One SQLite file, written by one thread that commits together what waits together."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from interview_ext.errors import StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Rows = list[tuple[object, ...]]

MAX_BATCH = 500
"""Writes after which no more join a commit."""
MAX_ROWS = 100
"""Of one statement: it is compiled once for each number of them."""
BUSY_TIMEOUT_S = 5.0
SCRUB_ATTEMPTS = 3
"""Each waits for readers as long as `BUSY_TIMEOUT_S`."""


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]
    alone: bool = False
    """Whether it cannot be part of a transaction."""
    table: str = ""
    """If it is named, `work` writes nothing and returns its value and rows for that table."""


class SqliteEngine:
    """Runs functions on a database file: writes one after the other, reads beside them.

    A write has returned when it is on the disk (WAL with ``synchronous=FULL``). Writes
    that arrive while a commit is under way share the next one; each stands in a savepoint
    of its own, so one that raises takes nothing of the others with it.

    Parameters
    ----------
    undone:
        Called in the writer's thread when what had been written there is not kept.
    """

    def __init__(
        self, path: Path, migrations: tuple[str, ...], *, undone: Callable[[], None]
    ) -> None:
        self._path = path
        self._migrations = migrations
        self._undone = undone
        self._jobs: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._turn: list[_Job] = []
        self._writer: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._reading: sqlite3.Connection | None = None
        self._lock: IO[str] | None = None
        self._lack = "The interview store is closed.", "Wait until the server has started."

    async def start(self) -> None:
        """Open and migrate the file; raise `StoreUnavailable` if that cannot be done."""
        try:
            connection = await asyncio.to_thread(self._open)
        except StoreUnavailable as error:
            self._lack = error.message, error.hint
            raise
        self._writer = threading.Thread(
            target=self._write_all, args=(connection,), name="sqlite writer", daemon=True
        )
        self._writer.start()
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="sqlite reader")

    async def stop(self) -> None:
        """Finish the writes that were accepted, then close the file."""
        if self._writer is not None:
            self._hand_over()
            self._jobs.put(None)
            await asyncio.to_thread(self._writer.join)
            self._writer = None
        if self._readers is not None:
            readers, self._readers = self._readers, None
            await asyncio.get_running_loop().run_in_executor(readers, self._close_reading)
            readers.shutdown(wait=False)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; return its value when that is on the disk."""
        return cast("T", await self._submit(work))

    async def insert(self, table: str, work: Work[tuple[T, Rows]]) -> T:
        """Insert the rows that `work` returns, with its value, into a table; return the value.

        What waits together and goes into one table is one statement. Each call of SQLite lets the
        other thread have the interpreter, and takes turns with it again.
        """
        return cast("T", await self._submit(work, table=table))

    async def _submit(self, work: Work[Any], *, table: str = "") -> Any:
        if self._writer is None:
            raise StoreUnavailable(self._lack[0], hint=self._lack[1])
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        if not self._turn:
            # The writer is woken once a turn of the event loop, at its end: while this thread is
            # busy it could do nothing but take turns with it.
            loop.call_soon(self._hand_over)
        self._turn.append(_Job(work=work, loop=loop, done=done, table=table))
        return await done

    def _hand_over(self) -> None:
        if self._turn:
            self._jobs.put(self._turn)
            self._turn = []

    async def scrub(self) -> None:
        """Write the file anew without what was deleted, and empty the write-ahead log.

        Writes wait meanwhile: about 1 s for 100 MB. Raises `StoreUnavailable`.
        """
        if self._writer is None:
            raise StoreUnavailable(self._lack[0], hint=self._lack[1])
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._hand_over()
        self._jobs.put([_Job(work=_scrub, loop=loop, done=done, alone=True)])
        await done

    async def read(self, work: Work[T]) -> T:
        """Run `work` on what has been committed."""
        if self._readers is None:
            raise StoreUnavailable(self._lack[0], hint=self._lack[1])
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, work)

    async def empty_wal(self) -> None:
        """Carry what was written into the file, and cut the write-ahead log to nothing.

        Until then it still holds the pages as they were before what was deleted.
        """
        await self.read(_empty_wal)

    # -- in threads

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = self._take_lock()
            connection = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._path.chmod(0o600)
                _configure(connection)
                _migrate(connection, self._migrations)
            except BaseException:
                connection.close()
                self._lock.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(
                f"The interview store {self._path} cannot be opened: {error}.",
                hint="Check that the folder can be written and the disk has room, or set "
                "InterviewApp.store_path to another file.",
            ) from error
        return connection

    def _take_lock(self) -> IO[str]:
        lock = self._path.with_name(self._path.name + ".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise StoreUnavailable(
                f"Another server uses the interview store {self._path}.",
                hint="Hold the interviews there, or set InterviewApp.store_path to a file of "
                "this server's own.",
            ) from error
        return lock

    def _read(self, work: Work[T]) -> T:
        try:
            if self._reading is None:
                self._reading = sqlite3.connect(
                    self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None
                )
                _configure(self._reading)
            return work(self._reading)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The store cannot be read: {error}.") from error

    def _close_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _write_all(self, connection: sqlite3.Connection) -> None:
        stopping = False
        while not stopping:
            jobs = self._jobs.get()
            batch: list[_Job] = []
            alone: _Job | None = None
            while jobs is not None:
                if jobs[0].alone:
                    alone = jobs[0]
                    break
                batch += jobs
                if len(batch) >= MAX_BATCH or self._jobs.empty():
                    break
                jobs = self._jobs.get()
            stopping = jobs is None
            if batch:
                _settle(batch, self._commit_together(connection, batch))
            if alone is not None:
                _settle([alone], [_by_itself(connection, alone.work)])
        connection.close()

    def _commit_together(self, connection: sqlite3.Connection, batch: list[_Job]) -> list[Any]:
        """Return for each job its value, or the exception that stands for it."""
        try:
            if all(job.table for job in batch):
                return _inserted(connection, batch)
            connection.execute("BEGIN IMMEDIATE")
            if len(batch) == 1:
                return [_alone(connection, batch[0].work)]
            results = []
            for job in batch:
                if job.table:
                    results += _inserted(connection, [job])
                else:
                    results.append(_in_savepoint(connection, job.work))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            log.warning("%d writes could not be committed: %s", len(batch), error)
            if connection.in_transaction:
                _roll_back(connection)
            self._undone()
            return [StoreUnavailable(f"The store cannot be written: {error}.") for _ in batch]
        return results


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")


def _empty_wal(connection: sqlite3.Connection) -> None:
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        log.warning("The write-ahead log could not be emptied: it is overwritten as it goes on")


def _inserted(connection: sqlite3.Connection, batch: list[_Job]) -> list[Any]:
    """Do what only adds rows; outside a transaction it is one of its own."""
    results: list[Any] = []
    rows: dict[str, Rows] = {}
    for job in batch:
        try:
            result, own = job.work(connection)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's, and raised there: `_settle`
            results.append(error)
        else:
            results.append(result)
            rows.setdefault(job.table, []).extend(own)
    statements = [each for table, them in rows.items() for each in _statements(table, them)]
    together = len(statements) > 1 and not connection.in_transaction
    if together:
        connection.execute("BEGIN IMMEDIATE")
    for statement, values in statements:
        connection.execute(statement, values)
    if together:
        connection.execute("COMMIT")
    return results


def _statements(table: str, rows: Rows) -> Iterator[tuple[str, list[object]]]:
    """Return what inserts the rows, with its values."""
    for start in range(0, len(rows), MAX_ROWS):
        some = rows[start : start + MAX_ROWS]
        places = f"({', '.join('?' * len(some[0]))})"
        yield (
            f"INSERT INTO {table} VALUES {', '.join([places] * len(some))}",  # noqa: S608
            [value for row in some for value in row],
        )


def _alone(connection: sqlite3.Connection, work: Work[Any]) -> Any:
    """Run and commit a job that shares its transaction with no other."""
    try:
        result = work(connection)
    except sqlite3.OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - it is the caller's, and raised there: `_settle`
        connection.execute("ROLLBACK")
        return error
    connection.execute("COMMIT")
    return result


def _by_itself(connection: sqlite3.Connection, work: Work[Any]) -> Any:
    try:
        return work(connection)
    except sqlite3.Error as error:
        return StoreUnavailable(f"The store cannot be written: {error}.")


def _scrub(connection: sqlite3.Connection) -> None:
    """Copy what is there into pages that held nothing else; the old ones go with the old file.

    Deleting alone leaves the bytes in free pages, and in gaps of pages that are in use.
    """
    connection.execute("VACUUM")
    busy = 1
    for _ in range(SCRUB_ATTEMPTS):  # a read that goes on meanwhile still uses the log
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return
    raise sqlite3.OperationalError("somebody reads the file; its log could not be emptied")


def _in_savepoint(connection: sqlite3.Connection, work: Work[Any]) -> Any:
    connection.execute("SAVEPOINT job")
    try:
        result = work(connection)
    except sqlite3.OperationalError:
        raise  # the disk or the file, not this job: nothing of the batch can be kept
    except Exception as error:  # noqa: BLE001 - it is the caller's, and raised there: `_settle`
        connection.execute("ROLLBACK TO job")
        result = error
    connection.execute("RELEASE job")
    return result


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        log.warning("A failed transaction could not be rolled back: %s", error)


def _settle(batch: list[_Job], results: list[Any]) -> None:
    def settle_on(loop: asyncio.AbstractEventLoop) -> None:
        for job, result in zip(batch, results, strict=True):
            if job.loop is not loop or job.done.done():
                continue
            if isinstance(result, Exception):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)

    for loop in {job.loop for job in batch}:
        try:
            loop.call_soon_threadsafe(settle_on, loop)
        except RuntimeError:
            log.warning("Writes were committed after their event loop had been closed")


def _migrate(connection: sqlite3.Connection, migrations: tuple[str, ...]) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise StoreUnavailable(
            "The interview store was written by a newer version of this extension.",
            hint="Upgrade jupyter-interview-rooms, or set InterviewApp.store_path to another file.",
        )
    for number, script in enumerate(migrations[version:], start=version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
        )
