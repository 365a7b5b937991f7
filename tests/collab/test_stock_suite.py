"""The protocol's tests of jupyter-server-ydoc, whose server we are not, against a door.

They are fetched from its source distribution (``scripts/stock-tests.sh``) and run as they are.
Their fixtures are filled here: a file is a document of the room, and the server is a door.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from httpx_ws import aconnect_ws
from jupyter_ydoc import YUnicode
from pycrdt import Provider, Text
from pycrdt.websocket.websocket import HttpxWebsocket
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import Role
from tests.collab.conftest import House
from tests.collab.pages import WAIT_S

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache" / "stock-tests" / version("jupyter-server-ydoc")
RUN = {
    "test_documents": [],
    "test_handlers": [
        "test_room_handler_doc_client_should_connect",
        "test_session_handler_should_respond_with_not_found",
        "test_session_handler_should_respond_with_session_id",
    ],
}
LEFT_OUT = {
    "test_dirty": (
        "What is saved is told by “durable” on the events socket, for each keystroke. A mark in "
        "the document itself would be one more update in every log."
    ),
    "test_fork_handler": "A door has no forks: a private branch will be a thing of the room.",
    "test_notebook_reconnect_sends_conflict_when_cell_structure_changes_between_restarts": (
        "It calls the room's Python class. Ours never reads the file back, so that conflict "
        "cannot come."
    ),
    "test_notebook_reconnect_with_divergent_history_does_not_duplicate_initial_cell": (
        "It calls the room's Python class; test_kill.py holds the same with a killed server."
    ),
    "test_room_concurrent_initialization": (
        "It holds a time below a second, which no busy machine does; below, two open at once."
    ),
    "test_room_sequential_opening": "The same.",
    "test_room_handler_doc_client_should_cleanup_room_file": (
        "It stops the stock extension's own server object and reads its events."
    ),
    "test_room_handler_doc_client_should_emit_awareness_event": (
        "Who came and went stands on the room's timeline, not in the server's event log."
    ),
    "test_room_handler_doc_client_should_stop_file_watcher": (
        "No file is watched: the log is the document."
    ),
    "test_session_handler_should_create_session_id": (
        "It wants 201 for a file that got its id just now; a room's documents have theirs from the "
        "start."
    ),
}


def load(name: str) -> ModuleType:
    """One of their modules."""
    # One test, which is left out, compares with this package's wildcards.
    sys.modules.setdefault("dirty_equals", SimpleNamespace(IsStr=object))  # type: ignore[arg-type]
    spec = importlib.util.spec_from_file_location(f"stock_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    if not FOLDER.is_dir():
        pytest.skip(f"the tests of jupyter-server-ydoc are not in {FOLDER.name}: make services")
    yield {name: load(name) for name in RUN}
    sys.modules.pop("dirty_equals", None)


@dataclass(frozen=True)
class Fixtures:
    """What their tests ask for by name."""

    house: House
    base: str
    ids: dict[str, str]

    async def rtc_create_file(
        self, path: str, content: str | None = None, index: bool = False
    ) -> tuple[str, str]:
        del index
        document = replace(
            self.house.notebook, id=new_id("doc"), path=path, kind="file", section=None
        )
        await self.house.store.add_document(document)
        await self.house.documents.seed(document, content or "")
        self.ids[path] = document.id
        return path, content or ""

    async def rtc_fetch_session(self, format: str, type: str, path: str) -> Any:  # noqa: A002
        return await AsyncHTTPClient().fetch(
            HTTPRequest(
                f"{self.base}/api/collaboration/session/{path}",
                method="PUT",
                body=json.dumps({"format": format, "type": type}),
            ),
            raise_error=False,
        )

    async def rtc_connect_doc_client(self, format: str, type: str, path: str) -> Any:  # noqa: A002
        answer = json.loads((await self.rtc_fetch_session(format, type, path)).body)
        room = f"{answer['format']}:{answer['type']}:{answer['fileId']}"
        query = f"sessionId={answer['sessionId']}"
        return aconnect_ws(f"{self.base}/api/collaboration/room/{room}?{query}"), room

    @property
    def rtc_document_save_delay(self) -> float:
        return 0.5

    @property
    def jp_serverapp(self) -> Any:
        async def stop_extension() -> None:
            """Their way to end a server between tests; ours is the fixture's."""

        settings = {
            "file_id_manager": SimpleNamespace(get_id=self.ids.__getitem__),
            "jupyter_server_ydoc": SimpleNamespace(stop_extension=stop_extension),
        }
        return SimpleNamespace(web_app=SimpleNamespace(settings=settings))


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in RUN.items() for name in names]
)
async def test_as_they_are(
    house: House, modules: dict[str, ModuleType], module: str, name: str
) -> None:
    person = await house.person(Role.CANDIDATE)
    fixtures = Fixtures(house, f"http://127.0.0.1:{house.port}{house.base(person)}", {})
    test: Callable[..., Any] = getattr(modules[module], name)
    asked = inspect.signature(test).parameters
    await test(**{wanted: getattr(fixtures, wanted) for wanted in asked})


async def test_two_of_pycrdts_own_providers_open_at_once_and_type(house: House) -> None:
    person = await house.person(Role.CANDIDATE)
    fixtures = Fixtures(house, f"http://127.0.0.1:{house.port}{house.base(person)}", {})
    path, _ = await fixtures.rtc_create_file("both.txt", "begun")
    docs = [YUnicode(), YUnicode()]
    news = asyncio.Event()
    async with AsyncExitStack() as stack:
        for doc in docs:
            doc.observe(lambda *_: news.set())
            socket, room = await fixtures.rtc_connect_doc_client("text", "file", path)
            channel = HttpxWebsocket(await stack.enter_async_context(socket), room)
            await stack.enter_async_context(Provider(doc.ydoc, channel))

        async def both(*words: str) -> None:
            async with asyncio.timeout(WAIT_S):
                while not all(word in doc.source for word in words for doc in docs):
                    news.clear()
                    await news.wait()

        await both("begun")
        for number, doc in enumerate(docs):
            source = doc.ydoc.get("source", type=Text)
            source.insert(0, f"<{number}>")
        await both("<0>", "<1>")
        assert docs[0].source == docs[1].source
    shared = await house.documents.open(
        next(d for d in await house.store.list_documents(house.plan.room.id) if d.path == path)
    )
    assert shared.content() == docs[0].source


def test_each_of_theirs_is_run_or_left_out_for_a_reason(modules: dict[str, ModuleType]) -> None:
    theirs = {
        name for module in modules.values() for name in vars(module) if name.startswith("test_")
    }
    assert theirs == {name for names in RUN.values() for name in names} | set(LEFT_OUT)
