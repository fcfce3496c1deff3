"""Redundancy: small messages repeated in later packets before anyone knows whether they were lost.

docs/protocol/ncp.md, section 9. Waiting for a loss to show costs a round trip and more; repeating what fits the
spare room of packets that go anyway costs bytes only (bench scenario `loss`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netcore.recovery import ReliableLane
from netcore.stats import ConnectionStats

if TYPE_CHECKING:
    from netcore.send_lanes import Draft


class Repeats:
    """The messages of one lane that are to go again, oldest first."""

    __slots__ = ("_entries", "_lane", "_stats", "_times")

    def __init__(self, lane: ReliableLane, times: int, stats: ConnectionStats) -> None:
        """Each message goes up to `times` times more."""
        self._lane = lane
        self._times = times
        self._stats = stats
        self._entries: list[tuple[int, int, int, float]] = []  # number, index, times left, first sent at

    def add(self, number: int, index: int, now: float) -> None:
        """A message was sent for the first time, at `now`; `number` and `index` as in `recovery.Part`."""
        self._entries.append((number, index, self._times, now))

    def fill(self, draft: Draft, now: float) -> None:
        """Write into what room `draft` has left. Never what was first sent in the same wake-up: packets that leave
        together are lost together."""
        if not self._entries:
            return
        lane, kept = self._lane, []
        done = 0
        for entry in self._entries:
            number, index, left, at = entry
            if at >= now:
                break
            if lane.is_unacked(number, index):
                if not lane.repeat(draft, number, index):
                    break
                self._stats.repeated_ahead += 1
                if left > 1:
                    kept.append((number, index, left - 1, at))
            done += 1
        self._entries[:done] = kept
