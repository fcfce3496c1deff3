"""The bodies of a long-poll link's requests and answers: numbered batches of link frames, and what asks for them.

docs/protocol/long-poll.md, section "Bodies":

    open   = 0x01 | token
    batch  = 0x02 | number varint | frames
    last   = 0x03 | number varint | code u16 | length u8 | reason | frames, which may be none
    poll   = 0x04 | received varint
"""

from __future__ import annotations

from typing import Final, NamedTuple

from messaging.errors import malformed
from netcore.codes import CloseCode
from netcore.errors import ProtocolError
from netcore.varint import decode_varint, encode_varint

OPEN: Final = 0x01
BATCH: Final = 0x02
LAST: Final = 0x03
POLL: Final = 0x04
MAX_BATCH_BYTES: Final = 524_288
"""A whole batch: several frames, or one of the largest."""
MAX_REASON_BYTES: Final = 120


class Close(NamedTuple):
    """Why a link ends."""

    code: int
    reason: str


class Batch(NamedTuple):
    """What one side sends at one moment."""

    number: int
    """1 for a link's first batch in this direction, and one more for each that follows."""
    frames: bytes
    """Link frames (messaging.link_frames); empty only beside a close."""
    close: Close | None = None
    """The sender's end of the link: nothing follows."""


def encode_open(token: bytes) -> bytes:
    """The body that opens a link."""
    return bytes((OPEN,)) + token


def decode_open(body: bytes) -> bytes:
    """The token in the body that opens a link. Raises ProtocolError."""
    if not body or body[0] != OPEN:
        raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "token_expected")
    return body[1:]


def encode_batch(batch: Batch) -> bytes:
    """A batch as a body. A reason that is too long is cut at a character."""
    number = encode_varint(batch.number)
    if batch.close is None:
        return bytes((BATCH,)) + number + batch.frames
    code, text = batch.close
    reason = clipped(text)
    return bytes((LAST,)) + number + code.to_bytes(2, "big") + bytes((len(reason),)) + reason + batch.frames


def decode_batch(body: bytes) -> Batch:
    """The batch in a body; its frames are not looked at. Raises ProtocolError."""
    if len(body) > MAX_BATCH_BYTES:
        raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "batch_size")
    if not body or body[0] not in (BATCH, LAST):
        raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "batch_expected")
    number, at = decode_varint(body, 1)
    if not number:
        raise malformed("batch_number")
    if body[0] == BATCH:
        return Batch(number, _some(body[at:]))
    if len(body) < at + 3:
        raise malformed("batch_truncated")
    code, end = int.from_bytes(body[at : at + 2], "big"), at + 3 + body[at + 2]
    if len(body) < end:
        raise malformed("batch_truncated")
    try:
        reason = body[at + 3 : end].decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("batch_reason") from None
    return Batch(number, body[end:], Close(code, reason))


def _some(frames: bytes) -> bytes:
    if not frames:
        raise malformed("batch_empty")
    return frames


def encode_poll(received: int) -> bytes:
    """The body that asks for what follows batch `received`."""
    return bytes((POLL,)) + encode_varint(received)


def decode_poll(body: bytes) -> int:
    """The number of the last batch that the other side has (0: none). Raises ProtocolError."""
    if not body or body[0] != POLL:
        raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "poll_expected")
    received, at = decode_varint(body, 1)
    if at != len(body):
        raise malformed("poll_length")
    return received


def clipped(reason: str) -> bytes:
    """`reason` as UTF-8, cut at a character to what a batch has room for."""
    raw = reason.encode("utf-8", "replace")
    return raw if len(raw) <= MAX_REASON_BYTES else raw[:MAX_REASON_BYTES].decode("utf-8", "ignore").encode()
