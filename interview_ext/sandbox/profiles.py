"""What a sandbox is made of: its image, its kernel and its limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from interview_ext.errors import BadRequest

from .folders import image_folder

BUILT_IN = ("python", "r", "javascript", "sql")
MIB = 1024 * 1024
GIB = 1024 * MIB


def _limit(default: float, low: float, high: float, unit: str) -> Any:
    """A limit with its unit and the range it may be set to."""
    return field(default=default, metadata={"range": (low, high), "unit": unit})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one sandbox may use; each value is checked against the range it names.

    Attributes
    ----------
    cpus:
        Cores, as a share of time (cgroup quota).
    memory_bytes:
        Memory with tmpfs contents and page cache; swap is none on top.
    pids:
        Processes and threads, shim included.
    work_bytes, tmp_bytes:
        Sizes of the two places that can be written: the work folder and /tmp. Both live in memory
        and count into it.
    open_files:
        Descriptors per process.
    file_bytes:
        Largest single file; no larger than the work folder needs it.
    run_s:
        Longest time one cell may run. Two minutes: nobody watches a cell for longer in an
        interview without a word, and a host can extend it while it runs.
    idle_s:
        Longest time without a run, after which the kernel ends and its memory is free: a room is
        told before, and can keep it. Two hours: no interview is silent for so long.
    message_bytes:
        Largest message the kernel may send, e.g. one figure.
    output_bytes_per_s, output_burst_bytes:
        Token bucket for all the kernel sends. A kernel that is faster is slowed down. A figure
        has 0.1 MB, an animation of them is well within 16 MiB/s; the burst lets the largest
        message through four times.
    output_frames_per_s, output_burst_frames:
        The same for the number of messages, one that is large or holds many values counting as
        several. A message costs the server about 0.2 ms from end to end, so that a room which
        floods leaves most of its loop to others. A dragged slider sends 300 a second. The burst is
        for honest loops of prints: 20,000 flushed lines come at full speed.
    backlog_bytes:
        What the shim keeps of output that the host has not taken yet; beyond it, output is
        dropped and the drop is told.
    files_bytes:
        All that is put into one sandbox, and the largest file taken out of it.
    """

    cpus: float = _limit(1.0, 0.1, 64, "cores")
    memory_bytes: int = _limit(1 * GIB, 128 * MIB, 256 * GIB, "bytes")
    pids: int = _limit(256, 32, 8192, "processes")
    work_bytes: int = _limit(256 * MIB, 1 * MIB, 64 * GIB, "bytes")
    tmp_bytes: int = _limit(64 * MIB, 1 * MIB, 16 * GIB, "bytes")
    open_files: int = _limit(1024, 64, 65536, "descriptors")
    file_bytes: int = _limit(256 * MIB, 1 * MIB, 64 * GIB, "bytes")
    run_s: float = _limit(120, 1, 86400, "seconds")
    idle_s: float = _limit(2 * 3600, 10, 7 * 86400, "seconds")
    message_bytes: int = _limit(16 * MIB, 64 * 1024, 256 * MIB, "bytes")
    output_bytes_per_s: int = _limit(16 * MIB, 64 * 1024, GIB, "bytes/s")
    output_burst_bytes: int = _limit(64 * MIB, 64 * 1024, GIB, "bytes")
    output_frames_per_s: int = _limit(2000, 50, 100_000, "messages/s")
    output_burst_frames: int = _limit(25_000, 50, 1_000_000, "messages")
    backlog_bytes: int = _limit(32 * MIB, 64 * 1024, GIB, "bytes")
    files_bytes: int = _limit(64 * MIB, 1024, 16 * GIB, "bytes")

    def __post_init__(self) -> None:
        for limit in fields(self):
            low, high = limit.metadata["range"]
            value = getattr(self, limit.name)
            if not low <= value <= high:
                raise BadRequest(
                    f"{limit.name} is {value}; it must lie between {low:g} and {high:g} "
                    f"{limit.metadata['unit']}."
                )


KERNEL_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        # All a kernel process gets to know, with what its profile adds. HOME is not the work
        # folder: dot files of libraries would show among the candidate's own.
        "HOME": "/tmp",  # noqa: S108  (the container's own tmpfs)
        "USER": "candidate",
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
    }
)


