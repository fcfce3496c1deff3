"""Frames: the typed items inside a packet, written and read (docs/protocol/ncp.md, section 8).

`parse` walks the frames of one packet by index and hands each to a `FrameSink`; a frame is never an object.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, Protocol

from netcore.codes import CloseCode
from netcore.errors import ProtocolError
from netcore.varint import SHORT_VARINTS, decode_varint, encode_varint

PADDING: Final = 0x00
PING: Final = 0x01
ACK: Final = 0x02
ACK_GAPS: Final = 0x03
PATH_CHALLENGE: Final = 0x04
PATH_RESPONSE: Final = 0x05
CLOSE: Final = 0x06

MSG: Final = 0x40
"""MSG is `01DDFLE0`."""
MSG_KIND_SHIFT: Final = 4
MSG_FRAGMENT: Final = 0x08
MSG_LANE: Final = 0x04
MSG_TO_END: Final = 0x02

MAX_LANE: Final = 63
MAX_GAPS: Final = 31
MAX_REASON_BYTES: Final = 128
PATH_DATA_BYTES: Final = 8
ACK_DELAY_UNIT_S: Final = 128e-6
"""The unit of an ACK's delay field."""
MAX_ACK_DELAY_FIELD: Final = 255
"""32.6 ms or more."""

ELICITING: Final = 1
"""In `parse`'s result: the packet must be acknowledged."""
CARRIES_RELIABLE: Final = 2
"""In `parse`'s result: it holds a frame of a reliable or ordered lane."""
URGENT: Final = 4
"""In `parse`'s result: it must be acknowledged at once."""

_SEQUENCED: Final = 1
SHORT_ACK: Final = struct.Struct(">BHBB").pack
"""Packs an ACK whose first is below 64: (ACK, largest & 0xFFFF, delay, first)."""
_ACK_HEAD: Final = struct.Struct(">BHB").pack
_ENCODING: Final = CloseCode.FRAME_ENCODING


SLOTS: Final = 256
"""Values of a slot: `kind << 6 | lane`, what a MSG says of where it belongs."""

Gaps = Sequence[tuple[int, int]]
"""(missing - 1, received - 1) of each gap in an ACK_GAPS, newest first."""


class FrameLane(Protocol):
    """Who takes the messages of one slot."""

    def message(self, number: int, key: int, data: bytes) -> None:
        """A whole message; `number` is the u16 id, 0 for an unreliable message."""

    def fragment(self, number: int, key: int, index: int, last: int, data: bytes) -> None:
        """Part `index` of `last` + 1 parts of a message."""


class FrameSink(Protocol):
    """Who takes the frames of a packet. Values are checked for form; what they mean is the sink's affair."""

    lanes: list[FrameLane | None]
    """A taker for each of the SLOTS; None: ask `open_lane`. A list, which saves a call for each message."""

    def open_lane(self, slot: int) -> FrameLane:
        """The taker for a slot that has none yet."""

    def ack(self, largest: int, delay: int, first: int, gaps: Gaps) -> None:
        """`largest` is the u16 as sent, `delay` in units of 128 µs, `first` the packets just below largest."""

    def path_challenge(self, data: bytes) -> None:
        """8 bytes to answer with."""

    def path_response(self, data: bytes) -> None:
        """8 bytes of an earlier challenge."""

    def close(self, code: int, reason: str) -> None:
        """The remote ends the connection. Frames behind it are not looked at."""


def parse(data: bytes, sink: FrameSink) -> int:
    """Hand every frame of a packet to `sink`, in order. Returns ELICITING, CARRIES_RELIABLE and URGENT.

    Raises `ProtocolError(FRAME_ENCODING)` for anything that is not the one valid form; frames in front of the
    bad one have been handed over by then.
    """
    end = len(data)
    if not end:
        raise ProtocolError(_ENCODING, "packet_empty")
    pos = what = 0
    lanes = sink.lanes
    while pos < end:
        head = data[pos]
        if head & 0xC1 != MSG:
            if head == ACK and end - pos > 4 and data[pos + 4] < 0x40:
                # An ACK as it mostly is, without a call more than it needs.
                sink.ack(data[pos + 1] << 8 | data[pos + 2], data[pos + 3], data[pos + 4], ())
                pos += 5
            else:
                pos, more = _parse_control(data, pos, end, sink)
                what |= more
            continue
        try:  # costs nothing where nothing is raised; the sink is called outside it
            if head & MSG_LANE:
                lane = data[pos + 1]
                pos += 2
                if not 0 < lane <= MAX_LANE:
                    raise ProtocolError(_ENCODING, "lane")
            else:
                lane = 0
                pos += 1
            kind = head & 0x30
            key = 0
            if head & 0x38:
                number = data[pos] << 8 | data[pos + 1]
                pos += 2
                if kind == 0x10:
                    key = data[pos]
                    if key < 0x40:
                        pos += 1
                    else:
                        key, pos = decode_varint(data, pos)
                if head & MSG_FRAGMENT:
                    index, pos = decode_varint(data, pos)
                    last, pos = decode_varint(data, pos)
                    if index > last or not last:
                        raise ProtocolError(_ENCODING, "fragment_index")
            else:
                number = 0
            if head & MSG_TO_END:
                stop = end
            else:
                stop = data[pos]
                if stop < 0x40:
                    pos += 1
                elif stop < 0x80:
                    stop = (stop & 0x3F) << 8 | data[pos + 1]
                    if stop < 0x40:
                        raise ProtocolError(_ENCODING, "varint_not_minimal")
                    pos += 2
                else:
                    stop, pos = decode_varint(data, pos)
                stop += pos
        except IndexError:
            raise ProtocolError(_ENCODING, "frame_truncated") from None
        if not pos <= stop <= end:
            raise ProtocolError(_ENCODING, "frame_truncated")
        what |= ELICITING | CARRIES_RELIABLE if kind & 0x20 else ELICITING
        taker = lanes[kind << 2 | lane]
        if taker is None:
            taker = sink.open_lane(kind << 2 | lane)
        if head & MSG_FRAGMENT:
            taker.fragment(number, key, index, last, data[pos:stop])
        else:
            taker.message(number, key, data[pos:stop])
        pos = stop
    return what


