"""The door's table: every route, for everybody, with what they get."""

from __future__ import annotations

import httpx
import pytest

from interview_ext.rooms.model import Role, RoomState
from interview_ext.rooms.service import Rooms
from tests.server.conftest import TOKEN, Person, Server
from tests.server.door_support import door_patterns, refusals, server_paths

pytestmark = pytest.mark.asyncio(loop_scope="module")

K, S = "{kernel}", "{session}"
NB, DATA = "interview.ipynb", "data/little.csv"
THEMES = "@jupyterlab/apputils-extension:themes"
OTHERS = (r"interview/api", r"api/collaboration", r"api/kernels/([A-Za-z0-9_-]{1,64})/channels")
"""Routes of the other parts: their own tables are in their own tests."""

# route -> method, address, body, status for: waiting, candidate, observer, host
TABLE: dict[str, list[tuple[str, str, object, tuple[int, int, int, int]]]] = {
    "": [("GET", "", None, (302, 302, 302, 302))],
    r"(?P<page>lobby|end)/?": [
        ("GET", "lobby", None, (200, 302, 302, 302)),
        ("GET", "end", None, (302, 302, 302, 302)),
    ],
    r"(?:lab|doc)(?:/tree/(?P<path>.*))?/?": [
        ("GET", "lab", None, (404, 200, 200, 200)),
        ("GET", f"doc/tree/{NB}", None, (404, 200, 200, 200)),
        ("POST", "lab", {}, (404, 405, 405, 405)),
    ],
    r"api/me": [
        ("GET", "api/me", None, (404, 200, 200, 200)),
        ("PATCH", "api/me", {"color": "red"}, (404, 405, 405, 405)),
    ],
    r"api/status": [("GET", "api/status", None, (404, 200, 200, 200))],
    r"lab/api/settings/?": [("GET", "lab/api/settings", None, (404, 200, 200, 200))],
    r"lab/api/settings/(?P<plugin>.+)": [
        ("GET", f"lab/api/settings/{THEMES}", None, (404, 200, 200, 200)),
        ("PUT", f"lab/api/settings/{THEMES}", {"raw": "{}"}, (404, 204, 204, 204)),
        ("PUT", "lab/api/settings/../../x:y", {"raw": "{}"}, (404, 404, 404, 404)),
    ],
    r"lab/api/translations/?(?P<locale>[A-Za-z0-9_-]*)": [
        ("GET", "lab/api/translations/default", None, (404, 200, 200, 200)),
    ],
    r"lab/api/workspaces/?(?P<name>[A-Za-z0-9_-]*)": [
        ("GET", "lab/api/workspaces/default", None, (404, 200, 200, 200)),
        ("PUT", "lab/api/workspaces/default", {"data": {}}, (404, 204, 204, 204)),
    ],
    r"api/contents/?(?P<path>.*)/checkpoints": [
        ("GET", f"api/contents/{NB}/checkpoints", None, (404, 200, 200, 200)),
        ("POST", f"api/contents/{NB}/checkpoints", {}, (404, 201, 201, 201)),
        ("GET", "api/contents/notes.md/checkpoints", None, (404, 404, 404, 200)),
    ],
    r"api/contents/?(?P<path>.*)": [
        ("GET", f"api/contents/{NB}", None, (404, 200, 200, 200)),
        ("GET", f"api/contents/{DATA}", None, (404, 200, 200, 200)),
        ("GET", "api/contents", None, (404, 200, 200, 200)),
        ("GET", "api/contents/notes.md", None, (404, 404, 404, 200)),
        ("GET", "api/contents/../../etc/passwd", None, (404, 404, 404, 404)),
        ("GET", "api/contents/%2e%2e/%2e%2e/etc/passwd", None, (404, 404, 404, 404)),
        ("PUT", f"api/contents/{NB}", {"type": "notebook"}, (404, 403, 403, 403)),
        ("POST", "api/contents", {"copy_from": NB}, (404, 403, 403, 403)),
        ("PATCH", f"api/contents/{NB}", {"path": "x.ipynb"}, (404, 403, 403, 403)),
        ("DELETE", f"api/contents/{NB}", None, (404, 403, 403, 403)),
    ],
    r"api/kernelspecs": [("GET", "api/kernelspecs", None, (404, 200, 200, 200))],
    r"api/kernels": [
        ("GET", "api/kernels", None, (404, 200, 200, 200)),
        ("POST", "api/kernels", {"name": "python3"}, (404, 201, 201, 201)),
    ],
    r"api/kernels/(?P<kernel_id>[A-Za-z0-9_-]{1,64})": [
        ("GET", f"api/kernels/{K}", None, (404, 200, 200, 200)),
        ("GET", "api/kernels/another-kernel", None, (404, 404, 404, 404)),
        ("DELETE", f"api/kernels/{K}", None, (404, 403, 403, 403)),
    ],
    r"api/kernels/(?P<kernel_id>[A-Za-z0-9_-]{1,64})/(?P<action>interrupt|restart)": [
        ("POST", f"api/kernels/{K}/interrupt", None, (404, 204, 403, 204)),
        ("POST", "api/kernels/another-kernel/restart", None, (404, 404, 404, 404)),
    ],
    r"api/sessions": [
        ("GET", "api/sessions", None, (404, 200, 200, 200)),
        ("POST", "api/sessions", {"path": NB, "type": "notebook"}, (404, 201, 201, 201)),
        ("POST", "api/sessions", {"path": "elsewhere.ipynb"}, (404, 404, 404, 404)),
    ],
    r"api/sessions/(?P<session_id>[A-Za-z0-9-]{1,64})": [
        ("GET", f"api/sessions/{S}", None, (404, 200, 200, 200)),
        ("PATCH", f"api/sessions/{S}", {"kernel": {"name": "python3"}}, (404, 200, 200, 200)),
        ("DELETE", f"api/sessions/{S}", None, (404, 204, 204, 204)),
    ],
    r"api/events/subscribe": [("GET", "api/events/subscribe", None, (404, 400, 400, 400))],
    r"(?:api/nbconvert|lsp/status)": [
        ("GET", "api/nbconvert", None, (404, 200, 200, 200)),
        ("GET", "lsp/status", None, (404, 200, 200, 200)),
    ],
}
COLUMNS = ("waiting", "candidate", "observer", "host")
ROWS = [
    (method, path, body, column, statuses[i])
    for rows in TABLE.values()
    for method, path, body, statuses in rows
    for i, column in enumerate(COLUMNS)
]


