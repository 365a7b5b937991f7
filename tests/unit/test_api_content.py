"""What a new room is made of: templates, the host's own notebook and data."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
from pathlib import Path
from typing import BinaryIO

import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.contents.manager import ContentsManager

from interview_ext.api import content
from interview_ext.api.content import fresh_notebook, own_data, own_notebook
from interview_ext.api.templates import BLANK, TemplateLibrary
from interview_ext.errors import BadRequest, TooLarge
from interview_ext.sandbox.datasets import StoredDataset
from interview_ext.sandbox.profiles import PYTHON


@pytest.fixture
def files(tmp_path: Path) -> AsyncLargeFileManager:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_bytes(b"x\n\xff\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.csv").write_text("y\n")
    (tmp_path / ".hidden").write_text("z")
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "x"}, "private": 1},
        cells=[
            nbformat.v4.new_markdown_cell("# Task"),
            nbformat.v4.new_code_cell(
                "1+1",
                execution_count=7,
                metadata={"trusted": True, "tags": ["kept"]},
                outputs=[nbformat.v4.new_output("stream", text="the host's solution")],
            ),
        ],
    )
    (tmp_path / "task.ipynb").write_text(nbformat.writes(notebook))
    (tmp_path / "broken.ipynb").write_text("{")
    return AsyncLargeFileManager(root_dir=str(tmp_path))


async def test_an_own_notebook_comes_without_what_the_host_tried(files) -> None:
    notebook = await own_notebook(files, "task.ipynb", PYTHON)
    assert "solution" not in json.dumps(notebook)
    markdown, code = notebook["cells"]
    assert markdown["source"] == "# Task"
    assert (code["outputs"], code["execution_count"]) == ([], None)
    assert code["metadata"] == {"tags": ["kept"]}
    assert notebook["metadata"]["kernelspec"]["name"] == "interview-python"
    assert "private" not in notebook["metadata"]


def test_an_old_notebook_is_brought_up_to_date() -> None:
    old = nbformat.v3.new_notebook(
        worksheets=[nbformat.v3.new_worksheet(cells=[nbformat.v3.new_code_cell("1")])]
    )
    notebook = fresh_notebook(old, "old.ipynb", PYTHON)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["cells"][0]["id"]


@pytest.mark.parametrize(
    "path", ["none.ipynb", "broken.ipynb", "../task.ipynb", "data", "/etc/passwd", "data/a.csv"]
)
async def test_what_is_no_notebook_of_the_host_is_refused(files, path: str) -> None:
    with pytest.raises(BadRequest):
        await own_notebook(files, path, PYTHON)


async def test_data_files_come_byte_for_byte(files) -> None:
    assert await own_data(files, ["data/a.csv"]) == {"a.csv": b"x\n\xff\n"}


@pytest.mark.parametrize(
    "paths",
    [["data/a.csv", "other/a.csv"], ["data"], ["none"], [".hidden"], ["data/../.hidden"]],
)
async def test_wrong_data_paths_are_refused(files, paths: list[str]) -> None:
    with pytest.raises(BadRequest):
        await own_data(files, paths)


async def test_what_is_too_large_is_refused_before_it_is_read(files, tmp_path: Path) -> None:
    with (tmp_path / "data" / "big.csv").open("wb") as big:
        big.truncate(content.MAX_DATA_BYTES + 1)
    with (tmp_path / "big.ipynb").open("wb") as big:
        big.truncate(content.MAX_NOTEBOOK_BYTES + 1)
    with pytest.raises(TooLarge, match="48 MiB"):
        await own_data(files, ["data/big.csv"])
    with pytest.raises(TooLarge, match="8 MiB"):
        await own_notebook(files, "big.ipynb", PYTHON)


class Elsewhere(ContentsManager):
    """A contents manager whose files are on no disk of this machine."""

    async def get(self, path: str, *_: object, **wanted: object) -> dict[str, object]:
        sizes = {"large.bin": content.DATASET_BYTES + 1, "huge.bin": 2**31}
        model: dict[str, object] = {"type": "file", "size": sizes[path], "path": path}
        if wanted.get("content", True):
            model["content"] = base64.b64encode(bytes(sizes[path])).decode()
        return model


async def never(file: object, size: int) -> StoredDataset:
    raise AssertionError("there is no file to be stored")


async def test_files_that_are_on_no_disk_are_taken_as_long_as_they_fit() -> None:
    found = await own_data(Elsewhere(), ["large.bin"], never)
    assert found == {"large.bin": bytes(content.DATASET_BYTES + 1)}
    with pytest.raises(TooLarge, match="48 MiB") as caught:
        await own_data(Elsewhere(), ["huge.bin"], never)
    assert "the server's own disk" in caught.value.hint


async def test_a_large_file_is_given_as_it_is_on_the_disk(files, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(content.DATASET_BYTES + 1)
    (tmp_path / "just.bin").write_bytes(bytes(content.DATASET_BYTES))
    asked: list[tuple[int, int]] = []

    async def add(file: BinaryIO, size: int) -> StoredDataset:
        asked.append((os.fstat(file.fileno()).st_ino, size))
        return StoredDataset(digest="d", size=size)

    found = await own_data(files, ["large.bin", "just.bin"], add)
    assert asked == [(large.stat().st_ino, content.DATASET_BYTES + 1)]
    assert found["just.bin"] == bytes(content.DATASET_BYTES)
    assert found["large.bin"] == StoredDataset(digest="d", size=content.DATASET_BYTES + 1)


def test_every_template_is_whole() -> None:
    library = TemplateLibrary()
    ids = [template.id for template in library.list()]
    assert ids == ["sample", BLANK]
    for template_id in ids:
        notebook = fresh_notebook(library.load(template_id).notebook, template_id, PYTHON)
        nbformat.validate(nbformat.from_dict(notebook))


def test_the_sample_has_a_data_set_with_source_and_licence_and_three_tasks() -> None:
    library = TemplateLibrary()
    sample = library.load("sample")
    penguins = sample.data["penguins.csv"]
    assert isinstance(penguins, bytes)
    rows = list(csv.DictReader(io.StringIO(penguins.decode())))
    assert len(rows) == 344
    sources = "".join("".join(cell["source"]) for cell in sample.notebook["cells"])
    assert [f"## Task {n}" in sources for n in (1, 2, 3)] == [True] * 3
    assert "## Task 3" in sample.brief
    assert "Leak" not in sources
    about = json.loads((library._root / "sample" / "template.json").read_text())
    assert about["data"]["licence"] == "CC0-1.0"
    assert about["data"]["source"]


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(BadRequest):
        TemplateLibrary().load("../templates/sample")
