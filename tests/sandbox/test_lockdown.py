"""What hostile code in a cell can reach: nothing but its own container, within its limits."""

from __future__ import annotations

import asyncio
import re
import textwrap
from typing import Any

import docker
import pytest

from interview_ext.sandbox.deaths import Reason
from interview_ext.sandbox.docker_settings import FULL_SHARE, kernel_exec
from interview_ext.sandbox.profiles import GIB, MIB, PYTHON
from interview_ext.sandbox.sandboxes import SERVER_LABEL

from .conftest import Kernel, MakeKernel, MakeSandboxes, profile_with


def python(code: str) -> str:
    return textwrap.dedent(code)


@pytest.fixture
async def inspected(any_kernel: Kernel) -> dict[str, Any]:
    client = docker.from_env()
    try:
        found: dict[str, Any] = client.api.inspect_container(any_kernel.sandbox.container)
    finally:
        client.close()
    return found


async def test_inspect_shows_every_limit(inspected: dict[str, Any], nothing_left: str) -> None:
    host = inspected["HostConfig"]
    limits = {u["Name"]: (u["Soft"], u["Hard"]) for u in host["Ulimits"]}
    assert host["Memory"] == host["MemorySwap"] == GIB
    assert (host["CpuPeriod"], host["CpuQuota"]) == (20_000, 20_000)
    assert host["CpuShares"] == FULL_SHARE
    assert host["PidsLimit"] == 256
    assert limits == {"nofile": (1024, 1024), "core": (0, 0), "fsize": (256 * MIB, 256 * MIB)}
    assert set(host["Tmpfs"]) == {"/work", "/tmp"}
    assert all("size=" in options for options in host["Tmpfs"].values())
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert "no-new-privileges" in host["SecurityOpt"]
    assert any(option.startswith("seccomp={") for option in host["SecurityOpt"])
    assert host["NetworkMode"] == "none"
    assert host["IpcMode"] == "private"
    assert host["LogConfig"]["Type"] == "none"
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert not host["Binds"]
    assert not host["Devices"]
    assert inspected["Mounts"] == []
    assert inspected["Config"]["Hostname"] == "sandbox"
    assert inspected["Config"]["User"] == "901:901"
    assert inspected["Config"]["Labels"][SERVER_LABEL] == nothing_left
    names = {entry.split("=")[0] for entry in inspected["Config"]["Env"]}
    assert names <= {"PATH", "LANG"}


async def test_the_kernel_has_the_limits_too(kernel: Kernel) -> None:
    """It is started by exec, which does not inherit everything from PID 1 by itself."""
    run = await kernel.run(
        python("""
        import os, resource
        status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
        print(os.getuid(), os.getgid(), os.getgroups())
        print([int(status[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")])
        print(status["NoNewPrivs"].strip(), status["Seccomp"].strip())
        print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE),
              resource.getrlimit(resource.RLIMIT_FSIZE))
        """)
    )
    assert run.text.splitlines() == [
        "1000 1000 [1000]",
        "[0, 0, 0, 0, 0]",
        "1 2",
        f"(1024, 1024) (0, 0) ({256 * MIB}, {256 * MIB})",
    ]


ATTEMPTS = [
    ("print(open('/proc/1/environ').read())", "PermissionError"),
    ("print(os.listdir('/proc/1/fd'))", "PermissionError"),
    ("print(open('/proc/1/mem', 'rb').read(1))", "PermissionError"),
    ("os.kill(1, 9)", "PermissionError"),
    ("os.kill(1, 19)", "PermissionError"),
    ("open('/etc/x', 'w')", "OSError|PermissionError"),
    ("open('/opt/interview/x', 'w')", "OSError|PermissionError"),
    ("open('/opt/interview/shim.py', 'a')", "OSError|PermissionError"),
    ("os.mkdir('/x')", "OSError|PermissionError"),
    ("open('/dev/shm/../x', 'w')", "OSError|PermissionError"),
    ("os.setuid(901)", "PermissionError"),
    ("os.setuid(0)", "PermissionError"),
    ("os.mknod('/tmp/d', 0o60666, os.makedev(8, 0))", "PermissionError"),
    ("os.chroot('/tmp')", "PermissionError"),
    (
        "os.unshare(0x10000000) if hasattr(os, 'unshare') else call(272, 0x10000000)",
        "PermissionError",
    ),
    ("call(101, 0, 0, 0, 0)  # ptrace(PTRACE_TRACEME)", "PermissionError"),
    ("call(425, 1, 0)  # io_uring_setup", "PermissionError"),
    ("call(298, 0, 0, -1, -1, 0)  # perf_event_open", "PermissionError"),
    ("call(321, 0, 0, 0)  # bpf", "PermissionError"),
    ("call(250, 0, 0)  # keyctl", "PermissionError"),
    ("call(165, 0, 0, 0, 0, 0)  # mount", "PermissionError"),
    ("call(323, 0)  # userfaultfd", "PermissionError"),
    ("call(435, 0, 0)  # clone3", "OSError: .*38"),
    ("call(56, 0x10000000 | 17, 0, 0, 0, 0)  # clone(CLONE_NEWUSER)", "PermissionError"),
    ("socket.socket(40, socket.SOCK_STREAM)  # AF_VSOCK", "PermissionError"),
    ("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "PermissionError"),
    ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)", "PermissionError"),
    ("socket.create_connection(('1.1.1.1', 53), timeout=2)", "OSError: .*101"),
    ("socket.create_connection(('172.17.0.1', 2375), timeout=2)", "OSError: .*101"),
    ("socket.getaddrinfo('example.org', 80)", "gaierror"),
    ("socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')", "FileNotFoundError"),
]

