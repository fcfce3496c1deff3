"""The JSON bodies of the API: what comes in, bounded and without unknown fields, and what goes out."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

PROOF_BYTES: Final = 32
MAX_SESSION_ID_CHARS: Final = 200
FORMATS: Final = ("bytes", "text", "json")
"""Names of the envelope's content formats, by number."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*={0,2}\Z")


def decode_base64url(text: str) -> bytes:
    """The bytes of base64url text with or without padding. Raises `ValueError`."""
    if _BASE64URL.match(text) is None:
        raise ValueError("not base64url")
    bare = text.rstrip("=")
    try:
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None


def encode_base64url(data: bytes) -> str:
    """Base64url text without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _proof(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be base64url text")
    proof = decode_base64url(value)
    if len(proof) != PROOF_BYTES:
        raise ValueError(f"must be {PROOF_BYTES} bytes as base64url, has {len(proof)}")
    return proof


def _name(value: str) -> str:
    # The rules of names are the hub's (messaging.names); here only what bounds the work.
    if len(value.encode("utf-8")) > 256:
        raise ValueError("is too long")
    return value


Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_name)]
Proof = Annotated[
    bytes,
    BeforeValidator(_proof, json_schema_input_type=str),
    Field(description="32 bytes derived from the channel password, as base64url. Never the password."),
]
EventTypes = (
    Annotated[str, Field(max_length=8192)]
    | Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=32)]
)
Transport = Literal["udp", "websocket", "long-poll", "quic", "webtransport", "datachannel"]
PollSource = Literal["AUTO", "CACHE", "KAFKA", "DATABASE"]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Out(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)


class ConnectBody(_In):
    """An agent asks to come into a channel, or to resume its session."""

    channel_name: Name = Field(description="UTF-8 up to 64 bytes, no control characters, not `*`.")
    proof: Proof
    agent_name: Name = Field(description="UTF-8 up to 64 bytes, no control characters, not `*`.")
    scope: Literal["private", "public"] = Field(
        default="private", description="`private`: only this developer's keys meet here; `public`: all do."
    )
    session_id: Annotated[str, Field(min_length=1, max_length=MAX_SESSION_ID_CHARS)] | None = Field(
        default=None, description="The latest session id, to resume that session."
    )
    metadata: dict[str, Any] | None = Field(
        default=None, description="JSON object that the other agents see."
    )
    game: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="Runs this game on the server; the channel's first agent decides."
    )
    game_options: dict[str, Any] | None = Field(default=None, description="Options of the game.")
    transports: Annotated[list[Transport], Field(max_length=6)] | None = Field(
        default=None, description="Transports wanted, best first; left out: all there are."
    )
    poll_source: PollSource = "AUTO"
    custom_event_type: EventTypes | None = Field(
        default=None,
        description="Only messages of these types are delivered to the agent: 1 to 32, as a list or with commas.",
    )


class LinksBody(_In):
    """A living session asks for fresh links."""

    transports: Annotated[list[Transport], Field(max_length=6)] | None = Field(
        default=None, description="Transports wanted, best first; left out: all there are."
    )


class MessagesQuery(BaseModel):
    """Which stretch of the channel's log."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, lt=1 << 62)] | None = Field(
        default=None, description="Only messages with a higher offset; left out: from the oldest kept."
    )
    limit: int = Field(default=100, ge=1, le=1000)
    poll_source: PollSource = "AUTO"


class LinkOut(_Out):
    """One way to open a link. The host is the one that this answer came from."""

    transport: str
    port: int
    path: str | None = Field(default=None, description="Only for transports over HTTP.")
    token: str = Field(description="Connect token as base64url: good once, for this transport, for seconds.")
    psk: str | None = Field(default=None, description="The token's key as base64url, for UDP.")
    app_id: str = Field(description="16 hexadecimal digits.")
    steer: int = Field(description="First byte of `attempt_id` (docs/protocol/ncp.md).")
    expires_at: float = Field(description="Unix seconds.")


class SessionOut(_Out):
    """An agent's stay in a channel."""

    session_id: str = Field(
        description="Proves the session in later calls. A secret; changes with each resume."
    )
    channel_id: str
    agent_name: str
    agent_index: int
    created: bool = Field(description="True: nobody was here before. Perhaps the password was mistyped.")
    resumed: bool
    readable: bool = Field(description="True: the server can read the messages (a game runs here).")
    game: str | None
    epoch: str
    offset: int
    poll_source: str
    served_by: str
    links: list[LinkOut]


class LinksOut(_Out):
    """Fresh links and the session's new secret."""

    session_id: str
    links: list[LinkOut]


class LinkOpenedOut(_Out):
    """A link over long poll."""

    secret: str = Field(
        description="Proves the link in its further requests, as bearer. Good for this link alone."
    )
    wait_s: float = Field(description="How long a poll waits for something to answer with.")
    idle_s: float = Field(description="A link without a request for so long has ended.")


class AgentOut(_Out):
    """An agent as the others see it."""

    index: int
    name: str
    joined_at_ms: int
    metadata: dict[str, Any]
    away: bool
    local: bool = Field(description="True for a game or another part of the server itself.")


class AgentsOut(_Out):
    """Everyone in the channel."""

    agents: list[AgentOut]


class MessageOut(_Out):
    """A persistent message."""

    offset: int
    time_ms: int = Field(description="Server wall time, milliseconds since the Unix epoch.")
    sender: str = Field(alias="from")
    type: str
    format: str = Field(description="`bytes`, `text` or `json`: what the content is, once decrypted.")
    encrypted: bool
    to: str | None
    content: str = Field(description="The content's bytes as base64url.")


class MessagesOut(_Out):
    """A stretch of the channel's log, oldest first."""

    epoch: str = Field(description="Which life of the log the offsets belong to.")
    messages: list[MessageOut]
    first_offset: int = Field(description="The oldest offset still kept.")
    last_offset: int = Field(description="The newest offset there is; 0: none.")
    served_by: str


class FaultOut(_Out):
    """One field that is not valid."""

    where: str
    problem: str


class ProblemOut(_Out):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Short name, e.g. `name-taken`.")
    title: str
    status: int
    detail: str
    code: int | None = Field(description="Number in docs/protocol/errors.md; null for errors of HTTP itself.")
    come_back: bool = Field(description="True: the same request may succeed later.")
    retry_after_s: float | None
    errors: list[FaultOut] | None = None


class HealthOut(_Out):
    """The process lives."""

    status: Literal["ok"] = "ok"


class ReadyOut(_Out):
    """Whether connects are taken."""

    ready: bool


class IndexOut(_Out):
    """What runs here."""

    name: str
    version: str
    api: str
    docs: str
