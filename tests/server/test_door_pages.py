"""Pages and static files of the doors: what they carry, and what they do not."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest

from interview_ext.door.assets import PAGES_DIR, LabFiles
from interview_ext.door.first_load import FirstLoad
from interview_ext.door.page import EXTENSIONS, room_extensions
from interview_ext.rooms.model import RoomState
from tests.server.conftest import TOKEN, Person, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")


def page_data(answer: httpx.Response) -> dict[str, object]:
    """The JSON that a page carries for its script."""
    found = re.search(r'<script id="[^"]+" type="application/json">(.*?)</script>', answer.text)
    assert found
    data: dict[str, object] = json.loads(found[1])
    return data


def directives(answer: httpx.Response) -> dict[str, str]:
    """An answer's content security policy."""
    policy = answer.headers["content-security-policy"]
    return dict(part.strip().partition(" ")[::2] for part in policy.split(";"))


async def all_pages(server: Server) -> list[tuple[Person, httpx.Response]]:
    """Every page that somebody with a seat is ever sent."""
    room = await server.room()
    waiting = await server.candidate(room, admitted=False)
    other = await server.room()
    candidate = await server.candidate(other)
    host = await server.host(other)
    pages = [(waiting, "lobby"), (candidate, "lab"), (host, "lab")]
    pages += [(candidate, "doc/tree/interview.ipynb")]
    shown = [(person, await person.get(path)) for person, path in pages]
    await server.services.rooms.set_state(await server.host_actor(other), RoomState.ENDED)
    shown.append((candidate, await candidate.get("end")))
    return shown


async def test_no_page_of_a_seat_has_a_token_of_the_server(server: Server) -> None:
    for person, page in await all_pages(server):
        assert page.status_code == 200
        assert TOKEN not in page.text
        assert person.seat not in page.text
        assert str(server.app.root_dir) not in page.text
        assert page.headers["cache-control"] == "no-store"


async def test_policies_name_paths_and_never_self(server: Server) -> None:
    static = server.doors.context.assets.url_path
    for person, page in await all_pages(server):
        policy = directives(page)
        assert "'self'" not in page.headers["content-security-policy"]
        assert policy["default-src"] == "'none'"
        assert policy["base-uri"] == policy["form-action"] == policy["object-src"] == "'none'"
        assert "'unsafe-inline'" not in policy["script-src"]
        for name, sources in policy.items():
            for source in sources.split():
                if "://" in source:
                    path = re.sub(r"^\w+://[^/]+", "", source)
                    assert path.startswith((person.door, static)), (name, source)
                    assert source.split("/")[2] == server.origin.split("/")[2]
        assert person.door not in policy["script-src"]


async def test_one_inline_script_is_allowed_and_it_is_the_one_that_the_page_has(
    server: Server,
) -> None:
    inline = re.compile(r"<script(?![^>]* src=)(?![^>]*json)[^>]*>(.*?)</script>", re.DOTALL)
    loaded = re.compile(r"<(?:script|link)[^>]* (?:src|href)=[^>]*\.(?:js|css)\W")
    for _, page in await all_pages(server):
        (text,) = inline.findall(page.text)
        (allowed,) = re.findall(r"'sha\d+-([^']+)'", directives(page)["script-src"])
        assert allowed == base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        others = loaded.search(page.text)
        assert others is not None
        assert page.text.index(text) < others.start(), "it is there before the others"
        assert "</script" not in text
        assert "<!--" not in text


async def test_the_policy_names_the_host_that_the_browser_uses(server: Server) -> None:
    person = await server.candidate(await server.room())
    port = server.origin.rpartition(":")[2]
    page = await person.get("lab", headers={"Host": f"localhost:{port}"})
    assert f"http://localhost:{port}/base/" in directives(page)["connect-src"]
    assert "127.0.0.1" not in page.headers["content-security-policy"]
    broken = await person.get("lab", headers={"Host": "a;script-src *"})
    assert broken.status_code == 400


async def test_jupyterlab_is_told_of_the_room_and_nothing_else(server: Server) -> None:
    room = await server.room(title='Ti<t>le "quoted" {{page}} </script><script>alert(1)</script>')
    candidate, host = await server.candidate(room), await server.host(room)
    page = await candidate.get("lab")
    assert "<script>alert" not in page.text
    config = page_data(page)
    assert config["token"] == ""
    assert config["mode"] == "single-document"
    assert config["treePath"] == "interview.ipynb"
    assert config["baseUrl"] == candidate.door
    names = {extension["name"] for extension in config["federated_extensions"]}  # type: ignore[attr-defined]
    assert "@jupyter/docprovider-extension" in names
    assert "jupyterlab_pygments" not in names
    disabled = config["disabledExtensions"]
    assert "@jupyterlab/notebook-extension:cell-executor" in disabled  # type: ignore[operator]
    mine = json.loads(str(config["interviewRoom"]))
    assert (mine["roomId"], mine["role"]) == (room.id, "candidate")
    assert [d["path"] for d in mine["documents"]] == ["interview.ipynb"]
    theirs = json.loads(str(page_data(await host.get("lab"))["interviewRoom"]))
    assert {d["path"] for d in theirs["documents"]} == {"interview.ipynb", "notes.md"}


