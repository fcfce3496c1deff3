"""Control messages on lane 0: how they are written and, strictly and with bounds, read.

docs/protocol/messaging.md, section 6. Ops below 0x40 belong to the link; ops from 0x40 are in the
session stream and carry their stream number between op and body.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack

from messaging.envelope import MAX_OFFSET, MAX_TIME_MS, MAX_TYPE_INDEX
from messaging.errors import malformed

MAX_CONTROL_BYTES: Final = 4096
"""A control message with its op."""
MAX_ITEMS: Final = 64
"""Items in one array or map of a control message."""
MAX_DEPTH: Final = 8
"""Nesting of arrays and maps, metadata included."""
IN_STREAM: Final = 0x40
"""Ops from here on are in the session stream."""
MAX_NUMBER: Final = (1 << 62) - 1


class Op(enum.IntEnum):
    """The first byte of a control message."""

    ATTACH = 0x01
    WELCOME = 0x02
    STREAM_ACK = 0x03
    JOINED = 0x40
    LEFT = 0x41
    AWAY = 0x42
    BACK = 0x43
    TYPE = 0x44
    ERROR = 0x45
    LEAVE = 0x60


@dataclass(frozen=True, slots=True)
class Attach:
    """Client, first on every link: everything up to stream number `received` has arrived here."""

    received: int = 0


@dataclass(frozen=True, slots=True)
class Welcome:
    """Server, first on every link: who the client is, and how its stream goes on."""

    received: int
    """The server has the client's stream up to here."""
    recovered: bool
    """False: `missed` stream messages are gone; presence and types follow anew."""
    missed: int
    index: int
    agent_name: str
    channel_id: str
    created: bool
    readable: bool
    game: str | None
    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class StreamAck:
    """Both sides: everything up to stream number `received` has arrived."""

    received: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Someone is here."""

    index: int
    name: str
    joined_at_ms: int
    metadata: dict[str, Any] = field(default_factory=dict)
    away: bool = False
    local: bool = False
    resumed: bool = False
    """A session that had left came back."""


@dataclass(frozen=True, slots=True)
class Left:
    """Someone's session ended, or was away for too long."""

    index: int
    reason: str
    """`left`, `timeout`, ... : a word for people and logs."""


@dataclass(frozen=True, slots=True)
class Away:
    """Someone lost the link."""

    index: int


@dataclass(frozen=True, slots=True)
class Back:
    """Someone who was away has a link again."""

    index: int


@dataclass(frozen=True, slots=True)
class TypeName:
    """From now on `index` means the message type `name`."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class ErrorNotice:
    """The server could not do what a message asked for. The session goes on."""

    code: int
    text: str
    about: int | None = None
    """Low 16 bits of the stream number of the message that failed; None where it had none."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The client ends its session."""


LinkMessage = Attach | Welcome | StreamAck
StreamControl = Joined | Left | Away | Back | TypeName | ErrorNotice | Leave
ControlMessage = LinkMessage | StreamControl


def encode_link_control(message: LinkMessage) -> bytes:
    """A link-scoped control message, whole."""
    if isinstance(message, Welcome):
        body = {name: getattr(message, name) for name in Welcome.__slots__}
        return bytes((Op.WELCOME,)) + _pack(body)
    op = Op.ATTACH if isinstance(message, Attach) else Op.STREAM_ACK
    return bytes((op,)) + _pack({"received": message.received})


def encode_stream_control(message: StreamControl) -> tuple[bytes, bytes]:
    """(head, body) of an in-stream control message, for `StreamSender.push`; the number goes between."""
    op = _STREAM_OPS[type(message)]
    fields: list[Any] = [getattr(message, name) for name in type(message).__slots__]
    return bytes((op,)), _pack(fields)


def decode_control(data: bytes) -> tuple[ControlMessage, int | None]:
    """The message, and the low 16 bits of its stream number (None: link-scoped). Raises ProtocolError."""
    if not data:
        raise malformed("control_empty")
    if len(data) > MAX_CONTROL_BYTES:
        raise malformed("control_too_long")
    decode = _DECODERS.get(data[0])
    if decode is None:
        raise malformed("control_op")
    if data[0] < IN_STREAM:
        return decode(_unpack(data[1:])), None
    if len(data) < 3:
        raise malformed("control_truncated")
    return decode(_unpack(data[3:])), int.from_bytes(data[1:3], "big")


