"""The kernel of the WebAssembly engine: Jupyter's messages with the standard library alone.

Runs inside Pyodide, on a thread that never goes back to its event loop: messages are taken from a
mailbox that the other thread fills. While a cell runs, a signal makes Python look into it, so that
files can be read and written and the kernel be interrupted meanwhile.
"""

from __future__ import annotations

import ast
import base64
import builtins
import codeop
import errno
import inspect
import io
import json
import linecache
import os
import re
import rlcompleter
import signal
import stat
import struct
import sys
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

HELLO, MESSAGE, FILE, REPLY, NOTICE = 1, 4, 5, 6, 7
SHELL, CONTROL, STDIN, IOPUB = 1, 2, 3, 4
DELIMITER = b"<IDS|MSG>"
WORK = "/work"
REPLY_BYTES = 1024 * 1024
LIST_ENTRIES = 2000
LIST_DEPTH = 8
WAIT_S = 0.1
TOKEN = re.compile(r"[\w.]+$")
RICH = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "text/latex": "_repr_latex_",
    "image/svg+xml": "_repr_svg_",
    "application/json": "_repr_json_",
    "image/png": "_repr_png_",
}
ABOUT = "Python's standard library only, in WebAssembly: no packages, no network, no processes."


class Message:
    """A message of a client's."""

    def __init__(self, channel: int, payload: bytes) -> None:
        parts = unpack(payload)
        at = parts.index(DELIMITER)
        self.channel = channel
        self.idents = parts[:at]
        self.header = json.loads(parts[at + 2])
        self.content = json.loads(parts[at + 5])
        self.kind: str = self.header["msg_type"]