async def test_what_a_host_has_installed_is_loaded_only_if_it_is_configured(tmp_path: Path) -> None:
    installed = LabFiles.installed()
    for name in ("jupyterlab-plotly", "something-else"):
        (tmp_path / name).mkdir()
        manifest = {"name": name, "jupyterlab": {"_build": {"load": "static/remoteEntry.1.js"}}}
        (tmp_path / name / "package.json").write_text(json.dumps(manifest))
    lab = LabFiles(app_dir=installed.app_dir, extension_dirs=(tmp_path, *installed.extension_dirs))
    names = [extension.name for extension in room_extensions(lab, [])]
    assert names == [name for name in EXTENSIONS if installed.extension(name)]
    assert "@jupyter/docprovider-extension" in names
    assert not {"jupyterlab-plotly", "something-else"} & set(names)
    configured = [extension.name for extension in room_extensions(lab, ["jupyterlab-plotly"])]
    assert configured == [*names, "jupyterlab-plotly"]


async def test_every_plugin_that_is_switched_off_is_one_of_jupyterlabs(server: Server) -> None:
    assets = server.doors.context.assets
    scripts = [a for path, a in assets._index.items() if path.endswith(".js")]
    text = "".join(assets.body(a, compressed=False).decode() for a in scripts)
    config = page_data(await (await server.candidate(await server.room())).get("lab"))
    disabled: list[str] = config["disabledExtensions"]  # type: ignore[assignment]
    replaced = {plugin for extension in assets.extensions for plugin in extension.disables}

    def there_is(plugin: str) -> bool:
        """Whether the scripts have a plugin's id, or put it together from two parts."""
        parts = ((plugin[:i], plugin[i:]) for i in range(plugin.index(":"), len(plugin)))
        return f'"{plugin}"' in text or any(
            f'"{one}"' in text and f'+"{other}"' in text for one, other in parts
        )

    assert [p for p in disabled if p not in replaced and not there_is(p)] == []


async def test_static_files_are_compressed_and_immutable(server: Server) -> None:
    assets = server.doors.context.assets
    client = server.client()
    for path in (assets.main_script, "rooms/room.css", "frame/"):
        plain = await client.get(assets.url(path), headers={"Accept-Encoding": "identity"})
        zipped = await client.get(assets.url(path), headers={"Accept-Encoding": "gzip, br"})
        assert plain.content == zipped.content
        assert "content-encoding" not in plain.headers
        assert zipped.headers["content-encoding"] == "gzip"
        assert int(zipped.headers["content-length"]) < len(plain.content)
        assert zipped.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert zipped.headers["vary"] == "Accept-Encoding"
        assert zipped.headers["x-content-type-options"] == "nosniff"
        head = await client.head(assets.url(path))
        assert (head.status_code, head.content) == (200, b"")
    for path in ("../../x", "%2e%2e/%2e%2e/x", "lab/../../../etc/passwd", "lab/index.html", ""):
        assert (await client.get(assets.url_path + path)).status_code in (403, 404)
    other = assets.url(assets.main_script).replace(assets.digest, "0" * 16)
    assert (await client.get(other)).status_code == 404


async def test_frames_run_scripts_in_an_origin_of_their_own(server: Server) -> None:
    frame = await server.client().get(server.doors.context.assets.url("frame/"))
    policy = directives(frame)
    assert policy["sandbox"] == "allow-scripts"
    assert policy["default-src"] == policy["form-action"] == "'none'"
    assert "connect-src" not in policy
    assert "http" not in frame.headers["content-security-policy"]


async def test_the_lobby_is_light(server: Server) -> None:
    waiting = await server.candidate(await server.room(), admitted=False)
    page = await waiting.get("lobby")
    names = ("room.css", "lobby.js", "common.js", "prefetch.js", "icon.svg")
    files = [gzip.compress((PAGES_DIR / name).read_bytes()) for name in names]
    assert len(page.content) + sum(map(len, files)) < 100_000
    assert b"1 + 1" not in page.content
    urls = page_data(page)["prefetch"]
    assert server.doors.context.assets.url(server.doors.context.assets.main_script) in urls  # type: ignore[operator]


