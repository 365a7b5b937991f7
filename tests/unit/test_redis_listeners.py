"""What a server believes of what others listen to, and what it owes those it did not know of."""

from __future__ import annotations

from interview_ext.storage.redis_listeners import (
    GONE_AFTER_S,
    MAX_WITHHELD,
    UNSURE_S,
    Elsewhere,
    Learned,
    OwnTopics,
)


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def known() -> tuple[Elsewhere, Clock]:
    """What is known once everybody had the time to answer, and nobody did."""
    clock = Clock()
    elsewhere = Elsewhere(clock)
    elsewhere.asked()
    clock.at += UNSURE_S
    return elsewhere, clock


def test_everything_is_sent_until_others_had_the_time_to_answer() -> None:
    clock = Clock()
    elsewhere = Elsewhere(clock)
    clock.at = 1e6
    assert elsewhere.listens("a"), "others cannot be heard yet"
    elsewhere.asked()
    assert elsewhere.listens("a")
    clock.at += UNSURE_S
    assert not elsewhere.listens("a")
    assert elsewhere.forget(), "somebody may have missed what was withheld"
    assert elsewhere.listens("a")
    assert not elsewhere.forget()


def test_two_servers_agree_on_what_one_says() -> None:
    elsewhere, _ = known()
    own = OwnTopics()
    own.begins("a")
    own.begins("b")
    first = own.news()
    assert first is not None
    assert elsewhere.heard("x", first) == Learned()
    assert own.news() is None
    own.ends("a")
    own.begins("c")
    own.ends("c")
    changed = own.news()
    assert changed is not None
    assert elsewhere.heard("x", changed) == Learned()
    assert [elsewhere.listens(topic) for topic in "abc"] == [False, True, False]
    assert elsewhere.heard("x", own.sign_of_life()) == Learned()


def test_who_begins_to_listen_is_told_of_what_was_withheld_once() -> None:
    elsewhere, _ = known()
    assert not elsewhere.listens("a")
    add = {"type": "listens", "said": 1, "all": True, "add": ["a", "b"], "remove": []}
    assert elsewhere.heard("x", add) == Learned(missed=("a",))
    assert elsewhere.heard("y", add) == Learned()


def test_what_has_not_arrived_is_asked_for() -> None:
    elsewhere, _ = known()
    own = OwnTopics()
    assert elsewhere.heard("x", own.sign_of_life()).ask, "a server not heard of"
    lost = []
    for topic in "ab":
        own.begins(topic)
        lost.append(own.news())
    own.begins("c")
    later = own.news()
    assert later is not None
    assert elsewhere.heard("x", later).ask
    own.repeat()
    whole = own.news()
    assert whole is not None
    assert not elsewhere.heard("x", whole).ask
    assert all(elsewhere.listens(topic) for topic in "abc")
    own.ends("a")
    assert own.news() is not None
    assert elsewhere.heard("x", own.sign_of_life()).ask


def test_a_topic_is_wanted_as_long_as_one_server_listens() -> None:
    elsewhere, clock = known()
    add = {"type": "listens", "said": 1, "all": True, "add": ["a"], "remove": []}
    for server in "xy":
        elsewhere.heard(server, add)
    elsewhere.heard("x", {"type": "listens", "said": 2, "all": False, "add": [], "remove": ["a"]})
    assert elsewhere.listens("a")
    clock.at += GONE_AFTER_S / 2
    elsewhere.heard("x", {"type": "here", "said": 2})
    clock.at += GONE_AFTER_S / 2 + 1
    elsewhere.drop_silent()
    assert not elsewhere.listens("a"), "the other is gone"


def test_a_server_whose_connection_was_lost_takes_back_what_it_said() -> None:
    elsewhere, _ = known()
    own = OwnTopics()
    own.begins("a")
    own.begins("b")
    first = own.news()
    own.forget()
    own.begins("b")
    again = own.news()
    assert first is not None
    assert again is not None
    elsewhere.heard("x", first)
    elsewhere.heard("x", again)
    assert [elsewhere.listens(topic) for topic in "ab"] == [False, True]


def test_what_is_withheld_is_bounded() -> None:
    elsewhere, _ = known()
    for number in range(MAX_WITHHELD):
        elsewhere.listens(f"topic {number}")
    assert not elsewhere.overflows
    elsewhere.listens("one more")
    assert elsewhere.overflows
