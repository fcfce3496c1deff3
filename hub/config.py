"""The hub's configuration: limits and times, checked at construction (docs/protocol/limits.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

POLL_SOURCES: Final = ("AUTO", "CACHE", "KAFKA", "DATABASE")
"""What `poll_source` may say."""


@dataclass(frozen=True, slots=True)
class HubConfig:
    """Every number of the hub. Times in seconds, sizes in bytes."""

    transports: tuple[str, ...] = ("udp", "websocket")
    """The transports that links can be minted for, best first."""
    channel_secret: bytes | None = None
    """Key of the channel ids, 32 bytes; None: random at each start."""

    agents_per_channel: int = 100
    max_channels: int = 10_000
    types_per_channel: int = 1024
    types_per_agent: int = 256
    """Of a channel's type names, how many one agent may bring in."""
    max_message_bytes: int = 64 * 1024
    """Content of one application message."""
    max_metadata_bytes: int = 1024

    outbox_messages: int = 1000
    outbox_bytes: int = 1024 * 1024
    session_kept_s: float = 120.0
    """How long a session without a link keeps its name and outbox."""
    leave_after_s: float = 30.0
    """How long an agent is `away` before the others see it leave."""
    attach_window_s: float = 45.0
    """How long a session that never had a link waits for its first one."""
    attach_timeout_s: float = 5.0
    """How long a link may stay without its ATTACH message."""
    ack_delay_s: float = 0.05
    """How long the receipt of a stream message may wait for company; at most 0.25."""

    relay_tick_s: float = 0.005
    """How long relayed messages wait to be sent together in a channel above `relay_direct_agents`."""
    relay_direct_agents: int = 8
    """Up to so many agents every message goes out at once."""

    ingress_messages_per_s: float = 1000.0
    ingress_messages_burst: float = 500.0
    ingress_bytes_per_s: float = 1024 * 1024.0
    ingress_bytes_burst: float = 512 * 1024.0
    """What one agent may send. A burst fits twice into an outbox: one member cannot overflow another."""

    filter_steps_per_s: float = 2e6
    filter_steps_burst: float = 4e6
    """Work that one agent may cause by filters: a step is one instruction of the compiled filter against one
    byte of a name, at worst 10 ns. A burst is a message for 100 agents with names of 64 bytes by a filter of
    600 instructions."""

    creates_per_s: float = 0.5
    creates_burst: float = 30.0
    """Connects that create a channel, per (key, address): what slows down guessing of passwords."""
    trusted_networks: tuple[str, ...] = ()
    """Addresses that are not throttled (loopback in development)."""

    history_kept_s: float = 3600.0
    """How long the log of a channel outlives its last session, where the log only lives in memory."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int | float) and not value >= 0:
                raise ValueError(f"{item.name} is {value}, must not be negative")
        if not 1 <= self.agents_per_channel <= 10_000:
            raise ValueError(f"agents_per_channel is {self.agents_per_channel}, must be 1 to 10000")
        if not 0 < self.ack_delay_s <= 0.25:
            raise ValueError(f"ack_delay_s is {self.ack_delay_s}, must be above 0 and at most 0.25")
        if not 1 <= self.outbox_messages <= 4096:
            raise ValueError(f"outbox_messages is {self.outbox_messages}, must be 1 to 4096")
        if self.max_message_bytes > 256 * 1024:
            raise ValueError(f"max_message_bytes is {self.max_message_bytes}, must be at most 262144")
        if self.leave_after_s > self.session_kept_s:
            raise ValueError("leave_after_s must not be above session_kept_s")
        if self.channel_secret is not None and len(self.channel_secret) != 32:
            raise ValueError(f"channel_secret has {len(self.channel_secret)} bytes, must have 32")
        if not self.transports:
            raise ValueError("transports is empty: at least one is needed")
        self.trusted()

    def trusted(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`trusted_networks`, parsed. ValueError where one is no network."""
        return tuple(ip_network(text) for text in self.trusted_networks)
