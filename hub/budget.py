"""Budgets of one agent: how much it may send, in messages and in bytes, and how much work it may ask for."""

from __future__ import annotations

from hub.config import HubConfig


class IngressBudget:
    """Two token buckets that are drawn together: a message passes both or draws from neither.

    What an excess means is the caller's: unreliable and sequenced messages are dropped, others end the link.
    """

    __slots__ = (
        "_bytes",
        "_bytes_burst",
        "_bytes_rate",
        "_filled_at",
        "_messages",
        "_messages_burst",
        "_messages_rate",
    )

    def __init__(self, config: HubConfig, now: float) -> None:
        self._messages_rate = config.ingress_messages_per_s
        self._messages_burst = config.ingress_messages_burst
        self._bytes_rate = config.ingress_bytes_per_s
        self._bytes_burst = config.ingress_bytes_burst
        self._messages = self._messages_burst
        self._bytes = self._bytes_burst
        self._filled_at = now

    def admit(self, size: int, now: float) -> bool:
        """Draw one message of `size` bytes; False (and nothing drawn) where that is above the budget."""
        elapsed = now - self._filled_at
        if elapsed > 0.0:
            self._filled_at = now
            messages = self._messages + elapsed * self._messages_rate
            self._messages = messages if messages < self._messages_burst else self._messages_burst
            octets = self._bytes + elapsed * self._bytes_rate
            self._bytes = octets if octets < self._bytes_burst else self._bytes_burst
        if self._messages < 1.0 or self._bytes < size:
            return False
        self._messages -= 1.0
        self._bytes -= size
        return True


class WorkBudget:
    """Steps of work, as a token bucket that may run into debt: what a piece of work costs shows afterwards."""

    __slots__ = ("_filled_at", "_level", "_per_s", "burst")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self.burst = burst
        """Steps at once, from a full bucket."""
        self._level = burst
        self._filled_at = now

    def has_any(self, now: float) -> bool:
        """Whether the bucket, filled up to `now`, holds anything."""
        self._level = min(self.burst, self._level + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        return self._level > 0.0

    def spend(self, steps: float) -> None:
        """Draw, whatever is left."""
        self._level -= steps
