"""Token buckets by address group: how much unauthenticated work one neighbourhood may cause."""

from __future__ import annotations

from typing import Final

DEFAULT_CAP: Final = 8192


class AddressBuckets:
    """`rate_per_s` with a burst, for each group of addresses; memory bounded by `cap` groups.

    A full bucket is the same as none, so only groups seen in the last `burst / rate` seconds are kept. Where
    even those exceed the cap, new groups count as over their limit.
    """

    __slots__ = ("_burst", "_cap", "_full_after_s", "_groups", "_next_sweep", "_rate_per_s")

    def __init__(self, rate_per_s: float, burst: float, cap: int = DEFAULT_CAP) -> None:
        """Raises `ValueError` unless the rate is positive and the burst at least 1."""
        if rate_per_s <= 0 or burst < 1:
            raise ValueError(f"rate {rate_per_s}/s must be above 0 and burst {burst} at least 1")
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._full_after_s = burst / rate_per_s
        self._cap = cap
        self._next_sweep = float("-inf")
        self._groups: dict[bytes, tuple[float, float]] = {}  # group -> (level, when it had that level)

    def take(self, group: bytes, now: float) -> bool:
        """True where the group may do one more piece of work now."""
        groups = self._groups
        known = groups.get(group)
        if known is None:
            if len(groups) >= self._cap and not self._made_room(now):
                return False
            self._groups[group] = (self._burst - 1, now)
            return True
        level = min(self._burst, known[0] + (now - known[1]) * self._rate_per_s)
        if level < 1:
            return False
        groups[group] = (level - 1, now)
        return True

    def __len__(self) -> int:
        return len(self._groups)

    def _made_room(self, now: float) -> bool:
        """Forget the groups whose bucket is full again; not too often, for it looks at every group."""
        if now < self._next_sweep:
            return False
        self._next_sweep = now + self._full_after_s / 4
        self._groups = {
            group: (level, at)
            for group, (level, at) in self._groups.items()
            if level + (now - at) * self._rate_per_s < self._burst
        }
        return len(self._groups) < self._cap
