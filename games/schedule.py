"""When the ticks of a match happen: from its start on, but for its pauses.

Pure on any `hub.ports.Clock`. docs/protocol/games/room.md, sections 6 and 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from games.loop import TickLoop
from games.ticker import Ticker, TickerStats
from hub.ports import Clock, Timer

RESUME_S: Final = 2.0
"""From the news that a match goes on to its next tick."""


@dataclass(slots=True)
class Pause:
    """A match that stands still."""

    reason: str
    """`seat`: somebody asked for it. `away`: nobody is here to play."""
    seat: int | None
    """Whose wish it was."""
    until: float | None
    """When it ends by itself, monotonic seconds; None: not before somebody is back."""
    votes: set[int] = field(default_factory=set)
    """Seats that want to go on."""

    def left_s(self, now: float) -> float | None:
        """How long it lasts at most from `now` on."""
        return None if self.until is None else round(max(0.0, self.until - now), 3)

    def describe(self, now: float) -> dict[str, Any]:
        """For the `room` event."""
        return {
            "reason": self.reason,
            "seat": self.seat,
            "left_s": self.left_s(now),
            "votes": sorted(self.votes),
        }


class MatchSchedule:
    """Calls `tick()` as the ticker says while no pause is on; `expired()` when a pause has lasted its time."""

    __slots__ = ("_clock", "_expired", "_loop", "_tick", "_ticker", "_timer", "pause")

    def __init__(
        self, clock: Clock, tick_hz: int, tick: Callable[[], None], expired: Callable[[], None]
    ) -> None:
        self.pause: Pause | None = None
        self._clock = clock
        self._tick = tick
        self._expired = expired
        self._timer: Timer | None = None
        self._ticker = Ticker(tick_hz, clock.now() + 1 / tick_hz)
        self._loop: TickLoop | None = TickLoop(clock, self._ticker, tick)

    def hold(self, pause: Pause) -> None:
        """No tick happens until `resume`."""
        self._quiet()
        self.pause = pause
        if pause.until is not None:
            self._timer = self._clock.call_at(pause.until, self._expired)

    def resume(self) -> None:
        """The next tick happens in `RESUME_S`."""
        self._quiet()
        self.pause = None
        self._ticker.restart(self._clock.now() + RESUME_S)
        self._loop = TickLoop(self._clock, self._ticker, self._tick)

    def stop(self) -> TickerStats:
        """The match is over. Returns how punctual it was."""
        self._quiet()
        self.pause = None
        return self._ticker.stats()

    def _quiet(self) -> None:
        if self._loop is not None:
            self._loop.stop()
            self._loop = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
