"""What a candidate makes is hostile in the interviewer's browser too, and stays in its box.

One room for all: a candidate whose very name is an attack puts things into the notebook by raw
Yjs and by runs, and a watch is kept over the interviewer's browser: a canary function, the title,
every request, and whether our controls can be reached.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect
from pycrdt import Map

from tests.chromium import PATIENCE_MS

from .conftest import Demo
from .hostile.attacker import Attacker, listening
from .hostile.attacks import ATTACKS, BARE, COVER, FIRE_SCRIPT, IMG, Attack, code, shows
from .hostile.ordinary import FRAME, ORDINARY
from .hostile.scene import IN_VIEW, NAME, SETTLE_MS, Scene, Stage, Watch

REPLIES = f"""
kernel = get_ipython().kernel
data = {{'text/plain': {IMG!r},
         'text/html': '<p>inspected</p><script>parent.canary(1)</script>' + {IMG!r},
         'text/markdown': {IMG!r}, 'application/javascript': 'canary(1)'}}
def do_inspect(*a, **k):
    return {{'status': 'ok', 'found': True, 'data': data, 'metadata': {{'trusted': True}}}}
def do_complete(code, cursor_pos):
    # What all begin with is typed at once and no list shown: they differ after the prefix.
    items = [code[:cursor_pos] + end + {IMG!r} for end in 'ab']
    return {{'status': 'ok', 'matches': items, 'cursor_start': 0, 'cursor_end': cursor_pos,
        'metadata': {{'_jupyter_types_experimental': [
            {{'text': i, 'type': {IMG!r}, 'signature': {IMG!r}, 'start': 0, 'end': cursor_pos}}
            for i in items]}}}}
