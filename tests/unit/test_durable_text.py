"""`durable` goes out without a model: it must be what the model would have written."""

from __future__ import annotations

from interview_ext.api.events import _durable, durable_text
from interview_ext.rooms.ports import Message


def test_it_is_the_models_own_text() -> None:
    message: Message = {
        "type": "durable",
        "document": "doc_ä",
        "participant_id": "person_a",
        "clients": {"4294967295": 17},
        "deletes": [[4294967295, 3, 2], [5, 0, 1]],
    }
    assert durable_text(message) == _durable(message).model_dump_json()
