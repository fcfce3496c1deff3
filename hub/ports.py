"""Ports: what the hub needs of links, stores, time and local agents. Others fill them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from netcore.delivery import Delivery
from netcore.errors import QueueFull
from netcore.shared import SharedBlock

__all__ = [
    "AgentInfo",
    "Clock",
    "Inbound",
    "Link",
    "LinkAcceptor",
    "LinkHandler",
    "LocalAgent",
    "LocalPort",
    "LogPage",
    "MessageLog",
    "QueueFull",
    "RoomFactory",
    "SharedBlock",
    "StoredMessage",
    "Timer",
]


class Link(Protocol):
    """The transport-neutral handle to one remote agent. Made by a transport, used by a session.

    `send` only queues; `flush` lets everything queued go out at the end of the present wake-up.
    """

    transport: str
    """`udp`, `websocket`, ..."""

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        """Queue one message. A full queue drops the oldest (unreliable), replaces (sequenced),
        or raises `QueueFull` (reliable, ordered). Sending on a closed link does nothing."""

    def shared_sender(self, lane: int) -> Callable[[SharedBlock], None]:
        """The cheapest way onto a sequenced `lane` for messages that many links get: `send` with nothing in between."""

    def flush(self) -> None:
        """Send what is queued when the present wake-up ends. Cheap, may be called often."""

    def close(self, code: int, reason: str = "") -> None:
        """Send what is queued, tell the remote `code`, and end. The handler gets `link_closed` once."""

    @property
    def rtt_s(self) -> float | None:
        """Smoothed round trip in seconds, None before the first sample."""

    def stats(self) -> dict[str, float]:
        """Plain counters of this link (bytes_in, bytes_out, packets_in, packets_out, lost, ...)."""


class LinkHandler(Protocol):
    """Who a link tells: the session at the hub, or the client's core. Calls are direct and never block."""

    def link_message(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        """One whole message arrived."""

    def link_closed(self, code: int, reason: str, remote: bool) -> None:
        """The link ended; `remote` tells whether the other side said so. Called once, last."""


class LinkAcceptor(Protocol):
    """What a transport calls when a remote has proved a connect token. The hub fills it."""

    def attach(self, claims: bytes, link: Link) -> LinkHandler:
        """The handler for `link`. Raises `hub.errors.ChannelError` where the claims are refused (the
        transport then closes the link with that error's close code)."""


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has happened."""


class Clock(Protocol):
    """Time as the hub and the rooms see it: asyncio's loop, or a virtual world."""

    def now(self) -> float:
        """Monotonic seconds."""

    def wall(self) -> float:
        """Seconds since the Unix epoch; for token windows and stored records only."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once at monotonic `when`, never from within this call."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One persistent message as the log keeps it."""

    offset: int
    """Gapless position in the channel, from 1."""
    time_ms: int
    """Server wall time, milliseconds since the Unix epoch."""
    sender: str
    type: str
    format: int
    """Content format of the envelope: bytes, text, JSON."""
    encrypted: bool
    content: bytes
    to: str | None


@dataclass(frozen=True, slots=True)
class LogPage:
    """A stretch of a channel's log, oldest first."""

    epoch: str
    """Which life of the log the offsets belong to."""
    messages: tuple[StoredMessage, ...]
    last_offset: int
    """The newest offset there is (0: none)."""
    first_offset: int
    """The oldest offset still kept (last_offset + 1 where none is)."""
    served_by: str
    """The backend that answered: `memory`, ..."""


class MessageLog(Protocol):
    """Append-only log of persistent messages, one for each channel."""

    def append(
        self, channel_id: str, message: StoredMessage, stored: Callable[[StoredMessage], None]
    ) -> None:
        """Store `message` under the next offset (its own `offset` is ignored) and call `stored` with the
        message as stored, in append order, once it is as durable as this backend makes it."""

    async def read(self, channel_id: str, after: int, limit: int) -> LogPage:
        """Up to `limit` messages with an offset above `after`."""

    def position(self, channel_id: str) -> tuple[str, int]:
        """(epoch, last offset) of the channel; a channel without messages has offset 0."""

    def forget(self, channel_id: str) -> None:
        """Drop the channel's messages (its last agent left and nothing promised to keep them)."""


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An agent as the others see it."""

    index: int
    """u16, unique in the channel for as long as anyone may still refer to it."""
    name: str
    joined_at_ms: int
    metadata: dict[str, Any]
    away: bool
    local: bool
    """True for an in-process agent: a game, the SFU."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message as a local agent receives it: checked, with its true sender."""

    sender: AgentInfo
    lane: int
    """The sender's lane, 8-63."""
    kind: Delivery
    key: int
    type: str
    format: int
    encrypted: bool
    content: bytes
    targeted: bool
    """Sent to this agent alone."""


class LocalAgent(Protocol):
    """An in-process agent: what a game or the SFU implements. Calls are direct, in order, and never block."""

    def started(self, port: LocalPort) -> None:
        """The channel exists; `port` is this agent's way into it. Called once, first."""

    def agent_joined(self, agent: AgentInfo) -> None:
        """An agent is here (also called for those present at the start)."""

    def agent_away(self, agent: AgentInfo, away: bool) -> None:
        """An agent lost its link (True) or has one again (False)."""

    def agent_left(self, agent: AgentInfo) -> None:
        """An agent's session ended."""

    def message(self, inbound: Inbound) -> None:
        """A message for everyone, or for this agent."""

    def stopped(self) -> None:
        """The channel ends. Called once, last; cancel every timer."""


class LocalPort(Protocol):
    """A local agent's way into its channel."""

    clock: Clock
    agent: AgentInfo
    """The local agent itself."""

    def send(
        self,
        kind: Delivery,
        type: str,
        content: bytes,
        *,
        format: int = 0,
        key: int = 0,
        lane: int | None = None,
        to: str | None = None,
        flush: bool = True,
    ) -> None:
        """Send to everyone, or to the agent named `to`. Ephemeral. `lane` defaults to the kind's own."""

    def flush(self) -> None:
        """Let what was sent with `flush=False` go out now, past the relay tick."""

    def agents(self) -> list[AgentInfo]:
        """Everyone present, this agent included."""


class RoomFactory(Protocol):
    """Makes the local agent that a channel opened with `game=` is run by. Filled by `games`."""

    def __call__(self, game: str, options: dict[str, Any]) -> LocalAgent:
        """Raises `ValueError` with one clear sentence for an unknown game or bad options."""
