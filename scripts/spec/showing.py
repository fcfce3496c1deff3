"""How others are shown: `interpolation` of statesync.json. statesync.md section 4."""

from __future__ import annotations

import math
from typing import Any

from scripts.spec.clock import close
from scripts.spec.wire import same

Vectors = dict[str, Any]
MEMORY_S, MOST_LATENESS = 2.0, 512
MARGIN_S, MOST_DELAY_S = 0.002, 0.25
FALL = 0.010
LEAP_S, SETTLE_S, MOST_CORRECTION = 0.25, 0.5, 0.05
PAST_S, MOST_STATES = 0.1, 64


class Shown:
    """One thing that others move, with numbers as its states."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.lateness: list[tuple[float, float]] = []  # (arrival, lateness)
        self.base = self.target = self.delay = 0.0
        self.position: float | None = None
        self.last_read = 0.0
        self.states: list[tuple[float, float, bool]] = []  # (stamp, value, teleport)
        self.late = self.jumps = 0
        self.played = self.past = 0.0
        self.now = 0.0

    def push(self, now: float, stamp: float, value: float, teleport: bool) -> bool:
        """True where the state is used."""
        self.lateness.append((now, now - stamp))
        self.lateness = [one for one in self.lateness if one[0] >= now - MEMORY_S][-MOST_LATENESS:]
        found = sorted(late for _, late in self.lateness)
        self.base = found[0]
        spread = found[math.ceil(len(found) * 95 / 100) - 1] - self.base
        self.target = min(MOST_DELAY_S, self.interval + spread + MARGIN_S)
        self.delay = max(self.delay, self.target)
        if self.position is None:
            self.position, self.last_read = now - self.base - self.delay, now
        if any(stamp == known for known, _, _ in self.states):
            return False
        if self.states and stamp < self.position:
            self.late += 1
            if any(known > stamp for known, _, _ in self.states):
                return False
        self.states = sorted([*self.states, (stamp, value, teleport)])[-MOST_STATES:]
        return True

    def read(self, now: float) -> float | None:
        """What is shown."""
        if self.position is None:
            return None
        elapsed, self.last_read, self.now = now - self.last_read, now, now
        self.delay = max(self.target, self.delay - FALL * elapsed)
        error = (now - self.base - self.delay) - (self.position + elapsed)
        before, newest = self.position, self.states[-1][0]
        if error > LEAP_S:
            self.position += elapsed + error
            self.jumps += self.position <= newest + PAST_S
        elif error >= -LEAP_S:
            most = MOST_CORRECTION * elapsed
            correction = error * min(1.0, elapsed / SETTLE_S)
            self.position += elapsed + max(-most, min(most, correction))
        self.position = max(before, min(self.position, newest + PAST_S))
        self.played += elapsed
        if self.position > newest:
            self.past += elapsed
        return self._value()

    def _value(self) -> float:
        position = self.position
        assert position is not None
        before = [state for state in self.states if state[0] <= position]
        if not before:
            return self.states[0][1]
        here = before[-1]
        after = self.states[len(before) :]
        if after:
            there = after[0]
            if there[2]:
                return here[1]
        elif here[2] or len(before) == 1:
            return here[1]
        else:
            here, there = before[-2], here
        along = (position - here[0]) / (there[0] - here[0])
        return here[1] + (there[1] - here[1]) * along


def check_showing(cases: list[Vectors], tolerance: float) -> int:
    """The `interpolation` of statesync.json."""
    for case in cases:
        shown = Shown(case["interval_s"])
        for number, step in enumerate(case["steps"]):
            where = f"{case['name']}, step {number}"
            if step["op"] == "push":
                used = shown.push(step["now"], step["stamp"], step["value"], step.get("teleport", False))
                same(where, step["used"], used)
                continue
            value = shown.read(step["now"])
            if value is None or step["value"] is None:
                same(where, step["value"], value)
                continue
            assert shown.position is not None
            close(where, step["value"], value, tolerance)
            close(where, step["position_s"], shown.position, tolerance)
            close(where, step["delay_s"], shown.delay, tolerance)
        assert shown.position is not None
        same(f"{case['name']}: late, jumps", (case["late"], case["jumps"]), (shown.late, shown.jumps))
        close(f"{case['name']}: underflow", case["underflow_rate"], shown.past / shown.played, tolerance)
        close(
            f"{case['name']}: added",
            case["added_delay_s"],
            shown.now - shown.base - shown.position,
            tolerance,
        )
    return sum(len(case["steps"]) for case in cases)
