"""How fast a room may send, on a clock that the test moves."""

from __future__ import annotations

from interview_ext.sandbox.budget import Budget, cost


def test_a_burst_is_free_and_what_follows_has_its_rate() -> None:
    budget = Budget(per_s=100, burst=1000, now=0)
    assert budget.spend(1000, now=0) == 0
    assert budget.spend(50, now=0) == 0.5
    assert budget.spend(50, now=0.5) == 0.5


def test_what_is_not_spent_is_saved_up_to_the_burst() -> None:
    budget = Budget(per_s=100, burst=1000, now=0)
    budget.spend(1000, now=0)
    assert budget.spend(500, now=5) == 0
    assert budget.spend(1100, now=1000) == 1


def test_an_ordinary_message_counts_as_one() -> None:
    line = b'{"header": {}, "parent_header": {}, "content": {"name": "stdout", "text": "1"}}' * 7
    assert cost(line) == 1


def test_a_message_counts_by_its_bytes_and_by_its_values() -> None:
    assert cost(b"x" * 80 * 1024) == 11
    assert cost(b"0," * 4000) == 41
    assert cost(b"0," * 5_000_000) == 1 + 1220 + 1000
