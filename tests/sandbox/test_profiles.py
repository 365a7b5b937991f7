"""Every profile does what its language can: plots, errors, interrupts, input, completion."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import docker
import pytest

from interview_ext.sandbox.images import reference
from interview_ext.sandbox.profiles import PROFILES
from interview_ext.sandbox.specs import ProfileSpecs, spec_of

from .conftest import PATIENCE_S, Kernel, MakeKernel, MakeSandboxes, Run
from .languages import DATA, LANGUAGES, Language


@pytest.fixture(params=LANGUAGES)
async def speaker(
    request: pytest.FixtureRequest, make_sandboxes: MakeSandboxes, make_kernel: MakeKernel
) -> tuple[Kernel, Language]:
    """A kernel of a profile with a room's data, and code for it."""

    async def files() -> dict[str, bytes]:
        return DATA

    sandboxes = await make_sandboxes(profile=PROFILES[request.param])
    return await make_kernel(sandboxes, profile=request.param, files=files), LANGUAGES[
        request.param
    ]


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
    begun = asyncio.Event()
    heard: list[dict[str, Any]] = []

    def hear(message: dict[str, Any]) -> None:
        heard.append(message)
        if message["msg_type"] in ("stream", "display_data"):
            begun.set()

    running = asyncio.create_task(
        kernel.client.execute_interactive(
            language.endless, output_hook=hear, timeout=2 * PATIENCE_S, allow_stdin=False
        )
    )
    async with asyncio.timeout(PATIENCE_S):
        await begun.wait()
    await kernel.manager.interrupt_kernel()
    run = Run.of(heard, await running)
    assert run.status in ("error", "abort"), run.text  # the latter is IRkernel's word
    assert run.idle
    assert "42" in (await kernel.run(language.still_here)).text


async def test_asks_for_input_or_says_that_it_cannot(speaker: tuple[Kernel, Language]) -> None:
    kernel, language = speaker
    client = kernel.client
    if language.asks is None:
        run = await kernel.run("%input name?")
        assert run.status == "error"
        assert "SQL cannot ask for input" in run.text
        return
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
    told = next(iter(any_kernel.sandbox.profile.language_info.items()))
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
