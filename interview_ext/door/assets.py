"""The static files of the doors: an index made at the start, compressed once, immutable.

Only what stands in the index exists, so there is no path to be tricked. All lie under one
path that holds a digest of the whole set, so they never change under their addresses, and
rooms share them: a browser that has been in one interview has them for the next. They
are JupyterLab's own published files and this package's, the same for everybody.

gzip alone brings JupyterLab's first load to 2 MB; Brotli would save another tenth and
costs a dependency.
"""

from __future__ import annotations

import gzip
import json
import logging
import mimetypes
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from jupyter_core.paths import jupyter_path
from jupyterlab.commands import get_app_dir  # type: ignore[import-untyped]

from interview_ext.rooms.ids import digest

log = logging.getLogger(__name__)

PAGES_DIR = Path(__file__).parent / "pages"
_SKIPPED_NAMES = {"index.html", "package.json", "third-party-licenses.json"}
_SKIPPED_SUFFIXES = {".map", ".html", ".txt", ".md"}
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
}
_COMPRESSED_SUFFIXES = {".js", ".css", ".json", ".svg", ".ttf", ".eot", ".wasm", ".html"}
_MIN_COMPRESSED_BYTES = 512
_CACHE_BYTES = 32 * 1024 * 1024
"""Compressed files kept in memory. All of JupyterLab's are 5 MB."""


@dataclass(frozen=True, kw_only=True)
class LabFiles:
    """Where the installed JupyterLab and its prebuilt extensions lie."""

    app_dir: Path
    extension_dirs: tuple[Path, ...]

    @classmethod
    def installed(cls) -> LabFiles:
        """Return those of the running Python environment."""
        return cls(
            app_dir=Path(get_app_dir()),
            extension_dirs=tuple(Path(p) for p in jupyter_path("labextensions")),
        )

    @property
    def static_dir(self) -> Path:
        return self.app_dir / "static"

    @property
    def main_script(self) -> str:
        """Name of the script that starts JupyterLab, under its static directory."""
        names = sorted(path.name for path in self.static_dir.glob("main.*.js"))
        if not names:
            raise FileNotFoundError(f"no built JupyterLab in {self.app_dir}")
        return names[0]

    def extension(self, name: str) -> Extension | None:
        """Return an installed prebuilt extension; the first directory that has it wins."""
        for root in self.extension_dirs:
            folder = root / name
            manifest = folder / "package.json"
            if manifest.is_file():
                package = json.loads(manifest.read_text("utf-8"))
                build = package.get("jupyterlab", {}).get("_build")
                if build is None:
                    log.warning("%s is not a built extension", folder)
                    return None
                return Extension(name=name, folder=folder, package=package)
        return None


@dataclass(frozen=True, kw_only=True)
class Extension:
    """A prebuilt (federated) JupyterLab extension."""

    name: str
    folder: Path
    package: dict[str, object]

    @property
    def page_entry(self) -> dict[str, object]:
        """The entry of ``federated_extensions`` in JupyterLab's page config."""
        lab = self.package["jupyterlab"]
        build = lab["_build"] if isinstance(lab, dict) else {}
        known = ("load", "extension", "mimeExtension", "style", "entrypoints")
        return {"name": self.name} | {k: build[k] for k in known if k in build}

    @property
    def disables(self) -> tuple[str, ...]:
        """Plugins that this extension replaces."""
        lab = self.package["jupyterlab"]
        disabled = lab.get("disabledExtensions", ()) if isinstance(lab, dict) else ()
        return tuple(disabled)


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One static file of so many bytes. `path` is relative to `Assets.url_path`."""

    path: str
    file: Path
    size: int
    content_type: str
    compressible: bool


class Assets:
    """All static files of the doors. Made once; reading is safe from several threads."""

    def __init__(
        self, lab: LabFiles, *, extensions: tuple[Extension, ...], rooms_path: str
    ) -> None:
        self.extensions = extensions
        self._index: dict[str, Asset] = {}
        self._add("lab", lab.static_dir)
        self._add("themes", lab.app_dir / "themes")
        for extension in extensions:
            self._add(f"extensions/{extension.name}/static", extension.folder / "static")
            self._add("themes", extension.folder / "themes")
        self._add("rooms", PAGES_DIR)
        frame = PAGES_DIR / "frame.html"
        self._index["frame/"] = Asset(
            path="frame/",
            file=frame,
            size=frame.stat().st_size,
            content_type="text/html; charset=utf-8",
            compressible=True,
        )
        self.main_script = f"lab/{lab.main_script}"
        self.digest = self._digest()
        self.url_path = f"{rooms_path}static/{self.digest}/"
        self._compressed: OrderedDict[str, bytes] = OrderedDict()
        self._compressed_bytes = 0
        self._lock = threading.Lock()

    def get(self, path: str) -> Asset | None:
        """Return the asset at a path below `url_path`."""
        return self._index.get(path)

    def url(self, path: str) -> str:
        """Return the URL path of an asset that must be there."""
        return self.url_path + self._index[path].path

    def body(self, asset: Asset, *, compressed: bool) -> bytes:
        """Return the file's bytes, as gzip if so asked. Blocks: call it in a thread."""
        if not (compressed and asset.compressible):
            return asset.file.read_bytes()
        with self._lock:
            body = self._compressed.get(asset.path)
            if body is not None:
                self._compressed.move_to_end(asset.path)
                return body
        body = gzip.compress(asset.file.read_bytes(), compresslevel=9, mtime=0)
        with self._lock:
            if asset.path not in self._compressed:
                self._compressed[asset.path] = body
                self._compressed_bytes += len(body)
            while self._compressed_bytes > _CACHE_BYTES:
                _, dropped = self._compressed.popitem(last=False)
                self._compressed_bytes -= len(dropped)
        return body

    def _add(self, prefix: str, root: Path) -> None:
        if not root.is_dir():
            return
        for file in sorted(root.rglob("*")):
            if file.name in _SKIPPED_NAMES or file.suffix in _SKIPPED_SUFFIXES:
                continue
            if file.is_file():
                path = f"{prefix}/{file.relative_to(root).as_posix()}"
                self._index.setdefault(path, _asset(path, file))

    def _digest(self) -> str:
        lines = []
        for path, asset in sorted(self._index.items()):
            stat = asset.file.stat()
            lines.append(f"{path} {stat.st_size} {stat.st_mtime_ns}")
        return digest("\n".join(lines))[:16]


def _asset(path: str, file: Path) -> Asset:
    guessed = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
    size = file.stat().st_size
    return Asset(
        path=path,
        file=file,
        size=size,
        content_type=guessed or "application/octet-stream",
        compressible=file.suffix in _COMPRESSED_SUFFIXES and size >= _MIN_COMPRESSED_BYTES,
    )
