"""JupyterLab's settings in a room: schemas of what is installed, values of this room.

The host's own settings stay the host's. What somebody changes in a room is kept in
memory for as long as their door is.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import json5
from jupyterlab_server.settings_utils import get_settings

from interview_ext.door.assets import PAGES_DIR, Extension, LabFiles
from interview_ext.errors import BadRequest, NotFound
from interview_ext.rooms.limits import RateLimit

MAX_SETTING_BYTES = 64 * 1024
MAX_JSON5_CHARACTERS = 4 * 1024
"""JSON5 is parsed in Python: 4 kB take 0.2 s of the processor, 64 kB 3 s. What JupyterLab writes by
itself is plain JSON between lines of comments, which may be as long as all settings."""
_COMMENT_LINES = re.compile(r"^[ \t]*//[^\r\n\u2028\u2029]*", re.MULTILINE)
MAX_SETTING_DEPTH = 100
"""Lists and objects within each other: whatever is taken in has to be written out again."""
CHANGES_PER_MINUTE = 60
"""Of one participant; JupyterLab sends one each time somebody stops typing."""
_NO_USER_SETTINGS = str(PAGES_DIR / "no-user-settings")
"""A folder that is not there; an empty name would be the server's working directory."""

OVERRIDES: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},
    # The first completion in a fresh kernel takes a second or more; by default JupyterLab
    # gives up after one, and pressing Tab seems to do nothing.
    "@jupyterlab/completer-extension:manager": {"providerTimeout": 10_000},
    "@jupyterlab/docmanager-extension:plugin": {"maxNumberRecents": 0},
    "@jupyterlab/notebook-extension:panel": {
        "toolbar": [
            {"name": "kernelName", "disabled": True},
            {"name": "debugger", "disabled": True},
        ]
    },
    "@jupyterlab/notebook-extension:tracker": {
        "autoStartDefaultKernel": True,
        "kernelShutdown": False,
    },
}
"""Defaults that a room has instead of JupyterLab's: no news, the room's kernel without
asking, light or dark as the person's system has it."""


class LabSettings:
    """The settings that every door starts with. Reads files once, when first asked."""

    def __init__(self, lab: LabFiles, *, extensions: tuple[Extension, ...]) -> None:
        self._lab = lab
        self._names = {"@jupyterlab", *(extension.name for extension in extensions)}
        self._all: dict[str, dict[str, Any]] | None = None
        self.changes = RateLimit(per_minute=CHANGES_PER_MINUTE)
        """Of settings, for each participant."""

    def load(self) -> Mapping[str, dict[str, Any]]:
        """Return all settings by plugin id. Blocks the first time: call it in a thread."""
        if self._all is None:
            result, _ = get_settings(
                str(self._lab.app_dir / "settings"),
                str(self._lab.app_dir / "schemas"),
                _NO_USER_SETTINGS,
                overrides={key: dict(value) for key, value in OVERRIDES.items()},
                labextensions_path=[str(path) for path in self._lab.extension_dirs],
            )
            self._all = {item["id"]: item for item in result["settings"] if self._known(item["id"])}
        return self._all

    def _known(self, plugin: str) -> bool:
        package = plugin.split(":", maxsplit=1)[0]
        return package in self._names or package.split("/")[0] in self._names


class DoorSettings:
    """The settings of one door: everybody's, and what this person has changed."""

    def __init__(self, shared: LabSettings) -> None:
        self._shared = shared
        self._changed: dict[str, dict[str, Any]] = {}
        self._one_at_a_time = asyncio.Lock()

    def list(self, *, ids_only: bool) -> list[dict[str, Any]]:
        """Return all settings, or only their ids."""
        everything = self._shared.load()
        if ids_only:
            return [{"id": plugin} for plugin in everything]
        return [item | self._changed.get(plugin, {}) for plugin, item in everything.items()]

    def get(self, plugin: str) -> dict[str, Any]:
        """Return one plugin's settings, or raise `NotFound`."""
        item = self._shared.load().get(plugin)
        if item is None:
            raise NotFound(f"There are no settings of {plugin} here.")
        return item | self._changed.get(plugin, {})

    async def put(self, plugin: str, raw: object) -> None:
        """Keep what the person changed, for as long as the door is open.

        Raises
        ------
        BadRequest, NotFound
        """
        async with self._one_at_a_time:
            await asyncio.to_thread(self._put, plugin, raw)

    def _put(self, plugin: str, raw: object) -> None:
        self.get(plugin)
        if not isinstance(raw, str) or len(raw) > MAX_SETTING_BYTES:
            raise BadRequest("Settings are `raw` text of at most 64 kB.")
        values = _values(raw)
        at = datetime.now(UTC).isoformat()
        created = self._changed.get(plugin, {}).get("created", at)
        self._changed[plugin] = {
            "raw": raw,
            "settings": values,
            "last_modified": at,
            "created": created,
        }


def _values(raw: str) -> object:
    try:
        values = _parse(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequest("These settings are not valid JSON.") from error
    if _is_deeper(values, MAX_SETTING_DEPTH):
        raise BadRequest("These settings are nested too deeply.")
    return values


def _parse(raw: str) -> object:
    with suppress(ValueError):
        return json.loads(_COMMENT_LINES.sub("", raw))
    if len(raw) > MAX_JSON5_CHARACTERS:
        raise BadRequest(
            "Settings above 4 kB have to be plain JSON.",
            hint="Give comments lines of their own, and leave out commas before closing brackets.",
        )
    return json5.loads(raw)


def _is_deeper(value: object, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
