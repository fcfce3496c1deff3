"""Congestion control: how much may be in flight and how fast it may leave (docs/protocol/ncp.md, section
12)."""

from __future__ import annotations

from typing import Final, Protocol

PACING_GAIN: Final = 1.25
"""The pacing rate is this much above window / round trip, so that pacing alone never limits throughput."""


class CongestionController(Protocol):
    """What recovery tells a controller, and what it answers with."""

    cwnd: float
    """Bytes that may be in flight."""
    pacing_rate: float
    """Bytes per second."""
    app_limited: bool
    """Set by the sender: there was nothing more to send, so acknowledgements prove no capacity."""

    def on_sent(self, size: int, now: float) -> None:
        """A packet of `size` bytes went into flight."""

    def on_acked(self, size: int, rtt_s: float, now: float) -> None:
        """An acknowledgement took `size` bytes out of flight; `rtt_s` is the smoothed round trip."""

    def on_lost(self, size: int, now: float) -> None:
        """`size` bytes in flight were declared lost."""

    def on_persistent(self, now: float) -> None:
        """Everything sent over a long stretch was lost (RFC 9002 section 7.6)."""


class FixedWindow:
    """A window that never moves; the pacing rate follows the round trip under a ceiling."""

    __slots__ = ("_max_rate", "app_limited", "cwnd", "pacing_rate")

    def __init__(self, window_bytes: int, rate_bytes_per_s: float) -> None:
        """`rate_bytes_per_s` is the ceiling of the pacing rate."""
        self.cwnd = float(window_bytes)
        self._max_rate = rate_bytes_per_s
        self.pacing_rate = rate_bytes_per_s
        self.app_limited = False

    def on_sent(self, size: int, now: float) -> None:
        """Nothing to learn."""

    def on_acked(self, size: int, rtt_s: float, now: float) -> None:
        """Take the pacing rate from the new round trip."""
        rate = PACING_GAIN * self.cwnd / rtt_s
        self.pacing_rate = rate if rate < self._max_rate else self._max_rate

    def on_lost(self, size: int, now: float) -> None:
        """Nothing to learn."""

    def on_persistent(self, now: float) -> None:
        """Nothing to learn; probe timeouts alone slow the sender down."""


CONTROLLERS: Final = {"fixed": FixedWindow}
"""Controllers by the name that configuration uses. Each takes (window_bytes, rate_bytes_per_s)."""
