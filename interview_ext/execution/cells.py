"""One cell in a shared notebook, as the server sees and changes it.

How pages take changes decides how they are made (seen in JupyterLab 4.6):

* every inserted output is appended at the end, so output k is changed by deleting from k
  and appending the tail again, in one transaction;
* text within a stream is taken only for the last output, once a transaction, and as
  "remove so many from the end, then append". The new end is therefore inserted
  *behind* the old one before that is deleted: the other way round Yjs may report the
  insertion first, and pages would remove what they had just appended;
* an ``execution_count`` makes each page set ``idle``, so both change in one transaction.

pycrdt's text is indexed in UTF-8 bytes.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pycrdt import Array, Doc, Map, Text

from interview_ext.execution.output_list import OutputList, Stream
from interview_ext.execution.ports import RunDocument


def source_digest(source: str) -> str:
    """Return the SHA-256 of a cell's source in UTF-8, in hexadecimal."""
    return hashlib.sha256(source.encode()).hexdigest()


def source_in(doc: Doc[Any], cell_id: str) -> str | None:
    """Return the source of a code cell in any copy of a notebook, None if it has no such cell."""
    cells: Array[Any] = doc.get("cells", type=Array)
    for cell in cells:
        if isinstance(cell, Map) and cell.get("id") == cell_id:
            return _source(cell) if cell.get("cell_type") == "code" else None
    return None


class Cell:
    """A code cell, found anew by its id at each use: people move and delete cells."""

    def __init__(self, document: RunDocument, cell_id: str) -> None:
        self.document = document
        self.cell_id = cell_id
        self._index = 0

    @property
    def key(self) -> tuple[str, str]:
        return (self.document.document.id, self.cell_id)

    def find(self) -> Map[Any] | None:
        """Return the cell's shared map, or None if there is no such code cell."""
        cells = self.document.ydoc.ycells
        if self._index < len(cells) and self._is_it(cells[self._index]):
            return self._code(cells[self._index])
        for index in range(len(cells)):
            if self._is_it(cells[index]):
                self._index = index
                return self._code(cells[index])
        return None

    def source(self) -> str | None:
        """Return the source as it stands in the server's copy."""
        cell = self.find()
        return None if cell is None else _source(cell)

    def is_running(self) -> bool:
        cell = self.find()
        return cell is not None and cell.get("execution_state") == "running"

    def set_running(self) -> None:
        """Show ``[*]`` to everybody; what stood below stays until the run begins."""
        cell = self.find()
        if cell is not None:
            cell["execution_state"] = "running"

    def begin(self) -> None:
        """Empty the outputs, as the run begins."""
        cell = self.find()
        if cell is None:
            return
        with self.document.ydoc.ydoc.transaction():
            cell["execution_count"] = None
            cell["execution_state"] = "running"
            outputs = _outputs(cell)
            if len(outputs):
                del outputs[0 : len(outputs)]

    def end(self, execution_count: int | None) -> None:
        """Show the count, or what stood there before if there is none, instead of ``[*]``."""
        cell = self.find()
        if cell is None:
            return
        with self.document.ydoc.ydoc.transaction():
            if execution_count is not None:
                cell["execution_count"] = float(execution_count)
            cell["execution_state"] = "idle"

    def append_note(self, content: dict[str, Any]) -> None:
        """Append one error output, whatever stands there."""
        cell = self.find()
        if cell is not None:
            _outputs(cell).append(Map({"output_type": "error", **content}))

    def _is_it(self, cell: Any) -> bool:
        return isinstance(cell, Map) and cell.get("id") == self.cell_id

    def _code(self, cell: Map[Any]) -> Map[Any] | None:
        return cell if cell.get("cell_type") == "code" else None


def _source(cell: Map[Any]) -> str | None:
    source = cell.get("source")
    return None if source is None else str(source)


