"""Settings whose refusal says what is allowed."""

from __future__ import annotations

from typing import Any

from traitlets import Int, TraitError


class Range(Int[int, Any]):
    """A whole number with both bounds."""

    def validate(self, obj: Any, value: Any) -> int:
        """Called by traitlets. Raises `TraitError` with the setting's name and its range."""
        try:
            return int(super().validate(obj, value))
        except TraitError:
            raise TraitError(
                f"{type(obj).__name__}.{self.name} is {value!r}: "
                f"it may be a whole number from {self.min} to {self.max}."
            ) from None
