"""The clock of a real server: asyncio's loop for timers, the monotonic clock for time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from hub.ports import Timer


def steady_wall() -> Callable[[], float]:
    """A clock that begins with the time of day and from then on goes with the monotonic one.

    For what one process both writes and checks, such as the window of its connect tokens: a time of day that is
    set forth or back meanwhile ends none early and none late.
    """
    offset_s = time.time() - time.monotonic()
    return lambda: offset_s + time.monotonic()


class LoopClock:
    """Fills `hub.ports.Clock` over the running event loop.

    `now` is `time.monotonic`, not `loop.time`: uvloop's loop clock advances in steps of 1 ms.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once at monotonic `when` (at once, but never from within this call, if that has passed)."""
        return self._loop.call_later(max(0.0, when - time.monotonic()), callback)
