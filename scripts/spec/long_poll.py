"""The long-poll link: long-poll.json. long-poll.md sections 2 to 5, and section 4 of websocket.md for the frames."""

from __future__ import annotations

from typing import Any

from scripts.spec.websocket import frames
from scripts.spec.wire import (
    FRAME_ENCODING,
    PROTOCOL_VIOLATION,
    Disagreement,
    Reader,
    Refused,
    same,
)

Vectors = dict[str, Any]
CODES = {PROTOCOL_VIOLATION: 0x10, FRAME_ENCODING: 0x11, "LIMIT_EXCEEDED": 0x12}
MAX_OPEN = 8_192


def batch(body: bytes) -> Vectors:
    """LP-3-1, LP-3-3. Raises Refused."""
    if body[:1] not in (b"\x02", b"\x03"):
        raise Refused(PROTOCOL_VIOLATION, "first byte")
    reader = Reader(body)
    last = reader.uint(1) == 3
    number = reader.varint()
    if number == 0:
        raise Refused(FRAME_ENCODING, "number")
    close = {"code": reader.uint(2), "reason": reader.text(reader.uint(1))} if last else None
    rest = reader.rest()
    if not rest and not last:
        raise Refused(FRAME_ENCODING, "empty")
    return {"number": number, "frames": rest.hex(), "close": close}


def poll(body: bytes) -> int:
    """LP-3-1, LP-3-3. Raises Refused."""
    if body[:1] != b"\x04":
        raise Refused(PROTOCOL_VIOLATION, "first byte")
    reader = Reader(body)
    reader.uint(1)
    received = reader.varint()
    reader.end()
    return received


def first_upload(body: bytes) -> None:
    """What a link's first upload may be: LP-4-3, and WS-4-1 to WS-4-4 for its frames. Raises Refused."""
    found = batch(body)
    if found["number"] != 1:
        raise Refused(PROTOCOL_VIOLATION, "number")
    if found["frames"]:
        frames(bytes.fromhex(found["frames"]), {})


def first_poll(body: bytes) -> None:
    """What a link's first poll may be: LP-5-3. Raises Refused."""
    if poll(body) != 0:
        raise Refused(PROTOCOL_VIOLATION, "number")


def opening(body: bytes) -> int:
    """LP-2-3: the status for a body without a good token."""
    return 413 if len(body) > MAX_OPEN else 401


def cut_reason(reason: str) -> str:
    """LP-3-2."""
    while len(reason.encode()) > 120:
        reason = reason[:-1]
    return reason


def check_long_poll(vectors: Vectors) -> int:
    """long-poll.json."""
    for case in vectors["batches"]:
        found = batch(bytes.fromhex(case["bytes"]))
        same(case["name"], {name: case[name] for name in found}, found)
        if found["frames"]:
            frames(bytes.fromhex(found["frames"]), {})
    for case in vectors["polls"]:
        same("poll", case["received"], poll(bytes.fromhex(case["bytes"])))
    for section, read in (("bad_uploads", first_upload), ("bad_polls", first_poll)):
        for case in vectors[section]:
            try:
                read(bytes.fromhex(case["bytes"]))
            except Refused as refused:
                same(case["name"], case["code"], CODES[refused.code])
            else:
                raise Disagreement(f"{case['name']}: the documents take this body")
    for case in vectors["bad_openings"]:
        same(case["name"], case["status"], opening(bytes.fromhex(case["bytes"])))
    for case in vectors["reasons"]:
        same("reason", case["sent"], cut_reason(case["reason"]))
    lists = ("batches", "polls", "bad_uploads", "bad_polls", "bad_openings", "reasons")
    return sum(len(vectors[name]) for name in lists)
