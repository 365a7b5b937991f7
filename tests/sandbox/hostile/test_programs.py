"""Every hostile program comes to its declared end, and the server is whole afterwards."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from jupyter_client.kernelspec import KernelSpecManager

import interview_ext.sandbox

from .outcome import JUDGES, judge
from .program import KINDS, Program, programs
from .report import KEPT, PROPERTY, lacking, row
from .site import PATHS, Site, site

ALL = programs()
SAMPLE = [program for program in ALL if program.sample]
SAMPLED_EVERYWHERE = ("fork_bomb", "two_gigabytes", "display_of_150_mb", "catch_all_loop")
"""Of the sample, what `make test` runs on the other paths too: an end of each sort."""
together = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=PATHS)
async def ground(
    request: pytest.FixtureRequest,
    sandbox_image: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Site]:
    """A server that all programs of a run share, with a folder for temporary files of its own."""
    specs = tmp_path_factory.mktemp("specs")
    (specs / "interview-python").symlink_to(
        Path(interview_ext.sandbox.__file__).parent / "kernelspecs" / "interview-python"
    )
    with (
        tempfile.TemporaryDirectory(prefix="hostile-") as folder,
        pytest.MonkeyPatch.context() as m,
    ):
        m.setattr(tempfile, "tempdir", folder)
        manager = KernelSpecManager(kernel_dirs=[str(specs)])
        async with site(request.param, Path(folder), manager) as made:
            yield made


async def hold(
    ground: Site, program: Program, path: str, record_property: Callable[[str, object], None]
) -> None:
    came = await ground.run(program)
    problem = judge(program, came)
    record_property(PROPERTY, row(program, path, came, problem))
    wrong = await ground.check(program, came)
    assert [problem, *wrong] == [""], came.text[-2000:]


def path_of(request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.params["ground"])


@together
@pytest.mark.parametrize(
    ("ground", "program"),
    [
        pytest.param(path, program, id=f"{path}-{program.name}")
        for path in PATHS
        for program in SAMPLE
        if path == "in-process" or program.name in SAMPLED_EVERYWHERE
    ],
    indirect=["ground"],
    scope="module",
)
async def test_a_sample(
    ground: Site, program: Program, request: pytest.FixtureRequest, record_property
) -> None:
    await hold(ground, program, path_of(request), record_property)


@together
@pytest.mark.soak
@pytest.mark.parametrize("program", ALL, ids=lambda program: program.name)
async def test_every_program(
    ground: Site, program: Program, request: pytest.FixtureRequest, record_property
) -> None:
    await hold(ground, program, path_of(request), record_property)


def test_there_is_a_sample_of_every_kind() -> None:
    assert len(ALL) >= 50
    assert {program.kind for program in SAMPLE} == set(KINDS)
    assert {program.how for program in ALL} <= set(JUDGES)


def test_the_documentation_shows_a_complete_run_of_the_programs_as_they_are() -> None:
    """See `report`; run them again when one has been changed."""
    assert lacking(json.loads(KEPT.read_text())) == []
