"""A second copy of a document, on which every update is tried before it is committed.

The reader in `wire` knows the format, not what an engine makes of it: yrs refuses, for
instance, a text whose parent is a number. Such an update in the log would
fail at every start, and one that leaves the engine waiting for something that never
comes would hold up its client's later ones. It costs 11 µs an update (measured: 9
to apply, 2 for the state vector) and the memory of the document once more. What is known to
be applicable is put off until something has to be tried.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pycrdt
from pycrdt import Doc

from interview_ext.collab.wire.sets import read_state
from interview_ext.collab.wire.update import UpdateHead
from interview_ext.errors import WireError

log = logging.getLogger(__name__)

MOST_PUT_OFF = 256


def apply_guarded(doc: Doc[Any], update: bytes) -> bool:
    """Apply an update; return False if the engine refuses it.

    A panic in Rust arrives as a `BaseException` that is neither an exit nor a
    cancellation: it too is a refusal of this update, not the end of the server.
    """
    try:
        doc.apply_update(update)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - pyo3's PanicException has no other base
        log.warning("The engine refused an update of %d bytes: %s", len(update), error)
        return False
    return True


def asked_of_engine(call: Callable[[], bytes]) -> bytes:
    """Return what the engine makes of bytes that a page sent; its panics become a `WireError`."""
    try:
        return call()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise WireError("This document cannot be read so.") from error


class Rehearsal:
    """The copy. `rebuild` returns the update that brings a new one to the present state."""

    def __init__(self, rebuild: Callable[[], bytes]) -> None:
        self._rebuild = rebuild
        self._accepted: list[bytes] = []
        self._put_off: list[bytes] = []
        self._doc = self._fresh()

    def attempt(self, update: bytes, head: UpdateHead) -> bool:
        """Whether the engine can apply the update completely; if so the copy has it now."""
        self._catch_up()
        if apply_guarded(self._doc, update):
            state = read_state(self._doc.get_state())
            if all(state.get(span.client, 0) >= span.end for span in head.inserts):
                self._accepted.append(update)
                return True
        self._doc = self._fresh()
        for earlier in self._accepted:
            apply_guarded(self._doc, earlier)
        return False

    def put_off(self, update: bytes) -> None:
        """Take an update of which it is known that the engine can apply it."""
        self._accepted.append(update)
        self._put_off.append(update)
        if len(self._put_off) >= MOST_PUT_OFF:
            self._catch_up()

    def follow(self, update: bytes) -> None:
        """Take an update of the server itself."""
        self._catch_up()
        apply_guarded(self._doc, update)
        self._accepted.append(update)

    def reset(self) -> None:
        """Begin anew with the document as it is."""
        self._accepted.clear()
        self._put_off.clear()
        self._doc = self._fresh()

    def settled(self) -> None:
        """The document itself has all that was accepted; nothing needs to be repeated."""
        self._accepted.clear()

    def _catch_up(self) -> None:
        if self._put_off:
            # One update of all costs a tenth of as many (measured).
            apply_guarded(self._doc, pycrdt.merge_updates(*self._put_off))
            self._put_off.clear()

    def _fresh(self) -> Doc[Any]:
        doc: Doc[Any] = Doc()
        apply_guarded(doc, self._rebuild())
        return doc
