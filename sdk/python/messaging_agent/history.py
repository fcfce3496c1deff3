"""History: a stretch of a channel's log, as `Channel.receive` gives it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from messaging.envelope import FORMAT_BYTES, FORMAT_JSON, FORMAT_TEXT
from messaging_agent.errors import UnexpectedAnswer

_FORMATS: Final = {"bytes": FORMAT_BYTES, "text": FORMAT_TEXT, "json": FORMAT_JSON}


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of the log."""

    offset: int
    """Gapless position in the channel, from 1."""
    time: float
    """Server wall time, Unix seconds."""
    sender: str
    type: str
    content: Any
    """As in `Message`."""
    raw: bytes
    encrypted: bool
    """True where it was encrypted and this client could not open it."""
    to: str | None
    authentic: bool
    """True where a member who knows the channel's password sealed it just so; else the server may have written it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is needed to open one stored message."""

    sender: str
    type: str
    format: int
    to: str | None
    encrypted: bool
    raw: bytes


Open = Callable[[Sealed], tuple[Any, bytes, bool]]
"""(content, its bytes, authentic) of one stored message."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Stored messages, oldest first."""

    epoch: str
    """Which life of the log the offsets belong to."""
    messages: tuple[StoredMessage, ...]
    first_offset: int
    """The oldest offset still kept."""
    last_offset: int
    """The newest offset there is; 0: none."""
    served_by: str
    """The layer that answered: `memory`, ..."""

    @staticmethod
    def parse(answer: dict[str, Any], open_stored: Open) -> HistoryPage:
        """From the server's JSON; raises `UnexpectedAnswer`."""
        try:
            return HistoryPage(
                epoch=str(answer["epoch"]),
                messages=tuple(_message(entry, open_stored) for entry in answer["messages"]),
                first_offset=int(answer["first_offset"]),
                last_offset=int(answer["last_offset"]),
                served_by=str(answer["served_by"]),
            )
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise UnexpectedAnswer(f"The server's log answer is not understood: {error!r}") from None


def _message(entry: dict[str, Any], open_stored: Open) -> StoredMessage:
    text = str(entry["content"])
    sealed = Sealed(
        sender=str(entry["from"]),
        type=str(entry["type"]),
        format=_FORMATS[entry["format"]],
        to=None if entry["to"] is None else str(entry["to"]),
        encrypted=bool(entry["encrypted"]),
        raw=base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True),
    )
    content, raw, authentic = open_stored(sealed)
    return StoredMessage(
        offset=int(entry["offset"]),
        time=int(entry["time_ms"]) / 1000,
        sender=sealed.sender,
        type=sealed.type,
        content=content,
        raw=raw,
        encrypted=sealed.encrypted and not authentic,
        to=sealed.to,
        authentic=authentic,
    )
