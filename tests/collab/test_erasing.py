"""Erasing one person from a log: theirs goes, others' stays, and both Yjs engines agree."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from interview_ext.collab.content import notebook_json
from interview_ext.collab.erasing import Eraser
from interview_ext.collab.gate import SERVER
from interview_ext.collab.wire.structs import walk
from interview_ext.rooms.erasure import Author
from interview_ext.rooms.model import LogEntry, Run, RunState

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
THEM, OTHER, THIRD = "person_them", "person_other", "person_third"
WORDS = {THEM: "ERASEME", OTHER: "keepme", THIRD: "thirdme"}
"""A word of each; no two share a letter of the same case."""
CLIENTS = {THEM: (101, 102), OTHER: (201,), THIRD: (301,), SERVER: (900,)}
OWNERS = {client: who for who, clients in CLIENTS.items() for client in clients}


@dataclass
class Table:
    """People who write into one notebook, each with a copy that lags behind."""

    docs: dict[int, Doc[Any]] = field(default_factory=dict)
    log: list[LogEntry] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)
    made: int = 0

    def __post_init__(self) -> None:
        for client in OWNERS:
            doc: Doc[Any] = Doc(client_id=client)
            doc.get("cells", type=Array)
            doc.get("meta", type=Map)
            self.docs[client] = doc
            self.seen[client] = 0

    def sync(self, client: int) -> None:
        for entry in self.log[self.seen[client] :]:
            self.docs[client].apply_update(entry.update)
        self.seen[client] = len(self.log)

    def write(self, client: int, work: Any) -> None:
        """Edit one's copy; what that makes goes to the end of the log."""
        doc = self.docs[client]
        updates: list[bytes] = []
        watching = doc.observe(lambda event: updates.append(event.update))
        with doc.transaction():
            work(doc)
        doc.unobserve(watching)
        who = OWNERS[client]
        for update in updates:
            if update == b"\x00\x00":
                continue
            self.log.append(
                LogEntry(
                    document_id="d",
                    seq=len(self.log) + 1,
                    at=AT + timedelta(seconds=len(self.log)),
                    client=client,
                    seat=None if who == SERVER else f"seat_{who}",
                    update=update,
                    origin="typed",
                )
            )

    def state(self, log: list[LogEntry]) -> Doc[Any]:
        doc: Doc[Any] = Doc()
        for entry in log:
            doc.apply_update(entry.update)
        return doc


def cell(cell_id: str, source: str) -> Map[Any]:
    parts: dict[str, Any] = {"cell_type": "code", "id": cell_id, "execution_count": None}
    return Map({**parts, "source": Text(source), "metadata": Map({}), "outputs": Array([])})


def edit(table: Table, who: str, rng: random.Random) -> None:  # noqa: C901 - a list of edits
    client = rng.choice(CLIENTS[who])
    if rng.random() < 0.7:
        table.sync(client)
    word = WORDS[who]

    def work(doc: Doc[Any]) -> None:
        cells = doc.get("cells", type=Array)
        kind = rng.choice(("add", "type", "type", "type", "cut", "note", "drop", "kind", "odd"))
        if kind == "add" or not len(cells):
            table.made += 1
            cell_id = f"{word}{table.made}" if rng.random() < 0.3 else f"{table.made:08x}"
            cells.insert(rng.randint(0, len(cells)), cell(cell_id, word))
            return
        chosen = cells[rng.randrange(len(cells))]
        if kind == "odd":
            cells.append({word: [1.5, word], "bytes": word.encode()})
            doc.get(word, type=Map)[word] = word
        elif not isinstance(chosen, Map):
            pass
        elif kind == "note":
            chosen["metadata"][rng.choice((word, "tags", "name"))] = {word: word, "n": 7}
        elif kind == "kind":
            chosen["cell_type"] = rng.choice(("code", "markdown", word))
        elif kind == "drop" and len(cells) > 3:
            del cells[rng.randrange(len(cells))]
        else:
            source = chosen["source"]
            length = len(source)
            at = rng.randint(0, length)
            if kind == "cut" and length:
                del source[at : min(length, at + 3)]
            else:
                source.insert(at, word)
                if rng.random() < 0.2:
                    source.format(0, len(source), {word: word})

    table.write(client, work)


