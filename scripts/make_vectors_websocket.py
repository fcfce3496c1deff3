"""Write docs/protocol/vectors/websocket.json: frames, bytes that break a rule, close codes, openings.

    python scripts/make_vectors_websocket.py

The bytes follow from the fixed inputs below; running it again changes nothing unless the protocol changed.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from messaging.link_frames import MAX_KEY, encode_frame
from netcore.delivery import Delivery
from transports.websocket_codes import clipped_reason, from_websocket

FILE = Path(__file__).resolve().parent.parent / "docs" / "protocol" / "vectors" / "websocket.json"

UNRELIABLE, SEQUENCED, RELIABLE, ORDERED = Delivery


def messages() -> list[dict[str, Any]]:
    """WebSocket messages and the frames in them."""
    cases: list[tuple[str, list[tuple[int, Delivery, int, bytes]]]] = [
        ("one of each kind, unreliable", [(11, UNRELIABLE, 0, b"hi")]),
        ("one of each kind, sequenced", [(10, SEQUENCED, 7, b"hi")]),
        ("one of each kind, reliable", [(9, RELIABLE, 0, b"hi")]),
        ("one of each kind, ordered", [(8, ORDERED, 0, b"hi")]),
        ("an empty message", [(0, ORDERED, 0, b"")]),
        ("the highest lane", [(63, UNRELIABLE, 0, b"x")]),
        ("keys of every length", [(3, SEQUENCED, key, b"k") for key in (0, 63, 64, 16_383, 16_384, MAX_KEY)]),
        ("lengths of one and two bytes", [(1, ORDERED, 0, bytes(63)), (1, ORDERED, 0, bytes(64))]),
        ("several lanes", [(0, ORDERED, 0, b"\x01"), (3, SEQUENCED, 1, b"a"), (1, ORDERED, 0, b"b")]),
    ]
    return [
        {
            "name": name,
            "bytes": b"".join(encode_frame(*frame) for frame in frames).hex(),
            "frames": [
                {"lane": lane, "kind": int(kind), "key": key, "data": data.hex()}
                for lane, kind, key, data in frames
            ],
        }
        for name, frames in cases
    ]


def bad_messages() -> list[dict[str, Any]]:
    """Binary WebSocket messages after the token, and the close code they lead to."""
    cases: list[tuple[str, str, int]] = [
        ("empty", "", 4017),
        ("a head and nothing else", "ff", 4017),
        ("sequenced without a length", "4a07", 4017),
        ("cut short", "c805616263", 4017),
        ("a good frame, then a cut one", "c80161c87f", 4017),
        ("a length in two bytes that fits one", "c8400161", 4017),
        ("a length in four bytes that fits two", "c88000004061", 4017),
        ("a key in eight bytes that fits one", "4ac00000000000000101", 4017),
        ("a varint cut short", "c840", 4017),
        ("a message above the limit", "c880040001", 4018),
        ("a length of 2**62 - 1", "c8ffffffffffffffff", 4018),
        ("a key of 2**30", "4ac00000004000000000", 4018),
        ("another kind on the same lane", "c90161890162", 4016),
    ]
    return [{"name": name, "bytes": data, "close": code} for name, data, code in cases]


def _frame(first: int, payload: bytes, length: bytes | None = None) -> str:
    """A client's WebSocket frame under a mask of zeros."""
    size = bytes((0x80 | len(payload),)) if length is None else length
    return (bytes((first,)) + size + bytes(4) + payload).hex()


def bad_streams() -> list[dict[str, Any]]:
    """Bytes on the TCP stream after the token was proved, and the close code they lead to."""
    long_ping = bytes((0xFE,)) + struct.pack(">H", 126)
    too_large = bytes((0xFF,)) + struct.pack(">Q", 524_289)
    absurd = bytes((0xFF,)) + struct.pack(">Q", 1 << 62)
    cases: list[tuple[str, str, int]] = [
        ("unmasked", "820178", 1002),
        ("a reserved bit", _frame(0xC2, b"x"), 1002),
        ("a reserved opcode", _frame(0x83, b"x"), 1002),
        ("a ping of 126 bytes", _frame(0x89, bytes(126), long_ping), 1002),
        ("a ping in fragments", _frame(0x09, b"x"), 1002),
        ("a continuation of nothing", _frame(0x80, b"x"), 1002),
        ("a close of one byte", _frame(0x88, b"x"), 1002),
        ("a close code out of range", _frame(0x88, b"\x00\x01"), 1002),
        ("a close reason that is not UTF-8", _frame(0x88, b"\x03\xe8\xff"), 1007),
        ("a length above the limit", _frame(0x82, b"", too_large), 1009),
        ("an absurd length", _frame(0x82, b"", absurd), 1009),
        ("a text message", _frame(0x81, b"hello"), 4016),
        ("an empty binary message", _frame(0x82, b""), 4017),
    ]
    return [{"name": name, "bytes": data, "close": code} for name, data, code in cases]


def bad_first_messages() -> list[dict[str, Any]]:
    """First WebSocket messages that are no good token."""
    cases: list[tuple[str, str, int]] = [
        ("empty", "", 4016),
        ("a frame instead of the token", "c0020100", 4016),
        ("a token of another form", "02" + "00" * 100, 4016),
        ("no token behind the first byte", "01", 4149),
        ("a token too short", "01" + "00" * 82, 4149),
        ("a token of zeros", "01" + "00" * 120, 4149),
        ("a token too long", "01" + "00" * 901, 4149),
    ]
    return [{"name": name, "bytes": data, "close": code} for name, data, code in cases]


def close_codes() -> list[dict[str, int]]:
    """What a server takes a received close code for; 1006 stands for none."""
    received = [
        1000,
        1001,
        1002,
        1003,
        1005,
        1006,
        1007,
        1008,
        1009,
        1010,
        1011,
        1012,
        1013,
        1014,
        1015,
        3000,
    ]
    received += [4000, 4003, 4136, 4516, 4999]
    return [{"websocket": code, "code": from_websocket(code)} for code in received]


def reasons() -> list[dict[str, str]]:
    """Reasons and what a close frame has room for."""
    given = ["", "bye", "x" * 124, "ü" * 62, "€" * 42, "🎲" * 31]
    return [{"reason": reason, "sent": clipped_reason(reason)} for reason in given]


def main() -> None:
    """Write the file."""
    vectors = {
        "about": "docs/protocol/websocket.md. Bytes are hexadecimal, numbers decimal.",
        "version": 1,
        "messages": messages(),
        "bad_messages": bad_messages(),
        "bad_streams": bad_streams(),
        "bad_first_messages": bad_first_messages(),
        "close_codes": close_codes(),
        "reasons": reasons(),
    }
    FILE.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
