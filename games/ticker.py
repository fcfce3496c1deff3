"""When the ticks of a game are due: absolute deadlines, an overrun policy, and how punctual the ticks were.

Pure; `games.loop` drives it on a clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 1024
"""The lateness of so many newest ticks is remembered."""
EARLY_S: Final = 0.0005
"""A wake-up this much early counts as punctual: event loops round their timers to 1 ms."""


@dataclass(frozen=True, slots=True)
class TickerStats:
    """How punctual the ticks were. Lateness is the time from a tick's deadline to its wake-up, in seconds."""

    ticks: int
    late: int
    """Ticks that ran in a burst after the first one of a wake-up."""
    skipped: int
    """Whole ticks of time the schedule was moved by."""
    lateness_p50_s: float
    lateness_p99_s: float
    lateness_max_s: float


class TickTotals:
    """Ticks of every match there was: plain counters that tickers share."""

    __slots__ = ("late", "lateness_sum_s", "matches", "skipped", "ticks")

    def __init__(self) -> None:
        self.matches = 0
        """Tickers that were made with these totals."""
        self.ticks = 0
        self.late = 0
        self.skipped = 0
        self.lateness_sum_s = 0.0


class Ticker:
    """Tick n is due at `start_s + n / hz`, so that a late tick never delays the ones after it.

    Overrun policy: up to `max_burst` overdue ticks run back to back; where more are overdue, the rest of the
    schedule moves by whole ticks and `skipped` grows. Tick numbers have no gaps either way: a game that its
    machine cannot keep up with becomes slow, it never leaves ticks out, and its recording stays whole.
    """

    __slots__ = ("_hz", "_late", "_lateness", "_max_burst", "_skipped", "_start_s", "_ticks", "_totals")

    def __init__(
        self, hz: float, start_s: float, max_burst: int = 4, totals: TickTotals | None = None
    ) -> None:
        if not hz > 0:
            raise ValueError(f"hz is {hz!r}, not above 0")
        if max_burst < 1:
            raise ValueError(f"max_burst is {max_burst!r}, not at least 1")
        self._hz = hz
        self._start_s = start_s
        self._max_burst = max_burst
        self._ticks = 0
        self._skipped = 0
        self._late = 0
        self._lateness: deque[float] = deque(maxlen=WINDOW)
        self._totals = totals or TickTotals()
        self._totals.matches += 1

    @property
    def next_deadline(self) -> float:
        """When the next tick is due, monotonic seconds."""
        return self._start_s + (self._ticks + self._skipped) / self._hz

    def restart(self, when: float) -> None:
        """The next tick is due at `when`, the ones after it from there on: the time until then does not count."""
        self._start_s = when - (self._ticks + self._skipped) / self._hz

    def due(self, now: float) -> int:
        """How many ticks to run now; they count as run. 0 where the wake-up came too early."""
        overdue_s = now - self.next_deadline
        if overdue_s < -EARLY_S:
            return 0
        overdue = 1 + int(max(overdue_s, 0.0) * self._hz)
        run = min(overdue, self._max_burst)
        totals = self._totals
        for back in range(run):
            late_s = max(overdue_s - back / self._hz, 0.0)
            self._lateness.append(late_s)
            totals.lateness_sum_s += late_s
        self._ticks += run
        self._late += run - 1
        self._skipped += overdue - run
        totals.ticks += run
        totals.late += run - 1
        totals.skipped += overdue - run
        return run

    def stats(self) -> TickerStats:
        """Counters since the start; percentiles over the newest `WINDOW` ticks."""
        lateness = sorted(self._lateness) or [0.0]
        last = len(lateness) - 1
        return TickerStats(
            ticks=self._ticks,
            late=self._late,
            skipped=self._skipped,
            lateness_p50_s=lateness[round(last * 0.5)],
            lateness_p99_s=lateness[round(last * 0.99)],
            lateness_max_s=lateness[-1],
        )
