"""The engine port on Python in WebAssembly: Deno runs Pyodide. The standard library only.

Each sandbox is one Deno process that may read its own folder, and nothing else: no network, no
writing, no environment, no programs. Its files lie in its memory. It starts from a snapshot of
Python's memory, which is made once for each version of the parts and kept in the user's cache.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from interview_ext.errors import EngineUnavailable, SandboxError, SandboxGone

from .local import Box, Lack, LocalEngine
from .profiles import MIB, Limits, Profile

HERE = Path(__file__).with_name("wasm")
SCRIPTS = ("main.js", "worker.js", "mailbox.js", "frames.js", "snapshot.js", "kernel.py")
RUNTIME = (
    "package.json",
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
)
"""What is used of npm's package pyodide."""
SNAPSHOT = "snapshot.bin"
SNAPSHOT_PATIENCE_S = 180
PAGE_BYTES = 64 * 1024
SPARE_BYTES = 256 * MIB
"""WebAssembly's memory may grow so far beyond the limit, at which the process is ended."""
INSTALL_HINT = "pip install 'jupyter-interview-rooms[wasm]'"


class WebAssemblyEngine(LocalEngine):
    """Kernels that are WebAssembly instances, one process each.

    Parameters
    ----------
    cache:
        Folder for what is made once; None takes the user's.
    """

    name = "wasm"
    isolation = "webassembly"
    package = "deno"

    def __init__(self, cache: Path | None = None) -> None:
        super().__init__()
        self._cache = cache or _user_cache()
        self._making = asyncio.Lock()
        self._folder: Path | None = None

    def lack(self) -> Lack | None:
        """See :class:`LocalEngine`."""
        if not sys.platform.startswith("linux"):
            return Lack("The WebAssembly engine needs Linux.")
        if deno() is None:
            return Lack("The WebAssembly engine needs Deno, which is not installed.", INSTALL_HINT)
        if runtime_folder() is None:
            return Lack(
                "Pyodide is not there: this package was built without it.",
                "In a checkout: npm ci --prefix interview_ext/sandbox/wasm",
            )
        return None

    async def _prepare(self, box: Box) -> None:
        async with self._making:
            if self._folder is None:
                self._folder = await _prepared(self._cache)
        box.folder = self._folder

    async def start(self, container: str) -> None:
        """See :class:`Engine`."""
        box = self._box(container)
        if box.folder is None:
            raise SandboxGone("The sandbox is gone.", reason="crash")
        argv = [*_leash(), *_command(box.folder, "main.js", box.profile.limits)]
        await self._spawn(box, argv, cwd=box.folder, environment=_environment(box.folder))

    async def execute(self, container: str, profile: Profile) -> str:
        """See :class:`Engine`. The kernel starts with the process; there is one, not two."""
        del profile
        self._box(container)
        return container

    async def executing(self, process: str) -> bool:
        """See :class:`Engine`."""
        with suppress(SandboxGone):
            return self._box(process).running
        return False

    def main_ended(self, box: Box) -> None:
        """Tell of the kernel's end, which is the process's."""
        code = box.transport.get_returncode() if box.transport is not None else None
        self.tell(box, "process_exit", process=box.id, exit_code=code)


def deno() -> str | None:
    """Where the Deno of this Python's packages is, None if it is not installed."""
    found = Path(sys.executable).with_name("deno")
    with suppress(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("deno")
        return str(found) if found.is_file() else None
    return None


def runtime_folder() -> Path | None:
    """Where Pyodide is: in the package as it was built, or as npm puts it into a checkout."""
    for folder in (HERE / "pyodide", HERE / "node_modules" / "pyodide"):
        if all((folder / name).is_file() for name in RUNTIME):
            return folder
    return None


def _user_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "jupyter-interview-rooms" / "wasm"


def _command(folder: Path, script: str, limits: Limits | None = None) -> list[str]:
    """Deno with one permission: to read this folder."""
    pages = [] if limits is None else [(limits.memory_bytes + SPARE_BYTES) // PAGE_BYTES]
    return [
        deno() or "deno",
        "run",
        "--quiet",
        "--no-prompt",
        "--no-config",
        "--no-lock",
        "--no-remote",
        "--no-npm",
        *(f"--v8-flags=--wasm-max-mem-pages={count}" for count in pages),
        f"--allow-read={folder}",
        str(folder / script),
    ]


def _leash() -> list[str]:
    """What starts a program that the kernel kills when the server's process is gone.

    A frozen sandbox does not hear that its stdin is closed, and nobody could ever reach it again.
    Where util-linux is missing, only the closed stdin ends it (prctl(2), PR_SET_PDEATHSIG).
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _environment(folder: Path) -> dict[str, str]:
    return {
        "DENO_DIR": str(folder.parent / "deno"),
        "DENO_NO_UPDATE_CHECK": "1",
        "NO_COLOR": "1",
        "HOME": str(folder),
    }


async def _prepared(cache: Path) -> Path:
    """Return the folder with all that a sandbox reads, made now if it is not there.

    Raises
    ------
    EngineUnavailable
        No snapshot could be made.
    """
    runtime = runtime_folder()
    if runtime is None:
        raise EngineUnavailable("Pyodide is not there.", hint="")
    folder = cache / await asyncio.to_thread(_digest, runtime)
    if (folder / SNAPSHOT).is_file():
        return folder
    new = await asyncio.to_thread(_copy, runtime, cache)
    try:
        await asyncio.to_thread(_keep, await _snapshot(new), new, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
    if not (folder / SNAPSHOT).is_file():
        raise SandboxError(f"The snapshot could not be kept in {cache}.")
    return folder


def _parts(runtime: Path) -> Iterator[tuple[str, Path]]:
    yield from ((name, HERE / name) for name in SCRIPTS)
    yield from ((f"pyodide/{name}", runtime / name) for name in RUNTIME)


def _digest(runtime: Path) -> str:
    """What the parts are, in a word: the snapshot of others would not fit them."""
    digest = hashlib.sha256(importlib.metadata.version("deno").encode())
    for name, path in _parts(runtime):
        digest.update(f"{name}:{hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()[:16]


def _copy(runtime: Path, cache: Path) -> Path:
    """A new folder with all parts but the snapshot."""
    cache.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=cache, prefix="new-"))
    (new / "pyodide").mkdir()
    for name, path in _parts(runtime):
        shutil.copyfile(path, new / name)
    return new


def _keep(memory: bytes, new: Path, folder: Path) -> None:
    (new / SNAPSHOT).write_bytes(memory)
    with suppress(OSError):  # another server may have been faster
        new.rename(folder)


async def _snapshot(folder: Path) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *_command(folder, "snapshot.js"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(folder),
    )
    try:
        async with asyncio.timeout(SNAPSHOT_PATIENCE_S):
            memory, said = await process.communicate()
    except TimeoutError:
        raise EngineUnavailable("Python's snapshot was not made in time.", hint="") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or not memory:
        detail = said.decode("utf-8", "replace").strip()[-500:]
        raise EngineUnavailable(f"Python's snapshot could not be made: {detail}", hint="")
    return memory
