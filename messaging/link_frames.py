"""Link frames: messages with their lane, kind and key, one after another in one byte string.

The framing of every link that carries whole byte strings instead of the protocol's own datagrams (a WebSocket
message, a long-poll body). docs/protocol/websocket.md, section "Frames":

    frame = head u8 (kind << 6 | lane) | [key varint, kind sequenced only] | length varint | data

Varints are those of RFC 9000 section 16 in their shortest form. Frames fill the byte string exactly.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from netcore.codes import CloseCode
from netcore.delivery import Delivery
from netcore.errors import ProtocolError

MAX_LANE: Final = 63
MAX_KEY: Final = (1 << 30) - 1
"""The largest key of a sequenced message."""
MAX_FRAME_DATA_BYTES: Final = 262_144
"""The largest message that a frame may carry unless the reader says otherwise."""
MAX_OVERHEAD_BYTES: Final = 9
"""What head, key and length add to a message's own bytes at most."""

_SEQUENCED: Final = int(Delivery.SEQUENCED)
_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")
_KINDS: Final = (Delivery.UNRELIABLE, Delivery.SEQUENCED, Delivery.RELIABLE, Delivery.ORDERED)


class LinkFrame(NamedTuple):
    """One message as it stands in a frame: the arguments of a link handler's `link_message`."""

    lane: int
    kind: Delivery
    key: int
    """0 for every kind but sequenced."""
    data: bytes


def encode_frame(lane: int, kind: Delivery, key: int, data: bytes) -> bytes:
    """One frame. `key` is written for sequenced messages only; `ValueError` for a number out of range."""
    if not 0 <= lane <= MAX_LANE:
        raise ValueError(f"lane {lane} is not in 0..{MAX_LANE}")
    head = bytes((kind << 6 | lane,))
    if kind == _SEQUENCED:
        head += _encode_varint(key)
    return head + _encode_varint(len(data)) + data


def iterate_frames(data: bytes, *, max_data_bytes: int = MAX_FRAME_DATA_BYTES) -> Iterator[LinkFrame]:
    """The frames of one byte string, decoded one by one as they are asked for.

    Raises `ProtocolError` with `FRAME_ENCODING` for bytes that are no frame (cut short, a varint longer than
    it needs to be) and with `LIMIT_EXCEEDED` for a message above `max_data_bytes`. Frames before the bad one
    have been yielded by then; the caller closes the link. An empty byte string is an error too: nobody has
    to send one.
    """
    end = len(data)
    if not end:
        raise ProtocolError(CloseCode.FRAME_ENCODING, "a link message without a frame")
    position = 0
    while position < end:
        head = data[position]
        kind = head >> 6
        key = 0
        position += 1
        if kind == _SEQUENCED:
            key, position = _decode_varint(data, position)
        length, position = _decode_varint(data, position)
        if length > max_data_bytes:
            raise ProtocolError(
                CloseCode.LIMIT_EXCEEDED, f"a message of {length} bytes where {max_data_bytes} are allowed"
            )
        stop = position + length
        if stop > end:
            raise ProtocolError(
                CloseCode.FRAME_ENCODING, f"a frame promises {length} bytes and {end - position} are left"
            )
        yield LinkFrame(head & MAX_LANE, _KINDS[kind], key, data[position:stop])
        position = stop


# Lengths and keys stay below 2**30, so the eight-byte varint never has to appear here: it is refused.


def _encode_varint(value: int) -> bytes:
    if 0 <= value < 0x40:
        return bytes((value,))
    if 0 <= value < 0x4000:
        return _U16.pack(value | 0x4000)
    if 0 <= value <= MAX_KEY:
        return _U32.pack(value | 0x80000000)
    raise ValueError(f"{value} is not in 0..{MAX_KEY}")


def _decode_varint(data: bytes, position: int) -> tuple[int, int]:
    """(value, position after it)."""
    try:
        first = data[position]
        size = first >> 6
        if size == 0:
            return first, position + 1
        if size == 1:
            value = _U16.unpack_from(data, position)[0] & 0x3FFF
            shortest, after = 0x40, position + 2
        elif size == 2:
            value = _U32.unpack_from(data, position)[0] & 0x3FFFFFFF
            shortest, after = 0x4000, position + 4
        else:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "a key or length of 2**30 or above")
    except (IndexError, struct.error):
        raise ProtocolError(CloseCode.FRAME_ENCODING, "a frame ends within its head") from None
    if value < shortest:
        raise ProtocolError(CloseCode.FRAME_ENCODING, "a varint is longer than its value needs")
    return value, after
