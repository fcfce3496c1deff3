"""The WebSocket link: websocket.json. websocket.md, and RFC 6455 where that document points to it."""

from __future__ import annotations

from typing import Any

from scripts.spec.wire import (
    FRAME_ENCODING,
    LIMIT_EXCEEDED,
    PROTOCOL_VIOLATION,
    Disagreement,
    Reader,
    Refused,
    Unfit,
    same,
)

Vectors = dict[str, Any]
CODES = {PROTOCOL_VIOLATION: 4016, FRAME_ENCODING: 4017, LIMIT_EXCEEDED: 4018}
MAX_DATA = 262_144
MAX_WEBSOCKET_MESSAGE = 524_288
NORMAL, NOT_ALLOWED, VIOLATION, LIMIT = 0x00, 0x05, 0x10, 0x12
SERVER_SHUTDOWN, IDLE, INTERNAL = 0x81, 0x88, 0x93


class Closed(Unfit):
    """A link closes with this WebSocket code."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def frames(message: bytes, kinds: dict[int, int]) -> list[Vectors]:
    """Section 4; `kinds` is what the link's lanes are so far (WS-4-4). Raises Refused."""
    if not message:
        raise Refused(FRAME_ENCODING, "empty")
    reader, found = Reader(message), []
    while reader.left:
        head = reader.uint(1)
        kind, lane = head >> 6, head & 63
        key = reader.varint() if kind == 1 else 0
        if key >= 1 << 30:
            raise Refused(LIMIT_EXCEEDED, "key")
        length = reader.varint()
        if length > MAX_DATA:
            raise Refused(LIMIT_EXCEEDED, "length")
        data = reader.take(length)
        if kinds.setdefault(lane, kind) != kind:
            raise Refused(PROTOCOL_VIOLATION, "kind")
        found.append({"lane": lane, "kind": kind, "key": key, "data": data.hex()})
    return found


def stream(data: bytes) -> None:
    """Bytes of a client after its token was proved, as RFC 6455 and section 4 read them. Raises Closed."""
    reader, fragmented = Reader(data), False
    while reader.left:
        first, second = reader.uint(1), reader.uint(1)
        opcode, final, length = first & 15, first & 0x80, second & 0x7F
        if first & 0x70 or opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15) or not second & 0x80:
            raise Closed(1002)
        if opcode >= 8 and (length > 125 or not final):
            raise Closed(1002)
        if opcode == 0 and not fragmented:
            raise Closed(1002)
        if length == 126:
            length = reader.uint(2)
        elif length == 127:
            length = reader.uint(8)
        if length > MAX_WEBSOCKET_MESSAGE:
            raise Closed(1009)
        mask = reader.take(4) * (length // 4 + 1)
        payload = bytes(byte ^ mask[at] for at, byte in enumerate(reader.take(length)))
        if opcode == 8:
            _close_frame(payload)
        elif opcode == 1:
            raise Closed(CODES[PROTOCOL_VIOLATION])  # WS-4-2
        elif opcode == 2:
            fragmented = not final
            try:
                frames(payload, {})
            except Refused as refused:
                raise Closed(CODES[refused.code]) from None


def _close_frame(payload: bytes) -> None:
    if len(payload) == 1 or (payload and int.from_bytes(payload[:2], "big") < 1000):
        raise Closed(1002)
    try:
        payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        raise Closed(1007) from None


def first_message(message: bytes) -> int:
    """The code that a first WebSocket message without a good token closes with, section 3."""
    if message[:1] != b"\x01":
        return 4016
    return 4149


_RECEIVED = {
    **dict.fromkeys((1000, 1001, 1005), NORMAL),
    **dict.fromkeys((1002, 1003, 1007, 1010), VIOLATION),
    1008: NOT_ALLOWED,
    1009: LIMIT,
    **dict.fromkeys((1011, 1014), INTERNAL),
    **dict.fromkeys((1012, 1013), SERVER_SHUTDOWN),
}


def received_code(code: int) -> int:
    """WS-7-2, for a server."""
    return code - 4000 if 4000 <= code <= 4999 else _RECEIVED.get(code, IDLE)


def cut_reason(reason: str) -> str:
    """WS-7-1."""
    while len(reason.encode()) > 123:
        reason = reason[:-1]
    return reason


def check_websocket(vectors: Vectors) -> int:
    """websocket.json."""
    for case in vectors["messages"]:
        same(case["name"], case["frames"], frames(bytes.fromhex(case["bytes"]), {}))
    for case in vectors["bad_messages"]:
        try:
            frames(bytes.fromhex(case["bytes"]), {})
        except Refused as refused:
            same(case["name"], case["close"], CODES[refused.code])
        else:
            raise Disagreement(f"{case['name']}: the documents take this message")
    for case in vectors["bad_streams"]:
        try:
            stream(bytes.fromhex(case["bytes"]))
        except Closed as closed:
            same(case["name"], case["close"], closed.code)
        else:
            raise Disagreement(f"{case['name']}: the documents take these bytes")
    for case in vectors["bad_first_messages"]:
        same(case["name"], case["close"], first_message(bytes.fromhex(case["bytes"])))
    for case in vectors["close_codes"]:
        same(f"close code {case['websocket']}", case["code"], received_code(case["websocket"]))
    for case in vectors["reasons"]:
        same("reason", case["sent"], cut_reason(case["reason"]))
    lists = ("messages", "bad_messages", "bad_streams", "bad_first_messages", "close_codes", "reasons")
    return sum(len(vectors[name]) for name in lists)
