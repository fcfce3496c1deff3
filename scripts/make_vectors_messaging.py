"""Write docs/protocol/vectors/messaging.json: envelopes, control messages, claims, clock, proof; good and bad.

    python scripts/make_vectors_messaging.py

The bytes follow from the fixed inputs below; running it again changes nothing unless the protocol changed.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgpack

from messaging import control, secrets
from messaging.claims import TRANSPORTS, Claims, encode_claims
from messaging.compression import pack
from messaging.envelope import COMPRESSED, encode_delivery, encode_publication, flags_of
from messaging.timecode import encode_time_answer, encode_time_request

BULK = b"".join(b"tile %d grass, " % number for number in range(40))
"""Shrinks well."""
FILE = Path(__file__).resolve().parent.parent / "docs" / "protocol" / "vectors" / "messaging.json"


def publications() -> list[dict[str, Any]]:
    """Envelopes to the server."""
    cases: list[tuple[str, dict[str, Any]]] = [
        ("the shortest", {"type": 0, "content": b""}),
        ("text to everyone", {"type": 0, "content": b"hello", "format": 1}),
        ("JSON to one", {"type": 3, "content": b'{"x":1}', "format": 2, "to": 7}),
        ("a type by name", {"type": "paddle", "content": b"\x01\x02"}),
        ("a type by name, to one", {"type": "größe", "content": b"x", "to": 65535}),
        ("a two-byte type index", {"type": 64, "content": b"x"}),
        ("the last type index", {"type": 16383, "content": b"x"}),
        (
            "persistent and encrypted",
            {"type": 0, "content": b"sealed", "encrypted": True, "persistent": True},
        ),
        ("to those who match a filter", {"type": 0, "content": b"go", "format": 1, "filter": "red-.*"}),
        ("a filter behind a type by name", {"type": "hint", "content": b"x", "filter": "(?i)zoë|ann"}),
        ("compressed", {"type": "map", "content": BULK, "persistent": True, "compress": True}),
    ]
    result = []
    for name, fields in cases:
        plain = {"format": 0, "encrypted": False, "persistent": False, "to": None, "filter": None}
        full = plain | fields
        data = encode_publication(full.pop("type"), full.pop("content"), **full)
        packed = pack(fields["content"]) if full.pop("compress", False) else None
        full |= {"type": fields["type"], "packed": None if packed is None else packed.hex()}
        result.append({"name": name, **full, "content": fields["content"].hex(), "bytes": data.hex()})
    return result


def deliveries() -> list[dict[str, Any]]:
    """Envelopes to a client."""
    plain = {
        "format": 0,
        "encrypted": False,
        "targeted": False,
        "key": None,
        "offset": None,
        "time_ms": None,
        "compressed": False,
    }
    shortest = {"sender": 1, "type_index": 0, "lane": 11, "content": b""}
    to_one = {"encrypted": True, "targeted": True, "offset": 2**30, "time_ms": 2**48 - 1}
    cases: list[tuple[str, int, dict[str, Any]]] = [
        ("the shortest", 4, shortest),
        ("ordered text", 1, shortest | {"lane": 8, "content": b"hello", "format": 1}),
        ("sequenced", 3, {"sender": 300, "type_index": 5, "lane": 10, "content": b"\x01\x02", "key": 17}),
        (
            "sequenced, largest key",
            3,
            shortest | {"sender": 65535, "type_index": 64, "lane": 63, "key": 2**30 - 1},
        ),
        ("stored", 1, shortest | {"lane": 8, "content": b"x", "offset": 70, "time_ms": 1700000000123}),
        ("stored, to one, encrypted", 2, shortest | {"lane": 9, "content": b"x"} | to_one),
        ("compressed", 4, shortest | {"content": BULK, "compressed": True}),
    ]
    result = []
    for name, link_lane, fields in cases:
        full = plain | fields
        data = encode_delivery(
            flags_of(full["format"], full["encrypted"], full["offset"] is not None, full["targeted"])
            | COMPRESSED * full["compressed"],
            full["sender"],
            full["type_index"],
            full["lane"],
            (pack(full["content"]) or b"") if full["compressed"] else full["content"],
            key=full["key"],
            offset=full["offset"] or 0,
            time_ms=full["time_ms"] or 0,
        )
        full["content"] = full["content"].hex()
        result.append({"name": name, "link_lane": link_lane, **full, "bytes": data.hex()})
    return result


def controls() -> list[dict[str, Any]]:
    """Control messages."""
    welcome = control.Welcome(
        0, True, 0, 2, "ann", "c" * 24, True, False, "air-hockey", "0011223344556677", 0
    )
    gap = dataclasses.replace(welcome, received=70_000, recovered=False, missed=12, created=False, game=None)
    result: list[dict[str, Any]] = []
    for link_message in (control.Attach(0), control.Attach(70_000), welcome, gap, control.StreamAck(5)):
        fields = dataclasses.asdict(link_message)
        data = control.encode_link_control(link_message)
        name = control.Op(data[0]).name
        result.append({"op": name, "seq": None, "body": fields, "bytes": data.hex()})
    in_stream: list[control.StreamControl] = [
        control.Joined(1, "air-hockey", 1700000000123, {}, False, True, False),
        control.Joined(2, "zoë", 1700000000456, {"team": "red", "rank": [1, 2.5, None]}, True, False, True),
        control.Left(2, "timeout"),
        control.Away(300),
        control.Back(300),
        control.TypeName(1, "paddle"),
        control.ErrorNotice(0x205, "nobody here has this index", 9),
        control.ErrorNotice(0x206, "too large", None),
        control.Leave(),
    ]
    for number, message in enumerate(in_stream, 65_530):
        head, body = control.encode_stream_control(message)
        seq = number & 0xFFFF
        fields = dataclasses.asdict(message)
        data = head + seq.to_bytes(2, "big") + body
        result.append({"op": control.Op(head[0]).name, "seq": seq, "body": fields, "bytes": data.hex()})
    return result


def bad_compressed() -> list[dict[str, str]]:
    """Compressed contents that must be refused."""
    encoding, limit = "FRAME_ENCODING", "LIMIT_EXCEEDED"
    packed = (pack(BULK) or b"").hex()
    return [
        {"name": "compressed, no size", "bytes": "", "code": encoding},
        {"name": "compressed, size not minimal", "bytes": "4001" + "1078", "code": encoding},
        {"name": "compressed, above 262,144", "bytes": "80040001" + "1078", "code": limit},
        {"name": "compressed, above 20 to 1", "bytes": "29" + "1078", "code": limit},
        {"name": "compressed, less than its size", "bytes": "02" + "1078", "code": encoding},
        {"name": "compressed, more than its size", "bytes": "01" + "207878", "code": encoding},
        {"name": "compressed, cut short", "bytes": packed[:-2], "code": encoding},
        {"name": "compressed, bytes behind", "bytes": packed + "00", "code": encoding},
    ]


def bad() -> dict[str, list[dict[str, str]]]:
    """Bytes that must be refused, with the close code's name."""
    joined_nan = b"\x40\0\1" + msgpack.packb([1, "n", 0, {"a": float("nan")}, False, False])
    encoding, violation = "FRAME_ENCODING", "PROTOCOL_VIOLATION"
    return {
        "publications": [
            {"name": "empty", "bytes": "", "code": encoding},
            {"name": "only flags", "bytes": "00", "code": encoding},
            {"name": "format 3", "bytes": "0300", "code": encoding},
            {"name": "filter missing", "bytes": "8000", "code": encoding},
            {"name": "empty filter", "bytes": "800000", "code": encoding},
            {"name": "filter cut short", "bytes": "8000032e2a", "code": encoding},
            {"name": "filter not UTF-8", "bytes": "800001ff", "code": encoding},
            {"name": "filter of 1,025 bytes", "bytes": "80004401" + "61" * 1025, "code": encoding},
            {"name": "filter and to", "bytes": "a0000001022e2a78", "code": violation},
            {"name": "compressed and encrypted", "bytes": "0c0001107800", "code": violation},
            {"name": "compressed, to one", "bytes": "28000001011078", "code": violation},
            {"name": "compressed, by a filter", "bytes": "8800012e011078", "code": violation},
            *({**case, "bytes": "0800" + case["bytes"]} for case in bad_compressed()),
            {"name": "to cut short", "bytes": "200001", "code": encoding},
            {"name": "to nobody", "bytes": "20000000", "code": encoding},
            {"name": "empty type name", "bytes": "4000", "code": encoding},
            {"name": "type name cut short", "bytes": "400361", "code": encoding},
            {"name": "type name not UTF-8", "bytes": "4001ff", "code": encoding},
            {"name": "type name of 65 bytes", "bytes": "404041" + "61" * 65, "code": encoding},
            {"name": "type index not minimal", "bytes": "004001", "code": encoding},
            {"name": "type index too large", "bytes": "0080004000", "code": encoding},
        ],
        "deliveries": [
            {"name": "cut short", "link_lane": "1", "bytes": "00000100", "code": encoding},
            {"name": "sender 0", "link_lane": "1", "bytes": "0000000008", "code": encoding},
            {"name": "format 3", "link_lane": "1", "bytes": "0300010008", "code": encoding},
            {"name": "reserved flag 6", "link_lane": "1", "bytes": "4000010008", "code": encoding},
            {"name": "reserved flag 7", "link_lane": "1", "bytes": "8000010008", "code": encoding},
            {
                "name": "compressed and encrypted",
                "link_lane": "1",
                "bytes": "0c00010008011078",
                "code": violation,
            },
            {"name": "compressed, to one", "link_lane": "1", "bytes": "2800010008011078", "code": violation},
            *({"link_lane": "1", **case, "bytes": "0800010008" + case["bytes"]} for case in bad_compressed()),
            {"name": "lane 7", "link_lane": "1", "bytes": "0000010007", "code": encoding},
            {"name": "lane 64", "link_lane": "1", "bytes": "0000010040", "code": encoding},
            {"name": "key missing", "link_lane": "3", "bytes": "0000010008", "code": encoding},
            {
                "name": "key too large",
                "link_lane": "3",
                "bytes": "0000010008c000000040000000",
                "code": "LIMIT_EXCEEDED",
            },
            {
                "name": "stored, yet unreliable",
                "link_lane": "4",
                "bytes": "100001000801000000000001",
                "code": encoding,
            },
            {"name": "time cut short", "link_lane": "1", "bytes": "1000010008010000000000", "code": encoding},
        ],
        "control": [
            {"name": "empty", "bytes": "", "code": encoding},
            {"name": "unknown op", "bytes": "7f000190", "code": encoding},
            {"name": "no number", "bytes": "42", "code": encoding},
            {"name": "no body", "bytes": "01", "code": encoding},
            {"name": "array instead of map", "bytes": "0190", "code": encoding},
            {"name": "received missing", "bytes": "0180", "code": encoding},
            {"name": "negative", "bytes": "0181a87265636569766564ff", "code": encoding},
            {"name": "true instead of a number", "bytes": "0181a87265636569766564c3", "code": encoding},
            {"name": "bytes behind", "bytes": "0181a8726563656976656401c0", "code": encoding},
            {"name": "key twice", "bytes": "0182" + "a8726563656976656401" * 2, "code": encoding},
            {"name": "number as key", "bytes": "0182a87265636569766564010101", "code": encoding},
            {"name": "index 0", "bytes": "4200019100", "code": encoding},
            {"name": "not a number in metadata", "bytes": joined_nan.hex(), "code": encoding},
            {"name": "deeply nested", "bytes": "400001" + "91" * 600 + "c0", "code": encoding},
        ],
        "claims": [
            {"name": "cut short", "bytes": "00" * 20, "code": encoding},
            {"name": "too long", "bytes": "00" * 20 + "0101", "code": encoding},
            {"name": "transport 0", "bytes": "00" * 21, "code": encoding},
            {"name": "transport 7", "bytes": "00" * 20 + "07", "code": encoding},
        ],
        "time": [
            {"name": "empty", "bytes": "", "code": encoding},
            {"name": "request cut short", "bytes": "01" + "00" * 7, "code": encoding},
            {"name": "answer too long", "bytes": "02" + "00" * 25, "code": encoding},
            {"name": "unknown op", "bytes": "03" + "00" * 8, "code": encoding},
        ],
    }


