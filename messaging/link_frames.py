"""Link frames: messages with their lane, kind and key, one after another in one byte string.

The framing of every link that carries whole byte strings instead of the protocol's own datagrams (a WebSocket
message, a long-poll body). docs/protocol/websocket.md, section "Frames":

    frame = head u8 (kind << 6 | lane) | [key varint, kind sequenced only] | length varint | data

Varints are those of RFC 9000 section 16 in their shortest form. Frames fill the byte string exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from netcore.codes import CloseCode
from netcore.delivery import Delivery
from netcore.errors import ProtocolError
from netcore.varint import decode_varint, encode_varint

MAX_LANE: Final = 63
MAX_KEY: Final = (1 << 30) - 1
"""The largest key of a sequenced message."""
MAX_FRAME_DATA_BYTES: Final = 262_144
"""The largest message that a frame may carry unless the reader says otherwise."""
MAX_OVERHEAD_BYTES: Final = 9
"""What head, key and length add to a message's own bytes at most."""

_SEQUENCED: Final = int(Delivery.SEQUENCED)
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
    if kind != _SEQUENCED:
        return bytes((kind << 6 | lane,)) + encode_varint(len(data)) + data
    if not 0 <= key <= MAX_KEY:
        raise ValueError(f"key {key} is not in 0..{MAX_KEY}")
    return bytes((kind << 6 | lane,)) + encode_varint(key) + encode_varint(len(data)) + data


def iterate_frames(data: bytes, *, max_data_bytes: int = MAX_FRAME_DATA_BYTES) -> Iterator[LinkFrame]:
    """The frames of one byte string, decoded one by one as they are asked for.

    Raises `ProtocolError` with `FRAME_ENCODING` for bytes that are no frame (cut short, a varint longer than
    it needs to be) and with `LIMIT_EXCEEDED` for a message above `max_data_bytes` or a key above `MAX_KEY`.
    Frames before the bad one have been yielded by then; the caller closes the link. An empty byte string is
    an error too: nobody has to send one.
    """
    end = len(data)
    if not end:
        raise ProtocolError(CloseCode.FRAME_ENCODING, "link_frame_missing")
    position = 0
    while position < end:
        head = data[position]
        kind = head >> 6
        key = 0
        position += 1
        if kind == _SEQUENCED:
            key, position = decode_varint(data, position)
            if key > MAX_KEY:
                raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "link_frame_key")
        length, position = decode_varint(data, position)
        if length > max_data_bytes:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "link_frame_size")
        stop = position + length
        if stop > end:
            raise ProtocolError(CloseCode.FRAME_ENCODING, "link_frame_truncated")
        yield LinkFrame(head & MAX_LANE, _KINDS[kind], key, data[position:stop])
        position = stop
