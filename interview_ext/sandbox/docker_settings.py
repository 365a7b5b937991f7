"""How a sandbox's container is locked down: the body of the engine's create request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .datasets import MOUNT
from .profiles import Profile

SHIM_UID = 901
KERNEL_UID = 1000
HOSTNAME = "sandbox"
CPU_PERIOD_US = 20_000
"""Many threads use up their part of it on all cores at once, and others wait meanwhile: beside
sixty a cell of another room took 28 ms, with the usual 100 ms 39 (measured on two cores)."""
FULL_SHARE, BACKGROUND_SHARE = 1024, 128
"""Of the processor, when more want it than there is: what a container has, and what one has that is
only being made ready for later."""
BYTES_PER_INODE = 4096
"""An empty file costs memory too: a place for files has one inode for so many bytes of its size."""
MASKED_PATHS = (
    # The engine's own list, which ours replaces.
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    # What newer engines add, and what tells about the host or helps to attack its kernel.
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/kallsyms",
    "/proc/modules",
    "/sys/devices/virtual/powercap",
    "/sys/kernel/debug",
    "/sys/kernel/notes",
    "/sys/kernel/vmcoreinfo",
)
"""Read as empty in a sandbox."""


def create_body(
    profile: Profile,
    *,
    image: str,
    seccomp: str,
    labels: Mapping[str, str],
    runtime: str = "",
    datasets: Path | None = None,
    background: bool = False,
) -> dict[str, Any]:
    """The engine API's description of the container.

    PID 1 is the shim under its own uid, in the candidate's group so that it can reach the work
    folder. The kernel comes later, under its own uid (see `kernel_exec`): with every capability
    dropped no process in here can ever change its uid.

    Parameters
    ----------
    seccomp:
        The seccomp profile itself, as JSON: the engine takes it by value, wherever it runs.
    runtime:
        What the engine runs the container with, such as ``runsc``; empty: its default.
    datasets:
        A folder of the engine's machine to mount read-only; see `datasets.DatasetFolder`.
    background:
        Whether it gives way to all others until it gets its full share.
    """
    return {
        "Image": image,
        "User": f"{SHIM_UID}:{SHIM_UID}",
        "Hostname": HOSTNAME,
        "WorkingDir": "/work",
        "Env": [],
        "Labels": dict(labels),
        "OpenStdin": True,
        # An attachment that breaks may come back, so losing it must not close the shim's stdin.
        "StdinOnce": False,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "NetworkDisabled": True,
        "StopSignal": "SIGKILL",
        "HostConfig": {
            **_host_config(profile, seccomp),
            "CpuShares": BACKGROUND_SHARE if background else FULL_SHARE,
            **({"Runtime": runtime} if runtime else {}),
            **({"Mounts": [_datasets(datasets)]} if datasets else {}),
        },
    }


def _host_config(profile: Profile, seccomp: str) -> dict[str, Any]:
    limits = profile.limits
    return {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "Tmpfs": {
            # setgid: what the shim puts there belongs to the candidate's group.
            "/work": f"{_space(limits.work_bytes)},uid={KERNEL_UID},gid={KERNEL_UID},mode=2770,"
            "nosuid,nodev,exec",
            "/tmp": f"{_space(limits.tmp_bytes)},mode=1777,nosuid,nodev,exec",  # noqa: S108
        },
        "MaskedPaths": list(MASKED_PATHS),
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp}"],
        "GroupAdd": [str(KERNEL_UID)],
        "NanoCpus": 0,
        "CpuPeriod": CPU_PERIOD_US,
        "CpuQuota": cpu_quota(limits.cpus),
        "Memory": limits.memory_bytes,
        # Memory and swap together: equal to the memory, so no swap.
        "MemorySwap": limits.memory_bytes,
        "PidsLimit": limits.pids,
        "ShmSize": 1024 * 1024,
        "Ulimits": [
            {"Name": "nofile", "Soft": limits.open_files, "Hard": limits.open_files},
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "fsize", "Soft": limits.file_bytes, "Hard": limits.file_bytes},
        ],
        # Stdio would otherwise also fill the engine's own log files, unbounded.
        "LogConfig": {"Type": "none", "Config": {}},
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "RestartPolicy": {"Name": "no"},
        # The shim ends by itself when the host has gone; then nothing is left to clean.
        "AutoRemove": True,
        "Binds": [],
        "Privileged": False,
        "PublishAllPorts": False,
    }


def cpu_quota(cpus: float) -> int:
    """Microseconds of all cores together in each period."""
    return round(cpus * CPU_PERIOD_US)


def _datasets(folder: Path) -> dict[str, Any]:
    """The one mount there is. The engine's API knows no nosuid, nodev or noexec for it; in the
    folder are regular files of mode 0444 only, and a sandbox can gain no privileges by any file.
    """
    return {
        "Type": "bind",
        "Source": str(folder),
        "Target": MOUNT,
        "ReadOnly": True,
        "BindOptions": {"Propagation": "rprivate", "NonRecursive": True},
    }


def _space(size_bytes: int) -> str:
    """A tmpfs of that size, in memory: so much for contents, and so many names."""
    return f"size={size_bytes},nr_inodes={size_bytes // BYTES_PER_INODE}"


def kernel_exec(profile: Profile) -> dict[str, Any]:
    """The kernel process, as docker-py's `exec_create` takes it."""
    return {
        "cmd": list(profile.kernel_argv),
        "user": f"{KERNEL_UID}:{KERNEL_UID}",
        "workdir": "/work",
        "environment": dict(profile.environment),
        "stdin": False,
        "stdout": False,
        "stderr": False,
    }
