"""The server's clock as a client keeps it: `clock` of statesync.json. statesync.md section 3."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any, NamedTuple

from scripts.spec.wire import Disagreement, same

Vectors = dict[str, Any]
SAMPLES, STRETCHES, STRETCH_S, FEWEST_STRETCHES = 32, 30, 10.0, 6
MOST_DRIFT, MOST_SLEW, LEAP_S, STANDSTILL_S = 0.0001, 0.005, 0.25, 2.0
REMEMBERED, FIRST_SAMPLES = 16, 16


class Sample(NamedTuple):
    """One answer, SYNC-3-3."""

    rtt: float
    offset: float
    t3: float


class Clock:
    """SYNC-3-2 to SYNC-3-8."""

    def __init__(self, start: float) -> None:
        self.asked: OrderedDict[int, float] = OrderedDict()
        self.samples: list[Sample] = []
        self.stretches: OrderedDict[int, Sample] = OrderedDict()
        self.taken = 0
        self.drift = self.applied = 0.0
        self.moved_at = start
        self.shown: float | None = None

    def request(self, now: float) -> int:
        """t0 of a request."""
        t0 = int(now * 1e6)
        self.asked[t0] = now
        while len(self.asked) > REMEMBERED:
            self.asked.popitem(last=False)
        return t0

    def answer(self, t0: int, t1: int, t2: int, now: float) -> bool:
        """True where the answer counts."""
        sent = self.asked.pop(t0, None)
        if sent is None or t2 < t1 or t2 >= 1 << 53 or now - sent > 10.0:
            return False
        rtt = (now - sent) - (t2 - t1) / 1e6
        if rtt < -2e-6:
            return False
        if self.taken >= FIRST_SAMPLES:
            self.move(now)
        offset = ((t1 / 1e6 - sent) + (t2 / 1e6 - now)) / 2
        self._take(Sample(max(0.0, rtt), offset, now))
        self.taken += 1
        if self.taken <= FIRST_SAMPLES:
            self.applied, self.moved_at = self.estimate(now), now
        return True

    def _take(self, sample: Sample) -> None:
        self.samples = [*self.samples, sample][-SAMPLES:]
        stretch = math.floor(sample.t3 / STRETCH_S)
        best = self.stretches.get(stretch)
        if best is None or sample.rtt < best.rtt:
            self.stretches[stretch] = sample
        while len(self.stretches) > STRETCHES:
            self.stretches.popitem(last=False)
        self.drift = _slope(list(self.stretches.values()))

    def best(self) -> Sample:
        """SYNC-3-4."""
        return min(reversed(self.samples), key=lambda sample: sample.rtt)

    def estimate(self, now: float) -> float:
        """SYNC-3-6."""
        best = self.best()
        return best.offset + self.drift * (now - best.t3)

    def move(self, now: float) -> None:
        """SYNC-3-7."""
        apart = self.estimate(now) - self.applied
        if abs(apart) > LEAP_S:
            last = next(reversed(self.stretches))
            self.stretches = OrderedDict({last: self.stretches[last]})
            self.drift = 0.0
            self.applied = self.estimate(now)
        else:
            most = MOST_SLEW * (now - self.moved_at)
            self.applied += max(-most, min(most, apart))
        self.moved_at = now

    def read(self, now: float) -> tuple[float, float]:
        """(the server's time, the error bound)."""
        if self.samples and self.taken >= FIRST_SAMPLES:
            self.move(now)
        output = now + self.applied
        if self.shown is not None and self.shown - STANDSTILL_S <= output < self.shown:
            output = self.shown
        if self.samples:
            self.shown = output
            best = self.best()
            error = best.rtt / 2 + 0.0002 * (now - best.t3) + 2e-6
            return output, error + abs(now + self.estimate(now) - output)
        return output, math.inf


def _slope(samples: list[Sample]) -> float:
    if len(samples) < FEWEST_STRETCHES:
        return 0.0
    mean_t = sum(sample.t3 for sample in samples) / len(samples)
    mean_o = sum(sample.offset for sample in samples) / len(samples)
    below = sum((sample.t3 - mean_t) ** 2 for sample in samples)
    slope = sum((sample.t3 - mean_t) * (sample.offset - mean_o) for sample in samples) / below
    return max(-MOST_DRIFT, min(MOST_DRIFT, slope))


def check_clock(cases: list[Vectors], tolerance: float) -> int:
    """The `clock` of statesync.json."""
    for case in cases:
        clock = Clock(case["start"])
        for number, step in enumerate(case["steps"]):
            where = f"{case['name']}, step {number}"
            if step["op"] == "request":
                same(where, step["t0"], clock.request(step["now"]))
            elif step["op"] == "answer":
                taken = clock.answer(step["t0"], step["t1"], step["t2"], step["now"])
                same(where, step["accepted"], taken)
            else:
                found = clock.read(step["now"])
                for stated, value in zip((step["remote_time"], step["error_s"]), found, strict=True):
                    close(where, stated, value, tolerance)
    return sum(len(case["steps"]) for case in cases)


def close(where: str, stated: float | None, found: float, tolerance: float) -> None:
    """Raises Disagreement where two numbers are further apart than `tolerance`, relative where they are large."""
    stated = math.inf if stated is None else stated
    if stated != found and not abs(stated - found) <= tolerance * max(1.0, abs(stated)):
        raise Disagreement(f"{where}: the vector says {stated}, the documents give {found}")