WAITING_MB = 150
"""What one that waits is counted with if its profile does not say, in MiB."""


@dataclass(frozen=True, kw_only=True)
class Installer:
    """What can add packages to a profile's image, ahead of the interview.

    Attributes
    ----------
    kind:
        How packages are named, and what arguments the program takes.
    argv:
        What is started in the image, as root, with the kind's own arguments behind it.
    """

    kind: Literal["pip"]
    argv: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of sandbox that rooms can ask for by name.

    Attributes
    ----------
    name:
        The name rooms and brokers use.
    image:
        A folder of ``sandbox_images`` by its name or any such folder by its absolute path (then a
        content-addressed tag is used), or an image reference with a tag or digest.
    kernel_argv:
        What is started in the container as the candidate's user.
    warm_up:
        What a kernel runs while it waits in a pool, as one expression that leaves no name behind;
        empty for nothing.
    waiting_bytes:
        Memory of one that waits, at most; the pools' memory budget is counted in it. A Python
        kernel by itself takes 44 MB of private memory, with its imports 109; they take a second,
        which a candidate's first cell would wait for.
    language_info:
        The notebook metadata of that name, for notebooks whose kernel has not answered yet.
    size_budget_bytes:
        What the image may come to, unpacked; a test holds ours to it.
    installer:
        What adds packages for a room that names some; None: this profile takes none.
    packages:
        Those that its image has on top of `image`; see `kinds`.
    """

    name: str
    display_name: str
    language: str
    image: str
    kernel_argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: KERNEL_ENVIRONMENT)
    limits: Limits = field(default_factory=Limits)
    warm_up: str = ""
    waiting_bytes: int = WAITING_MB * MIB
    language_info: Mapping[str, Any] = field(default_factory=dict)
    size_budget_bytes: int = 4 * GIB
    installer: Installer | None = None
    packages: tuple[str, ...] = ()


FIELDS = frozenset(
    {
        "display_name",
        "language",
        "language_info",
        "installer",
        "kernel_argv",
        "environment",
        "limits",
        "size_budget_mb",
        "warm_up",
        "waiting_mb",
    }
)


def load_profile(name: str, folder: Path, *, image: str = "") -> Profile:
    """The profile that a folder's ``profile.json`` describes.

    Raises
    ------
    BadRequest
        Saying what is wrong with the file.
    """
    file = folder / "profile.json"
    try:
        about = json.loads(file.read_text("utf-8"))
        return _profile(name, about, image=image or str(folder))
    except OSError as error:
        raise BadRequest(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest(f"{file}: {error!r}; it must hold {sorted(FIELDS)}.") from error
    except BadRequest as error:
        raise BadRequest(f"{file}: {error.message}") from error


def _profile(name: str, about: Mapping[str, Any], *, image: str) -> Profile:
    unknown = set(about) - FIELDS
    if unknown:
        raise ValueError(f"{sorted(unknown)} is unknown")
    language_info = {"name": about["language"], **about.get("language_info", {})}
    return Profile(
        name=name,
        display_name=str(about["display_name"]),
        language=str(about["language"]),
        image=image,
        kernel_argv=_words(about, "kernel_argv"),
        environment={**KERNEL_ENVIRONMENT, **about.get("environment", {})},
        limits=Limits(**about.get("limits", {})),
        warm_up=str(about.get("warm_up", "")),
        waiting_bytes=int(about.get("waiting_mb", WAITING_MB)) * MIB,
        language_info=language_info,
        size_budget_bytes=int(about["size_budget_mb"]) * 1000 * 1000,
        installer=_installer(about["installer"]) if "installer" in about else None,
    )


def _words(about: Mapping[str, Any], name: str) -> tuple[str, ...]:
    words = about[name]
    if not isinstance(words, list) or not words or not all(isinstance(w, str) for w in words):
        raise TypeError(f"{name} is a list of words")
    return tuple(words)


def _installer(about: Mapping[str, Any]) -> Installer:
    if set(about) != {"kind", "argv"} or about["kind"] != "pip":
        raise ValueError("an installer has the kind 'pip', and an argv")
    return Installer(kind="pip", argv=_words(about, "argv"))


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {name: load_profile(name, image_folder(name), image=name) for name in BUILT_IN}
)
PYTHON = PROFILES["python"]
