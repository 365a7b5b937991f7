"""One server with an honest room and the rooms of attackers, and whether it is still whole."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket

from interview_ext.sandbox.broker import Broker
from interview_ext.sandbox.broker_client import BrokerClient
from interview_ext.sandbox.broker_clients import BrokerUsers
from interview_ext.sandbox.broker_datasets import BrokerDatasets
from interview_ext.sandbox.broker_desk import BrokerDesk
from interview_ext.sandbox.broker_http import BrokerAddress, BrokerHttp
from interview_ext.sandbox.broker_server import application
from interview_ext.sandbox.datasets import DatasetFolder, StoredDataset
from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.profiles import MIB, PYTHON, Limits, Profile
from interview_ext.sandbox.provisioner import SandboxRequest
from interview_ext.sandbox.sandbox import Sandbox
from interview_ext.sandbox.sandboxes import Sandboxes
from tests.containers import containers
from tests.descriptors import descriptors
from tests.sandbox.conftest import Kernel, start_kernel, stop_kernel
from tests.sandbox.data_sets import opened, put

from .client import run
from .outcome import Came
from .program import HERE, Program, programs

PRELUDE = (HERE / "prelude.py").read_text()
PATIENCE_S = 60
NEIGHBOUR_S = 15
"""How long the honest room may wait for 6 * 7 at worst: this is no benchmark."""
ENGINE_CONNECTIONS = 14
"""Connections to the engine that come with use: one for each thread that calls it, and events."""
MOST_KEPT_BYTES = 256 * MIB
"""Of memory that a program has left in use; with more, the next one begins in a fresh sandbox."""
OWN_PROCESSES = 2
"""Shim and kernel."""
MARK = "canary-"
"""What begins so is a secret of another room or of the server, and may appear in no output."""

NEIGHBOUR = """
import os, socket, subprocess
secret = {secret!r}
os.environ["SECRET"] = secret
for place in ("/work/notes.txt", "/tmp/notes.txt", "/dev/shm/notes"):
    with open(place, "w") as file:
        file.write(secret)
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0interview-hostile")
listener.listen()
server = socket.create_server(("127.0.0.1", 7777))
child = subprocess.Popen([secret, "86400"], executable="/bin/sleep")
"""


@dataclass(frozen=True)
class Way:
    """A way from a kernel to its container.

    Attributes
    ----------
    sandboxes:
        What a `SandboxRequest` takes.
    container:
        The engine's handle of a sandbox's container.
    engine:
        Who has the engine, if it is another part of this process.
    """

    sandboxes: Broker
    container: Callable[[Sandbox], str]
    engine: Sandboxes | None = None


OpenPath = Callable[[str, Mapping[str, Profile], DatasetFolder], AbstractAsyncContextManager[Way]]


def _sandboxes(
    server_id: str, profiles: Mapping[str, Profile], datasets: DatasetFolder
) -> Sandboxes:
    return Sandboxes(
        server_id=server_id,
        pool_size=0,
        profiles=profiles,
        engine=DockerEngine(datasets=datasets.shared),
        datasets=datasets,
    )


@asynccontextmanager
async def in_process(
    server_id: str, profiles: Mapping[str, Profile], datasets: DatasetFolder
) -> AsyncIterator[Way]:
    """The sandboxes live in the server's own process."""
    sandboxes = _sandboxes(server_id, profiles, datasets)
    await sandboxes.start()
    try:
        yield Way(sandboxes, lambda sandbox: sandbox.container)
    finally:
        await sandboxes.stop()


@asynccontextmanager
async def through_the_broker(
    server_id: str, profiles: Mapping[str, Profile], datasets: DatasetFolder | None = None
) -> AsyncIterator[Way]:
    """They are a broker's, and every byte goes over its socket. It has the programs' profiles,
    which no configuration gives it, so it is served here rather than by a process of its own.
    """
    with tempfile.TemporaryDirectory(prefix="broker-", dir="/tmp") as name:
        folder = Path(name)
        users = BrokerUsers(folder / "clients.json")
        token, path = folder / "token", folder / "broker.sock"
        token.write_text(users.add("hostile", max_sandboxes=100))
        kept = DatasetFolder(folder / "datasets", max_bytes=MIB)
        engine = _sandboxes(server_id, profiles, kept)
        desk = BrokerDesk(
            engine,
            datasets=BrokerDatasets(kept, folder / "datasets" / "uses"),
        )
        await desk.start()
        server = HTTPServer(application(desk, users))
        server.add_socket(bind_unix_socket(str(path), mode=0o600))
        http = BrokerHttp(BrokerAddress.parse(f"unix://{path}"), token_file=token)
        client = BrokerClient(http, server_id=server_id, datasets=datasets)
        await client.start()
        try:
            yield Way(client, lambda sandbox: desk._claimed[sandbox.id].container, engine)
        finally:
            await client.stop()
            server.stop()
            await desk.stop()
            await server.close_all_connections()


