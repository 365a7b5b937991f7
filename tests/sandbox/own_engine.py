"""A Docker engine of a test's own, on a small disk: it may be killed, restarted and filled up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker

from interview_ext.sandbox.proc import processes
from interview_ext.sandbox.sandboxes import SERVER_LABEL

DISK_BYTES = 1 << 30
"""An image is unpacked beside its archive. A sparse file: it takes what is written to it."""
START_S = 60
STOP_S = 30


def lack() -> str:
    """Why none can be had here; empty if one can."""
    if os.geteuid() != 0:
        return "a Docker engine of the test's own takes root"
    for program in ("dockerd", "mkfs.ext4", "mount"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    return "" if Path("/dev/loop-control").exists() else "this machine has no loop devices"


class OwnEngine:
    """``dockerd`` with its own ``containerd``, data and disk, which no other engine shares.

    Attributes
    ----------
    pid:
        Of ``dockerd``; 0 while it does not run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self._run = folder / "run"
        self._keep_containers = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/engine.sock"

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    # -- life

    def mount(self) -> None:
        """Make the disk."""
        self.data.mkdir()
        disk = self.folder / "disk"
        with disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        _do("mkfs.ext4", "-q", "-m0", "-O", "^has_journal", str(disk))
        _do("mount", "-o", "loop", str(disk), str(self.data))

    def start(self, *, keep_containers: bool | None = None) -> None:
        """Start it, on what is there; return when it answers.

        Parameters
        ----------
        keep_containers:
            Whether containers outlive it: Docker's "live restore". None: as before.
        """
        if keep_containers is not None:
            self._keep_containers = keep_containers
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    # Without a bridge of its own it takes the machine's other engine's away.
                    "unshare",
                    "--net",
                    "dockerd",
                    f"--host={self.url}",
                    f"--data-root={self.data}",
                    f"--exec-root={self._run}",
                    f"--pidfile={self.folder}/pid",
                    "--storage-driver=overlay2",
                    "--bridge=none",
                    "--iptables=false",
                    "--ip-masq=false",
                    f"--live-restore={str(self._keep_containers).lower()}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except docker.errors.DockerException:
            return False

    def kill(self) -> None:
        """SIGKILL; its containerd goes with it, its containers' processes live on."""
        self._end(signal.SIGKILL)
        # Where init reaps no orphans, the next one would wait for that containerd.
        (self._run / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def terminate(self) -> None:
        """End it as a service manager does."""
        self._end(signal.SIGTERM)

    def _end(self, sign: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(sign)
            process.wait(STOP_S)

    def remove(self) -> None:
        """End it and what is left of it; take the disk away."""
        self.terminate()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        _until(lambda: not self.processes(), "processes are left")
        # What ran in containers is busy there for a moment after its end.
        _until(self._unmounted, "mounts are left")
        shutil.rmtree(self.folder)

    def _unmounted(self) -> bool:
        """Take away what is mounted below; the answer is whether all is."""
        below = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        paths = sorted((p for p in below if p.startswith(f"{self.folder}/")), reverse=True)
        done = [subprocess.run(["umount", p], capture_output=True, check=False) for p in paths]
        return not any(each.returncode for each in done)

    # -- what it holds

    def load(self, image: str) -> None:
        """Copy an image from the machine's engine."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
            _do("docker", f"--host={self.url}", "load", "--quiet", stdin=saving.stdout)
        assert saving.returncode == 0

    @contextmanager
    def client(self) -> Iterator[docker.APIClient]:
        """docker-py's client."""
        client = docker.APIClient(base_url=self.url, version="auto", timeout=START_S)
        try:
            yield client
        finally:
            client.close()

    def containers(self, label: str) -> list[str]:
        """Those of a server. Not those that the engine lists and knows nothing of any more."""
        filters = {"label": f"{SERVER_LABEL}={label}"}
        with self.client() as client:
            rows = client.containers(all=True, filters=filters)
            return [row["Id"] for row in rows if row["State"] != "dead"]

    def processes(self) -> list[int]:
        """All that belong to it but ``dockerd``: containerd, shims, and what runs in containers."""
        everybody = processes()
        found = {
            pid
            for pid in everybody
            if pid != self.pid and str(self._run).encode() in _command_line(pid)
        }
        while more := {p for p, each in everybody.items() if each.parent in found} - found:
            found |= more
        return sorted(found)

    def shims(self) -> list[int]:
        """The processes that hold containers: one each, known to the engine or not."""
        return [pid for pid in self.processes() if b"containerd-shim" in _command_line(pid)]

    def fill(self) -> None:
        """Leave no room on its disk."""
        size = 0
        with (self.data / "fill").open("wb") as file:
            for step in (1 << 26, 1 << 20, 1 << 12):
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), size, step)
                        size += step

    def free(self) -> None:
        """Take that away again."""
        (self.data / "fill").unlink(missing_ok=True)

    def refused(self) -> int:
        """How many containers it could not make, since it was first started."""
        return self.log.read_text().count("Handler for POST /v1.41/containers/create returned")


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _do(*command: str, **streams: object) -> None:
    done = subprocess.run(command, capture_output=True, check=False, **streams)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr


def _until(what: object, otherwise: str) -> None:
    deadline = time.monotonic() + STOP_S
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


@contextmanager
def own_engine(image: str) -> Iterator[OwnEngine]:
    """One that runs and holds that image of the machine's engine; nothing is left of it."""
    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp")))
    try:
        engine.mount()
        engine.start()
        engine.load(image)
        yield engine
    finally:
        engine.remove()
