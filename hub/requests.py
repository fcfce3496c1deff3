"""What goes into the hub's use cases and what comes out: plain records, no behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """An agent asks to come into a channel. Untrusted: the hub checks every field."""

    api_key: str
    channel_name: str
    proof: bytes
    """32 bytes derived from the channel password (`messaging.secrets`); never the password."""
    agent_name: str
    scope: str = "private"
    """`private` or `public`."""
    session_id: str | None = None
    """The `session_id` of an earlier answer, to resume that session."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """JSON values that the other agents see."""
    game: str | None = None
    game_options: dict[str, Any] | None = None
    transports: Sequence[str] = ()
    """The transports wanted, best first; empty: all that the server has. Unknown ones are passed over."""
    poll_source: str = "AUTO"
    custom_event_type: str | Sequence[str] | None = None
    """The only message types that are delivered to the agent, as a list or with commas between; None: all, or
    for a resume what held before."""
    remote_address: str = ""
    """IP address of the caller as text, for the throttles."""


@dataclass(frozen=True, slots=True)
class LinkOffer:
    """One way to attach a link to the session. Ports and paths are added by who knows them."""

    transport: str
    token: bytes
    """The connect token: presented once, within seconds, in the link's first frame."""
    psk: bytes | None
    """The key that belongs to the token, where the transport encrypts by itself (UDP)."""
    app_id: int
    steer: int
    """First byte of the client's `attempt_id`: which worker the datagrams go to."""
    expires_at: float
    """Seconds since the Unix epoch."""


class LinkMint(Protocol):
    """Seals claims into connect tokens. Filled by the composition root."""

    def mint(self, transport: str, claims: bytes) -> LinkOffer:
        """A fresh token for `transport`, carrying `claims` (`messaging.claims`)."""


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """What a connect gives back."""

    session_id: str
    """Opaque; proves the session in later calls. A secret: it changes at every resume and mint."""
    channel_id: str
    agent_name: str
    """The name in its normal form (NFC)."""
    agent_index: int
    created: bool
    """True where this is the first agent of an empty channel: perhaps the password was mistyped."""
    resumed: bool
    readable: bool
    """True where the server can read the messages (a game runs here)."""
    game: str | None
    epoch: str
    offset: int
    """Position of the channel's log at this moment: (epoch, offset)."""
    poll_source: str
    served_by: str
    links: list[LinkOffer]


@dataclass(frozen=True, slots=True)
class LinksAnswer:
    """Fresh links for a session that lives."""

    session_id: str
    """The new secret; the one used for this call stays valid until this one is first used."""
    links: list[LinkOffer]