class Stream(io.TextIOBase):
    """Stdout or stderr of cells; a line is sent when it is complete."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        self.kernel = kernel
        self._name = name
        self._waiting: list[str] = []

    @property
    def name(self) -> str:
        return self._name

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._waiting.append(text)
        if "\n" in text or len(self._waiting) > 1000:
            self.flush()
        return len(text)

    def flush(self) -> None:
        text, self._waiting = "".join(self._waiting), []
        if text:
            self.kernel.publish("stream", {"name": self._name, "text": text})


class Kernel:
    """One namespace, and the messages about it."""

    def __init__(self) -> None:
        self.take: Callable[[float], Any] = lambda _: None
        self.post: Callable[[int, int, Any], None] = lambda *_: None
        self.mark: Callable[[bool], None] = lambda _: None
        self.waiting: deque[Message] = deque()
        self.session = ""
        self.count = 0
        self.running = False
        self.ending = False
        self.parent: Message | None = None
        self.limit = 16 * 1024 * 1024
        self.names: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}

    # -- in and out -------------------------------------------------------------------------

    def receive(self, patience_ms: float) -> bool:
        """Take a message, and do at once what is about files; the answer is whether one came."""
        found = self.take(patience_ms)
        if found is None:
            return False
        data = found.to_bytes()
        kind, channel, payload = data[0], data[1], data[2:]
        if kind == FILE:
            self.post_bytes(REPLY, 0, answer_file(payload))
        elif kind == HELLO:
            self.limit = json.loads(payload)["max_message_bytes"]
        elif kind == MESSAGE:
            self.waiting.append(Message(channel, payload))
        return True

    def post_bytes(self, kind: int, channel: int, payload: bytes) -> None:
        self.post(kind, channel, payload)

    def send(self, channel: int, idents: list[bytes], kind: str, content: Any) -> None:
        parent = self.parent.header if self.parent is not None else {}
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self.session,
            "username": "",
            "date": datetime.now(UTC).isoformat(),
            "version": "5.3",
        }
        parts = [json.dumps(each).encode() for each in (header, parent, {}, content)]
        size = sum(map(len, parts))
        if size <= self.limit:
            self.post_bytes(MESSAGE, channel, pack([*idents, DELIMITER, b"", *parts]))
        elif kind.endswith("_reply"):
            self.send(channel, idents, kind, error("ReplyTooLarge", f"It has {size} bytes."))
        else:
            notice = {"what": "refused", "bytes": size, "count": 1, "header": header}
            notice["parent_header"] = parent
            self.post_bytes(NOTICE, channel, json.dumps(notice).encode())

    def publish(self, kind: str, content: Any) -> None:
        self.send(IOPUB, [f"kernel.{kind}".encode()], kind, content)

    def reply(self, message: Message, content: Any) -> None:
        kind = message.kind.replace("_request", "_reply")
        self.send(message.channel, message.idents, kind, {"status": "ok", **content})

    # -- the loop ---------------------------------------------------------------------------

    def serve(self) -> None:
        self.session = uuid.uuid4().hex
        signal.signal(signal.SIGINT, self.interrupted)
        signal.signal(signal.SIGUSR1, self.looked_for)
        os.makedirs(WORK, exist_ok=True)
        os.chdir(WORK)
        sys.stdout, sys.stderr = Stream(self, "stdout"), Stream(self, "stderr")
        builtins.input = self.input
        time.sleep = self.sleep  # type: ignore[assignment]
        for name in [*os.environ]:  # where this runs is nobody's business in here
            if name not in {"HOME", "LANG", "PATH"}:
                del os.environ[name]
        sys.displayhook = self.show_result
        self.names["display"] = self.display
        while not self.ending:
            if self.waiting or self.receive(1e9):
                while self.waiting and not self.ending:
                    self.handle(self.waiting.popleft())

    def interrupted(self, _number: int, _frame: object) -> None:
        if self.running:
            raise KeyboardInterrupt

    def looked_for(self, _number: int, _frame: object) -> None:
        while self.receive(0):
            pass

    def handle(self, message: Message) -> None:
        answer = getattr(self, f"on_{message.kind}", None)
        if answer is None:
            return
        self.parent = message
        self.publish("status", {"execution_state": "busy"})
        try:
            answer(message)
        except Exception as problem:  # noqa: BLE001  (what a candidate's object raises is theirs)
            self.reply(message, error(type(problem).__name__, str(problem)))
        self.parent = message
        self.publish("status", {"execution_state": "idle"})

    # -- running ----------------------------------------------------------------------------

    def on_execute_request(self, message: Message) -> None:
        content = message.content
        code, silent = content["code"], content.get("silent", False)
        if not silent:
            self.count += 1
            self.publish("execute_input", {"code": code, "execution_count": self.count})
        failed = self.run(code)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        if failed is not None:
            if not silent:
                self.publish("error", failed)
            reply = {"status": "error", **failed}
        else:
            asked = content.get("user_expressions") or {}
            results = {name: self.expression(text) for name, text in asked.items()}
            reply = {"user_expressions": results, "payload": []}
        self.reply(message, {**reply, "execution_count": self.count})
        if failed is not None and content.get("stop_on_error", True):
            self.abort()

    def run(self, code: str) -> dict[str, Any] | None:
        """Run a cell; the answer is its error."""
        name = f"<cell {self.count}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        try:
            self.running = True
            self.mark(True)
            tree = ast.parse(code, name)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, name, "exec"), self.names)
            if last is not None and not code.rstrip().endswith(";"):
                exec(compile(ast.Interactive([last]), name, "single"), self.names)
            elif last is not None:
                exec(compile(ast.Module([last], []), name, "exec"), self.names)
        except SystemExit:
            self.ending = True
        except BaseException as problem:  # noqa: BLE001  (shown, whatever it is)
            self.running = False
            return described(problem)
        finally:
            self.running = False
            self.mark(False)
        return None

    def expression(self, text: str) -> dict[str, Any]:
        try:
            value = eval(text, self.names)
            return {"status": "ok", "data": bundle(value), "metadata": {}}
        except Exception as problem:  # noqa: BLE001
            return {"status": "error", **described(problem)}

    def abort(self) -> None:
        """Answer what is queued behind an error without running it."""
        while self.receive(0):
            pass
        kept: deque[Message] = deque()
        failed = self.parent
        for message in self.waiting:
            if message.kind != "execute_request":
                kept.append(message)
                continue
            self.parent = message
            self.reply(message, {"status": "aborted", "execution_count": self.count})
            self.publish("status", {"execution_state": "idle"})
        self.parent, self.waiting = failed, kept

    def show_result(self, value: Any) -> None:
        if value is None:
            return
        builtins._ = value  # type: ignore[attr-defined]
        shown = {"data": bundle(value), "metadata": {}, "execution_count": self.count}
        self.publish("execute_result", shown)

    def display(self, *values: Any) -> None:
        """Show values as the last line of a cell does."""
        for value in values:
            self.publish("display_data", {"data": bundle(value), "metadata": {}, "transient": {}})

    def input(self, prompt: object = "") -> str:
        """Ask whoever looks at the cell."""
        message = self.parent
        if message is None or not message.content.get("allow_stdin", True):
            raise EOFError("Nobody can answer here.")
        sys.stdout.flush()
        question = {"prompt": str(prompt), "password": False}
        self.send(STDIN, message.idents, "input_request", question)
        while True:
            self.receive(1000 * WAIT_S)
            for each in self.waiting:
                if each.channel == STDIN:
                    self.waiting.remove(each)
                    return str(each.content.get("value", ""))

    def sleep(self, seconds: float) -> None:
        """Wait as `time.sleep` does, but so that it can be interrupted."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.receive(1000 * min(left, WAIT_S))

    # -- help -------------------------------------------------------------------------------

    def on_kernel_info_request(self, message: Message) -> None:
        info = {
            "protocol_version": "5.3",
            "implementation": "interview-webassembly",
            "implementation_version": "1",
            "banner": f"Python {sys.version.split()[0]}. {ABOUT}",
            "language_info": {
                "name": "python",
                "version": sys.version.split()[0],
                "mimetype": "text/x-python",
                "file_extension": ".py",
                "codemirror_mode": {"name": "ipython", "version": 3},
                "pygments_lexer": "ipython3",
            },
            "help_links": [],
        }
        self.reply(message, info)

    def on_complete_request(self, message: Message) -> None:
        end = message.content["cursor_pos"]
        token = TOKEN.search(message.content["code"][:end])
        matches: list[str] = []
        if token is not None:
            completer = rlcompleter.Completer(self.names)
            while (match := completer.complete(token[0], len(matches))) is not None:
                matches.append(match)
        matches = list(dict.fromkeys(match.rstrip("()").rstrip() for match in matches))
        start = end if token is None else token.start()
        place = {"cursor_start": start, "cursor_end": end}
        self.reply(message, {"matches": matches, "metadata": {}, **place})

    def on_inspect_request(self, message: Message) -> None:
        code, at = message.content["code"], message.content["cursor_pos"]
        rest = re.match(r"\w*", code[at:])
        token = TOKEN.search(code[:at] + (rest[0] if rest else ""))
        try:
            value = eval(token[0] if token else "", self.names)
        except Exception:  # noqa: BLE001  (then there is nothing to be told)
            self.reply(message, {"found": False, "data": {}, "metadata": {}})
            return
        lines = [f"Type: {type(value).__name__}"]
        with suppress(TypeError, ValueError):
            lines.insert(0, f"{token[0] if token else ''}{inspect.signature(value)}")
        lines.append(inspect.getdoc(value) or "No documentation.")
        if message.content.get("detail_level"):
            with suppress(TypeError, OSError):
                lines.append(inspect.getsource(value))
        data = {"text/plain": "\n\n".join(lines)}
        self.reply(message, {"found": True, "data": data, "metadata": {}})

    def on_is_complete_request(self, message: Message) -> None:
        code = message.content["code"]
        try:
            whole = codeop.compile_command(code, "<cell>", "exec") is not None
        except (SyntaxError, OverflowError, ValueError):
            self.reply(message, {"status": "invalid"})
            return
        self.reply(message, {"status": "complete" if whole else "incomplete", "indent": ""})

    def on_comm_info_request(self, message: Message) -> None:
        self.reply(message, {"comms": {}})

    def on_comm_open(self, message: Message) -> None:
        self.publish("comm_close", {"comm_id": message.content.get("comm_id", ""), "data": {}})

    def on_history_request(self, message: Message) -> None:
        self.reply(message, {"history": []})

    def on_interrupt_request(self, message: Message) -> None:
        self.reply(message, {})

    def on_shutdown_request(self, message: Message) -> None:
        self.reply(message, {"restart": message.content.get("restart", False)})
        self.ending = True


