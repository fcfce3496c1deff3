"""Events: what happens around the messages of a channel."""

from __future__ import annotations

from dataclasses import dataclass

from messaging_agent.roster import Agent


@dataclass(frozen=True, slots=True)
class AgentJoined:
    """An agent came into the channel."""

    agent: Agent


@dataclass(frozen=True, slots=True)
class AgentLeft:
    """An agent's session ended; `reason` is the server's word for it."""

    agent: Agent
    reason: str


@dataclass(frozen=True, slots=True)
class AgentAway:
    """An agent lost its link to the server and may come back."""

    agent: Agent


@dataclass(frozen=True, slots=True)
class AgentBack:
    """An agent that was away has a link again."""

    agent: Agent


@dataclass(frozen=True, slots=True)
class TransportChanged:
    """The session runs over `transport` now; `previous` is None where it had no link before."""

    transport: str
    previous: str | None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The session has no link for the moment; the client is trying to come back by itself."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The session goes on. `missed` messages were lost on the way (normally none)."""

    missed: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refused something this agent sent; `code` as in docs/protocol/errors.md."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The session ended. The last event."""

    code: int
    reason: str
    remote: bool


Event = (
    AgentJoined
    | AgentLeft
    | AgentAway
    | AgentBack
    | TransportChanged
    | Disconnected
    | Reconnected
    | Refused
    | Closed
)