def _parse_control(data: bytes, pos: int, end: int, sink: FrameSink) -> tuple[int, int]:
    """One frame that is no MSG: (position behind it, ELICITING and URGENT)."""
    head = data[pos]
    pos += 1
    if head in (ACK, ACK_GAPS):
        return _parse_ack(data, pos, end, sink, head == ACK_GAPS), 0
    if head == PADDING:
        while pos < end and not data[pos]:
            pos += 1
        return pos, 0
    if head == PING:
        return pos, ELICITING | URGENT
    if head in (PATH_CHALLENGE, PATH_RESPONSE):
        stop = pos + PATH_DATA_BYTES
        if stop > end:
            raise ProtocolError(_ENCODING, "frame_truncated")
        (sink.path_challenge if head == PATH_CHALLENGE else sink.path_response)(data[pos:stop])
        return stop, ELICITING | URGENT
    if head == CLOSE:
        return _parse_close(data, pos, end, sink), 0
    raise ProtocolError(_ENCODING, "frame_type")


def _parse_ack(data: bytes, pos: int, end: int, sink: FrameSink, has_gaps: bool) -> int:
    if pos + 4 > end:
        raise ProtocolError(_ENCODING, "frame_truncated")
    largest = data[pos] << 8 | data[pos + 1]
    delay = data[pos + 2]
    first, pos = decode_varint(data, pos + 3)
    gaps: list[tuple[int, int]] = []
    if has_gaps:
        if pos >= end:
            raise ProtocolError(_ENCODING, "frame_truncated")
        count = data[pos]
        pos += 1
        if not 0 < count <= MAX_GAPS:
            raise ProtocolError(_ENCODING, "ack_gaps")
        for _ in range(count):
            missing, pos = decode_varint(data, pos)
            received, pos = decode_varint(data, pos)
            gaps.append((missing, received))
    sink.ack(largest, delay, first, gaps)
    return pos


def _parse_close(data: bytes, pos: int, end: int, sink: FrameSink) -> int:
    code, pos = decode_varint(data, pos)
    length, pos = decode_varint(data, pos)
    if length > MAX_REASON_BYTES or pos + length > end:
        raise ProtocolError(_ENCODING, "close_reason")
    try:
        reason = data[pos : pos + length].decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError(_ENCODING, "close_reason") from None
    sink.close(code, reason)
    return end


def short_varint(value: int) -> bytes:
    """`encode_varint`, by table where the value is small."""
    return SHORT_VARINTS[value] if value < 2048 else encode_varint(value)


def ack_frame(largest: int, delay: int, first: int, gaps: Gaps) -> bytes:
    """ACK, or ACK_GAPS where there are gaps: (missing - 1, received - 1), at most MAX_GAPS of them.

    `largest` is a whole packet number, `delay` (at most 255) in units of 128 µs.
    """
    if not gaps:
        return _ACK_HEAD(ACK, largest & 0xFFFF, delay) + short_varint(first)
    parts = [_ACK_HEAD(ACK_GAPS, largest & 0xFFFF, delay), short_varint(first)]
    parts.append(bytes((len(gaps),)))
    for missing, received in gaps:
        parts += (short_varint(missing), short_varint(received))
    return b"".join(parts)


def path_response_frame(data: bytes) -> bytes:
    """The answer to a PATH_CHALLENGE with these 8 bytes."""
    return bytes((PATH_RESPONSE,)) + data


def close_frame(code: int, reason: str) -> bytes:
    """CLOSE; a reason above 128 bytes is cut at a character."""
    text = reason.encode("utf-8", "replace")[:MAX_REASON_BYTES].decode("utf-8", "ignore").encode()
    return bytes((CLOSE,)) + encode_varint(code) + encode_varint(len(text)) + text


def message_head(slot: int, *, fragment: bool = False) -> bytes:
    """Type and lane of a MSG with an explicit length; what follows depends on the kind and `fragment`."""
    lane = slot & MAX_LANE
    head = MSG | (slot & 0xC0) >> 2 | (MSG_FRAGMENT if fragment else 0)
    return bytes((head | MSG_LANE, lane)) if lane else bytes((head,))


def message_frame(
    slot: int,
    number: int,
    key: int,
    data: bytes,
    part: tuple[int, int] | None = None,
    *,
    to_end: bool = False,
) -> bytes:
    """A MSG frame in full. `part` is (index, last) of a fragment; `to_end` leaves the length out.

    Packets are filled by the lanes themselves, faster; this is the readable form of the same bytes.
    """
    head = message_head(slot, fragment=part is not None)
    if to_end:
        head = bytes((head[0] | MSG_TO_END,)) + head[1:]
    parts = [head]
    if slot & 0xC0 or part is not None:
        parts.append((number & 0xFFFF).to_bytes(2, "big"))
    if slot >> 6 == _SEQUENCED:
        parts.append(encode_varint(key))
    if part is not None:
        parts += (encode_varint(part[0]), encode_varint(part[1]))
    if not to_end:
        parts.append(encode_varint(len(data)))
    return b"".join(parts) + data
