"""Round trip estimate (RFC 9002 section 5; docs/protocol/ncp.md, section 11)."""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import Final

GRANULARITY_S: Final = 0.001
_SAMPLES: Final = 256


class RttEstimator:
    """Smoothed round trip, its variation and minimum, and the last 256 samples for percentiles."""

    __slots__ = ("_samples", "count", "latest", "minimum", "smoothed", "variation")

    def __init__(self, initial_s: float, first_sample_s: float | None) -> None:
        """`first_sample_s` is the handshake's; without it `initial_s` is assumed until the first sample."""
        self._samples = array("d", bytes(8 * _SAMPLES))
        self.count = 0
        self.latest = self.smoothed = self.minimum = initial_s
        self.variation = initial_s / 2
        if first_sample_s is not None:
            self.sample(max(first_sample_s, 1e-6), 0.0)

    def sample(self, rtt_s: float, ack_delay_s: float) -> None:
        """Take one sample; `ack_delay_s` is what the remote says it waited, bounded by the caller."""
        count = self.count
        if count:
            minimum = self.minimum
            if rtt_s < minimum:
                self.minimum = minimum = rtt_s
            adjusted = rtt_s - ack_delay_s
            if adjusted < minimum:
                adjusted = rtt_s
            error = self.smoothed - adjusted
            self.smoothed -= error / 8
            if error < 0:
                error = -error
            self.variation += (error - self.variation) / 4
        else:
            self.minimum = self.smoothed = rtt_s
            self.variation = rtt_s / 2
        self.latest = rtt_s
        self._samples[count & (_SAMPLES - 1)] = rtt_s
        self.count = count + 1

    def _ordered(self) -> list[float]:
        """The kept samples, oldest first."""
        samples = self._samples.tolist()
        if self.count < _SAMPLES:
            return samples[: self.count]
        at = self.count & (_SAMPLES - 1)
        return samples[at:] + samples[:at]

    def percentile(self, share: float) -> float:
        """The `share` quantile (0 to 1) of the kept samples; the smoothed value before the first."""
        ordered = sorted(self._ordered())
        if not ordered:
            return self.smoothed
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def jitter(self) -> float:
        """Difference of successive samples, smoothed by 1/16 as RFC 3550 does with transit times."""
        jitter = 0.0
        samples = self._ordered()
        for earlier, later in pairwise(samples):
            jitter += (abs(later - earlier) - jitter) / 16
        return jitter
