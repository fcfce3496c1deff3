"""Messages as a program sees them, and the three content formats: text, JSON, bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from messaging.envelope import FORMAT_BYTES, FORMAT_JSON, FORMAT_TEXT
from netcore.delivery import Delivery

MAX_JSON_BYTES: Final = 262_144
"""JSON content longer than this is left as bytes."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message that another agent sent. `content` is what the sender gave to `send`."""

    sender: str
    """Name of the agent that sent it, written by the server."""
    type: str
    """Free text, `chat-text` unless the sender said otherwise."""
    content: Any
    """`str`, `bytes`, or a JSON value. `bytes` as well where the content is not what its format promises, or
    is encrypted and this client has no key."""
    raw: bytes
    """The content's bytes as they came."""
    delivery: Delivery
    lane: int
    """The sender's lane."""
    key: int
    """The sender's key of a sequenced message, else 0."""
    to_me: bool
    """True where it was sent to this agent alone."""
    encrypted: bool
    """True where it was encrypted end to end, by someone who knows the channel's password."""
    offset: int | None
    """Position in the channel's log; None for an ephemeral message."""
    time: float | None
    """Server wall time of storing, Unix seconds; None for an ephemeral message."""


def encode_content(content: object) -> tuple[int, bytes]:
    """(format, bytes) of what a program wants to send: text as UTF-8, bytes as they are, the rest as JSON.

    Raises `ValueError` for what JSON cannot hold and for text with lone surrogates.
    """
    if isinstance(content, str):
        try:
            return FORMAT_TEXT, content.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"this text is not valid Unicode: {error}") from None
    if isinstance(content, (bytes, bytearray, memoryview)):
        return FORMAT_BYTES, bytes(content)
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return FORMAT_JSON, text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"content has to be str, bytes or a JSON value: {error}") from None


def decode_content(format: int, raw: bytes) -> Any:
    """What `encode_content` was given; the bytes themselves where they are not what `format` promises."""
    try:
        if format == FORMAT_TEXT:
            return raw.decode()
        if format == FORMAT_JSON and len(raw) <= MAX_JSON_BYTES:
            return json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        pass
    return raw


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
