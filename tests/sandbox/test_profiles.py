"""Every profile does what its language can: plots, errors, interrupts, input, completion."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import docker
import pytest

from interview_ext.sandbox.images import reference
from interview_ext.sandbox.profiles import PROFILES
from interview_ext.sandbox.specs import ProfileSpecs, spec_of

from .conftest import PATIENCE_S, Kernel, MakeKernel, MakeSandboxes

DATA = {"data/sales.csv": b"town,amount\nRome,30\nOslo,12\n"}


@dataclass(frozen=True, kw_only=True)
class Language:
    """Code of one language for each thing a kernel does; None where the language cannot do it."""

    sum_of_data: str
    plot: str
    plot_kind: str
    error: str
    error_says: str
    endless: str
    asks: str | None
    half_a_word: str
    whole_word: str
    still_here: str = "6 * 7"


LANGUAGES = {
    "python": Language(
        sum_of_data="import pandas; int(pandas.read_csv('data/sales.csv').amount.sum())",
        plot="import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()",
        plot_kind="image/png",
        error="1 / 0",
        error_says="division by zero",
        endless="while True: pass",
        asks="print('got', input('name? '))",
        half_a_word="impor",
        whole_word="import",
    ),
    "r": Language(
        sum_of_data=(
            "suppressMessages(library(dplyr)); "
            "x <- read.csv('data/sales.csv') %>% summarise(s = sum(amount)); x$s"
        ),
        plot="library(ggplot2)\nggplot(data.frame(a = 1:2, b = 3:4), aes(a, b)) + geom_point()",
        plot_kind="image/png",
        error="stop('no good')",
        error_says="no good",
        endless="while (TRUE) {}",
        asks="cat('got', readline('name? '))",
        half_a_word="read.cs",
        whole_word="read.csv",
    ),
    "javascript": Language(
        sum_of_data=(
            "const lines = Deno.readTextFileSync('data/sales.csv').trim().split('\\n').slice(1);\n"
            "lines.reduce((sum, line) => sum + Number(line.split(',')[1]), 0)"
        ),
        plot="Deno.jupyter.svg`<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>`",
        plot_kind="image/svg+xml",
        error="throw new Error('no good')",
        error_says="no good",
        endless="while (true) {}",
        asks="console.log('got', prompt('name? '))",
        half_a_word="Deno.readTextF",
        whole_word="readTextFile",
    ),
    "sql": Language(
        sum_of_data="SELECT sum(amount)::INT AS total FROM sales",
        plot="SELECT * FROM sales;\n%chart bar town amount",
        plot_kind="application/vnd.vegalite.v5+json",
        error="SELECT * FROM nowhere",
        error_says="nowhere does not exist",
        endless="SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range < b.range",
        asks=None,
        half_a_word="SELECT * FROM sal",
        whole_word="sales",
        still_here="SELECT 6 * 7",
    ),
}


@pytest.fixture(params=LANGUAGES)
async def speaker(
    request: pytest.FixtureRequest, make_sandboxes: MakeSandboxes, make_kernel: MakeKernel
) -> tuple[Kernel, Language]:
    """A kernel of a profile with a room's data, and code for it."""

    async def files() -> dict[str, bytes]:
        return DATA

    sandboxes = await make_sandboxes(profile=PROFILES[request.param])
    return await make_kernel(sandboxes, files=files), LANGUAGES[request.param]


def test_every_profile_is_tested() -> None:
    assert set(LANGUAGES) == set(PROFILES)


async def test_reads_the_rooms_data(speaker: tuple[Kernel, Language]) -> None:
    kernel, language = speaker
    run = await kernel.run(language.sum_of_data)
    assert run.status == "ok", run.text
    assert "42" in run.text


async def test_plots(speaker: tuple[Kernel, Language]) -> None:
    kernel, language = speaker
    run = await kernel.run(language.plot)
    assert run.status == "ok", run.text
    kinds = {kind for m in run.outputs for kind in m["content"].get("data", ())}
    assert language.plot_kind in kinds


async def test_says_what_was_wrong(speaker: tuple[Kernel, Language]) -> None:
    kernel, language = speaker
    run = await kernel.run(language.error)
    assert run.status == "error"
    shown = json.dumps([m["content"] for m in run.outputs if m["msg_type"] == "error"])
    assert language.error_says in shown
    assert "42" in (await kernel.run(language.still_here)).text


async def test_is_interrupted(speaker: tuple[Kernel, Language]) -> None:
    kernel, language = speaker
    running = asyncio.create_task(kernel.run(language.endless))
    await kernel.busy()
    await kernel.manager.interrupt_kernel()
    run = await running
    assert run.status == "error", run.text
    assert run.idle
    assert "42" in (await kernel.run(language.still_here)).text


async def test_asks_for_input(speaker: tuple[Kernel, Language]) -> None:
    kernel, language = speaker
    if language.asks is None:
        return  # SQL has no word for it
    client = kernel.client
    client.execute(language.asks, allow_stdin=True)
    asked = await client.get_stdin_msg(timeout=PATIENCE_S)
    assert asked["content"]["prompt"].startswith("name?")
    client.input("Ada")
    texts: list[str] = []
    while "got Ada" not in "".join(texts):
        message = await client.get_iopub_msg(timeout=PATIENCE_S)
        if message["msg_type"] == "stream":
            texts.append(message["content"]["text"])


async def test_completes(speaker: tuple[Kernel, Language]) -> None:
    kernel, language = speaker
    reply = await kernel.client.complete(language.half_a_word, reply=True, timeout=PATIENCE_S)
    content = reply["content"]
    assert any(language.whole_word in match for match in content["matches"]), content


async def test_calls_itself_what_the_notebook_is_told(any_kernel: Kernel) -> None:
    """New notebooks get the profile's `language_info`: the kernel must not say otherwise."""
    reply = await any_kernel.client.kernel_info(reply=True, timeout=PATIENCE_S)
    told = next(iter(any_kernel.provisioner.sandbox.profile.language_info.items()))  # type: ignore[union-attr]
    assert reply["content"]["language_info"][told[0]] == told[1]


@pytest.mark.parametrize("name", PROFILES)
def test_the_installed_kernelspec_is_the_profiles(name: str) -> None:
    from pathlib import Path

    import interview_ext.sandbox

    folder = Path(interview_ext.sandbox.__file__).parent / "kernelspecs" / f"interview-{name}"
    assert json.loads((folder / "kernel.json").read_text()) == spec_of(PROFILES[name])
    icons = {path.name for path in folder.iterdir()} - {"kernel.json"}
    assert icons == {"logo-svg.svg", "logo-32x32.png", "logo-64x64.png"}
    spec = ProfileSpecs(PROFILES).get_kernel_spec(f"interview-{name}")
    assert spec.display_name == PROFILES[name].display_name


@pytest.mark.parametrize("name", PROFILES)
def test_the_image_keeps_to_its_budget(name: str, sandbox_image: None) -> None:
    client = docker.from_env()
    try:
        size = client.api.inspect_image(reference(PROFILES[name].image))["Size"]
    finally:
        client.close()
    budget = PROFILES[name].size_budget_bytes
    assert budget / 2 < size <= budget, f"{size / 1e6:.0f} MB"
