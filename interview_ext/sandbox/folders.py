"""Where the sandbox images' folders are, and what of them an image is built from.

A profile is one folder: ``profile.json`` (see `profiles`), a ``Dockerfile`` that begins with
``ARG BASE`` and ``FROM ${BASE}``, and what that copies. The base, with the shim, its user and the
lock-down's seccomp profile, is the folder ``base`` and one thing for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from interview_ext.errors import ImageMissing

BASE = "base"
ABOUT_FILES = frozenset({"profile.json", "seccomp.json"})
"""In the folder, but not in the image: changing them leaves the image as it is."""


def image_folder(name: str) -> Path:
    """The folder an image is built from: one of ours by its name, another by its absolute path.

    A wheel carries our folders inside the package; a checkout has them beside it.

    Raises
    ------
    ImageMissing
        There is no such folder.
    """
    package = Path(__file__).resolve().parent
    for parent in (package / "image_folders", package.parents[1] / "sandbox_images"):
        folder = parent / name  # an absolute path replaces the parent
        if (folder / "Dockerfile").is_file():
            return folder
    raise ImageMissing(f"There is no sandbox image named {name!r}.", hint="")


def is_reference(image: str) -> bool:
    """Whether it names an image from elsewhere instead of a folder."""
    return not Path(image).is_absolute() and (":" in image or "@" in image)


def sources(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file that goes into the build, by its name there."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and "__pycache__" not in path.parts and name not in ABOUT_FILES:
            yield name, path


def seccomp_profile(image: str) -> str:
    """The seccomp profile of an image as JSON: its folder's own, or that of the base."""
    if not is_reference(image):
        own = image_folder(image) / "seccomp.json"
        if own.is_file():
            return own.read_text()
    return (image_folder(BASE) / "seccomp.json").read_text()
