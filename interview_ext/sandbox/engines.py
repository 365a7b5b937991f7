"""Which engine runs sandboxes: Docker, or what the configuration names instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .docker import DockerEngine
from .engine import Engine, Isolation
from .process import ProcessEngine
from .profiles import Profile
from .webassembly import WebAssemblyEngine

DOCKER = "docker"
ENGINES = (DOCKER, "wasm", "process")
LANGUAGES = frozenset({"python"})
"""What engines without images can run."""

CELLS_RUN_IN: Mapping[str, str] = {
    DOCKER: "a container without network",
    "wasm": "WebAssembly, standard library only",
    "process": "the host’s own server: not isolated",
}
"""What the lobby says of each engine."""

WARNINGS: Mapping[Isolation, str] = {
    "webassembly": "standard library only: Python in WebAssembly, without packages",
    "none": "not isolated: cells run as the server's own user and can read all that it can; only "
    "for servers that are throw-away containers themselves",
}


def engine_of(name: str, *, runtime: str = "", datasets: Path | None = None) -> Engine:
    """Make the engine of that name; `runtime` and `datasets` are Docker's."""
    if name == "wasm":
        return WebAssemblyEngine()
    if name == "process":
        return ProcessEngine()
    return DockerEngine(runtime=runtime, datasets=datasets)


def profiles_for(engine: str, profiles: Mapping[str, Profile]) -> dict[str, Profile]:
    """Those of the profiles that an engine can run.

    What is imported while a kernel waits is in the images, and not to be relied on elsewhere.
    """
    if engine == DOCKER:
        return dict(profiles)
    return {
        name: replace(profile, warm_up="", installer=None)
        for name, profile in profiles.items()
        if profile.language in LANGUAGES
    }
