"""The binary envelope around an application message, in both directions.

docs/protocol/messaging.md, section 4. A delivery (server to client) is encoded once and shared by every
receiver: what differs between receivers (stream numbers) stands outside of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from messaging.compression import pack, unpack
from messaging.errors import ProtocolError, malformed
from messaging.lanes import (
    APPLICATION_FIRST,
    APPLICATION_LAST,
    TO_CLIENT_ORDERED,
    TO_CLIENT_RELIABLE,
    TO_CLIENT_SEQUENCED,
)
from netcore.codes import CloseCode
from netcore.varint import decode_varint, encode_varint

FORMAT_BYTES: Final = 0
FORMAT_TEXT: Final = 1
FORMAT_JSON: Final = 2

FORMAT_MASK: Final = 0x03
ENCRYPTED: Final = 0x04
COMPRESSED: Final = 0x08
"""The content is `messaging.compression`'s."""
STORED: Final = 0x10
"""From a client: store this message. To a client: offset and time follow the key."""
TARGETED: Final = 0x20
LITERAL_TYPE: Final = 0x40
"""From a client: the type is a name instead of an index."""
FILTERED: Final = 0x80
"""From a client: a filter over agent names follows the type."""

MAX_KEY: Final = (1 << 30) - 1
"""The largest key of a sequenced message."""
MAX_TYPE_BYTES: Final = 64
MAX_TYPE_INDEX: Final = (1 << 14) - 1
CHAT_TEXT: Final = "chat-text"
"""The type with index 0, known to everyone from the start."""
CHAT_TEXT_INDEX: Final = 0
MAX_OFFSET: Final = (1 << 62) - 1
MAX_TIME_MS: Final = (1 << 48) - 1

_DELIVERY_HEAD = Struct(">BH")
_U16 = Struct(">H")
MAX_FILTER_CHARS: Final = 256
MAX_FILTER_BYTES: Final = 4 * MAX_FILTER_CHARS
_RESERVED_TO_CLIENT = LITERAL_TYPE | FILTERED
_NEVER_COMPRESSED = ENCRYPTED | TARGETED | FILTERED


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message as a client receives it."""

    sender: int
    """Agent index; 1-65535."""
    type_index: int
    lane: int
    """The lane on which the sender sent it, 8-63."""
    content: bytes
    format: int = FORMAT_BYTES
    encrypted: bool = False
    targeted: bool = False
    """Sent to this receiver alone."""
    key: int | None = None
    """The sender's key; exactly on the sequenced lane."""
    offset: int | None = None
    """Position in the channel's log; only stored messages have one."""
    time_ms: int | None = None
    """Server wall time of a stored message, milliseconds since the Unix epoch."""
    compressed: bool = False
    """It travelled compressed; `content` is what it says."""


@dataclass(frozen=True, slots=True)
class Published:
    """A message as a client sends it. Lane, kind and key come from the link."""

    type: int | str
    """Index of a type that is known, or its name."""
    content: bytes
    format: int = FORMAT_BYTES
    encrypted: bool = False
    persistent: bool = False
    to: int | None = None
    """Index of the one receiver; None: everyone."""
    filter: str | None = None
    """Only agents whose whole name matches this regular expression; None: everyone. Never beside `to`."""
    packed: bytes | None = None
    """The content as it travelled, where that was compressed; `content` is what it says."""


def flags_of(format: int, encrypted: bool = False, stored: bool = False, targeted: bool = False) -> int:
    """The first byte of an envelope. ValueError for an unknown format."""
    if format not in (FORMAT_BYTES, FORMAT_TEXT, FORMAT_JSON):
        raise ValueError(f"format is {format}, must be 0 (bytes), 1 (text) or 2 (JSON)")
    return format | (ENCRYPTED * encrypted) | (STORED * stored) | (TARGETED * targeted)


def encode_delivery(
    flags: int,
    sender: int,
    type_index: int,
    lane: int,
    content: bytes,
    *,
    key: int | None = None,
    offset: int = 0,
    time_ms: int = 0,
) -> bytes:
    """A delivery's bytes. `key` exactly for the sequenced lane; `offset`, `time_ms` where `flags` has STORED.

    Called once a message, however many receive it; arguments are the server's own and not checked again.
    """
    head = _DELIVERY_HEAD.pack(flags, sender)
    middle = (
        bytes((type_index, lane))
        if type_index < 0x40
        else encode_varint(type_index) + lane.to_bytes(1, "big")
    )
    if key is not None:
        middle += encode_varint(key)
    if flags & STORED:
        middle += encode_varint(offset) + time_ms.to_bytes(6, "big")
    return head + middle + content