PREAMBLE = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
"""

PROBE = (
    PREAMBLE
    + """
try:
    %s
except Exception as error:
    print(f"{type(error).__name__}: {error}")
else:
    print("nothing stopped it")
"""
)


async def test_what_is_not_its_own_is_refused(kernel: Kernel) -> None:
    wrong = {}
    for attempt, refusal in ATTEMPTS:
        run = await kernel.run(PROBE % attempt)
        if not re.match(refusal, run.text):
            wrong[attempt] = run.text
    assert not wrong


async def test_what_is_not_its_own_is_refused_whatever_the_language(any_kernel: Kernel) -> None:
    """By the means with which the engine starts the kernel: same user, same confinement."""
    container = any_kernel.sandbox.container
    program = "\n".join(
        f"def attempt_{number}():\n    {attempt}" for number, (attempt, _) in enumerate(ATTEMPTS)
    )
    program = (
        f"{PREAMBLE}\n{program}\n"
        f"for number in range({len(ATTEMPTS)}):\n"
        "    try: globals()[f'attempt_{number}']()\n"
        "    except Exception as error: print(f'{type(error).__name__}: {error}')\n"
        "    else: print('nothing stopped it')\n"
    )
    command = {**kernel_exec(PYTHON), "cmd": ["/usr/bin/python3", "-c", program]}
    command.update(stdout=True, stderr=True, environment={})

    def execute() -> str:
        client = docker.from_env()
        try:
            made = client.api.exec_create(container, **command)
            said = str(client.api.exec_start(made["Id"]).decode())
            assert client.api.exec_inspect(made["Id"])["ExitCode"] == 0, said
            return said
        finally:
            client.close()

    answers = (await asyncio.to_thread(execute)).splitlines()
    assert len(answers) == len(ATTEMPTS), answers
    assert not {
        attempt: answer
        for (attempt, refusal), answer in zip(ATTEMPTS, answers, strict=True)
        if not re.match(refusal, answer)
    }


async def test_only_loopback_is_there(kernel: Kernel) -> None:
    run = await kernel.run(
        "import socket; print(sorted(name for _, name in socket.if_nameindex()))"
    )
    assert run.text.strip() == "['lo']"


async def test_the_work_folder_is_as_large_as_it_says(make_kernel: MakeKernel) -> None:
    kernel = await make_kernel(limits={"work_bytes": 8 * MIB})
    run = await kernel.run("open('big', 'wb').write(bytes(9 << 20))")
    assert "No space left" in run.text
    assert (await kernel.run("1")).text == "1"


async def test_a_fork_bomb_stays_inside(
    make_sandboxes: MakeSandboxes, make_kernel: MakeKernel
) -> None:
    """The pids limit holds it, the neighbour goes on, and the container can still be ended."""
    sandboxes = await make_sandboxes(profile=profile_with(pids=64))
    bomb = await make_kernel(sandboxes)
    neighbour = await make_kernel(sandboxes)
    bomb.client.execute("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass")
    await asyncio.sleep(1.5)
    usage = await bomb.provisioner.stats()
    assert usage is not None, bomb.provisioner.death
    assert usage.pids <= 64
    assert (await neighbour.run("6 * 7", patience_s=15)).text == "42"
    async with asyncio.timeout(15):
        await bomb.manager.restart_kernel(now=True)
        await bomb.ready()
    assert (await bomb.run("'alive'")).text == "'alive'"


async def test_four_gigabytes_are_a_memory_limit(kernel: Kernel) -> None:
    kernel.client.execute("x = b'x' * (4 << 30)")
    death = await kernel.death()
    assert death.reason is Reason.MEMORY_LIMIT
    assert death.reason.value == "memory limit"
    assert "1024 MB" in death.detail


async def test_a_child_over_the_limit_does_not_end_the_kernel(kernel: Kernel) -> None:
    run = await kernel.run(
        "import subprocess, sys\n"
        "print(subprocess.run([sys.executable, '-c', \"b'x' * (4 << 30)\"]).returncode)"
    )
    assert run.text.strip() == "-9"
    assert kernel.deaths.empty()
