"""The folder of data sets: what is in it is whole, and what does not fit leaves nothing."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from interview_ext.errors import (
    BadRequest,
    Conflict,
    DatasetMissing,
    StoreUnavailable,
    TooLarge,
)
from interview_ext.sandbox import datasets
from interview_ext.sandbox.datasets import DatasetFolder, StoredDataset
from tests.sandbox.data_sets import opened, put

LIMIT = 1000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DatasetFolder]:
    with opened(tmp_path / "sets", max_bytes=LIMIT) as folder:
        yield folder


def left(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "sets" / "new").iterdir()]


def test_a_content_is_there_under_its_digest(folder: DatasetFolder) -> None:
    stored = put(folder, b"content")
    assert stored == StoredDataset(digest=hashlib.sha256(b"content").hexdigest(), size=7)
    assert folder.path(stored.digest).read_bytes() == b"content"
    assert folder.digests() == {stored.digest}
    folder.check("data/x", stored)
    mode = stat.S_IMODE(folder.path(stored.digest).stat().st_mode)
    assert (mode, stat.S_IMODE(folder.shared.stat().st_mode)) == (0o444, 0o311)
    folder.remove(stored.digest)
    folder.remove(stored.digest)
    assert folder.digests() == set()
    with pytest.raises(DatasetMissing, match="data/x"):
        folder.check("data/x", stored)


@contextmanager
def another_user(folder: Path, uid: int = 1000) -> Iterator[None]:
    """Be a user who is not root, and whose folder that is."""
    os.chown(folder, uid, uid)
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_it_works_for_a_user_who_is_not_root() -> None:
    """Who cannot list the folder either, and so has to know what is in it."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory(dir="/tmp") as name, another_user(Path(name)):
        folder = DatasetFolder(Path(name) / "sets", max_bytes=LIMIT)
        folder.open()
        one, two = put(folder, b"content"), put(folder, b"next")
        with pytest.raises(PermissionError):
            list(folder.shared.iterdir())
        assert folder.digests() == {one.digest, two.digest}
        folder.remove(one.digest)
        folder.close()
        folder.open()
        assert folder.digests() == {two.digest}
        assert folder.path(two.digest).read_bytes() == b"next"
        folder.remove(two.digest)
        folder.close()
        folder.shared.chmod(0o700)


def test_an_equal_content_is_not_stored_again(folder: DatasetFolder, tmp_path: Path) -> None:
    inode = folder.path(put(folder, b"same").digest).stat().st_ino
    stored = put(folder, b"same")
    assert folder.path(stored.digest).stat().st_ino == inode
    assert left(tmp_path) == []


def test_all_together_have_a_bound_that_counts_what_is_coming(
    folder: DatasetFolder, tmp_path: Path
) -> None:
    put(folder, bytes(400))
    coming = folder.begin(400)
    with pytest.raises(TooLarge, match="together"):
        folder.begin(201)
    folder.begin(200).discard()
    coming.discard()
    folder.begin(600).discard()
    assert left(tmp_path) == []


def test_the_disk_is_not_filled(
    folder: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(datasets, "SPARE_BYTES", usage.total)
    with pytest.raises(TooLarge, match="disk"):
        folder.begin(1)


@pytest.mark.parametrize(("announced", "error"), [(3, TooLarge), (9, Conflict)])
def test_more_or_less_than_was_announced_is_refused(
    folder: DatasetFolder, tmp_path: Path, announced: int, error: type[Exception]
) -> None:
    incoming = folder.begin(announced)
    with pytest.raises(error):  # noqa: PT012
        incoming.write(b"content")
        incoming.finish()
    incoming.discard()
    incoming.discard()
    assert left(tmp_path) == []
    with pytest.raises(Conflict):
        incoming.write(b"x")


def test_another_content_than_was_named_is_refused(folder: DatasetFolder) -> None:
    incoming = folder.begin(1)
    incoming.write(b"x")
    with pytest.raises(BadRequest):
        incoming.finish("a" * 64)
    incoming.discard()
    assert folder.digests() == set()


@pytest.mark.parametrize("size", [5, 9])
def test_a_file_that_changes_while_it_is_read_is_refused(
    folder: DatasetFolder, tmp_path: Path, size: int
) -> None:
    def copied() -> StoredDataset:
        incoming = folder.copy(io.BytesIO(b"content"), size, lambda: False)
        try:
            return incoming.finish()
        finally:
            incoming.discard()

    with pytest.raises(Conflict, match="changed"):
        copied()
    assert left(tmp_path) == []


def test_a_copy_can_be_given_up(folder: DatasetFolder, tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        folder.copy(io.BytesIO(b"content"), 7, lambda: True)
    with pytest.raises(Conflict):
        folder.digest(io.BytesIO(b"content"), lambda: True)
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["../x", "", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_what_is_no_digest_names_nothing(folder: DatasetFolder, name: str) -> None:
    for method in (folder.path, folder.size, folder.remove):
        with pytest.raises(BadRequest):
            method(name)


def test_a_folder_is_one_processs_and_starts_clean(folder: DatasetFolder, tmp_path: Path) -> None:
    second = DatasetFolder(tmp_path / "sets", max_bytes=LIMIT)
    with pytest.raises(StoreUnavailable, match="Another process"):
        second.open()
    stored = put(folder, b"content")
    (tmp_path / "sets" / "new" / "1.part").write_bytes(b"half")
    folder.close()
    second.open()
    assert left(tmp_path) == []
    assert second.digests() == {stored.digest}
    second.close()


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        DatasetFolder(tmp_path / "file" / "sets", max_bytes=1).open()