PATHS: Mapping[str, OpenPath] = {
    "in-process": in_process,
    "through the broker": through_the_broker,
}
"""All of them, by name."""


def profile_of(program: Program) -> str:
    """The name of the profile with a program's limits."""
    return "-".join(["python", *(f"{name}={value:g}" for name, value in program.limits.items())])


def profiles() -> dict[str, Profile]:
    """Every profile that some program needs."""
    found = {"python": Limits()} | {profile_of(p): Limits(**p.limits) for p in programs()}  # type: ignore[arg-type]
    return {
        name: Profile(**vars(PYTHON) | {"name": name, "limits": limits})
        for name, limits in found.items()
    }


@dataclass
class Site:
    """See the module.

    Attributes
    ----------
    dataset:
        What attackers' rooms have as a large data file.
    attackers:
        A kernel for each profile that was needed; it serves one program after another.
    """

    server_id: str
    folder: Path
    way: Way
    specs: KernelSpecManager
    neighbour: Kernel
    secrets: list[str]
    dataset: StoredDataset
    attackers: dict[str, Kernel] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _sockets: int = 0
    _files: list[str] = field(default_factory=list)

    # -- one program

    async def attacker(self, program: Program) -> Kernel:
        """The kernel of an attacker's room, with the program's limits."""
        name = profile_of(program)
        if name not in self.attackers:
            before, _ = _descriptors()
            self.attackers[name] = await start_kernel(
                self.specs,
                _request(
                    self.way.sandboxes, "attacker", name, "data/own.csv", b"mine", self.dataset
                ),
            )
            after, files = _descriptors()
            self._sockets += after - before
            self._files += files
        kernel = self.attackers[name]
        while not kernel.deaths.empty():  # of an earlier program's restart
            kernel.deaths.get_nowait()
        return kernel

    async def run(self, program: Program) -> Came:
        """Run it, and what comes of it; meanwhile the neighbour gets its answers."""
        kernel = await self.attacker(program)
        self.note()
        said = asyncio.Event()

        def hear(message: Mapping[str, Any]) -> None:
            text = message["content"].get("text", "")
            if program.how == "interrupted" and program.what in text:
                said.set()

        code = f"{PRELUDE}\n{program.code}"
        running = asyncio.create_task(run(kernel, code, patience_s=PATIENCE_S, hear=hear))
        ending = asyncio.create_task(kernel.deaths.get())
        saying = asyncio.create_task(said.wait())
        try:
            assert await self.neighbour_answers(), "the neighbour did not answer meanwhile"
            await asyncio.wait({running, ending, saying}, return_when=asyncio.FIRST_COMPLETED)
            if said.is_set():
                await kernel.manager.interrupt_kernel()
                await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                return Came(death=ending.result().reason.value)
            done = running.result()
            after = await run(kernel, "None") if program.how == "truncated" else done
            text = done.text if after is done else done.text + after.text
            error = str(done.reply["content"].get("ename", ""))
            return Came(text=text, status=done.status, error=error)
        finally:
            for task in (running, ending, saying):
                task.cancel()
            await asyncio.gather(running, ending, saying, return_exceptions=True)

    # -- whether all is well

    async def neighbour_answers(self) -> bool:
        return (await self.neighbour.run("6 * 7", patience_s=NEIGHBOUR_S)).text == "42"

    async def settle(self) -> None:
        """Take what there is now, before the first program, as what there may be."""
        self.note()
        self._sockets, self._files = _descriptors()

    def note(self) -> None:
        """Remember the containers of now: when they have ended, nothing of them may be left."""
        self._seen |= set(self.containers())

    async def check(self, program: Program, came: Came) -> list[str]:
        """Everything that is wrong after a program, whatever it was."""
        wrong = [f"it got at {secret}" for secret in self.secrets if secret in came.text]
        kernel = await self.attacker(program)
        if came.death or self.processes_of(kernel) != OWN_PROCESSES:
            await kernel.manager.restart_kernel(now=True)
            await kernel.ready()
        elif (sandbox := kernel.provisioner.sandbox) is not None:
            await sandbox.list()
        if not (await run(kernel, "6 * 7")).text.endswith("42"):
            wrong.append("its next cell, or a fresh kernel, did not run")
        sandbox = kernel.provisioner.sandbox
        if sandbox is not None and (await sandbox.stats()).memory_bytes > MOST_KEPT_BYTES:
            await kernel.manager.restart_kernel(now=True)
            await kernel.ready()
        if not await self.neighbour_answers():
            wrong.append("the neighbour does not answer")
        return wrong + await self.left_over()

    async def left_over(self) -> list[str]:
        """What is on the host that no living room accounts for."""
        gc.collect()
        rooms = 1 + len(self.attackers)
        living = self.containers()
        sockets, files = _descriptors()
        found = {
            "containers": living if len(living) != rooms else [],
            "processes": _processes_of(self._seen - set(living)) + _children(),
            "relay folders and files": self.temporary() if len(self.temporary()) != rooms else [],
            "descriptors": [f for f in files if f not in self._files],
            "sockets": [sockets] if sockets > self._sockets + ENGINE_CONNECTIONS else [],
        }
        return [f"left over: {what}: {which}" for what, which in found.items() if which]

    def containers(self) -> list[str]:
        """The ids of the server's containers, in whatever state."""
        return containers(self.server_id)

    def temporary(self) -> list[str]:
        """What lies in the folder for temporary files."""
        return sorted(path.name for path in self.folder.iterdir())

    def processes_of(self, kernel: Kernel) -> int:
        """How many processes are in a kernel's container."""
        sandbox = kernel.provisioner.sandbox
        if not isinstance(sandbox, Sandbox) or sandbox.death is not None:
            return 0
        return len(_processes_of({self.way.container(sandbox)}))