async def person_of(server: Server, column: str) -> tuple[Person, dict[str, str]]:
    """Somebody in a live room of their own, and the ids of its kernel and session."""
    room = await server.room()
    host = await server.host(room)
    await server.candidate(room)
    session = (await host.get("api/sessions")).json()[0]
    ids = {"kernel": session["kernel"]["id"], "session": session["id"]}
    if column == "host":
        return host, ids
    if column == "observer":
        return await server.candidate(room, role=Role.OBSERVER, name="Otto"), ids
    return await server.candidate(room, admitted=column != "waiting"), ids


async def test_the_table_has_every_route(server: Server) -> None:
    host, _ = await person_of(server, "host")
    here = {p for p in await door_patterns(server, host) if not p.startswith(OTHERS)}
    assert here == set(TABLE)


@pytest.mark.parametrize("column", COLUMNS)
async def test_everybody_gets_what_the_table_says(server: Server, column: str) -> None:
    person, ids = await person_of(server, column)
    wrong = []
    for method, path, body, row_column, status in ROWS:
        if row_column != column:
            continue
        filled = path.replace(K, ids["kernel"]).replace(S, ids["session"])
        answer = await person.send(method, filled, json=body)
        if answer.status_code != status:
            wrong.append((method, path, answer.status_code, status, answer.text[:200]))
        assert TOKEN not in answer.text
        assert "content-security-policy" in answer.headers, path
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"], (method, path)
    assert not wrong


