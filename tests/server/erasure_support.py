"""An interview that is over, in which one person has left words everywhere they can."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pycrdt import Array, Doc, Map, Text

from interview_ext.collab.restoring import restore
from interview_ext.collab.snapshots import Shortcut, pack
from interview_ext.execution.cells import Cell
from interview_ext.rooms.ids import digest, new_id, now
from interview_ext.rooms.model import (
    DataFile,
    Document,
    EditOrigin,
    NewLogEntry,
    Role,
    Room,
    RoomState,
    Run,
    RunState,
)
from tests.server.api_support import Asker, host_outside, put_into
from tests.server.conftest import Server

CANARY = "Zanzibar7391"
"""In everything of the person who is erased; also in their name."""


@dataclass
class Interview:
    """A room that is over, with the person whose words are everywhere and somebody else."""

    server: Server
    room: Room
    notebook: Document
    them: Asker
    other: Asker
    export: Path

    @property
    def host(self) -> Asker:
        return host_outside(self.server)

    @property
    def their_id(self) -> str:
        assert self.them.person is not None
        return self.them.person.participant_id

    @property
    def path(self) -> str:
        return f"/rooms/{self.room.id}/participants/{self.their_id}/erasure"


async def write(server: Server, document: Document, who: Asker, edit: Any) -> None:
    """Commit an edit as somebody's page makes it, under a client id and a seat of theirs."""
    store: Any = server.services.store
    client = int(digest(f"{who.name}{document.id}")[:7], 16) + 2
    doc: Doc[Any] = Doc(client_id=client)
    for entry in await store.read(document.id):
        doc.apply_update(entry.update)
    updates: list[bytes] = []
    watching = doc.observe(lambda event: updates.append(event.update))
    with doc.transaction():
        edit(doc)
    doc.unobserve(watching)
    assert who.person is not None
    person_id = who.person.participant_id
    seats = await store.list_seats(document.room_id)
    seat = next(seat.id for seat in seats if seat.participant_id == person_id)
    await store.claim_clients(document.id, person_id, [client])
    new = [
        NewLogEntry(at=now(), client=client, seat=seat, update=u, origin="paste") for u in updates
    ]
    await store.append(document.id, new)
    said = EditOrigin(
        participant_id=person_id, client=client, start=0, end=3, deleted=False, origin="paste"
    )
    await store.add_origins(document.id, person_id, [said], keep=10)


async def run(interview: Interview, who: Asker, cell_id: str, output: str) -> Run:
    """A run as the server records it, with its output in the document."""
    services: Any = interview.server.services
    shared = await services.documents.open(interview.notebook)
    assert who.person is not None
    record = Run(
        id=new_id("run"),
        room_id=interview.room.id,
        document_id=interview.notebook.id,
        cell_id=cell_id,
        source_digest=digest(output),
        log_seq=shared.log_seq,
        by=who.person.participant_id,
        accepted_at=now(),
        started_at=now(),
        state=RunState.RUNNING,
        network_reported=(f"{output.split(maxsplit=1)[0]}.example:443",),
    )
    cell = Cell(shared, cell_id)
    cell.begin()
    found: Any = cell.find()
    shown = {"output_type": "stream", "name": "stdout", "text": Text(output)}
    found["outputs"].append(Map(shown))
    found["outputs"].append(Map({"output_type": "display_data", "data": {"text/plain": output}}))
    cell.end(4)
    await shared.committed()
    record = replace(record, ended_at=now(), output_digest=digest(output), state=RunState.DONE)
    await services.store.save_run(record)
    await interview.server.house.timeline.record(
        interview.room.id,
        "run.ended",
        actor="server",
        payload={"id": record.id, "source_digest": digest(output), "detail": output},
    )
    return record


def new_cell(cell_id: str, source: str) -> Map[Any]:
    values = {"cell_type": "code", "id": cell_id, "execution_count": None}
    parts = {"source": Text(source), "metadata": Map({}), "outputs": Array([])}
    return Map({**values, **parts})