def letters(doc: Doc[Any], alphabet: str) -> list[str]:
    """By cell, in order, what stands in its source that consists of these letters."""
    found = []
    for one in doc.get("cells", type=Array):
        if isinstance(one, Map):
            kept = "".join(letter for letter in str(one["source"]) if letter in alphabet)
            found.append(kept)
    return found


def erased(table: Table, runs: tuple[Run, ...] = ()) -> tuple[list[LogEntry], Any]:
    author = Author(participant_id=THEM, seats=frozenset({f"seat_{THEM}"}), runs=runs)
    return Eraser(table.log, OWNERS, author).erase()


SEEDS, EDITS = st.integers(0, 2**32), st.integers(1, 40)


@settings(max_examples=200)
@given(SEEDS, EDITS)
def test_others_stay_and_nothing_of_theirs_is_left(seed: int, edits: int) -> None:
    check_one(seed, edits)


@pytest.mark.soak
@settings(max_examples=2000)
@given(SEEDS, st.integers(1, 120))
def test_others_stay_and_nothing_of_theirs_is_left_long(seed: int, edits: int) -> None:
    check_one(seed, edits)


def check_one(seed: int, edits: int) -> None:
    rng = random.Random(seed)
    table = Table()
    for _ in range(edits):
        edit(table, rng.choice((THEM, THEM, OTHER, THIRD)), rng)
    before = table.state(table.log)
    log, text = erased(table)

    assert [(e.seq, e.at, e.seat, e.client) for e in log] == [
        (e.seq, e.at, e.seat, e.client) for e in table.log
    ]
    for old, new in zip(table.log, log, strict=True):
        if old.seat != f"seat_{THEM}":
            assert new == old
        assert [
            (s.client, [(t.clock, t.length) for t in s.structs]) for s in walk(new.update)[0]
        ] == [(s.client, [(t.clock, t.length) for t in s.structs]) for s in walk(old.update)[0]]
    everything = b"".join(entry.update for entry in log)
    for piece in ("ERAS", "SEME", "RASE"):
        assert piece.encode() not in everything

    after = table.state(log)
    assert after.get_state() == before.get_state()
    others = WORDS[OTHER] + WORDS[THIRD]
    assert letters(after, others) == letters(before, others)
    assert not any(letters(after, WORDS[THEM]))
    # Once more: nothing changes, and the same cells are found.
    author = Author(participant_id=THEM, seats=frozenset({f"seat_{THEM}"}))
    again, known = Eraser(log, OWNERS, author).erase()
    assert again == log
    assert {text.renamed.get(c, c) for c in text.cells} == known.cells


def run(number: int, cell_id: str, by: str, started: int) -> Run:
    return Run(
        id=f"run_{number}",
        room_id="r",
        document_id="d",
        cell_id=cell_id,
        source_digest="",
        log_seq=0,
        by=by,
        accepted_at=AT,
        state=RunState.DONE,
        started_at=AT + timedelta(seconds=started),
        ended_at=AT + timedelta(seconds=started + 1),
    )


def show(table: Table, number: int, text: str) -> int:
    """The server begins a run of a cell and writes its output; returns when it began."""
    table.sync(900)
    began = len(table.log)

    def begin(doc: Doc[Any]) -> None:
        one = doc.get("cells", type=Array)[number]
        one["execution_count"], one["execution_state"] = None, "running"
        del one["outputs"][0 : len(one["outputs"])]

    def output(doc: Doc[Any]) -> None:
        outputs = doc.get("cells", type=Array)[number]["outputs"]
        shown = {"output_type": "stream", "name": "stdout", "text": Text(text)}
        outputs.extend([Map(shown), Map({"output_type": "display_data", "data": {"a": text}})])

    def more(doc: Doc[Any]) -> None:
        doc.get("cells", type=Array)[number]["outputs"][0]["text"].insert(0, text)

    def end(doc: Doc[Any]) -> None:
        one = doc.get("cells", type=Array)[number]
        one["execution_count"], one["execution_state"] = 3.0, "idle"

    for work in (begin, output, more, end):
        table.write(900, work)
    return began


