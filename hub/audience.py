"""Audience: who in a channel a filter means. Worked out once for each filter and roster, and paid for by the sender.

docs/protocol/messaging.md, section 4.6.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from hub.budget import WorkBudget
from hub.errors import ChannelError, ErrorCode
from hub.name_filter import NameFilters, refused
from hub.presence import Roster

MAX_KEPT: Final = 64
"""Results that a channel keeps."""


class Audience:
    """Filters of one channel against the names in its roster."""

    __slots__ = ("_filters", "_kept", "_roster", "_version")

    def __init__(self, filters: NameFilters, roster: Roster[Any]) -> None:
        self._filters = filters
        self._roster = roster
        self._kept: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._version = roster.version

    def matching(self, pattern: str, budget: WorkBudget, now: float) -> tuple[int, ...]:
        """Indexes of everyone whose whole name matches.

        Raises ChannelError: FILTER_REFUSED where the filter cannot be used, THROTTLED where the sender has
        asked for too many new ones lately.
        """
        roster = self._roster
        if self._version != roster.version:
            self._version = roster.version
            self._kept.clear()
        known = self._kept.get(pattern)
        if known is not None:
            self._kept.move_to_end(pattern)
            return known
        found = self._work_out(pattern, budget, now)
        self._kept[pattern] = found
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return found

    def _work_out(self, pattern: str, budget: WorkBudget, now: float) -> tuple[int, ...]:
        if not budget.has_any(now):
            raise ChannelError(ErrorCode.THROTTLED, "too many new filters; try again later", 1.0)
        name_filter = self._filters.known(pattern)
        if name_filter is None:
            name_filter = self._filters.compile(pattern)
            budget.spend(name_filter.compile_steps)
        if name_filter.refusal is not None:
            raise refused(name_filter.refusal)
        steps = name_filter.size * self._roster.name_bytes
        if steps > budget.burst:
            raise refused("the filter is too complex for so many agents; use fewer or smaller repetitions")
        budget.spend(steps)
        return tuple(member.info.index for member in self._roster if name_filter.matches(member.info.name))