async def test_the_lobby_learns_what_jupyterlab_loads(server: Server) -> None:
    context = server.doors.context
    person = await server.candidate(await server.room())
    seen = next(
        p for p in context.assets._index if p.startswith("lab/jlab_core") and p.endswith(".js")
    )
    headers = {"Referer": f"{server.origin}{person.door}doc/tree/x", "Sec-Fetch-Dest": "script"}
    assert (await person.get("lab")).status_code == 200
    await person.client.get(context.assets.url(seen), headers=headers)
    assert context.assets.url(seen) in context.first_load.urls()
    stray = "rooms/join.js"
    await person.client.get(
        context.assets.url(stray), headers={**headers, "Referer": f"{server.origin}/elsewhere"}
    )
    assert context.assets.url(stray) not in context.first_load.urls()


async def test_the_lobby_learns_each_file_once_and_by_its_own_name(server: Server) -> None:
    context, client = server.doors.context, server.client()
    person = await server.candidate(await server.room())
    assert (await person.get("lab")).status_code == 200
    names = [p for p in context.assets._index if re.fullmatch(r"lab/\d+\.[0-9a-f]{16}\.js", p)]
    honest, forged = (context.assets.url(name) for name in names[:2])
    headers = {"Referer": f"{server.origin}{person.door}lab", "Sec-Fetch-Dest": "script"}
    version = honest.split(".")[-2]
    assert (await client.get(f"{honest}?v={version}", headers=headers)).status_code == 200
    assert f"{honest}?v={version}" in context.first_load.urls()
    before = context.first_load.urls()
    for query in ("", "?v=0", f"?v={version[:-1]}", f"?v={version}&v=1", "?x", f"?v={version}"):
        assert (await client.head(honest + query, headers=headers)).status_code == 200
    for query in (*(f"?v={number:x}" for number in range(20)), f"?v={version}", "?w=1"):
        assert (await client.head(forged + query, headers=headers)).status_code == 200
    assert context.first_load.urls() == before


async def test_the_lobby_learns_only_from_pages_in_the_room(server: Server) -> None:
    context, client = server.doors.context, server.client()
    room = await server.room()
    waiting = await server.candidate(room, admitted=False)
    assert (await waiting.get("lobby")).status_code == 200
    before = context.first_load.urls()
    name = next(p for p in context.assets._index if context.assets.url(p) not in before)
    nobody = f"{server.room_path(room)}person_nobody/lab"
    for page in (f"{waiting.door}lab", nobody, "/lab", f"/lab{waiting.door}lab"):
        headers = {"Referer": f"{server.origin}{page}", "Sec-Fetch-Dest": "script"}
        assert (await client.get(context.assets.url(name), headers=headers)).status_code == 200
        assert context.first_load.urls() == before, page


async def test_what_the_lobby_fetches_ahead_is_bounded(server: Server, tmp_path: Path) -> None:
    assets = server.doors.context.assets
    sizes = {path: asset.file.stat().st_size for path, asset in assets._index.items()}
    largest_first = sorted(sizes, key=lambda path: -sizes[path])
    (tmp_path / f"first-load-{assets.digest}.json").write_text(json.dumps(largest_first))
    learned = FirstLoad(assets, folder=tmp_path, is_page=lambda _: True).urls()
    total = sum(sizes[url.removeprefix(assets.url_path)] for url in learned)
    megabyte = 1024 * 1024
    assert 11 * megabyte < total < 12 * megabyte < sum(sizes.values())


async def test_a_list_that_was_kept_is_read_as_it_would_be_learned(
    server: Server, tmp_path: Path
) -> None:
    assets = server.doors.context.assets
    names = [p for p in assets._index if re.fullmatch(r"lab/\d+\.[0-9a-f]{16}\.js", p)]
    versioned = f"{names[0]}?v={names[0].split('.')[-2]}"
    kept = [versioned, names[0], f"{names[1]}?v=0", f"{names[1]}?v=1", "lab/gone.js", 7]
    (tmp_path / f"first-load-{assets.digest}.json").write_text(json.dumps(kept))
    urls = FirstLoad(assets, folder=tmp_path, is_page=lambda _: True).urls()
    assert urls == [assets.url(assets.main_script), assets.url_path + versioned]


async def test_without_a_seat_there_is_a_page_that_says_what_to_do(server: Server) -> None:
    room = await server.room(title="A very secret title")
    person = await server.candidate(room)
    answer = await server.client().get(person.door + "lab", headers={"Accept": "text/html"})
    assert answer.status_code == 403
    assert "Open the invite link you were sent" in answer.text
    assert room.title not in answer.text
    nothing = await server.client().get(
        server.house.links.rooms_path + "nothing/here/at/all", headers={"Accept": "text/html"}
    )
    assert nothing.status_code == 403
