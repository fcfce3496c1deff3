"""What others do, shown a little in the past: between two states that are there, evenly, without going back.

docs/protocol/statesync.md, section 4. Times are seconds; stamps are the server's time of each state.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from statesync.percentile import nearest_rank

S = TypeVar("S")

MARGIN_S = 0.002
LATENESS_PERCENT = 95
LATENESS_WINDOW_S = 2.0
MAX_DELAY_S = 0.250
MAX_EXTRAPOLATION_S = 0.100
SHRINK = 0.01
"""Seconds a second by which the delay falls."""
MAX_DILATION = 0.05
CORRECTION_S = 0.5
JUMP_S = 0.250
MAX_STATES = 64
_MAX_LATENESSES = 512


@dataclass(frozen=True, slots=True)
class _Stamped(Generic[S]):
    stamp_s: float
    state: S
    teleport: bool


class InterpolationBuffer(Generic[S]):
    """Orders states by stamp and plays them `delay_s` behind the fastest way they take.

    `lerp(a, b, t)` mixes two states; `t` is above 1 when there is nothing newer than `b` (at most 100 ms).
    Quality is two numbers: `underflow_rate` and `added_delay_s`.
    """

    __slots__ = (
        "_at",
        "_base_s",
        "_latenesses",
        "_lerp",
        "_played_s",
        "_states",
        "_underflow_s",
        "delay_s",
        "duplicates",
        "interval_s",
        "jumps",
        "late",
        "position_s",
        "target_delay_s",
    )

    def __init__(self, lerp: Callable[[S, S, float], S], interval_s: float) -> None:
        """`interval_s` is the time between two states as the server sends them, at most 250 ms."""
        if not 0.0 < interval_s <= MAX_DELAY_S:
            raise ValueError(f"interval_s must be above 0 and at most {MAX_DELAY_S}, got {interval_s}")
        self._lerp = lerp
        self.interval_s = interval_s
        self.late = 0
        """States that came after their moment was shown."""
        self.duplicates = 0
        self.jumps = 0
        """How often the position had to leap forward."""
        self._played_s = 0.0
        self._underflow_s = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget everything but the counters: another server, another match."""
        self._states: list[_Stamped[S]] = []
        self._latenesses: deque[tuple[float, float]] = deque(maxlen=_MAX_LATENESSES)
        self._base_s = 0.0
        self.target_delay_s = self.interval_s
        """What the lateness of the last 2 s asks for."""
        self.delay_s = self.interval_s
        """What is in force: rises with the target at once, falls 10 ms a second."""
        self.position_s = -math.inf
        """The moment shown, on the server's time line. Never goes back."""
        self._at: float | None = None

    @property
    def underflow_rate(self) -> float:
        """Share of the played time for which no newer state was there."""
        return self._underflow_s / self._played_s if self._played_s else 0.0

    @property
    def added_delay_s(self) -> float:
        """How far the moment shown lay behind the fastest way of the last 2 s, at the last `sample`."""
        return 0.0 if self._at is None else self._at - self._base_s - self.position_s

    def push(self, stamp_s: float, state: S, now: float, *, teleport: bool = False) -> bool:
        """A state came. `teleport`: nothing lies between the state before and this one.

        False where it is of no use: a duplicate, or late. Raises `ValueError` for a stamp that is no time.
        """
        if not math.isfinite(stamp_s):
            raise ValueError(f"a stamp must be a finite number of seconds, got {stamp_s}")
        self._note_lateness(now, now - stamp_s)
        if self._at is None:
            self.delay_s = self.target_delay_s
            self.position_s = now - self._base_s - self.delay_s
            self._at = now
        else:
            self.delay_s = max(self.delay_s, self.target_delay_s)
        return self._insert(_Stamped(stamp_s, state, teleport))

    def sample(self, now: float) -> S | None:
        """What to show at `now`; None before the first state."""
        if self._at is None or not self._states:
            return None
        self._play(now)
        return self._look_up()

    def _note_lateness(self, now: float, lateness_s: float) -> None:
        window = self._latenesses
        window.append((now, lateness_s))
        while window[0][0] < now - LATENESS_WINDOW_S:
            window.popleft()
        self._base_s = min(late for _, late in window)
        spread_s = nearest_rank((late for _, late in window), LATENESS_PERCENT) - self._base_s
        self.target_delay_s = min(self.interval_s + spread_s + MARGIN_S, MAX_DELAY_S)

    def _insert(self, stamped: _Stamped[S]) -> bool:
        states = self._states
        place = bisect_left(states, stamped.stamp_s, key=lambda other: other.stamp_s)
        if place < len(states) and states[place].stamp_s == stamped.stamp_s:
            self.duplicates += 1
            return False
        if states and stamped.stamp_s < self.position_s:
            self.late += 1
            if place < len(states):
                return False
        states.insert(place, stamped)
        if len(states) > MAX_STATES:
            del states[0]
        return True

    def _play(self, now: float) -> None:
        """Move the position on to `now`: at most 5 % faster or slower, never back, never too far ahead."""
        assert self._at is not None
        elapsed = max(0.0, now - self._at)
        self._at = max(now, self._at)
        self.delay_s = max(self.target_delay_s, self.delay_s - SHRINK * elapsed)
        wanted = self._at - self._base_s - self.delay_s
        newest = self._states[-1].stamp_s
        furthest = newest + MAX_EXTRAPOLATION_S
        error = wanted - (self.position_s + elapsed)
        if abs(error) > JUMP_S:
            moved = wanted
            self.jumps += error > 0 and wanted <= furthest
        else:
            most = MAX_DILATION * elapsed
            correction = error * min(1.0, elapsed / CORRECTION_S)
            moved = self.position_s + elapsed + max(-most, min(most, correction))
        self.position_s = max(self.position_s, min(moved, furthest))
        self._played_s += elapsed
        if self.position_s > newest:
            self._underflow_s += elapsed

    def _look_up(self) -> S:
        states, position = self._states, self.position_s
        while len(states) > 2 and states[1].stamp_s <= position:
            del states[0]
        first = states[0]
        if len(states) == 1 or position <= first.stamp_s:
            return first.state
        second = states[1]
        if second.teleport:
            return first.state if position < second.stamp_s else second.state
        share = (position - first.stamp_s) / (second.stamp_s - first.stamp_s)
        return self._lerp(first.state, second.state, share)
