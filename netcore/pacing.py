"""Pacing: a token bucket that spreads packets over a round trip (docs/protocol/ncp.md, section 12)."""

from __future__ import annotations

from typing import Final

BURST_PACKETS: Final = 10
"""Packets that may leave at once: a tick's worth (RFC 9002 section 7.7)."""
_BURST_S: Final = 0.004


class Pacer:
    """Bytes that may leave now. A packet may leave while `tokens` is above 0, and takes its size from
    them."""

    __slots__ = ("_burst", "_packet_bytes", "_refilled_at", "low", "tokens")

    def __init__(self, packet_bytes: int, now: float) -> None:
        """A full bucket for packets of up to `packet_bytes`."""
        self._packet_bytes = packet_bytes
        self._burst = float(BURST_PACKETS * packet_bytes)
        self.tokens = self._burst
        self._refilled_at = now
        self.low = 2.0 * packet_bytes
        """Below this many tokens a `refill` pays; above it nothing would change."""

    def refill(self, rate: float, now: float) -> None:
        """Add what `rate` bytes per second gave since the last call, up to a burst."""
        tokens = self.tokens + (now - self._refilled_at) * rate
        burst = rate * _BURST_S
        burst = max(burst, self._burst)
        self.tokens = tokens if tokens < burst else burst
        self._refilled_at = now

    def release_at(self, rate: float) -> float:
        """When the next full packet may leave, given that none may at the last `refill`."""
        return self._refilled_at + max(self._packet_bytes - self.tokens, 0.0) / rate
