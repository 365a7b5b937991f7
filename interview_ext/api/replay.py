"""What a document has been, as the API tells it: states, and changes with who made them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, RootModel

from interview_ext.api.schemas import Model


class SourceStep(Model):
    """A text was replaced by another at one place; positions count Unicode code points."""

    kind: Literal["source"]
    cell: str | None
    """Null in a text document."""
    position: int
    deleted: str
    inserted: str


class OutputsStep(Model):
    """All outputs that a cell has now, as nbformat has them."""

    kind: Literal["outputs"]
    cell: str
    outputs: tuple[dict[str, Any], ...]


class FieldsStep(Model):
    """Other fields of a cell that have changed, such as its execution count."""

    kind: Literal["fields"]
    cell: str
    fields: dict[str, Any]


class AddedStep(Model):
    """A new cell, and its place among all."""

    kind: Literal["added"]
    position: int
    cell: dict[str, Any]


class RemovedStep(Model):
    """A cell is gone."""

    kind: Literal["removed"]
    cell: str


class OrderStep(Model):
    """Cells stand in another order."""

    kind: Literal["order"]
    cells: tuple[str, ...]


class MetadataStep(Model):
    """The notebook's metadata."""

    kind: Literal["metadata"]
    metadata: dict[str, Any]


Step = Annotated[
    SourceStep | OutputsStep | FieldsStep | AddedStep | RemovedStep | OrderStep | MetadataStep,
    Field(discriminator="kind"),
]


class Change(Model):
    """What one committed update did."""

    seq: int
    at: AwareDatetime
    by: str | None
    """Id of the participant; null for the server, which writes outputs."""
    origin: str | None
    """How the page says it came about, such as ``typed`` or ``paste``: reported, not observed."""
    steps: tuple[Step, ...]


class ChangeList(Model):
    """Changes in the order of the log."""

    changes: tuple[Change, ...]
    next: int | None
    """Ask again with this as `after`; null when there are no more."""


class DocumentState(Model):
    """A document once its log had reached `seq`."""

    document: str
    seq: int
    content: dict[str, Any] | str
    """nbformat 4.5, or the text of a text document."""


class ReplayLine(RootModel[DocumentState | Change]):
    """One line of a replay: the state it begins with, then each change."""
