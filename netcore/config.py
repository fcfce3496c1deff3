"""How a connection is to behave: frozen, checked, documented in docs/protocol/ncp.md, section 14."""

from __future__ import annotations

from dataclasses import dataclass

from netcore.congestion import CONTROLLERS


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """Limits and times of one connection. Every limit may be lowered; raising one is a deliberate act."""

    idle_timeout_s: float = 10.0
    """Silence after which the connection is gone. The smaller of both sides' holds."""
    keepalive_s: float | None = None
    """Silence after which a PING asks for a sign of life; None is a third of the idle timeout in force."""
    max_ack_delay_s: float = 0.025
    """The longest an acknowledgement waits for a packet to ride on."""
    initial_rtt_s: float = 0.333
    """Round trip assumed before the first sample (RFC 9002 section 6.2.2)."""
    max_message_bytes: int = 262_144
    """Largest message to send; the remote's own limit holds as well."""
    queue_reliable_bytes: int = 1 << 20
    """Bytes of reliable and ordered messages not acknowledged yet, sent or unsent; above it `QueueFull`."""
    queue_reliable_messages: int = 4096
    """The same, counted in messages."""
    queue_unreliable_bytes: int = 65_536
    """Unsent bytes of an unreliable lane; above it the oldest messages are dropped."""
    reassembly_bytes: int = 65_536
    """Parts of unfinished unreliable and sequenced messages; above it the oldest sets are dropped."""
    congestion: str = "fixed"
    """Name of the congestion controller."""
    window_bytes: int = 131_072
    """The `fixed` controller's window."""
    rate_bytes_per_s: float = 2_500_000.0
    """Never send faster than this, bursts aside."""
    aead_failure_limit: int = 1 << 36
    """Packets that fail authentication before the connection is given up (RFC 9001 section 6.6)."""

    def __post_init__(self) -> None:
        """Raises `ValueError` naming the field and its value."""
        for name in (
            "idle_timeout_s",
            "max_ack_delay_s",
            "initial_rtt_s",
            "max_message_bytes",
            "queue_reliable_bytes",
            "queue_reliable_messages",
            "queue_unreliable_bytes",
            "reassembly_bytes",
            "rate_bytes_per_s",
            "aead_failure_limit",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be above 0")
        if self.keepalive_s is not None and not 0 < self.keepalive_s < self.idle_timeout_s:
            raise ValueError(f"keepalive_s is {self.keepalive_s}, must be above 0 and below idle_timeout_s")
        if self.window_bytes < 4 * 1200:
            raise ValueError(f"window_bytes is {self.window_bytes}, must be 4800 (four packets) or more")
        if self.congestion not in CONTROLLERS:
            raise ValueError(f"congestion is {self.congestion!r}, must be one of {', '.join(CONTROLLERS)}")
