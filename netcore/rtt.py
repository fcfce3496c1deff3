"""Round trip estimate (RFC 9002 section 5; docs/protocol/ncp.md, section 11)."""

from __future__ import annotations

from array import array
from typing import Final

GRANULARITY_S: Final = 0.001
_SAMPLES: Final = 256


class RttEstimator:
    """Smoothed round trip, its variation and minimum, and the last 256 samples for percentiles."""

    __slots__ = ("_samples", "count", "jitter", "latest", "minimum", "smoothed", "variation")

    def __init__(self, initial_s: float, first_sample_s: float | None) -> None:
        """`first_sample_s` is the handshake's; without it `initial_s` is assumed until the first sample."""
        self._samples = array("d")  # a list of floats would take four times the memory
        self.count = 0
        self.latest = self.smoothed = initial_s
        self.variation = initial_s / 2
        self.minimum = initial_s
        self.jitter = 0.0
        """Mean difference of successive samples, smoothed by 1/16 as RFC 3550 does."""
        if first_sample_s is not None:
            self.sample(max(first_sample_s, 1e-6), 0.0)

    def sample(self, rtt_s: float, ack_delay_s: float) -> None:
        """Take one sample; `ack_delay_s` is what the remote says it waited, bounded by the caller."""
        if self.count == 0:
            self.minimum = self.smoothed = rtt_s
            self.variation = rtt_s / 2
        else:
            jump = rtt_s - self.latest
            self.jitter += ((jump if jump > 0 else -jump) - self.jitter) / 16
            self.minimum = min(self.minimum, rtt_s)
            adjusted = rtt_s - ack_delay_s
            if adjusted < self.minimum:
                adjusted = rtt_s
            error = self.smoothed - adjusted
            self.variation += ((error if error > 0 else -error) - self.variation) / 4
            self.smoothed -= error / 8
        self.latest = rtt_s
        if self.count < _SAMPLES:
            self._samples.append(rtt_s)
        else:
            self._samples[self.count & (_SAMPLES - 1)] = rtt_s
        self.count += 1

    def percentile(self, share: float) -> float:
        """The `share` quantile (0 to 1) of the last 256 samples; the smoothed value before the first."""
        if not self._samples:
            return self.smoothed
        ordered = sorted(self._samples)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