def check_metadata(metadata: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """`metadata` itself, when it fits into JOINED: JSON values, text keys, bounded. ValueError where not."""
    _check_value(metadata, 1)
    try:
        size = len(_pack(metadata))
    except (ValueError, OverflowError, TypeError) as error:
        raise ValueError(f"metadata cannot be encoded: {error}") from None
    if size > max_bytes:
        raise ValueError(f"metadata has {size} bytes, must have at most {max_bytes}")
    return metadata


# Writing and reading of values.


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def _map_without_doubles(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _unpack(data: bytes) -> Any:
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_map_without_doubles,
            max_str_len=MAX_CONTROL_BYTES,
            max_bin_len=0,
            max_ext_len=0,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException):
        raise malformed("control_body") from None


def _check_value(value: Any, depth: int) -> None:
    """ValueError unless `value` is made of JSON's types, finite numbers, and bounded in depth and width."""
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise ValueError("a number is too large")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
    elif isinstance(value, list | dict):
        if depth > MAX_DEPTH:
            raise ValueError(f"nesting is deeper than {MAX_DEPTH}")
        if len(value) > MAX_ITEMS:
            raise ValueError(f"more than {MAX_ITEMS} items in one list or map")
        for item in value:
            if isinstance(value, dict):
                if not isinstance(item, str):
                    raise ValueError("a key is not text")
                _check_value(value[item], depth + 1)
            else:
                _check_value(item, depth + 1)
    else:
        raise ValueError(f"{type(value).__name__} is no JSON type")


# One check for each kind of field; each returns the value or raises ProtocolError.


def _number(value: Any, least: int = 0, most: int = MAX_NUMBER) -> int:
    if type(value) is not int or not least <= value <= most:
        raise malformed("control_number")
    return value


def _index(value: Any) -> int:
    return _number(value, 1, 0xFFFF)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise malformed("control_flag")
    return value


def _text(value: Any, most: int = 256) -> str:
    if type(value) is not str or len(value) > most:
        raise malformed("control_text")
    return value


def _metadata(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise malformed("control_metadata")
    try:
        _check_value(value, 1)
    except ValueError:
        raise malformed("control_metadata") from None
    return value


def _map_of(value: Any, keys: frozenset[str]) -> dict[str, Any]:
    if type(value) is not dict or not keys <= value.keys():
        raise malformed("control_fields")
    return value


def _list_of(value: Any, least: int) -> list[Any]:
    # More items than known are a newer version's business; fewer are an error.
    if type(value) is not list or len(value) < least:
        raise malformed("control_fields")
    return value


# One reader for each op.

_RECEIVED = frozenset({"received"})
_WELCOME = frozenset(Welcome.__slots__)


def _attach(body: Any) -> Attach:
    return Attach(_number(_map_of(body, _RECEIVED)["received"]))


def _stream_ack(body: Any) -> StreamAck:
    return StreamAck(_number(_map_of(body, _RECEIVED)["received"]))


def _welcome(body: Any) -> Welcome:
    fields = _map_of(body, _WELCOME)
    game = fields["game"]
    return Welcome(
        received=_number(fields["received"]),
        recovered=_flag(fields["recovered"]),
        missed=_number(fields["missed"]),
        index=_index(fields["index"]),
        agent_name=_text(fields["agent_name"]),
        channel_id=_text(fields["channel_id"]),
        created=_flag(fields["created"]),
        readable=_flag(fields["readable"]),
        game=None if game is None else _text(game),
        epoch=_text(fields["epoch"]),
        offset=_number(fields["offset"], 0, MAX_OFFSET),
    )


def _joined(body: Any) -> Joined:
    fields = _list_of(body, 6)
    return Joined(
        _index(fields[0]),
        _text(fields[1]),
        _number(fields[2], 0, MAX_TIME_MS),
        _metadata(fields[3]),
        _flag(fields[4]),
        _flag(fields[5]),
        _flag(fields[6]) if len(fields) > 6 else False,
    )


def _left(body: Any) -> Left:
    fields = _list_of(body, 2)
    return Left(_index(fields[0]), _text(fields[1]))


def _away(body: Any) -> Away:
    return Away(_index(_list_of(body, 1)[0]))


def _back(body: Any) -> Back:
    return Back(_index(_list_of(body, 1)[0]))


def _type_name(body: Any) -> TypeName:
    fields = _list_of(body, 2)
    return TypeName(_number(fields[0], 0, MAX_TYPE_INDEX), _text(fields[1]))


def _error(body: Any) -> ErrorNotice:
    fields = _list_of(body, 3)
    about = fields[2]
    return ErrorNotice(
        _number(fields[0]), _text(fields[1], 1024), None if about is None else _number(about, 0, 0xFFFF)
    )


def _leave(body: Any) -> Leave:
    _list_of(body, 0)
    return Leave()


_STREAM_OPS: Final[dict[type, Op]] = {
    Joined: Op.JOINED,
    Left: Op.LEFT,
    Away: Op.AWAY,
    Back: Op.BACK,
    TypeName: Op.TYPE,
    ErrorNotice: Op.ERROR,
    Leave: Op.LEAVE,
}

_DECODERS: Final[dict[int, Callable[[Any], ControlMessage]]] = {
    Op.ATTACH: _attach,
    Op.WELCOME: _welcome,
    Op.STREAM_ACK: _stream_ack,
    Op.JOINED: _joined,
    Op.LEFT: _left,
    Op.AWAY: _away,
    Op.BACK: _back,
    Op.TYPE: _type_name,
    Op.ERROR: _error,
    Op.LEAVE: _leave,
}