def test_outputs_go_with_whose_run_they_are() -> None:
    table = Table()
    table.write(201, lambda d: d.get("cells", type=Array).append(cell("00000001", "keepme")))
    table.write(201, lambda d: d.get("cells", type=Array).append(cell("00000002", "keepme")))
    table.write(201, lambda d: d.get("cells", type=Array).append(cell("00000003", "")))
    table.sync(101)
    table.write(101, lambda d: d.get("cells", type=Array)[2]["source"].insert(0, "ERASEME"))
    runs = (
        run(1, "00000001", THEM, show(table, 0, "FIRST-OF-THEIRS")),
        run(2, "00000001", OTHER, show(table, 0, "then another's")),
        run(3, "00000002", OTHER, show(table, 1, "another's")),
        run(4, "00000002", THEM, show(table, 1, "LAST-OF-THEIRS")),
        run(5, "00000003", OTHER, show(table, 2, "OF-THEIR-CODE")),
    )
    log, text = erased(table, runs)
    everything = b"".join(entry.update for entry in log)
    for word in (b"FIRST-OF", b"LAST-OF", b"OF-THEIR", b"ERASEME"):
        assert word in b"".join(entry.update for entry in table.log)
        assert word not in everything
    assert text.cells == {"00000003"}
    # Seen at each moment: what others' runs showed is there as long as it ever was.
    assert b"then another's" in everything
    cells = notebook_json(table.state(log))["cells"]
    assert [len(c["outputs"]) for c in cells] == [2, 0, 0]
    assert cells[0]["outputs"][0]["text"] == "then another's" * 2
    assert [c["execution_count"] for c in cells] == [3, 3, 3]
    upto = next(e.seq for e in log if b"LAST-OF" in table.log[e.seq - 1].update)
    then = notebook_json(table.state(log[: upto - 2]))["cells"][1]
    assert then["outputs"][0]["text"] == "another's" * 2


def test_a_log_of_a_text_document_too() -> None:
    table = Table()
    doc: Doc[Any] = Doc(client_id=201)
    updates: list[bytes] = []
    watching = doc.observe(lambda event: updates.append(event.update))
    source = doc.get("source", type=Text)
    source += "keepme keepme"
    them: Doc[Any] = Doc(client_id=101)
    them.apply_update(updates[0])
    theirs: list[bytes] = []
    also = them.observe(lambda event: theirs.append(event.update))
    them.get("source", type=Text).insert(6, "ERASEME")
    doc.apply_update(theirs[0])
    source.insert(13, "!")
    doc.unobserve(watching)
    them.unobserve(also)
    base = LogEntry(document_id="d", seq=1, at=AT, client=0, seat="seat_x", update=b"")
    table.log = [
        replace(base, seq=n, update=u)
        for n, u in enumerate([updates[0], theirs[0], updates[-1]], 1)
    ]
    log, _ = erased(table)
    assert str(table.state(log).get("source", type=Text)) == "keepme! keepme"
    assert json.dumps(str(log)).count("ERASEME") == 0


def test_real_yjs_loads_the_same(node: str) -> None:
    """With what pages get: the new log, update by update, and as one state."""
    logs: list[list[LogEntry]] = []
    for seed in range(60):
        rng = random.Random(seed)
        table = Table()
        for _ in range(25):
            edit(table, rng.choice((THEM, THEM, OTHER, THIRD)), rng)
        table.sync(201)
        cells = enumerate(table.docs[201].get("cells", type=Array))
        number = next((n for n, one in cells if isinstance(one, Map)), None)
        if number is not None:
            show(table, number, "OUTPUT")
        logs.append(erased(table)[0])
    sent: list[list[bytes]] = []
    for log in logs:
        sent += [[entry.update for entry in log], [Table().state(log).get_update()]]
    lines = "".join(json.dumps([base64.b64encode(u).decode() for u in us]) + "\n" for us in sent)
    command = [node, str(Path(__file__).parent / "node" / "load.mjs")]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(sent)
    for number, answer in enumerate(answers):
        doc = Table().state(logs[number // 2])
        mine = [
            {"source": str(one["source"]), "outputs": one["outputs"].to_py()}
            if isinstance(one, Map)
            else None
            for one in doc.get("cells", type=Array)
        ]
        assert not answer["pending"]
        assert answer["cells"] == mine
