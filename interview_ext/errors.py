"""Every error this package raises on purpose, and what each means on the wire.

    InterviewError
    ├── BadRequest                  400  the request itself is wrong
    │   └── WireError                    a frame that no Yjs page of ours sends
    ├── Unauthenticated             401  nobody is signed in
    ├── Forbidden                   403  somebody is, and may not
    │   ├── SeatRequired                 no (valid) seat in this room
    │   ├── SeatClosed                   the seat was closed: moved, revoked, removed
    │   ├── NotAdmitted                  the seat still waits in the lobby
    │   ├── InviteInvalid                unknown, revoked or expired invite or ticket
    │   └── ForeignClient                an update that speaks for somebody else's page
    ├── NotFound                    404
    │   └── BranchGone                   a branch that was merged or discarded
    ├── Conflict                    409  right request, wrong moment
    │   ├── BranchNotAllowed             the room's policy has no branches
    │   ├── BranchExists                 one branch at a time
    │   ├── BranchLocked                 its key's other half is in another browser
    │   ├── BranchNoRuns                 cells of a branch do not run
    │   ├── RoomNotLive                  the room's state does not allow it
    │   ├── BadTransition                no such step in the room's life
    │   ├── LegalHold                    the room has to be kept as it is
    │   └── SourceMismatch               the cell on the server is not what the page showed
    ├── TooLarge                    413
    ├── TooManyRequests             429
    ├── SandboxError                500  the sandbox failed in a way nobody could foresee
    │   ├── EngineUnavailable       503  no container engine answers
    │   ├── EngineFull              503  the container engine's disk is full
    │   ├── ImageMissing            503  the profile's image has not been built
    │   ├── DatasetMissing          503  a room's large data file is not where sandboxes find it
    │   ├── PackagesFailed          503  what the room's kernel needs on top could not be installed
    │   ├── SandboxExhausted        503  every place is taken
    │   ├── SandboxGone             409  the container has ended; `reason` says why
    │   └── SandboxProtocolError    502  the container sent what no shim of ours sends
    ├── OwnerUnknown                503  nobody can say which server runs the room's cells
    │   └── OwnerElsewhere               another server does, and cannot be reached through this one
    ├── BusUnavailable              503  the bus between servers does not answer at the start
    └── StoreUnavailable            503  the store cannot be written right now

An error knows its HTTP status and its WebSocket close code, so both mappings
stand here once. JupyterLab's document client drops a document, unsent edits
included, on close codes 1003, 4400, 4404 and 4500: none of those is used.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar


class InterviewError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message:
        One sentence for the person in front of the page: what happened.
    hint:
        What that person can do about it; empty if nothing.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    close_code: ClassVar[int] = 1011
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint

    def as_body(self) -> dict[str, dict[str, str]]:
        """The error body of every HTTP answer: ``{"error": {code, message, hint}}``."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


class BadRequest(InterviewError):
    code = "bad_request"
    status = HTTPStatus.BAD_REQUEST
    close_code = 1008


class WireError(BadRequest):
    """A frame on a document socket that no Yjs page of ours sends: the socket is closed."""

    code = "bad_frame"
    default_hint = "Reload the page; everything you typed is kept in it until then."


class Unauthenticated(InterviewError):
    code = "unauthenticated"
    status = HTTPStatus.UNAUTHORIZED
    close_code = 1008
    default_hint = "Sign in to the Jupyter server first."


class Forbidden(InterviewError):
    code = "forbidden"
    status = HTTPStatus.FORBIDDEN
    close_code = 1008


class SeatRequired(Forbidden):
    code = "seat_required"
    default_hint = "Open the invite link you were sent, in this browser."


class SeatClosed(Forbidden):
    code = "seat_closed"
    default_hint = "Open your invite link again to come back."


class NotAdmitted(Forbidden):
    code = "not_admitted"
    default_hint = "Wait in the lobby; the host has been told that you are here."


class InviteInvalid(Forbidden):
    code = "invite_invalid"
    default_hint = "Ask the person who invited you for a new link."