def decode_delivery(data: bytes, link_lane: int) -> Delivered:
    """The delivery that arrived on `link_lane` (1-4). Raises ProtocolError."""
    if len(data) < 5:
        raise malformed("delivery_truncated")
    flags, sender = _DELIVERY_HEAD.unpack_from(data)
    if flags & _RESERVED_TO_CLIENT:
        raise malformed("envelope_flags")
    _check_flags(flags)
    if sender == 0:
        raise malformed("delivery_sender")
    type_index, at = decode_varint(data, 3)
    if type_index > MAX_TYPE_INDEX:
        raise malformed("type_index")
    if at >= len(data):
        raise malformed("delivery_truncated")
    lane = data[at]
    if not APPLICATION_FIRST <= lane <= APPLICATION_LAST:
        raise malformed("delivery_lane")
    at += 1
    key = offset = time_ms = None
    if link_lane == TO_CLIENT_SEQUENCED:
        key, at = decode_varint(data, at)
        if key > MAX_KEY:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "key_range")
    if flags & STORED:
        if link_lane not in (TO_CLIENT_ORDERED, TO_CLIENT_RELIABLE):
            raise malformed("stored_kind")
        offset, at = decode_varint(data, at)
        if at + 6 > len(data):
            raise malformed("delivery_truncated")
        time_ms = int.from_bytes(data[at : at + 6], "big")
        at += 6
    compressed = bool(flags & COMPRESSED)
    return Delivered(
        sender,
        type_index,
        lane,
        unpack(data[at:]) if compressed else data[at:],
        flags & FORMAT_MASK,
        bool(flags & ENCRYPTED),
        bool(flags & TARGETED),
        key,
        offset,
        time_ms,
        compressed,
    )


def encode_publication(
    type: int | str,
    content: bytes,
    *,
    format: int = FORMAT_BYTES,
    encrypted: bool = False,
    persistent: bool = False,
    to: int | None = None,
    filter: str | None = None,
    compress: bool = False,
) -> bytes:
    """A publication's bytes. ValueError for a value out of range, and for `to` together with `filter`.

    `compress`: where it is allowed and worth it. Only for reliable and ordered messages, and never for content
    in which a secret and what somebody else chose stand together.
    """
    flags = flags_of(format, encrypted, persistent, to is not None)
    if isinstance(type, str):
        name = type.encode("utf-8")
        if not 1 <= len(name) <= MAX_TYPE_BYTES:
            raise ValueError(f"type name has {len(name)} bytes, must have 1 to {MAX_TYPE_BYTES}")
        flags |= LITERAL_TYPE
        middle = encode_varint(len(name)) + name
    else:
        if not 0 <= type <= MAX_TYPE_INDEX:
            raise ValueError(f"type index is {type}, must be 0 to {MAX_TYPE_INDEX}")
        middle = encode_varint(type)
    if to is not None:
        if not 1 <= to <= 0xFFFF:
            raise ValueError(f"agent index is {to}, must be 1 to 65535")
        middle += _U16.pack(to)
    if filter is not None:
        flags |= FILTERED
        middle += _encode_filter(filter, to)
    if compress and not flags & _NEVER_COMPRESSED:
        packed = pack(content)
        if packed is not None:
            flags |= COMPRESSED
            content = packed
    return bytes((flags,)) + middle + content


def _encode_filter(filter: str, to: int | None) -> bytes:
    if to is not None:
        raise ValueError("a message is either for one agent (to) or for those that match a filter, not both")
    if not 1 <= len(filter) <= MAX_FILTER_CHARS:
        raise ValueError(f"the filter has {len(filter)} characters, must have 1 to {MAX_FILTER_CHARS}")
    name = filter.encode("utf-8")
    return encode_varint(len(name)) + name


def decode_publication(data: bytes) -> Published:
    """The publication in `data`. Raises ProtocolError."""
    if len(data) < 2:
        raise malformed("publication_truncated")
    flags = data[0]
    _check_flags(flags)
    type_: int | str
    if flags & LITERAL_TYPE:
        type_, at = _decode_text(data, 1, MAX_TYPE_BYTES, "type")
    else:
        type_, at = decode_varint(data, 1)
        if type_ > MAX_TYPE_INDEX:
            raise malformed("type_index")
    to = None
    if flags & TARGETED:
        if at + 2 > len(data):
            raise malformed("publication_truncated")
        (to,) = _U16.unpack_from(data, at)
        if to == 0:
            raise malformed("publication_to")
        at += 2
    filter_ = None
    if flags & FILTERED:
        if flags & TARGETED:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "to_and_filter")
        filter_, at = _decode_text(data, at, MAX_FILTER_BYTES, "filter")
    content, packed = data[at:], None
    if flags & COMPRESSED:
        content, packed = unpack(content), content
    return Published(
        type_,
        content,
        flags & FORMAT_MASK,
        bool(flags & ENCRYPTED),
        bool(flags & STORED),
        to,
        filter_,
        packed,
    )


def _decode_text(data: bytes, at: int, most: int, what: str) -> tuple[str, int]:
    """`length varint, UTF-8` at `at`, 1 to `most` bytes: the text, and where it ends."""
    length, at = decode_varint(data, at)
    if not 1 <= length <= most:
        raise malformed(f"{what}_length")
    end = at + length
    if end > len(data):
        raise malformed("publication_truncated")
    try:
        return data[at:end].decode("utf-8"), end
    except UnicodeDecodeError:
        raise malformed(f"{what}_utf8") from None


def _check_flags(flags: int) -> None:
    if flags & FORMAT_MASK == FORMAT_MASK:
        raise malformed("envelope_flags")
    if flags & COMPRESSED and flags & _NEVER_COMPRESSED:
        raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "compressed")
