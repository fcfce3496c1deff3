"""Compression of an envelope's content: one LZ4 block behind its size, bounded before anything is allocated.

docs/protocol/messaging.md, section 4.7. Only content that everyone in a channel may read is compressed: the
length of compressed bytes tells about their content, so a secret and what an attacker chose must never stand
together in one such message.
"""

from __future__ import annotations

from typing import Final

import lz4.block

from messaging.errors import ProtocolError, malformed
from netcore.codes import CloseCode
from netcore.varint import decode_varint, encode_varint

MIN_BYTES: Final = 512
"""Shorter content is not worth it."""
MAX_BYTES: Final = 256 * 1024
"""The largest content that may come out."""
MAX_RATIO: Final = 20
"""The content has at most so many times the bytes of its block."""


def pack(content: bytes) -> bytes | None:
    """`size varint | LZ4 block`; None where that is not at least a tenth shorter, or above the ratio."""
    size = len(content)
    if not MIN_BYTES <= size <= MAX_BYTES:
        return None
    block: bytes = lz4.block.compress(content, store_size=False)
    packed = encode_varint(size) + block
    if len(packed) * 10 > size * 9 or size > len(block) * MAX_RATIO:
        return None
    return packed


def unpack(packed: bytes) -> bytes:
    """The content in `packed`. Allocates at most what the checked size says. Raises ProtocolError."""
    size, at = decode_varint(packed, 0)
    if size > MAX_BYTES:
        raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "compressed_size")
    if size > (len(packed) - at) * MAX_RATIO:
        raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "compressed_ratio")
    try:
        content: bytes = lz4.block.decompress(packed[at:], uncompressed_size=size)
    except (lz4.block.LZ4BlockError, ValueError):
        raise malformed("compressed_block") from None
    if len(content) != size:
        raise malformed("compressed_size")
    return content
