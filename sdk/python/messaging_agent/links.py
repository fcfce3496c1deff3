"""The two halves of a link as the client sees them: what a session calls, and whom a link tells."""

from __future__ import annotations

from typing import Protocol

from netcore.delivery import Delivery


class Link(Protocol):
    """What a session needs of a link, whatever the transport."""

    @property
    def transport(self) -> str:
        """`udp`, `websocket`, ..."""

    @property
    def rtt_s(self) -> float | None:
        """Smoothed round trip in seconds; None before the first sample, or where nobody measures."""

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        """Queue one message. Raises `OutboxFull` for a reliable kind at the cap; does nothing once closed."""

    def flush(self) -> None:
        """Let what is queued go out when the present wake-up ends. Cheap, may be called often."""

    def close(self, code: int, reason: str = "") -> None:
        """Send what is queued, tell the remote `code`, and end."""

    def stats(self) -> dict[str, float]:
        """Plain counters."""


class LinkHandler(Protocol):
    """Who a link tells of messages and of its end. Calls are direct and never block."""

    def link_message(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        """One whole message arrived."""

    def link_closed(self, code: int, reason: str, remote: bool) -> None:
        """The link ended; `remote` tells whether the other side said so. Called once, last."""
