"""Bytes: reading with bounds, varints, truncated numbers, msgpack. ncp.md section 2, messaging.md section 1."""

from __future__ import annotations

import math
from typing import Any

import msgpack

FRAME_ENCODING = "FRAME_ENCODING"
PROTOCOL_VIOLATION = "PROTOCOL_VIOLATION"
LIMIT_EXCEEDED = "LIMIT_EXCEEDED"

MSGPACK_DEPTH = 8


class Unfit(Exception):
    """Base of everything that says: these bytes are not what the documents take."""


class Refused(Unfit):
    """Bytes that a document says must be refused: with which code, and a word for why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


class Disagreement(Exception):
    """A vector says something else than the documents do."""


def same(what: str, stated: object, found: object) -> None:
    """Raises Disagreement where a vector's value is not what its bytes say."""
    if stated != found or (isinstance(stated, bool) is not isinstance(found, bool)):
        raise Disagreement(f"{what}: the vector says {short(stated)}, the documents give {short(found)}")


def short(value: object) -> str:
    """A value in a message."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:190]}... ({len(text)})"


class Reader:
    """Reads a byte string from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            raise Refused(FRAME_ENCODING, "cut")
        self.at += count
        return self.data[self.at - count : self.at]

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(self.left)

    def uint(self, size: int) -> int:
        """An unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def varint(self) -> int:
        """NCP-2-3, NCP-2-4."""
        first = self.take(1)
        size = 1 << (first[0] >> 6)
        value = int.from_bytes(bytes((first[0] & 0x3F,)) + self.take(size - 1), "big")
        if size > 1 and value < 1 << (8 * (size // 2) - 2):
            raise Refused(FRAME_ENCODING, "minimal")
        return value

    def text(self, count: int) -> str:
        """UTF-8 of `count` bytes."""
        try:
            return self.take(count).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(FRAME_ENCODING, "utf-8") from None

    def end(self) -> None:
        """Nothing may follow."""
        if self.left:
            raise Refused(FRAME_ENCODING, "bytes behind")


def varint(value: int) -> bytes:
    """NCP-2-3, the shortest form."""
    for power in range(4):
        size = 1 << power
        if value < 1 << (8 * size - 2):
            return (value | power << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError(f"{value} has no varint")


def restored(low16: int, expected: int) -> int:
    """NCP-2-5, with the tie and the ends of RFC 9000 appendix A.3."""
    candidate = expected & ~0xFFFF | low16
    if candidate <= expected - 0x8000 and candidate < (1 << 62) - 0x10000:
        return candidate + 0x10000
    if candidate > expected + 0x8000 and candidate >= 0x10000:
        return candidate - 0x10000
    return candidate


def fields(*parts: bytes) -> bytes:
    """Each part behind its length as u16."""
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def unpacked(data: bytes) -> Any:
    """One msgpack value of the subset of MSG-1-3."""

    def pairs(items: list[tuple[Any, Any]]) -> dict[str, Any]:
        if len({key for key, _ in items}) != len(items):
            raise ValueError("a key twice")
        return dict(items)

    def no_extension(code: int, data: bytes) -> None:
        raise ValueError("extension")

    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=pairs,
            ext_hook=no_extension,
            max_array_len=64,
            max_map_len=64,
        )
        _check(value, 0)
    except Exception as error:
        raise Refused(FRAME_ENCODING, f"msgpack: {type(error).__name__}") from None
    return value


def _check(value: Any, depth: int) -> None:
    if depth > MSGPACK_DEPTH or isinstance(value, bytes | msgpack.Timestamp):
        raise ValueError("depth or type")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not finite")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("key is no text")
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