class CellOutputs:
    """The outputs of one cell's newest run, and which of them the document has.

    Attributes
    ----------
    written:
        Bytes this has put into the document, what was replaced since included.
    """

    def __init__(self, cell: Cell, run_id: str = "") -> None:
        self.cell = cell
        self.run_id = run_id
        self.model = OutputList()
        self.written = 0
        self._mirror: list[_Written] = []

    def digest(self) -> str:
        """Return the SHA-256 over the outputs as JSON with sorted keys."""
        text = json.dumps(self.model.as_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def flush(self) -> None:
        """Bring the document's outputs to what the model has."""
        cell = self.cell.find()
        if cell is None:
            return
        outputs = _outputs(cell)
        if not self._as_left(outputs):
            self._start_over(outputs)
        same = self._count_same()
        if same < len(self._mirror) and self._can_edit(same):
            self._edit_last(outputs)
            same += 1
        if same < len(self._mirror) or same < len(self.model.items):
            self._replace_tail(outputs, same)

    def _as_left(self, outputs: Array[Any]) -> bool:
        """Whether nobody else has changed the outputs, as far as a look at the end shows."""
        if len(outputs) != len(self._mirror):
            return False
        if not self._mirror or self._mirror[-1].text_bytes is None:
            return True
        text = outputs[len(outputs) - 1].get("text")
        return isinstance(text, Text) and len(text) == self._mirror[-1].text_bytes

    def _start_over(self, outputs: Array[Any]) -> None:
        """Somebody cleared the outputs (or wrote some): keep only what is new since."""
        known = {id(w.output) for w in self._mirror}
        last = self._mirror[-1] if self._mirror else None
        items = self.model.items
        rest = [item for item in items if id(item) not in known]
        if last is not None and last.is_behind() and last.output in items:
            rest.insert(0, last.continued())
        self.model.keep(rest)
        self._mirror.clear()
        if len(outputs):
            del outputs[0 : len(outputs)]

    def _count_same(self) -> int:
        count = 0
        for written, item in zip(self._mirror, self.model.items, strict=False):
            if written.output is not item or written.version != item.version:
                break
            count += 1
        return count

    def _can_edit(self, at: int) -> bool:
        written = self._mirror[at]
        return (
            at == len(self._mirror) - 1
            and isinstance(written.output, Stream)
            and at < len(self.model.items)
            and self.model.items[at] is written.output
        )

    def _edit_last(self, outputs: Array[Any]) -> None:
        written = self._mirror[-1]
        text = outputs[len(outputs) - 1]["text"]
        keep, tail = written.advance()
        old_bytes = len(text)
        with self.cell.document.ydoc.ydoc.transaction():
            if tail:
                text.insert(old_bytes, tail)
            if keep < old_bytes:
                del text[keep:old_bytes]
        self.written += len(tail.encode())

    def _replace_tail(self, outputs: Array[Any], start: int) -> None:
        new = [_Written(item) for item in self.model.items[start:]]
        with self.cell.document.ydoc.ydoc.transaction():
            if start < len(outputs):
                del outputs[start : len(outputs)]
            if new:
                outputs.extend([written.as_shared() for written in new])
        self._mirror[start:] = new
        self.written += sum(written.output.size() for written in new)


class _Written:
    """One output as the document has it."""

    def __init__(self, output: Any) -> None:
        self.output = output
        self.version = output.version
        self._settled = 0
        self._settled_bytes = 0
        self._live = ""
        self.text_bytes: int | None = None
        self.text_chars = 0

    def is_behind(self) -> bool:
        """Whether a stream has got more text since."""
        return isinstance(self.output, Stream) and self.version != self.output.version

    def continued(self) -> Stream:
        """Return a new stream with what came since."""
        stream = Stream(self.output.name)
        stream.feed(self.output.text.text()[self.text_chars :])
        return stream

    def as_shared(self) -> Map[Any]:
        if not isinstance(self.output, Stream):
            return Map(self.output.as_json())
        _, text = self.advance()
        return Map({"output_type": "stream", "name": self.output.name, "text": Text(text)})

    def advance(self) -> tuple[int, str]:
        """Catch up with a stream.

        Returns
        -------
        The bytes of the old text that stay, and the text that follows them.
        """
        stream: Stream = self.output
        fresh = "".join(stream.text.settled[self._settled :])
        live = stream.text.live()
        tail = fresh + live
        common = _common_prefix(self._live, tail)
        keep = self._settled_bytes + len(self._live[:common].encode())
        self.text_chars += len(tail) - len(self._live)
        self._settled = len(stream.text.settled)
        self._settled_bytes += len(fresh.encode())
        self._live = live
        self.text_bytes = self._settled_bytes + len(live.encode())
        self.version = stream.version
        return keep, tail[common:]


def _outputs(cell: Map[Any]) -> Array[Any]:
    outputs = cell.get("outputs")
    if not isinstance(outputs, Array):
        outputs = Array()
        cell["outputs"] = outputs
    return outputs


def _common_prefix(a: str, b: str) -> int:
    """Return how many characters both begin with."""
    if b.startswith(a):
        return len(a)
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
