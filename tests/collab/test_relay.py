"""One order for all: committed, applied once, forwarded to everybody else."""

from __future__ import annotations

from pycrdt import Text

from interview_ext.rooms.model import Role
from interview_ext.rooms.ports import Message
from tests.collab.conftest import House


async def test_what_one_types_the_others_see_and_the_log_has(house: House) -> None:
    ada = await house.page(await house.person(Role.CANDIDATE)).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    ada.type("héllo 😀")
    await bob.until(lambda: bob.text == "héllo 😀")
    bob.delete(0, 1)
    await ada.until(lambda: ada.text == "éllo 😀")

    await house.restart()
    again = await house.page(await house.person(Role.HOST)).connect()
    assert again.text == "éllo 😀"


async def test_durable_tells_what_is_committed(house: House) -> None:
    actor = await house.person(Role.CANDIDATE)
    ada = await house.page(actor).connect()
    ada.type("abc")
    heard = await house.hear(
        lambda m: m["type"] == "durable" and m["clients"].get(str(ada.client)) == 3
    )
    assert (heard["document"], heard["participant_id"]) == (house.notebook.id, actor.id)
    ada.delete(1, 2)
    await house.hear(lambda m: m["type"] == "durable" and m["deletes"] == [[ada.client, 1, 1]])
    committed = await house.store.read(house.notebook.id)
    assert len(committed) == 4


async def test_who_comes_again_is_told_what_of_their_own_is_committed(house: House) -> None:
    """The events socket may have been away when it was said; nothing is typed after it."""
    actor = await house.person(Role.CANDIDATE)
    ada = await house.page(actor).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    bob.type("xyz")
    await ada.until(lambda: ada.text == "xyz")
    ada.type("abc")
    ada.delete(0, 1)
    ada.delete(3, 4)
    await bob.until(lambda: bob.text == "yzac")
    await ada.leave()
    house.heard.clear()
    await ada.connect()
    told: list[Message] = []

    def all_told(message: Message) -> bool:
        if message["type"] == "durable" and message["participant_id"] == actor.id:
            told.append(message)
        return (
            any(m["clients"].get(str(ada.client)) == 3 for m in told)
            and {c for m in told for c in m["clients"]} == {str(ada.client)}
            and len([d for m in told for d in m["deletes"]]) == 2
        )

    await house.hear(all_told)


async def test_a_server_edit_is_committed_then_forwarded(house: House) -> None:
    ada = await house.page(await house.person(Role.CANDIDATE)).connect()
    shared = await house.shared()
    shared.ydoc.ydoc.get("source", type=Text).insert(0, "out")
    await shared.committed()
    assert shared.log_seq == await house.store.last_seq(house.notebook.id) == 1
    await ada.until(lambda: ada.text == "out")
