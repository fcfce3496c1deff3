"""The loop lag watchdog: notices when one call holds the event loop up, and tells which one.

A beat on the loop measures how late its timers run; a thread beside it looks at the beat, and takes the stack
of the loop's thread while the loop is held up: afterwards nobody could tell what it was.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from bisect import bisect_left
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import structlog

BLOCKED_S: Final = 0.05
"""A lag above this counts as blocked."""
BEAT_S: Final = 0.02
"""The beat's interval: a call that takes `BLOCKED_S` + this is noticed surely, a shorter one by chance."""
LOG_EVERY_S: Final = 10.0
"""At most one line so often, with how many blocks had none."""
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
STACK_FRAMES: Final = 20

_log = structlog.get_logger("netplay.loop_lag")


class LagStats:
    """Lag of the loop's timers since the start: counts by bucket, the sum, and the blocks."""

    __slots__ = ("blocked", "counts", "longest_s", "sum_s")

    def __init__(self) -> None:
        """All zero."""
        self.counts = [0] * (len(BUCKETS_S) + 1)
        """Beats by the bucket their lag fell into, not cumulative; the last is everything above."""
        self.sum_s = 0.0
        self.blocked = 0
        """Beats later than `BLOCKED_S`."""
        self.longest_s = 0.0

    def add(self, lag_s: float) -> None:
        """One beat came `lag_s` late."""
        self.counts[bisect_left(BUCKETS_S, lag_s)] += 1
        self.sum_s += lag_s
        self.longest_s = max(self.longest_s, lag_s)
        if lag_s > BLOCKED_S:
            self.blocked += 1


class LagWatch:
    """What beats and looks agree on. Pure: `LoopWatchdog` brings the loop, the thread and the clock."""

    def __init__(self) -> None:
        self.stats = LagStats()
        self._due: float | None = None
        self._stack: str | None = None
        self._logged_at = float("-inf")
        self._unlogged = 0

    def beat(self, now: float) -> tuple[float, str | None, int] | None:
        """The loop's timer ran. (lag, stack, blocks without a line before) where a line is to be logged."""
        due, self._due = self._due, now + BEAT_S
        stack, self._stack = self._stack, None
        if due is None:
            return None
        lag_s = max(0.0, now - due)
        self.stats.add(lag_s)
        if lag_s <= BLOCKED_S:
            return None
        if now - self._logged_at < LOG_EVERY_S:
            self._unlogged += 1
            return None
        unlogged, self._unlogged, self._logged_at = self._unlogged, 0, now
        return lag_s, stack, unlogged

    def look(self, now: float, stack: Callable[[], str]) -> None:
        """The thread looks: where the beat is late, keep what the loop is at, once a block."""
        due = self._due
        if due is not None and self._stack is None and now - due > BLOCKED_S:
            self._stack = stack()


class LoopWatchdog:
    """Watches the running loop from `start` to `stop`, both called in its thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._watch = LagWatch()
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop

    @property
    def stats(self) -> LagStats:
        """The lag so far."""
        return self._watch.stats

    def start(self) -> None:
        """Begin to watch."""
        self._loop = asyncio.get_running_loop()
        watched = threading.get_ident()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._look, args=(watched,), name="loop watchdog", daemon=True)
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """End it. Harmless before `start` and when called again."""
        self._stopping.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join(1.0)

    def _beat(self) -> None:
        told = self._watch.beat(self._clock())
        self._timer = self._loop.call_later(BEAT_S, self._beat)
        if told is not None:
            lag_s, stack, unlogged = told
            fields: dict[str, Any] = {"lag_ms": round(lag_s * 1000), "stack": stack, "unlogged": unlogged}
            _log.warning("loop_blocked", **fields)

    def _look(self, watched: int) -> None:
        while not self._stopping.wait(BEAT_S):
            self._watch.look(self._clock(), lambda: _stack_of(sys._current_frames().get(watched)))


def _stack_of(frame: FrameType | None) -> str:
    """The innermost frames, as `file:line function`, the one that runs first."""
    entries = traceback.extract_stack(frame)[-STACK_FRAMES:] if frame is not None else []
    return " < ".join(f"{entry.filename}:{entry.lineno} {entry.name}" for entry in reversed(entries))
