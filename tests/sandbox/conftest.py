"""Real containers for each test, and a count of what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker
import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from interview_ext.sandbox.deaths import Death
from interview_ext.sandbox.docker import CALL_TIMEOUT_S, DockerEngine
from interview_ext.sandbox.profiles import PROFILES, PYTHON, Limits, Profile
from interview_ext.sandbox.provisioner import DockerProvisioner, SandboxRequest
from interview_ext.sandbox.sandbox import Sandbox
from interview_ext.sandbox.sandboxes import SERVER_LABEL, Sandboxes
from tests.descriptors import back_to, descriptors

PATIENCE_S = 20
failed_connects_linger = pytest.mark.filterwarnings(
    # docker-py leaves the socket of a failed connection to the garbage collector.
    "ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning"
)
ENGINE_SOCKET = "/var/run/docker.sock"


def profile_with(**limits: Any) -> Profile:
    """The Python profile with other limits."""
    return replace(PYTHON, limits=Limits(**limits))


def relay_folders(server_id: str) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"interview-{server_id}-*"))


@dataclass
class Run:
    """What came of one cell."""

    status: str
    text: str
    outputs: list[dict[str, Any]]
    reply: dict[str, Any]
    idle: bool

    @classmethod
    def of(cls, messages: list[dict[str, Any]], reply: dict[str, Any]) -> Run:
        texts = [m["content"]["text"] for m in messages if m["msg_type"] == "stream"]
        shown = [
            m["content"]["data"].get("text/plain", "")
            for m in messages
            if m["msg_type"] in ("execute_result", "display_data")
        ]
        errors = [m["content"]["evalue"] for m in messages if m["msg_type"] == "error"]
        states = [m["content"]["execution_state"] for m in messages if m["msg_type"] == "status"]
        return cls(
            status=reply["content"]["status"],
            text="".join([*texts, *shown, *errors]),
            outputs=messages,
            reply=reply,
            idle="idle" in states,
        )


@dataclass
class Kernel:
    """A kernel manager and one client, as any Jupyter application has them."""

    manager: AsyncKernelManager
    client: AsyncKernelClient
    deaths: asyncio.Queue[Death] = field(default_factory=asyncio.Queue)

    @property
    def provisioner(self) -> DockerProvisioner:
        assert isinstance(self.manager.provisioner, DockerProvisioner)
        return self.manager.provisioner

    @property
    def sandbox(self) -> Sandbox:
        assert isinstance(self.provisioner.sandbox, Sandbox)
        return self.provisioner.sandbox

    async def run(self, code: str, *, patience_s: float = PATIENCE_S, **kwargs: Any) -> Run:
        """Run a cell; returns after its reply and its idle state."""
        messages: list[dict[str, Any]] = []
        reply = await self.client.execute_interactive(
            code, output_hook=messages.append, timeout=patience_s, allow_stdin=False, **kwargs
        )
        return Run.of(messages, reply)

    async def death(self) -> Death:
        """The next end of a sandbox of this kernel."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.deaths.get()

    async def ready(self) -> None:
        await self.client.wait_for_ready(timeout=PATIENCE_S)


async def start_kernel(specs: KernelSpecManager, request: SandboxRequest) -> Kernel:
    """Start a kernel as any Jupyter application does, and connect a client."""
    deaths: asyncio.Queue[Death] = asyncio.Queue()
    # A test's variant of a profile, `python-…`, has the kernelspec of what it varies, and so has
    # one with packages.
    profile = (request.profile or "python").split()[0].partition("-")[0]
    manager = AsyncKernelManager(kernel_name=f"interview-{profile}", kernel_spec_manager=specs)
    await manager.start_kernel(interview=replace(request, on_death=deaths.put_nowait))
    kernel = Kernel(manager, manager.client(), deaths)
    kernel.client.start_channels()
    try:
        await kernel.ready()
    except BaseException:
        await stop_kernel(kernel)
        raise
    return kernel


async def stop_kernel(kernel: Kernel) -> None:
    """Stop it, and give back the client's and the manager's sockets."""
    kernel.client.stop_channels()
    kernel.client.context.destroy(linger=0)
    if kernel.manager.has_kernel:
        await kernel.manager.shutdown_kernel(now=True)
    kernel.manager.context.destroy(linger=0)


@pytest.fixture
def specs(tmp_path: Path) -> KernelSpecManager:
    """Kernel specs with ours as it is in the package."""
    import interview_ext.sandbox

    package = Path(interview_ext.sandbox.__file__).parent
    (tmp_path / "kernels").mkdir()
    for folder in (package / "kernelspecs").iterdir():
        (tmp_path / "kernels" / folder.name).symlink_to(folder)
    return KernelSpecManager(kernel_dirs=[str(tmp_path / "kernels")])


