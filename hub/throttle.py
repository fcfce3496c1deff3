"""Throttle: one token bucket for each of many callers, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MAX_CALLERS: Final = 10_000
"""Callers remembered; beyond, the one that drew longest ago is forgotten."""


class Throttle:
    """`burst` draws at once, then `per_s` a second, for each caller by itself."""

    __slots__ = ("_burst", "_levels", "_max_callers", "_per_s")

    def __init__(self, per_s: float, burst: float, max_callers: int = MAX_CALLERS) -> None:
        self._per_s = per_s
        self._burst = burst
        self._max_callers = max_callers
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # caller → (level, when)

    def _level(self, caller: Hashable, now: float) -> float:
        level, when = self._levels.get(caller, (self._burst, now))
        return min(self._burst, level + (now - when) * self._per_s)

    def wait_s(self, caller: Hashable, now: float) -> float:
        """Seconds until `caller` may draw; 0.0 where it may now. Draws nothing."""
        lacking = 1.0 - self._level(caller, now)
        if lacking <= 0.0:
            return 0.0
        return lacking / self._per_s if self._per_s > 0.0 else 3600.0

    def draw(self, caller: Hashable, now: float) -> None:
        """Count one draw."""
        self._levels[caller] = (max(0.0, self._level(caller, now) - 1.0), now)
        self._levels.move_to_end(caller)
        if len(self._levels) > self._max_callers:
            self._levels.popitem(last=False)

    def __len__(self) -> int:
        return len(self._levels)
