"""A heap of deadlines, one for each key, with lazy deletion."""

from __future__ import annotations

import heapq
from typing import Final, Generic, TypeVar

K = TypeVar("K")

_COMPACT_ABOVE: Final = 64


class TimerHeap(Generic[K]):
    """Deadlines that mostly move later. That costs nothing: the key pops early and its owner arms it again.

    A connection's next deadline changes with nearly every packet; pushing each change would cost more than
    the few early pops do.
    """

    __slots__ = ("_armed", "_count", "_heap")

    def __init__(self) -> None:
        """An empty heap."""
        self._armed: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0  # breaks ties, so that equal deadlines pop in the order they were armed

    def arm(self, key: K, when: float | None) -> None:
        """Pop `key` at `when` or earlier; None disarms it."""
        armed = self._armed.get(key)
        if when is None:
            if armed is not None:
                del self._armed[key]
            return
        if armed is not None and armed <= when:
            return
        self._armed[key] = when
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, key))
        if len(self._heap) > 2 * len(self._armed) + _COMPACT_ABOVE:
            self._heap = [entry for entry in self._heap if self._armed.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def next(self) -> float | None:
        """The earliest armed deadline."""
        heap = self._heap
        while heap:
            when, _, key = heap[0]
            if self._armed.get(key) == when:
                return when
            heapq.heappop(heap)
        return None

    def pop_due(self, now: float) -> list[K]:
        """Every key whose deadline is `now` or past, earliest first; they are disarmed."""
        due: list[K] = []
        heap = self._heap
        while heap and heap[0][0] <= now:
            when, _, key = heapq.heappop(heap)
            if self._armed.get(key) == when:
                del self._armed[key]
                due.append(key)
        return due

    def __len__(self) -> int:
        return len(self._armed)