def pack(parts: list[bytes]) -> bytes:
    sizes = [len(part) for part in parts]
    return b"".join([struct.pack(f"!H{len(sizes)}I", len(sizes), *sizes), *parts])


def unpack(payload: bytes) -> list[bytes]:
    (count,) = struct.unpack_from("!H", payload)
    at, parts = 2 + 4 * count, []
    for size in struct.unpack_from(f"!{count}I", payload, 2):
        parts.append(payload[at : at + size])
        at += size
    return parts


def error(name: str, value: str) -> dict[str, Any]:
    return {"status": "error", "ename": name, "evalue": value, "traceback": []}


def described(problem: BaseException) -> dict[str, Any]:
    """An error as a client shows it, without this file's own frames."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    problem.__traceback__ = trace
    lines = "".join(traceback.format_exception(problem)).splitlines()
    return {"ename": type(problem).__name__, "evalue": str(problem), "traceback": lines}


def bundle(value: Any) -> dict[str, Any]:
    """A value in every form it has one in."""
    data: dict[str, Any] = {"text/plain": repr(value)}
    for mime, method in RICH.items():
        if not isinstance(value, type) and callable(form := getattr(value, method, None)):
            with suppress(Exception):
                shown = form()
                if isinstance(shown, bytes):
                    shown = base64.b64encode(shown).decode()
                if shown is not None:
                    data[mime] = shown
    return data


def answer_file(payload: bytes) -> bytes:
    """Do what the host asks about a file below the work folder."""
    (size,) = struct.unpack_from("!I", payload)
    asked = json.loads(payload[4 : 4 + size])
    data = b""
    answer: dict[str, Any] = {}
    path = os.path.join(WORK, asked.get("path", ""))
    try:
        if asked["do"] == "put":
            put(path, asked["offset"], payload[4 + size :])
        elif asked["do"] == "get":
            answer, data = get(path, asked["offset"])
        else:
            answer = listing()
    except OSError as problem:
        answer = {
            "errno": NUMBERS.get(problem.errno or 0, 22),
            "error": os.strerror(problem.errno or 0),
        }
    head = json.dumps({**answer, "id": asked["id"]}).encode()
    return struct.pack("!I", len(head)) + head + data


NUMBERS = {errno.ENOENT: 2, errno.ENOSPC: 28, errno.EFBIG: 27, errno.EDQUOT: 122}
"""Errors have other numbers in WebAssembly than on the host, which is told Linux's."""