class ForeignClient(Forbidden):
    """An update that speaks for somebody else's Yjs client: refused before it is applied.

    An honest page that ran into this (two equal random ids) reconnects by itself and
    keeps its document.
    """

    code = "foreign_client"
    default_hint = "Reload the page."


class NotFound(InterviewError):
    code = "not_found"
    status = HTTPStatus.NOT_FOUND
    close_code = 1008


class BranchGone(NotFound):
    """Nobody has done anything wrong: a page may look again before it has heard of the end."""

    code = "branch_gone"


class Conflict(InterviewError):
    code = "conflict"
    status = HTTPStatus.CONFLICT
    close_code = 1008


class BranchNotAllowed(Conflict):
    code = "branch_not_allowed"
    default_hint = "The host can allow it in the interview's settings."


class BranchExists(Conflict):
    code = "branch_exists"
    default_hint = "Merge or discard the one you have."


class BranchLocked(Conflict):
    code = "branch_locked"
    default_hint = "Open it in the browser you began it in, or discard it."


class BranchNoRuns(Conflict):
    code = "branch_no_runs"
    default_hint = "Merge your branch; then the cells run in the room's notebook."


class RoomNotLive(Conflict):
    code = "room_not_live"


class BadTransition(Conflict):
    code = "bad_transition"


class LegalHold(Conflict):
    """Somebody has said that a room has to be kept as it is."""

    code = "legal_hold"
    default_hint = "Lift the legal hold first, if you may."


class SourceMismatch(Conflict):
    code = "source_mismatch"
    default_hint = "Wait until the page says that everything is saved, then run the cell again."


class TooLarge(InterviewError):
    code = "too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    close_code = 1009


class TooManyRequests(InterviewError):
    code = "too_many_requests"
    status = HTTPStatus.TOO_MANY_REQUESTS
    close_code = 1013
    default_hint = "Wait a moment and try again."


class SandboxError(InterviewError):
    code = "sandbox_error"


class EngineUnavailable(SandboxError):
    code = "engine_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    close_code = 1013
    default_hint = (
        "Cells run only in containers. Start a Docker engine on the server "
        "(`make services` installs one where it may), then run the cell again."
    )


class EngineFull(SandboxError):
    code = "engine_full"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    close_code = 1013
    default_hint = (
        "Kernels that run go on. Free space where the engine keeps its data (on the server: "
        "`docker system df`, then `docker system prune`); after that, run the cell again."
    )


class ImageMissing(SandboxError):
    code = "image_missing"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    close_code = 1013
    default_hint = "Build the sandbox image on the server: `make images`."


class DatasetMissing(SandboxError):
    code = "dataset_missing"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    close_code = 1013
    default_hint = (
        "Make the interview again with that file, or let the administrator bring back the folder "
        "that InterviewApp.datasets_dir names."
    )


class PackagesFailed(SandboxError):
    code = "packages_failed"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    close_code = 1013
    default_hint = "The host sees why in the list of interviews and can try again."


class SandboxExhausted(SandboxError):
    code = "sandbox_exhausted"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    close_code = 1013
    default_hint = "Wait until another room has ended, then try again."


class SandboxGone(SandboxError):
    """The container behind a kernel has ended.

    `reason` is one of ``memory limit``, ``time limit``, ``crash``, ``stopped``,
    ``engine lost``; it is what the candidate reads.
    """

    code = "sandbox_gone"
    status = HTTPStatus.CONFLICT
    close_code = 1011

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class SandboxProtocolError(SandboxError):
    code = "sandbox_protocol_error"
    status = HTTPStatus.BAD_GATEWAY
    close_code = 1011


class BusUnavailable(InterviewError):
    code = "bus_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    close_code = 1013
    default_hint = "Start Redis, or correct InterviewApp.bus_url."


class StoreUnavailable(InterviewError):
    code = "store_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    close_code = 1013
    default_hint = (
        "What you type is kept in this page and saved as soon as the server can write again."
    )


class OwnerUnknown(InterviewError):
    """Servers that share rooms cannot agree now on which of them runs a room's cells."""

    code = "owner_unknown"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    close_code = 1013
    default_hint = "What you type is saved all the same. Try again in a few seconds."


class OwnerElsewhere(OwnerUnknown):
    code = "owner_elsewhere"