def _request(
    sandboxes: Broker, room: str, profile: str, path: str, content: bytes, large: StoredDataset
) -> SandboxRequest:
    async def files() -> dict[str, bytes | StoredDataset]:
        return {path: content, "data/large.bin": large}

    return SandboxRequest(sandboxes=sandboxes, room=room, profile=profile, files=files)


def _descriptors() -> tuple[int, list[str]]:
    """How many sockets are open, and what else."""
    found = descriptors()
    others = [each for each in found if not each.startswith("socket:")]
    return len(found) - len(others), [each for each in others if not each.startswith("pipe:")]


def _processes_of(containers: set[str]) -> list[str]:
    """The processes of the host that belong to these containers, running or not."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):  # gone meanwhile
                groups = (folder / "cgroup").read_text()
                if any(container in groups for container in containers):
                    found.append(f"{folder.name} {(folder / 'comm').read_text().strip()}")
    return found


def _children() -> list[str]:
    """Processes that this one has started, those of the site apart."""
    return [
        child
        for task in Path("/proc/self/task").iterdir()
        for child in (task / "children").read_text().split()
        if not (Path("/proc") / child / "cmdline").read_bytes().startswith(MARK.encode())
    ]


@asynccontextmanager
async def site(path: str, folder: Path, specs: KernelSpecManager) -> AsyncIterator[Site]:
    """Start a server with an honest room that holds secrets; in the end nothing of it is left."""
    server_id = f"test-{secrets.token_hex(6)}"
    hidden = [MARK + secrets.token_hex(8) for _ in range(4)]
    async with AsyncExitStack() as stack:
        stack.enter_context(_secrets_of_the_host(hidden[0]))
        datasets = stack.enter_context(_datasets())
        large = put(datasets, hidden[3].encode())
        way = await stack.enter_async_context(PATHS[path](server_id, profiles(), datasets))
        data = _request(
            way.sandboxes, "neighbour", "python", "data/sales.csv", hidden[1].encode(), large
        )
        neighbour = await start_kernel(specs, data)
        own = put(datasets, b"mine")
        made = Site(server_id, folder, way, specs, neighbour, hidden, own)
        try:
            await neighbour.run(NEIGHBOUR.format(secret=hidden[2]))
            assert await made.neighbour_answers()
            await made.settle()
            yield made
        finally:
            for kernel in (neighbour, *made.attackers.values()):
                await stop_kernel(kernel)
            made.note()
    assert made.containers() == []
    assert made.temporary() == []
    assert _processes_of(made._seen) == []


@contextlib.contextmanager
def _datasets() -> Iterator[DatasetFolder]:
    """A folder of data sets, outside of the site's own for temporary files."""
    with (
        tempfile.TemporaryDirectory(prefix="datasets-", dir="/tmp") as name,
        opened(Path(name) / "sets", max_bytes=MIB) as folder,
    ):
        yield folder


@contextlib.contextmanager
def _secrets_of_the_host(secret: str) -> Iterator[None]:
    """A variable, a process and an abstract socket that no container may see."""
    os.environ["INTERVIEW_TEST_SECRET"] = secret
    process = subprocess.Popen([secret, "86400"], executable="/bin/sleep")
    listener = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(OSError):  # another run of these tests has it
        listener.bind("\0interview-hostile")
        listener.listen()
    try:
        yield
    finally:
        listener.close()
        process.kill()
        process.wait()
        del os.environ["INTERVIEW_TEST_SECRET"]
