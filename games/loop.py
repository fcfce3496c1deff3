"""The tick loop: a ticker driven by a clock's timers.

It needs nothing but `hub.ports.Clock`, so the same room runs on asyncio and in a virtual world; the adapter
between the clock and asyncio belongs to `netplay`.
"""

from __future__ import annotations

from collections.abc import Callable

from games.ticker import Ticker
from hub.ports import Clock, Timer


class TickLoop:
    """Calls `tick()` at each deadline of `ticker` until `stop`. Starts at once."""

    __slots__ = ("_clock", "_running", "_tick", "_timer", "ticker")

    def __init__(self, clock: Clock, ticker: Ticker, tick: Callable[[], None]) -> None:
        self._clock = clock
        self.ticker = ticker
        self._tick = tick
        self._running = True
        self._timer: Timer = clock.call_at(ticker.next_deadline, self._wake)

    def stop(self) -> None:
        """No tick runs after this, not even the rest of a burst. Harmless when repeated."""
        self._running = False
        self._timer.cancel()

    def _wake(self) -> None:
        for _ in range(self.ticker.due(self._clock.now())):
            if not self._running:
                return
            self._tick()
        if self._running:
            self._timer = self._clock.call_at(self.ticker.next_deadline, self._wake)
