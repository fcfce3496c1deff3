"""The server's clock as a client sees it: requests, samples, drift, and a time that never goes back.

docs/protocol/statesync.md, section 3. Sans-I/O: whoever owns the link asks `request` when `next_timer` has
come, sends the number it returns as t0, and hands the answer to `answer`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

FAST_INTERVAL_S = 0.1
SLOW_INTERVAL_S = 1.0
START_SAMPLES = 16
MAX_FAST_REQUESTS = 64
WINDOW_SAMPLES = 32
BUCKET_S = 10.0
MIN_DRIFT_BUCKETS = 6
MAX_BUCKETS = 30
MAX_DRIFT = 100e-6
"""Seconds a second; crystals are better than that."""
SLEW = 0.005
"""Seconds a second by which the output may run faster or slower than the local clock."""
STEP_S = 0.250
MAX_HOLD_S = 2.0
MAX_OUTSTANDING = 16
ANSWER_TIMEOUT_S = 10.0

_AGING = 2 * MAX_DRIFT
_ROUNDING_S = 2e-6
_MAX_US = 1 << 53


@dataclass(frozen=True, slots=True)
class Sample:
    """One answered request."""

    at: float
    """Local time of the answer."""
    rtt_s: float
    """Without the time that the server took."""
    offset_s: float
    """Server clock minus local clock, if both ways took equally long."""


class ClockSync:
    """Estimates the offset of a remote clock and shows it as `remote_time`, monotone and without jumps.

    The estimate is the offset of the sample with the shortest round trip among the last 32, carried on by the
    drift. It is wrong by at most half the difference of the two ways of that sample, so by at most half its
    round trip. While the first 16 samples come in, and where the output is wrong by more than 250 ms, the
    output steps; else it moves by at most 5 ms a second. A step back shows as a standing clock, unless it is
    longer than 2 s: then the remote clock is another one, and `era` rises.
    """

    __slots__ = (
        "_applied",
        "_applied_at",
        "_best",
        "_buckets",
        "_drift",
        "_fast_requests",
        "_last_output",
        "_next_request",
        "_outstanding",
        "_window",
        "era",
        "rejected",
        "samples",
        "steps",
    )

    def __init__(self, now: float) -> None:
        self.samples = 0
        """Accepted answers."""
        self.rejected = 0
        """Answers to no request of ours, twice, too late, or impossible."""
        self.steps = 0
        """Steps of more than 250 ms after the start."""
        self.era = 0
        """Rises when the output had to go back after all."""
        self._next_request = now
        self._fast_requests = 0
        self._outstanding: dict[int, float] = {}
        self._window: deque[Sample] = deque(maxlen=WINDOW_SAMPLES)
        self._buckets: deque[Sample] = deque(maxlen=MAX_BUCKETS)
        self._best: Sample | None = None
        self._drift = 0.0
        self._applied = 0.0
        self._applied_at = now
        self._last_output = -math.inf

    # -- asking ----------------------------------------------------------------------------------------

    def next_timer(self) -> float:
        """When the next request is due (local seconds)."""
        return self._next_request

    def request(self, now: float) -> int | None:
        """The t0 (local microseconds) to send now; None where no request is due yet."""
        if now < self._next_request:
            return None
        fast = self.samples < START_SAMPLES and self._fast_requests < MAX_FAST_REQUESTS
        self._fast_requests += fast
        self._next_request = now + (FAST_INTERVAL_S if fast else SLOW_INTERVAL_S)
        t0 = int(now * 1e6)
        self._outstanding[t0] = now
        while len(self._outstanding) > MAX_OUTSTANDING:
            del self._outstanding[next(iter(self._outstanding))]
        return t0

    def answer(self, t0_us: int, t1_us: int, t2_us: int, now: float) -> bool:
        """Take the answer to the request `t0_us`: the remote received it at its `t1_us`, answered at `t2_us`.

        False where it is no answer to one of our requests, or impossible; that is counted.
        """
        sent = self._outstanding.pop(t0_us, None)
        if sent is None or not 0 <= t1_us <= t2_us < _MAX_US or now - sent > ANSWER_TIMEOUT_S:
            self.rejected += 1
            return False
        rtt = (now - sent) - (t2_us - t1_us) / 1e6
        if rtt < -_ROUNDING_S:
            self.rejected += 1
            return False
        offset = ((t1_us / 1e6 - sent) + (t2_us / 1e6 - now)) / 2
        self._advance(now)
        self._take(Sample(now, max(rtt, 0.0), offset))
        return True

    # -- reading ---------------------------------------------------------------------------------------

    @property
    def synchronized(self) -> bool:
        """True from the first sample."""
        return self._best is not None

    @property
    def rtt_s(self) -> float | None:
        """The shortest round trip of the last 32 samples."""
        return None if self._best is None else self._best.rtt_s

    @property
    def drift(self) -> float:
        """Seconds a second by which the remote clock gains on ours; 0 until a minute of samples is there."""
        return self._drift

    def offset_s(self, now: float) -> float:
        """The estimate: remote clock minus local clock. 0 before the first sample."""
        if self._best is None:
            return 0.0
        return self._best.offset_s + self._drift * (now - self._best.at)

    def error_s(self, now: float) -> float:
        """How far `remote_time` may be from the truth: half the shortest round trip, what drift may have done
        since, and what the output has still to make up. Infinite before the first sample."""
        if self._best is None:
            return math.inf
        self._advance(now)
        behind = abs(self.offset_s(now) - self._applied)
        return self._best.rtt_s / 2 + _AGING * (now - self._best.at) + behind + _ROUNDING_S

    def remote_time(self, now: float) -> float:
        """The remote clock's seconds at local `now`. Never less than before, while `era` stays the same.

        Before the first sample it is local time: ask `synchronized`.
        """
        self._advance(now)
        output = now + self._applied
        if output < self._last_output:
            if self._last_output - output <= MAX_HOLD_S or self._best is None:
                return self._last_output
            self.era += 1
        self._last_output = output
        return output

    # -- inside ----------------------------------------------------------------------------------------

    def _take(self, sample: Sample) -> None:
        self.samples += 1
        self._window.append(sample)
        best = self._window[0]
        for other in self._window:
            if other.rtt_s <= best.rtt_s:
                best = other
        first, self._best = self._best is None, best
        self._note_bucket(sample)
        self._drift = self._fit_drift()
        if first:
            self._last_output = -math.inf
        if first or self.samples <= START_SAMPLES:
            self._applied = self.offset_s(sample.at)

    def _note_bucket(self, sample: Sample) -> None:
        if not self._buckets or sample.at // BUCKET_S != self._buckets[-1].at // BUCKET_S:
            self._buckets.append(sample)
        elif sample.rtt_s < self._buckets[-1].rtt_s:
            self._buckets[-1] = sample

    def _fit_drift(self) -> float:
        """The slope of the least-squares line through the best samples of the last buckets."""
        count = len(self._buckets)
        if count < MIN_DRIFT_BUCKETS:
            return 0.0
        mean_at = sum(sample.at for sample in self._buckets) / count
        mean_offset = sum(sample.offset_s for sample in self._buckets) / count
        spread = sum((sample.at - mean_at) ** 2 for sample in self._buckets)
        common = sum((sample.at - mean_at) * (sample.offset_s - mean_offset) for sample in self._buckets)
        return max(-MAX_DRIFT, min(MAX_DRIFT, common / spread))

    def _forget_drift(self) -> None:
        """The remote clock leapt: what it did before says nothing about how fast it goes."""
        while len(self._buckets) > 1:
            self._buckets.popleft()
        self._drift = 0.0

    def _advance(self, now: float) -> None:
        """Let the applied offset follow the estimate up to `now`."""
        elapsed = max(0.0, now - self._applied_at)
        self._applied_at = max(now, self._applied_at)
        if self._best is None:
            return
        gap = self.offset_s(now) - self._applied
        if abs(gap) > STEP_S:
            self._forget_drift()
            self._applied = self.offset_s(now)
            self.steps += 1
        else:
            most = SLEW * elapsed
            self._applied += max(-most, min(most, gap))
