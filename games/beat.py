"""The server's beat as a client hears it: which tick the server is at, and how unevenly snapshots come."""

from __future__ import annotations

from collections import deque
from typing import Final

from statesync.percentile import nearest_rank

WINDOW_S: Final = 2.0
_MAX_SAMPLES: Final = 512


class ServerBeat:
    """Snapshots leave at their tick: the one that came fastest tells when ticks happen, less the way here."""

    __slots__ = ("_base_s", "_jitter_s", "_latenesses", "_tick_hz")

    def __init__(self, tick_hz: float) -> None:
        self._tick_hz = tick_hz
        self._latenesses: deque[tuple[float, float]] = deque(maxlen=_MAX_SAMPLES)
        self._base_s = 0.0
        self._jitter_s = 0.0

    def hear(self, tick: int, now: float) -> None:
        """The snapshot of `tick` arrived at `now`."""
        window = self._latenesses
        window.append((now, now - tick / self._tick_hz))
        while window[0][0] < now - WINDOW_S:
            window.popleft()
        self._base_s = min(late for _, late in window)
        self._jitter_s = nearest_rank((late for _, late in window), 95) - self._base_s

    @property
    def jitter_s(self) -> float:
        """How much later than the fastest the slowest 5 % of the last 2 s came."""
        return self._jitter_s

    def server_tick(self, now: float, way_s: float) -> float:
        """Where the server is at `now` (fractional), if a snapshot takes at least `way_s` seconds."""
        return (now - self._base_s + way_s) * self._tick_hz