@pytest.fixture
async def nothing_left(sandbox_image: None) -> AsyncIterator[str]:
    """A server id; in the end nothing that bears it is left, nor any descriptor or folder."""
    server_id = f"test-{secrets.token_hex(6)}"
    before = descriptors()
    yield server_id
    client = docker.from_env()
    try:
        left = client.containers.list(
            all=True, ignore_removed=True, filters={"label": f"{SERVER_LABEL}={server_id}"}
        )
        for container in left:
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True)
        assert not left, "containers were left behind"
    finally:
        client.close()
    assert relay_folders(server_id) == [], "relay folders were left behind"
    # A thread in a call to an engine that has gone holds its socket until the call times out.
    await back_to(before, CALL_TIMEOUT_S + 15)


MakeSandboxes = Callable[..., Awaitable[Sandboxes]]
MakeKernel = Callable[..., Awaitable[Kernel]]


@pytest.fixture
async def make_sandboxes(nothing_left: str) -> AsyncIterator[MakeSandboxes]:
    """Makes a server's sandboxes; they are stopped in the end."""
    made: list[Sandboxes] = []

    async def make(
        *,
        pool_size: int = 0,
        profile: Profile = PYTHON,
        engine: DockerEngine | None = None,
        **kwargs: Any,
    ) -> Sandboxes:
        sandboxes = Sandboxes(
            server_id=nothing_left,
            pool_size=pool_size,
            profiles={profile.name: profile},
            engine=engine,
            **kwargs,
        )
        made.append(sandboxes)
        await sandboxes.start()
        return sandboxes

    yield make
    for sandboxes in made:
        await sandboxes.stop()


@pytest.fixture
async def make_kernel(
    make_sandboxes: MakeSandboxes, specs: KernelSpecManager
) -> AsyncIterator[MakeKernel]:
    """Starts a kernel in a sandbox and connects a client."""
    made: list[Kernel] = []

    async def make(sandboxes: Sandboxes | None = None, **kwargs: Any) -> Kernel:
        limits = kwargs.pop("limits", {})
        if sandboxes is None:
            sandboxes = await make_sandboxes(profile=profile_with(**limits))
        kernel = await start_kernel(
            specs, SandboxRequest(sandboxes=sandboxes, room="room-1", **kwargs)
        )
        made.append(kernel)
        return kernel

    yield make
    for kernel in made:
        await stop_kernel(kernel)


@pytest.fixture
async def kernel(make_kernel: MakeKernel) -> Kernel:
    """A kernel with the profile's own limits."""
    return await make_kernel()


@pytest.fixture(params=PROFILES)
async def any_kernel(
    request: pytest.FixtureRequest, make_sandboxes: MakeSandboxes, make_kernel: MakeKernel
) -> Kernel:
    """A kernel of each profile in turn."""
    sandboxes = await make_sandboxes(profile=PROFILES[request.param])
    return await make_kernel(sandboxes, profile=request.param)


class EngineProxy:
    """A socket in front of the engine's, which a test can cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server: asyncio.Server | None = None
        self._writers: dict[asyncio.StreamWriter, bytearray] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(ENGINE_SOCKET)
        if self._server is None:  # stopped meanwhile
            writer.transport.abort()
            up_writer.transport.abort()
            return
        opening = bytearray()
        self._writers[writer] = opening
        pumps = [
            asyncio.create_task(self._pump(reader, up_writer, opening)),
            asyncio.create_task(self._pump(up_reader, writer, None)),
        ]
        self._tasks.update(pumps)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for each in (writer, up_writer):
            each.close()
        await asyncio.wait(pumps)
        self._tasks.difference_update(pumps)
        self._writers.pop(writer, None)

    @staticmethod
    async def _pump(
        source: asyncio.StreamReader, sink: asyncio.StreamWriter, opening: bytearray | None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if opening is not None and b"/attach?" in data:  # a connection serves many calls
                    opening += data
                sink.write(data)
                await sink.drain()

    def cut_attachments(self) -> int:
        """Break the attachments and leave the rest alone; the answer is how many."""
        attached = [w for w, opening in self._writers.items() if b"/attach?" in opening]
        for writer in attached:
            writer.transport.abort()
        return len(attached)

    async def stop(self) -> None:
        """The engine goes away."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self.path.unlink(missing_ok=True)


@pytest.fixture
async def proxy(nothing_left: str, tmp_path: Path) -> AsyncIterator[EngineProxy]:
    """A way to the engine that can be cut."""
    proxy = EngineProxy(tmp_path / "engine.sock")
    await proxy.start()
    yield proxy
    await proxy.stop()
