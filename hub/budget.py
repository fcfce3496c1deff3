"""Ingress budget: how much one agent may send, in messages and in bytes."""

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
