"""Envelopes, control messages, claims, clock, password: messaging.json. messaging.md."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable
from typing import Any

from scripts.spec.noise import hkdf_expand
from scripts.spec.wire import (
    FRAME_ENCODING,
    LIMIT_EXCEEDED,
    PROTOCOL_VIOLATION,
    Disagreement,
    Reader,
    Refused,
    fields,
    same,
    unpacked,
)

Vectors = dict[str, Any]
TRANSPORTS = ("udp", "websocket", "long-poll", "quic", "webtransport", "datachannel")
LINK_KINDS = {1: 3, 2: 2, 3: 1, 4: 0}
"""Kind of each lane toward a client, MSG-3-2."""


def is_name(name: object) -> bool:
    """MSG-3-1."""
    return (
        isinstance(name, str)
        and 1 <= len(name.encode("utf-8", "surrogatepass")) <= 64
        and unicodedata.is_normalized("NFC", name)
        and not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in name)
        and name != "*"
    )


def _name(reader: Reader) -> str:
    length = reader.varint()
    if not 1 <= length <= 64:
        raise Refused(FRAME_ENCODING, "name")
    name = reader.text(length)
    if not is_name(name):
        raise Refused(FRAME_ENCODING, "name")
    return name


def _need(true: bool, code: str, why: str) -> None:
    if not true:
        raise Refused(code, why)


def decompressed(packed: bytes) -> bytes:
    """MSG-4-17, MSG-4-18; the LZ4 block format read by hand."""
    reader = Reader(packed)
    size = reader.varint()
    block = reader.rest()
    _need(size <= 262_144 and size <= 20 * len(block), LIMIT_EXCEEDED, "size")
    output = _lz4_block(Reader(block), size)
    _need(len(output) == size, FRAME_ENCODING, "size")
    return output


def _lz4_block(reader: Reader, size: int) -> bytes:
    output = bytearray()
    while reader.left:
        token = reader.uint(1)
        output += reader.take(_lz4_length(reader, token >> 4))
        _need(len(output) <= size, FRAME_ENCODING, "longer than its size")
        if not reader.left:
            return bytes(output)
        offset = int.from_bytes(reader.take(2), "little")
        _need(0 < offset <= len(output), FRAME_ENCODING, "offset")
        for _ in range(_lz4_length(reader, token & 15) + 4):
            output.append(output[-offset])
        _need(len(output) <= size, FRAME_ENCODING, "longer than its size")
    raise Refused(FRAME_ENCODING, "ends in a match")


def _lz4_length(reader: Reader, nibble: int) -> int:
    length = nibble
    if nibble == 15:
        while True:
            more = reader.uint(1)
            length += more
            if more != 255:
                break
    return length


# Envelopes, sections 4.2 and 4.3


def publication(data: bytes) -> Vectors:
    """An envelope to the server."""
    reader = Reader(data)
    flags = reader.uint(1)
    _need(flags & 3 != 3, FRAME_ENCODING, "format")
    _need(flags & 0xA0 != 0xA0, PROTOCOL_VIOLATION, "filter and to")
    _need(not (flags & 0x08 and flags & 0xA4), PROTOCOL_VIOLATION, "compressed")
    type: int | str = _name(reader) if flags & 0x40 else reader.varint()
    _need(isinstance(type, str) or type <= 16_383, FRAME_ENCODING, "type")
    to = reader.uint(2) if flags & 0x20 else None
    _need(to != 0, FRAME_ENCODING, "to")
    filter = None
    if flags & 0x80:
        length = reader.varint()
        _need(1 <= length <= 1024, FRAME_ENCODING, "filter")
        filter = reader.text(length)
    content = reader.rest()
    packed = content if flags & 0x08 else None
    return {
        "format": flags & 3,
        "encrypted": bool(flags & 0x04),
        "persistent": bool(flags & 0x10),
        "to": to,
        "filter": filter,
        "type": type,
        "packed": None if packed is None else packed.hex(),
        "content": (content if packed is None else decompressed(packed)).hex(),
    }


def delivery(data: bytes, link_lane: int) -> Vectors:
    """An envelope to a client that came on `link_lane`."""
    reader = Reader(data)
    flags, sender, type, lane = reader.uint(1), reader.uint(2), reader.varint(), reader.uint(1)
    _need(flags & 3 != 3 and not flags & 0xC0, FRAME_ENCODING, "flags")
    _need(not (flags & 0x08 and flags & 0x24), PROTOCOL_VIOLATION, "compressed")
    _need(sender > 0 and type <= 16_383 and 8 <= lane <= 63, FRAME_ENCODING, "head")
    key = offset = time_ms = None
    if link_lane == 3:
        key = reader.varint()
        _need(key < 1 << 30, LIMIT_EXCEEDED, "key")
    if flags & 0x10:
        _need(link_lane in (1, 2), FRAME_ENCODING, "stored")
        offset, time_ms = reader.varint(), reader.uint(6)
    content = reader.rest()
    return {
        "format": flags & 3,
        "encrypted": bool(flags & 0x04),
        "targeted": bool(flags & 0x20),
        "key": key,
        "offset": offset,
        "time_ms": time_ms,
        "compressed": bool(flags & 0x08),
        "sender": sender,
        "type_index": type,
        "lane": lane,
        "content": (decompressed(content) if flags & 0x08 else content).hex(),
    }


# Control messages, section 6

_INT, _BOOL, _TEXT, _MAP = "int", "bool", "text", "map"
_INDEX, _OPTIONAL_TEXT, _OPTIONAL_INT = "index", "text or nil", "int or nil"
_TYPES: dict[str, Callable[[Any], bool]] = {
    _INT: lambda value: type(value) is int and value >= 0,
    _INDEX: lambda value: type(value) is int and 1 <= value <= 65_535,
    _BOOL: lambda value: type(value) is bool,
    _TEXT: lambda value: type(value) is str,
    _MAP: lambda value: type(value) is dict,
    _OPTIONAL_TEXT: lambda value: value is None or type(value) is str,
    _OPTIONAL_INT: lambda value: value is None or (type(value) is int and value >= 0),
}
_OPS: dict[int, tuple[str, dict[str, str]]] = {
    0x01: ("ATTACH", {"received": _INT}),
    0x02: (
        "WELCOME",
        {
            "received": _INT,
            "recovered": _BOOL,
            "missed": _INT,
            "index": _INDEX,
            "agent_name": _TEXT,
            "channel_id": _TEXT,
            "created": _BOOL,
            "readable": _BOOL,
            "game": _OPTIONAL_TEXT,
            "epoch": _TEXT,
            "offset": _INT,
        },
    ),
    0x03: ("STREAM_ACK", {"received": _INT}),
    0x40: (
        "JOINED",
        {
            "index": _INDEX,
            "name": _TEXT,
            "joined_at_ms": _INT,
            "metadata": _MAP,
            "away": _BOOL,
            "local": _BOOL,
            "resumed": _BOOL,
        },
    ),
    0x41: ("LEFT", {"index": _INDEX, "reason": _TEXT}),
    0x42: ("AWAY", {"index": _INDEX}),
    0x43: ("BACK", {"index": _INDEX}),
    0x44: ("TYPE", {"index": _INT, "name": _TEXT}),
    0x45: ("ERROR", {"code": _INT, "text": _TEXT, "about": _OPTIONAL_INT}),
    0x60: ("LEAVE", {}),
}


def control(data: bytes) -> Vectors:
    """A control message."""
    reader = Reader(data)
    op = reader.uint(1)
    _need(op in _OPS and len(data) <= 4096, FRAME_ENCODING, "op")
    name, members = _OPS[op]
    number = reader.uint(2) if op >= 0x40 else None
    body = unpacked(reader.rest())
    if op < 0x40:
        _need(isinstance(body, dict), FRAME_ENCODING, "map")
    else:
        _need(isinstance(body, list) and len(body) >= len(members), FRAME_ENCODING, "array")
        body = dict(zip(members, body, strict=False))
    for member, wanted in members.items():
        _need(member in body and _TYPES[wanted](body[member]), FRAME_ENCODING, member)
    return {"op": name, "seq": number, "body": {member: body[member] for member in members}}


# The rest


def claims(data: bytes) -> Vectors:
    """MSG-2-2."""
    reader = Reader(data)
    session, generation, transport = reader.take(16), reader.uint(4), reader.uint(1)
    reader.end()
    _need(1 <= transport <= len(TRANSPORTS), FRAME_ENCODING, "transport")
    return {"session_id": session.hex(), "generation": generation, "transport": TRANSPORTS[transport - 1]}


def clock(data: bytes) -> Vectors:
    """Section 7."""
    reader = Reader(data)
    op = reader.uint(1)
    _need(op in (1, 2), FRAME_ENCODING, "op")
    found = {name: reader.uint(8) for name in (("t0",) if op == 1 else ("t0", "t1", "t2"))}
    reader.end()
    return found


def secrets(password: str, channel_name: str, scope: str) -> tuple[bytes, bytes, bytes]:
    """(salt, proof, message key), MSG-8-1."""
    name = unicodedata.normalize("NFC", channel_name)
    salt = fields(b"netplay channel secret v1", scope.encode(), name.encode())
    root = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 600_000, 32)
    return salt, hkdf_expand(root, b"netplay proof v1", 32), hkdf_expand(root, b"netplay message key v1", 32)


_READERS: dict[str, Callable[[bytes, Vectors], Vectors]] = {
    "publications": lambda data, case: publication(data),
    "deliveries": lambda data, case: delivery(data, int(case["link_lane"])),
    "control": lambda data, case: control(data),
    "claims": lambda data, case: claims(data),
    "time": lambda data, case: clock(data),
}


def check_messaging(vectors: Vectors) -> int:
    """messaging.json."""
    count = 0
    for kind, read in _READERS.items():
        for case in vectors[kind]:
            found = read(bytes.fromhex(case["bytes"]), case)
            same(f"{kind}: {case.get('name', case['bytes'])}", {name: case[name] for name in found}, found)
            unread = case.keys() - found.keys() - {"bytes", "name", "link_lane"}
            same(f"{kind}: fields that were not read", set(), unread)
        for case in vectors["bad"][kind]:
            try:
                read(bytes.fromhex(case["bytes"]), case)
            except Refused as refused:
                same(f"{kind}: {case['name']}", case["code"], refused.code)
            else:
                raise Disagreement(f"{kind}: {case['name']}: the documents take these bytes")
        count += len(vectors[kind]) + len(vectors["bad"][kind])
    for case in vectors["secrets"]:
        told = (case["salt"], case["proof"], case["message_key"])
        values = secrets(case["password"], case["channel_name"], case["scope"])
        same("secrets", told, tuple(value.hex() for value in values))
    return count + len(vectors["secrets"])
