"""The JSON bodies of the API: what comes in, bounded and without unknown fields, and what goes out."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

PROOF_BYTES: Final = 32
MAX_WAIT_S: Final = 25
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
    poll_source: PollSource | None = None
    wait: Annotated[float, Field(ge=0, le=MAX_WAIT_S)] | None = Field(
        default=None,
        description="Instead of the log: new messages to this agent, waiting so many seconds for one.",
    )
    received: Annotated[int, Field(ge=0, lt=1 << 62)] | None = Field(
        default=None,
        description="With `wait`: the highest `number` that has arrived; it and those below are forgotten. "
        "Left out: what an answer has counts as arrived.",
    )

    @model_validator(mode="after")
    def _log_or_new(self) -> MessagesQuery:
        if self.wait is None and self.received is not None:
            raise ValueError("received belongs to wait")
        if self.wait is not None and (self.after is not None or self.poll_source is not None):
            raise ValueError("wait asks for new messages; after and poll_source ask for the log")
        return self


class MessageBody(_In):
    """A message to be sent: `content`, or `content_base64`."""

    content: Any = Field(default=None, description="Text is sent as text, any other JSON value as JSON.")
    content_base64: Annotated[str, Field(max_length=1_000_000)] | None = Field(
        default=None, description="Bytes as base64url."
    )
    format: Literal["bytes", "text", "json"] | None = Field(
        default=None, description="What the bytes of `content_base64` are (once decrypted); else `bytes`."
    )
    encrypted: bool = Field(default=False, description="The bytes were encrypted by the client.")
    type: Name = "chat-text"
    to: Name | None = Field(default=None, description="Name of the one agent to get it.")
    filter: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        default=None, description="Regular expression: only agents whose whole name matches get it."
    )
    delivery: Literal["unreliable", "sequenced", "reliable", "ordered"] = "ordered"
    key: Annotated[int, Field(ge=0, lt=1 << 30)] = Field(
        default=0, description="For `sequenced`: of each key the newest counts."
    )
    ephemeral: bool | None = Field(
        default=None,
        description="False: store it. Left out: what is reliable or ordered, without filter, is stored.",
    )

    @model_validator(mode="after")
    def _one_content(self) -> MessageBody:
        if ("content" in self.model_fields_set) is (self.content_base64 is not None):
            raise ValueError("give content or content_base64")
        if self.content_base64 is None and (self.format is not None or self.encrypted):
            raise ValueError("format and encrypted belong to content_base64")
        if self.key and self.delivery != "sequenced":
            raise ValueError("key belongs to sequenced messages")
        if self.to is not None and self.filter is not None:
            raise ValueError("give to or filter")
        if self.ephemeral is False and (
            self.filter is not None or self.delivery in ("unreliable", "sequenced")
        ):
            raise ValueError("only reliable and ordered messages without filter are stored")
        return self


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


class MessageSentOut(_Out):
    """What became of a sent message."""

    number: int | None = Field(
        description="Number in the session's stream: the server has it. null: unreliable and sequenced ones have none."
    )


class NewMessageOut(_Out):
    """A message to this agent."""

    number: int = Field(description="Rises with each message to this agent, from 1.")
    sender: str = Field(alias="from")
    type: str
    delivery: str
    key: int | None = Field(description="Only of sequenced messages.")
    to_me: bool = Field(description="Sent to this agent alone.")
    format: str
    encrypted: bool = Field(
        description="True: only those who know the channel password can read the content."
    )
    offset: int | None = Field(description="Place in the channel's log; null: not stored.")
    time_ms: int | None
    content: Any = Field(description="Text, or any JSON value; null where it can only be shown as bytes.")
    content_base64: str | None = Field(description="The bytes, of content that is neither text nor JSON.")


class NewMessagesOut(_Out):
    """New messages to this agent, oldest first."""

    messages: list[NewMessageOut]
    received: int = Field(description="The highest number here; to be given as `received` in the next call.")
    missed: int = Field(
        description="Reliable and ordered messages that were lost because nobody fetched them."
    )


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