async def test_what_is_not_listed_does_not_exist(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    for path in server_paths(server):
        below = path.removeprefix(server.base_url)
        if below.startswith(("interview/", "api/", "lab", "lsp/", "doc")) or not below:
            continue
        answer = await person.send("GET", below)
        assert answer.status_code == 404, path
    for path in ("third-party/data", "third-party/page", "api/terminals", "lab/api/extensions"):
        for method in ("GET", "POST"):
            assert (await person.send(method, path, json={})).status_code == 404, path
    assert "GET third-party/data" in await refusals(server, room, person)


async def test_nobody_else_comes_through_a_door(server: Server) -> None:
    room = await server.room()
    victim = await server.candidate(room)
    stranger = await server.candidate(await server.room())
    nobody = server.client()
    forged = server.client(cookies={f"interview-seat-{victim.participant_id}": stranger.seat})
    for rows in TABLE.values():
        for method, path, body, _ in rows:
            for client in (nobody, stranger.client, forged):
                answer = await client.request(method, victim.door + path, json=body)
                assert answer.status_code == 403, (method, path)
                assert answer.json()["error"]["code"] == "seat_required"
                assert "content-security-policy" in answer.headers
    for socket in ("api/events/subscribe", f"interview/api/rooms/{room.id}/events"):
        with pytest.raises(Exception, match="403"):
            await server.socket(victim.door + socket)


@pytest.mark.filterwarnings("ignore:.*LicensesHandler.finish:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_seat_is_worth_nothing_outside(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    host = await server.host(room)
    bare = server.client()
    seats = {
        f"interview-seat-{person.participant_id}": person.seat,
        f"interview-seat-{host.participant_id}": host.seat,
    }
    seated = server.client(cookies=seats)
    for path in server_paths(server):
        for method in ("GET", "POST", "DELETE"):
            without, with_seat = await seen(bare, method, path), await seen(seated, method, path)
            assert with_seat == without, (method, path)
            bare.cookies.clear()
            for name in [c.name for c in seated.cookies.jar if c.name not in seats]:
                seated.cookies.delete(name)
    assert (await seated.get(f"{server.base_url}third-party/data")).status_code == 403


async def seen(client: httpx.AsyncClient, method: str, path: str) -> tuple[object, ...]:
    """What an answer says, without what differs from one request to the next."""
    # Stock JupyterLab never answers a stranger who asks for its licenses.
    timeout = 0.5 if path.endswith("licenses/") else 20
    try:
        answer = await client.request(method, path, timeout=timeout)
    except httpx.TransportError as error:
        return (type(error),)
    assert TOKEN not in answer.text
    headers = answer.headers
    return answer.status_code, headers.get("location", ""), headers.get("content-type", "")


async def test_the_server_outside_stays_stock(server: Server) -> None:
    headers = {"Authorization": f"token {TOKEN}"}
    async with server.client(headers=headers) as host:
        assert (await host.get(f"{server.base_url}third-party/data")).status_code == 200
        lab = await host.get(f"{server.base_url}lab")
        assert lab.status_code == 200
        assert TOKEN in lab.text  # as stock JupyterLab has it; no seat is ever sent this page
        me = (await host.get(f"{server.base_url}api/me")).json()
        assert "actor" not in me["identity"]
        made = await host.post(
            f"{server.base_url}api/contents", json={"type": "file", "ext": ".txt"}
        )
        assert made.status_code == 201


async def test_an_ended_room_keeps_the_candidate_out(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    observer = await server.candidate(room, role=Role.OBSERVER, name="Otto")
    rooms: Rooms = server.services.rooms
    await rooms.set_state(await server.host_actor(room), RoomState.ENDED)
    for path in (f"api/contents/{NB}", f"api/contents/{DATA}", "api/contents", "api/kernels"):
        assert (await person.get(path)).status_code == 409, path
    assert (await person.get("lab")).headers["location"] == person.door + "end"
    assert (await person.get("end")).status_code == 200
    assert (await observer.get("lab")).status_code == 200