def claims() -> list[dict[str, Any]]:
    """Claims inside tokens."""
    session_id = bytes(range(16))
    return [
        {
            "session_id": session_id.hex(),
            "generation": generation,
            "transport": transport,
            "bytes": encode_claims(Claims(session_id, generation, transport)).hex(),
        }
        for generation, transport in enumerate(TRANSPORTS, 2**32 - len(TRANSPORTS))
    ]


def times() -> list[dict[str, Any]]:
    """Clock messages."""
    return [
        {"t0": 1, "bytes": encode_time_request(1).hex()},
        {"t0": 2**64 - 1, "bytes": encode_time_request(2**64 - 1).hex()},
        {
            "t0": 5,
            "t1": 1_000_000,
            "t2": 1_000_007,
            "bytes": encode_time_answer(5, 1_000_000, 1_000_007).hex(),
        },
    ]


def secret_cases() -> list[dict[str, Any]]:
    """Proofs and message keys."""
    cases = [
        ("secret123", "my-room", "private"),
        ("secret123", "my-room", "public"),
        ("пароль", "café", "private"),
    ]
    result = []
    for password, channel, scope in cases:
        secret = secrets.derive(password, channel, scope)
        result.append(
            {
                "password": password,
                "channel_name": channel,
                "scope": scope,
                "salt": secrets.salt_for(channel, scope).hex(),
                "proof": secret.proof.hex(),
                "message_key": secret.message_key.hex(),
            }
        )
    return result


def vectors() -> dict[str, Any]:
    """The whole file."""
    return {
        "about": "docs/protocol/messaging.md. All bytes are hex, content too. bad: must be refused with `code`.",
        "publications": publications(),
        "deliveries": deliveries(),
        "control": controls(),
        "claims": claims(),
        "time": times(),
        "secrets": secret_cases(),
        "bad": bad(),
    }


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
