"""The send budget: how fast a client may put messages on its link, below what a server takes from one agent.

A server closes the link of an agent that sends reliable messages above its limit (docs/protocol/limits.md). A
burst is therefore spread on this side: the session stream keeps what has to wait.
"""

from __future__ import annotations

from typing import Final

MESSAGES_PER_S: Final = 900.0
MESSAGES_BURST: Final = 400.0
BYTES_PER_S: Final = 900 * 1024.0
BYTES_BURST: Final = 448 * 1024.0
_ROUNDING: Final = 1e-3
"""So that `take` allows at `ready_at` what it promised, whatever the sums of floats say."""


class SendBudget:
    """Two token buckets, messages and bytes. What must not wait is counted too and may run them into debt."""

    __slots__ = ("_at", "_bytes", "_messages")

    def __init__(self, now: float) -> None:
        self._at = now
        self._messages = MESSAGES_BURST
        self._bytes = BYTES_BURST

    def spend(self, size: int, now: float) -> None:
        """Count one message of `size` bytes that goes out whatever the budget says."""
        self._refill(now)
        self._messages -= 1.0
        self._bytes -= size

    def take(self, size: int, now: float) -> bool:
        """Count one message where the budget allows it; False where it has to wait.

        A message larger than the whole bucket may go when the bucket is full.
        """
        self._refill(now)
        if self._messages < 1.0 - _ROUNDING or self._bytes < min(size, BYTES_BURST) - _ROUNDING:
            return False
        self._messages -= 1.0
        self._bytes -= size
        return True

    def ready_at(self, size: int, now: float) -> float:
        """When `take` will allow a message of `size` bytes, if nothing else is sent meanwhile."""
        self._refill(now)
        wait_s = max(
            (1.0 - self._messages) / MESSAGES_PER_S, (min(size, BYTES_BURST) - self._bytes) / BYTES_PER_S, 0.0
        )
        return now + wait_s

    def _refill(self, now: float) -> None:
        elapsed = now - self._at
        if elapsed > 0.0:
            self._at = now
            self._messages = min(MESSAGES_BURST, self._messages + elapsed * MESSAGES_PER_S)
            self._bytes = min(BYTES_BURST, self._bytes + elapsed * BYTES_PER_S)
