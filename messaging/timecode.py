"""Clock requests and answers on lane 6 (docs/protocol/messaging.md, section 7). Times are microseconds."""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from messaging.errors import malformed

REQUEST: Final = 0x01
ANSWER: Final = 0x02

_REQUEST = Struct(">BQ")
_ANSWER = Struct(">BQQQ")


class TimeRequest(NamedTuple):
    """A client asks for the server's clock."""

    sent_us: int
    """The client's clock when it asked; comes back unchanged."""


class TimeAnswer(NamedTuple):
    """The server's clock."""

    sent_us: int
    """From the request."""
    received_us: int
    """The server's monotonic clock when the request arrived."""
    answered_us: int
    """... and when this answer left."""


def encode_time_request(sent_us: int) -> bytes:
    """9 bytes."""
    return _REQUEST.pack(REQUEST, sent_us)


def encode_time_answer(sent_us: int, received_us: int, answered_us: int) -> bytes:
    """25 bytes."""
    return _ANSWER.pack(ANSWER, sent_us, received_us, answered_us)


def decode_time(data: bytes) -> TimeRequest | TimeAnswer:
    """The time message in `data`. Raises ProtocolError."""
    if len(data) == _REQUEST.size and data[0] == REQUEST:
        return TimeRequest(_REQUEST.unpack(data)[1])
    if len(data) == _ANSWER.size and data[0] == ANSWER:
        return TimeAnswer(*_ANSWER.unpack(data)[1:])
    raise malformed("time_message")