def put(path: str, offset: int, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if offset == 0:
        with suppress(FileNotFoundError):
            os.unlink(path)
    with open(path, "ab") as file:
        file.truncate(offset)
        file.write(data)


def get(path: str, offset: int) -> tuple[dict[str, Any], bytes]:
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    with open(path, "rb") as file:
        file.seek(offset)
        return {"size": status.st_size}, file.read(REPLY_BYTES)


def listing() -> dict[str, Any]:
    found: list[list[Any]] = []
    for folder, folders, files in os.walk(WORK):
        below = os.path.relpath(folder, WORK)
        if below != "." and below.count("/") + 2 >= LIST_DEPTH:
            folders.clear()
        for name in sorted(files):
            path = os.path.join(folder, name)
            with suppress(OSError):
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode) and len(found) < LIST_ENTRIES:
                    shown = os.path.relpath(path, WORK).encode("utf-8", "replace").decode()
                    found.append([shown, status.st_size])
    return {"files": found, "complete": len(found) < LIST_ENTRIES}


KERNEL = Kernel()


def serve(take: Any, post: Any, mark: Any) -> None:
    """Answer messages until the kernel is shut down. Called by the worker, once."""
    KERNEL.take, KERNEL.post, KERNEL.mark = take, post, mark
    KERNEL.serve()
