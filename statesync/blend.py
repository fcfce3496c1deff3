"""Corrections that the eye does not see: the shown state glides from where it was to where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

S = TypeVar("S")
E = TypeVar("E")

BLEND_S = 0.100


class ErrorBlend(Generic[S, E]):
    """Adds to the state what is left of the last correction's error, falling to nothing over 100 ms.

    `difference(shown, state)` gives the error, `apply(state, error, share)` adds `share` (1 to 0) of it.
    """

    __slots__ = ("_apply", "_corrected_at", "_difference", "_duration_s", "_error")

    def __init__(
        self,
        difference: Callable[[S, S], E],
        apply: Callable[[S, E, float], S],
        *,
        duration_s: float = BLEND_S,
    ) -> None:
        if duration_s <= 0:
            raise ValueError(f"duration_s must be positive, got {duration_s}")
        self._difference = difference
        self._apply = apply
        self._duration_s = duration_s
        self._error: E | None = None
        self._corrected_at = 0.0

    def corrected(self, before: S, after: S, now: float) -> None:
        """The state was corrected from `before` to `after` at `now`: glide there from what was shown."""
        self._error = self._difference(self.show(before, now), after)
        self._corrected_at = now

    def show(self, state: S, now: float) -> S:
        """What to show for `state` at `now`."""
        if self._error is None:
            return state
        share = 1.0 - (now - self._corrected_at) / self._duration_s
        if share <= 0.0:
            self._error = None
            return state
        return self._apply(state, self._error, min(share, 1.0))