async def make(server: Server, folder: Path) -> Interview:
    room = await server.room()
    services: Any = server.services
    people = []
    for role, name in ((Role.CANDIDATE, f"Ada {CANARY}"), (Role.INTERVIEWER, "Ivo")):
        person = await server.candidate(room, role=role, name=name)
        people.append(Asker(name=name, server=server, person=person))
    them, other = people
    documents = await services.store.list_documents(room.id)
    notebook = next(d for d in documents if d.kind == "notebook")
    interview = Interview(server, room, notebook, them, other, folder / room.id)
    await them.ask("POST", f"/rooms/{room.id}/chat", json={"text": f"I am {CANARY}"})
    await other.ask("POST", f"/rooms/{room.id}/chat", json={"text": "Welcome, all"})

    def theirs(doc: Doc[Any]) -> None:
        cells = doc.get("cells", type=Array)
        cells[0]["source"].insert(0, f"# {CANARY}\n")
        cells.append(new_cell(f"{CANARY}-cell", f"print('{CANARY}')"))
        cells[0]["metadata"][CANARY] = {CANARY: [CANARY]}
        doc.get("meta", type=Map)[CANARY] = CANARY
        doc.get(CANARY, type=Map)[CANARY] = CANARY.encode()

    def others(doc: Doc[Any]) -> None:
        cells = doc.get("cells", type=Array)
        source = cells[0]["source"]
        source.insert(len(source), "\n# Ivo's remark")
        cells.append(new_cell("00000042", "ivo = 42"))

    await write(server, notebook, them, theirs)
    await write(server, notebook, other, others)
    await run(interview, them, f"{CANARY}-cell", f"{CANARY} printed")
    await run(interview, other, "00000042", "ivo's output")
    body = f"{CANARY},1\n".encode() * 20_000  # many pages of the store
    kept = DataFile(room_id=room.id, path=f"{CANARY}.csv", size=len(body), digest=digest(body))
    await services.store.put_kept_file(kept, body)
    # What an editor and the exporter leave beside the file.
    await services.documents.close_room(room.id)
    await keep_snapshot(services.store, notebook)
    interview.export.mkdir(parents=True, exist_ok=True)
    for name in ("interview.ipynb", "interview changed outside 2026-01-01 120000.ipynb"):
        (interview.export / name).write_text(CANARY)
    checkpoint = interview.export / ".ipynb_checkpoints" / "interview-checkpoint.ipynb"
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.write_text(CANARY)
    await put_into(server, room, RoomState.ENDED)
    return interview


async def keep_snapshot(store: Any, document: Document) -> None:
    """Keep one as the server does, here after a few updates already."""

    async def reserve() -> int:
        return 1

    found = await restore(document.id, reserve=reserve, update_log=store, shortcut=None)
    shortcut = Shortcut(
        seq=found.seq, update=found.doc.get_update(), size=found.size, nesting=found.nesting
    )
    await store.keep_snapshot(document.id, pack(shortcut))


def in_files(folder: Path) -> list[str]:
    """The files below a folder that hold the canary, or are named by it."""
    found = []
    for path in sorted(folder.rglob("*")):
        holds = path.is_file() and CANARY.encode() in path.read_bytes()
        if holds or CANARY in path.name:
            found.append(str(path.relative_to(folder)))
    return found


async def in_answers(interview: Interview) -> list[str]:
    """The answers of the API, to the host and to the other, that hold the canary."""
    base = f"/rooms/{interview.room.id}"
    paths = ["", "/invites", "/participants", "/executions", "/files", "/timeline"]
    runs = (await interview.host.ask("GET", f"{base}/executions")).json()["runs"]
    paths += [f"/executions/{found['id']}" for found in runs]
    store: Any = interview.server.services.store
    for document in await store.list_documents(interview.room.id):
        own = f"/documents/{document.id}"
        paths += [f"{own}/copy"] if document.kind == "notebook" else []
        paths += [f"{own}/changes?limit=2000", f"{own}/replay"]
        paths += [f"{own}/at?seq={n}" for n in range(await store.last_seq(document.id) + 1)]
    found = []
    for who in (interview.host, interview.other):
        for path in paths:
            answer = await who.ask("GET", base + path)
            assert answer.status_code == 200, f"{path}: {answer.text}"
            if CANARY in answer.text:
                found.append(f"{who.name}: {path}")
    return found
