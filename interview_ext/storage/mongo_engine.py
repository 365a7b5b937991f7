"""The connection to MongoDB: its settings, its errors in our words, and transactions."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pymongo
from pymongo import AsyncMongoClient, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from interview_ext.errors import StoreUnavailable
from interview_ext.storage.addresses import redacted
from interview_ext.storage.mongo_schema import INDEXES, VERSION

T = TypeVar("T")
Row = dict[str, Any]
Session = AsyncClientSession

DATABASE = "interviews"
"""Where the URL names no database."""
TIMEOUT_S = 5.0
"""How long one call may take in all: finding the primary, its repetitions, the majority's
answer. The URL's ``timeoutMS`` goes first."""

ELECTION_S = 15.0
"""For how long a start goes on when the primary goes away in the middle of it: MongoDB's
``electionTimeoutMillis``, 10 s, and some."""
_AGAIN_S = 0.5

PAGE_ROWS = 100
MIGRATION = "migration"
"""In the collection ``schema`` while rooms are copied in: ``source, done``."""

_START_HINT = "Start MongoDB, or correct InterviewApp.store_url; then start this server again."
_REFUSALS = frozenset({13, 18, 8000})  # Unauthorized, AuthenticationFailed, Atlas' own


class MongoEngine:
    """One client of the whole store. Every write is journaled by a majority before it counts.

    Parameters
    ----------
    url:
        ``mongodb://…`` or ``mongodb+srv://…`` with the options of MongoDB's own drivers (TLS,
        authentication). It has to name a replica set or a sharded cluster.
    migrating:
        Whether a database may be opened into which a migration has not finished.
    """

    def __init__(self, url: str, *, migrating: bool = False) -> None:
        self._url = url
        self._migrating = migrating
        self._client: AsyncMongoClient[Row] | None = None
        self._database: AsyncDatabase[Row] | None = None
        self._timeout_s = TIMEOUT_S
        self._lack = "The interview store is closed.", "Wait until the server has started."
        self._about = ""

    @property
    def place(self) -> str:
        """The URL without what is secret in it."""
        return redacted(self._url)

    @property
    def about(self) -> str:
        """What `start` found, for people: the version, the kind of deployment, the place."""
        return self._about

    async def start(self) -> None:
        """Connect, look whether it will do, make indexes; or raise `StoreUnavailable`."""
        try:
            with self.reaching():
                client = self._client = _client(self._url)
            self._timeout_s = client.options.timeout or TIMEOUT_S
            deadline = time.monotonic() + ELECTION_S
            while True:
                try:
                    await self._open(client)
                    break
                except StoreUnavailable as error:
                    if not _in_between(error.__cause__) or time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(_AGAIN_S)
        except BaseException as error:
            if isinstance(error, StoreUnavailable):
                if error.hint == StoreUnavailable.default_hint:  # nobody has a page yet
                    error.hint = _START_HINT
                self._lack = error.message, error.hint
            await self.stop()
            raise

    async def _open(self, client: AsyncMongoClient[Row]) -> None:
        with self.reaching():
            hello = await client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise StoreUnavailable(
                f"MongoDB at {self.place} runs as a single server without a replica set: it has "
                "no transactions, which the interview store needs.",
                hint="Start it with --replSet and run rs.initiate(); one member will do.",
            )
        with self.reaching():
            version = (await client.admin.command("buildInfo"))["version"]
        members = len(hello.get("hosts", ()))
        kind = f"replica set of {members}" if "setName" in hello else "sharded cluster"
        self._about = f"MongoDB {version}, {kind}, {self.place}"
        database = client.get_default_database(
            DATABASE,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern(w="majority", j=True),
            read_preference=pymongo.ReadPreference.PRIMARY,
        )
        with self.reaching():
            await _check_version(database)
            if not self._migrating and await database["schema"].find_one({"_id": MIGRATION}):
                raise StoreUnavailable(
                    f"A migration into MongoDB at {self.place} has not finished.",
                    hint="Run it again: jupyter interview storage migrate.",
                )
        for name, indexes in INDEXES.items():
            models = [IndexModel(index.keys, **index.options) for index in indexes]
            if models:
                with self.reaching():  # each has the time of a call: the first start makes all
                    await database[name].create_indexes(models)
        self._database = database

    async def stop(self) -> None:
        """Close the connections."""
        self._database = None
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    def __getitem__(self, name: str) -> AsyncCollection[Row]:
        """Return a collection; raise `StoreUnavailable` before `start` and after `stop`."""
        return self._open_database[name]

    @property
    def _open_database(self) -> AsyncDatabase[Row]:
        if self._database is None:
            raise self.closed()
        return self._database

    async def insert(self, name: str, rows: list[Row]) -> Row:
        """Insert rows into a collection, in no order; return MongoDB's answer, refusals included.

        The driver repeats nothing: whoever calls finds out what was stored when the connection
        breaks, or the answer has a ``writeConcernError``.
        """
        database = self._open_database
        return await database.command(
            {
                "insert": name,
                "ordered": False,
                "writeConcern": database.write_concern.document,
                "documents": rows,
            }
        )

    def closed(self) -> StoreUnavailable:
        """Return what to raise before `start`, after `stop`, and after a `start` that failed."""
        return StoreUnavailable(self._lack[0], hint=self._lack[1])

    async def transact(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Run `work` in a transaction, again if another was in its way, and commit it.

        Raises
        ------
        StoreUnavailable
            And whatever `work` raises: then nothing of it was stored.
        """
        if self._client is None:
            raise self.closed()
        with self.reaching():
            async with self._client.start_session() as session:
                return await session.with_transaction(
                    work,
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern(w="majority", j=True),
                    read_preference=pymongo.ReadPreference.PRIMARY,
                )

    async def page(self, cursor: AsyncCursor[Row]) -> list[Row]:
        """Return the next rows of a cursor, none at its end; they have the time of one call."""
        with self.reaching():
            return await cursor.to_list(PAGE_ROWS)

    @contextlib.contextmanager
    def reaching(self) -> Iterator[None]:
        """Bound the time of what is called within, and raise `StoreUnavailable` for its failures.

        Only `DuplicateKeyError` passes: it is an answer, not a failure.
        """
        try:
            with pymongo.timeout(self._timeout_s):
                yield
        except DuplicateKeyError:
            raise
        except PyMongoError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: PyMongoError) -> StoreUnavailable:
        if isinstance(error, OperationFailure) and error.code in _REFUSALS:
            return StoreUnavailable(
                f"MongoDB at {self.place} refuses the user, the password or what was asked for.",
                hint="Check the user in InterviewApp.store_url, its password and its roles: "
                "it needs readWrite on the database.",
            )
        if isinstance(error, ConfigurationError):
            return StoreUnavailable(f"MongoDB cannot be used: InterviewApp.store_url: {error}")
        if isinstance(error, ConnectionFailure):
            return StoreUnavailable(f"MongoDB at {self.place} does not answer: {_short(error)}")
        return StoreUnavailable(f"MongoDB at {self.place} failed: {_short(error)}")


def _client(url: str) -> AsyncMongoClient[Row]:
    # Never weaker than what every method of a store promises, whatever the URL says.
    return AsyncMongoClient(
        url,
        appName="jupyter-interview-rooms",
        retryWrites=True,
        w="majority",
        journal=True,
    )


async def _check_version(database: AsyncDatabase[Row]) -> None:
    row = await database["schema"].find_one_and_update(
        {"_id": "schema"},
        {"$max": {"version": VERSION}},
        upsert=True,
        return_document=pymongo.ReturnDocument.AFTER,
    )
    if row is not None and row["version"] > VERSION:
        raise StoreUnavailable(
            "The interview store was written by a newer version of this extension.",
            hint="Upgrade jupyter-interview-rooms, or name another database in "
            "InterviewApp.store_url.",
        )


def _in_between(error: BaseException | None) -> bool:
    """Whether a server was there and went away, as when a primary steps down or dies.

    What pymongo repeats by itself it has repeated; making indexes, for one, it does not.
    """
    return isinstance(error, AutoReconnect) and not isinstance(error, ServerSelectionTimeoutError)


def _short(error: PyMongoError) -> str:
    """Return the first part of an error's text; the rest describes the client's inner state."""
    text = str(error)
    for inner in (", Timeout:", ", full error:", " (configured timeouts:"):
        text = text.partition(inner)[0]
    return text[:300]
