"""Which static files JupyterLab's page asks for, so that the lobby can fetch them before.

JupyterLab loads some 120 chunks whose names only its own loader knows. They are
learned from the pages that load: the host's, usually, before the candidate's. What was
learned is kept beside the store, under the digest of the set of files, so that a restart or
a host whose browser has everything already changes nothing.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from interview_ext.door.assets import Assets

log = logging.getLogger(__name__)

_LEARNED_KINDS = {"script", "style"}
_LAB_PAGE = re.compile(r"/(lab|doc)(/|$)")
_MAX_FILES = 250
_MAX_BYTES = 12 * 1024 * 1024
"""Of all files as they lie there, not compressed: a first load has 7 MB."""


class FirstLoad:
    """The files of a first load. Made once; asked by the static files and the lobby.

    Parameters
    ----------
    is_page:
        Whether a URL path lies behind a door that is open. Static files are public: only who is in
        a room may say what the lobbies fetch.
    """

    def __init__(
        self, assets: Assets, *, folder: Path | None, is_page: Callable[[str], bool]
    ) -> None:
        self._assets = assets
        self._is_page = is_page
        self._file = folder / f"first-load-{assets.digest}.json" if folder else None
        self._addresses: dict[str, str] = {}
        self._bytes = 0
        self._add(assets.main_script)
        if self._file is not None and self._file.is_file():
            self._load(self._file)

    def note(self, request: HTTPServerRequest, path: str) -> None:
        """Learn from a page of JupyterLab that loads the asset at `path`."""
        page = urlsplit(request.headers.get("Referer", "")).path
        kind = request.headers.get("Sec-Fetch-Dest")
        if kind in _LEARNED_KINDS and _LAB_PAGE.search(page) and self._is_page(page):
            self._add(f"{path}?{request.query}" if request.query else path)

    def urls(self) -> list[str]:
        """Return the URL paths to fetch ahead, in the order in which they were asked for."""
        return [self._assets.url_path + address for address in self._addresses.values()]

    def save(self) -> None:
        """Keep what was learned. Blocks for the time of one small write."""
        if self._file is None or len(self._addresses) < 2:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(list(self._addresses.values())), "utf-8")
        except OSError as error:
            log.warning("The list of first-load files could not be kept: %s", error)

    def _load(self, file: Path) -> None:
        try:
            addresses = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            log.warning("%s could not be read and will be learned again: %s", file, error)
            return
        for address in addresses:
            if isinstance(address, str):
                self._add(address)

    def _add(self, address: str) -> None:
        """Add an asset's address below `Assets.url_path`, unless it has one or may not have this.

        Anybody may ask for a file with any query, and to the browser's cache each is another
        address. JupyterLab's loader repeats the digest that stands in the file's name.
        """
        path, _, query = address.partition("?")
        if path in self._addresses or len(self._addresses) >= _MAX_FILES:
            return
        name = path.rpartition("/")[2]
        if query and query not in {f"v={part}" for part in name.split(".")[1:-1]}:
            return
        asset = self._assets.get(path)
        if asset is not None and self._bytes + asset.size < _MAX_BYTES:
            self._addresses[path] = address
            self._bytes += asset.size