kernel.do_inspect, kernel.do_complete = do_inspect, do_complete
"""


@pytest.fixture(scope="module")
def attacker() -> Iterator[Attacker]:
    with listening() as attacker:
        yield attacker


@pytest.fixture(scope="module")
def stage(demo: Demo, browser: Browser, attacker: Attacker) -> Iterator[Stage]:
    stage = Stage(demo, browser, attacker)
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def scene(stage: Stage) -> Iterator[Scene]:
    """One room for the whole module."""
    scene = stage.enter()
    with closing(scene.forger):
        scene.show_only(code())
        expect(scene.host.get_by_role("button", name="End…")).to_be_visible()
        expect(scene.host.locator(".jp-CodeCell")).to_have_count(1)
        scene.controls = scene.host.evaluate(IN_VIEW)["seen"]
        assert {"End…", "Pause", "Send", "Kernel"} <= set(scene.controls)
        yield scene


def test_the_watch_sees_what_happens_where_nothing_is_contained(demo: Demo, stage: Stage) -> None:
    """The same output in the host's own, stock JupyterLab, in a notebook that is trusted there."""
    with listening() as attacker, stage.new_context() as context:
        html = (
            f"<script>{FIRE_SCRIPT}</script><img src=x onerror='canary(1)'>"
            f"<p style='{COVER}'>covered</p>"
        ).replace("ATTACKER", attacker.url)
        cell = {**shows("text/html", html), "id": "control", "execution_count": None}
        stage.save("control.ipynb", [cell])
        watch = Watch(context, attacker, [demo.base_url], demo.token)
        page = context.new_page()
        with page.expect_request_finished(lambda request: "/beacon" in request.url):
            page.goto(f"{demo.base_url}doc/tree/control.ipynb?token={demo.token}")
        expect(page.get_by_text("covered")).to_be_visible()
        expect(page.get_by_role("menuitem", name="Kernel")).to_be_visible()
        expected = [
            "canary ('shot',)",
            "canary (1,)",  # once the image has failed to load
            "canary ('title',)",
            f"asked {attacker.url}/beacon",
            "POST /beacon HTTP",
            "a token went to",
        ]
        missing = expected
        for _ in range(PATIENCE_MS // 100):
            harm = "\n".join(watch.harm())
            missing = [what for what in expected if what not in harm]
            if not missing:
                break
            page.wait_for_timeout(100)
        assert missing == []
        page.wait_for_function(f"() => ({IN_VIEW})().covered.length > 0")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_does_nothing_outside_its_box(scene: Scene, attack: Attack) -> None:
    run = scene.commit(attack)
    scene.provoke(attack)
    scene.dismiss()
    assert scene.harm() == []
    if run is not None:
        scene.ended(run)


def test_replies_to_questions_about_code(scene: Scene) -> None:
    host = scene.host
    scene.show_only(code(source="anything"), code(source=REPLIES))
    assert scene.ended(scene.run("cell-1")) == "done"
    host.locator(".jp-CodeCell .cm-content").first.click()
    host.keyboard.press("End")
    host.keyboard.press("Shift+Tab")
    expect(host.locator(".jp-Tooltip-content")).to_be_visible()
    assert scene.harm() == []
    host.keyboard.press("Escape")
    host.locator(".jp-CodeCell .cm-content").first.click()
    host.keyboard.press("End")
    assert scene.watch.kernel is not None
    with scene.watch.kernel.expect_event(
        "framereceived", lambda frame: "complete_reply" in str(frame)
    ):
        host.keyboard.press("Tab")
    completer = host.locator(".jp-Completer")
    expect(completer).to_be_visible()
    expect(completer.locator(".jp-Completer-item", has_text="onerror")).to_have_count(2)
    assert scene.harm() == []
    host.keyboard.press("Escape")
    host.keyboard.press("Escape")


def test_the_completers_documentation_panel(scene: Scene) -> None:
    """It is off until somebody turns it on, and then shows what the kernel answers."""
    host = scene.host
    scene.show_only(code(source="anything"), code(source=REPLIES))
    assert scene.ended(scene.run("cell-1")) == "done"
    with _completer_settings(scene, {"showDocumentationPanel": True}):
        host.locator(".jp-CodeCell .cm-content").first.click()
        host.keyboard.press("End")
        host.keyboard.press("Tab")
        expect(host.locator(".jp-Completer-docpanel")).to_contain_text("onerror")
        assert scene.harm() == []
        host.keyboard.press("Escape")
        host.keyboard.press("Escape")


@contextmanager
def _completer_settings(scene: Scene, changed: dict[str, object]) -> Iterator[None]:
    """Have other settings of the completer in the interviewer's page."""

    def put(values: dict[str, object]) -> None:
        context = scene.host.context
        cookies = {c["name"]: c["value"] for c in context.cookies(scene.door)}
        answer = context.request.put(
            f"{scene.door}lab/api/settings/@jupyterlab/completer-extension:manager",
            data={"raw": json.dumps(values)},
            headers={"X-XSRFToken": cookies["_xsrf"]},
        )
        assert answer.ok, answer.text()
        scene.host.reload()
        expect(scene.host.locator(".jp-CodeCell").first).to_be_visible()
        # Before that nobody completes anything.
        expect(scene.host.get_by_text("| Idle")).to_be_visible()

    put(changed)
    yield
    put({})


def test_a_programs_question(scene: Scene) -> None:
    scene.show_only(code(source=f"input({IMG!r} + 'Who?')"))
    run = scene.run("cell-0")
    expect(scene.host.get_by_text(f"{IMG}Who?").first).to_be_visible()
    assert scene.harm() == []
    scene.as_candidate("POST", f"executions/{run}/input", {"value": IMG})
    assert scene.ended(run) == "done"
    expect(scene.host.locator(".jp-OutputArea")).to_contain_text(f"{IMG}'")
    assert scene.harm() == []


@pytest.mark.parametrize("name", BARE, ids=lambda name: name.replace(" ", "-"))
def test_which_output_opens_a_bare_connection(scene: Scene, name: str) -> None:
    """Each to a server of its own: a browser keeps a connection for whatever asks next."""
    html, connects = BARE[name]
    with listening() as attacker:
        # Named, so that what is looked at is not the output before it, still on its way out.
        text = f"shown: {name}."
        scene.show_only(
            shows("text/html", f"<p>{text}</p>{html.replace('ATTACKER', attacker.url)}")
        )
        if connects:
            assert attacker.wait_for_connection(10)
        else:
            frame = scene.host.frame_locator(f".jp-OutputArea {FRAME}")
            expect(frame.get_by_text(text)).to_be_visible()
            for target in frame.locator(".go").all():
                target.click()
        scene.host.wait_for_timeout(SETTLE_MS)
        assert attacker.received == [], "and sends nothing"
        assert (attacker.bare > 0) is connects


def test_names_chat_and_cursors(scene: Scene) -> None:
    line = f"{IMG} <script>{FIRE_SCRIPT}</script> javascript:canary(1)"
    scene.as_candidate("POST", "chat", {"text": line})
    expect(scene.host.locator(".jp-Interview-Chat-text")).to_have_text(line)
    expect(scene.host.locator(".jp-Interview-Person-name", has_text=NAME)).to_be_visible()
    style = scene.fill("red;position:fixed;inset:0;background:url(ATTACKER/colour)")
    scene.forger.appear_as(
        {
            "user": {
                "name": IMG,
                "display_name": IMG,
                "color": style,
                "avatar_url": scene.fill("ATTACKER/avatar.png"),
            },
            "cursors": [],
        }
    )
    scene.show_only(code(source="who is here?"))
    scene.candidate.locator(".jp-CodeCell .cm-content").first.click()
    expect(scene.host.locator(".jp-remote-cursor").first).to_be_attached()
    scene.host.locator(".jp-remote-cursor").first.hover(force=True)
    scene.host.get_by_text("What was recorded").click()
    assert scene.harm() == []
    scene.host.get_by_text("What was recorded").click()


def test_a_notebook_whose_metadata_is_hostile_opens_again(scene: Scene) -> None:
    def poison() -> None:
        scene.forger.meta["metadata"] = Map(
            {
                "trusted": True,
                "title": IMG,
                "kernelspec": {"name": "../../x", "display_name": IMG, "language": IMG},
                "language_info": {"name": IMG, "mimetype": "text/html", "codemirror_mode": IMG},
                "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"a": IMG}}},
            }
        )

    before = scene.forger.meta["metadata"].to_py()
    scene.forger.edit(poison)
    scene.show_only(shows("text/html", f"<p>shown again</p>{IMG}"))
    scene.host.reload()
    expect(scene.host.get_by_text("shown again")).to_be_visible()
    expect(scene.host.get_by_role("button", name="End…")).to_be_visible()
    assert scene.harm() == []
    scene.forger.edit(lambda: scene.forger.meta.update({"metadata": Map(before)}))


def test_ordinary_output_shows_to_both_and_after_a_reload(scene: Scene) -> None:
    scene.show_only(*(code(source=ordinary.source) for ordinary in ORDINARY))
    runs = [scene.run(f"cell-{number}") for number in range(len(ORDINARY))]
    assert [scene.ended(run) for run in runs] == ["done"] * len(runs)
    for page in (scene.host, scene.candidate):
        see_all(page)

    slider = scene.candidate.locator(".widget-slider .noUi-handle").first
    slider.focus()
    slider.press("ArrowRight")
    for page in (scene.host, scene.candidate):
        expect(page.get_by_text("x is 6")).to_be_visible()

    for page in (scene.host, scene.candidate):
        page.reload()
        see_all(page, moved=True)
    assert scene.harm() == []


def see_all(page: Page, *, moved: bool = False) -> None:
    """Expect a page to show what `ORDINARY` makes."""
    for number, ordinary in enumerate(ORDINARY):
        cell = page.locator(".jp-CodeCell").nth(number)
        cell.scroll_into_view_if_needed()
        for selector in ordinary.shows:
            expect(cell.locator(selector).first, ordinary.name).to_be_visible()
        if ordinary.says:
            says = ordinary.says_moved if moved and ordinary.says_moved else ordinary.says
            expect(cell.locator(".jp-OutputArea").first, ordinary.name).to_contain_text(says)
        if ordinary.framed:
            frame = cell.frame_locator(FRAME)
            expect(frame.get_by_text(ordinary.framed), ordinary.name).to_be_visible()
    for image in page.locator(".jp-OutputArea img").all():
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)")
