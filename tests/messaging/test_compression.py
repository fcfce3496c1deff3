"""Compressed content: worth it or left alone, and never more memory than was checked first."""

from __future__ import annotations

import contextlib
import random
import tracemalloc

import lz4.block
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.compression import MAX_BYTES, MAX_RATIO, MIN_BYTES, pack, unpack
from netcore.codes import CloseCode
from netcore.errors import ProtocolError
from netcore.varint import encode_varint

NOISE = bytes((number * number * 31 + 7 * number) % 251 for number in range(300))


def of_ratio(ratio: float, size: int = 4096) -> bytes:
    """Content that shrinks by about `ratio`."""
    return (NOISE * 20)[: int(size / ratio)] + bytes(size - int(size / ratio))


@given(st.binary(min_size=1, max_size=60), st.integers(1, 400))
def test_what_was_packed_comes_back(piece, times):
    content = piece * times
    packed = pack(content)
    if packed is not None:
        assert unpack(packed) == content
        assert len(packed) <= 0.9 * len(content)
        assert len(content) <= MAX_RATIO * len(packed)


# MSG-4-19
def test_short_content_is_left_alone_up_to_the_limit():
    text = b"all work and no play makes jack a dull boy. " * 20
    assert pack(text[: MIN_BYTES - 1]) is None
    assert pack(text[:MIN_BYTES]) is not None


# MSG-4-19
def test_content_that_does_not_shrink_by_a_tenth_is_left_alone():
    noise = random.Random(1).randbytes(5000)
    assert pack(noise) is None
    assert pack(noise + bytes(500)) is None
    assert pack(noise + bytes(700)) is not None


def test_content_above_the_ratio_is_left_alone():
    assert pack(bytes(10_000)) is None


def test_the_largest_content_passes_and_one_byte_more_does_not():
    content = (b"%06d" % number for number in range(MAX_BYTES))
    largest = b"".join(next(content) for _ in range(MAX_BYTES // 6 + 1))
    packed = pack(largest[:MAX_BYTES])
    assert packed is not None
    assert unpack(packed) == largest[:MAX_BYTES]
    assert pack(largest[: MAX_BYTES + 1]) is None
    over = encode_varint(MAX_BYTES + 1) + lz4.block.compress(largest[: MAX_BYTES + 1], store_size=False)
    with pytest.raises(ProtocolError) as caught:
        unpack(over)
    assert (caught.value.code, caught.value.text) == (CloseCode.LIMIT_EXCEEDED, "compressed_size")


@pytest.mark.parametrize("spare", [0, 1])
# MSG-4-18
def test_the_ratio_is_held_to_the_byte(spare):
    def block_of(size: int) -> bytes:
        return lz4.block.compress(bytes(size), store_size=False)

    size = next(s for s in range(100, 4000) if len(block_of(s)) == len(block_of(s + 1)) == s / MAX_RATIO)
    size += spare
    packed = encode_varint(size) + block_of(size)
    if spare == 0:
        assert unpack(packed) == bytes(size)
    else:
        with pytest.raises(ProtocolError, match="compressed_ratio"):
            unpack(packed)


# MSG-4-18
def test_a_bomb_is_refused_before_anything_is_allocated():
    """A13: what the size claims decides, and it is checked first."""
    bomb = lz4.block.compress(bytes(50_000_000), store_size=False)
    for claimed in (50_000_000, MAX_BYTES, 1000):
        packed = encode_varint(claimed) + bomb[: MAX_BYTES // MAX_RATIO]
        tracemalloc.start()
        with pytest.raises(ProtocolError):
            unpack(packed)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4 * MAX_BYTES


@given(st.binary(max_size=100))
def test_any_bytes_unpack_within_the_bounds_or_are_refused(data):
    try:
        content = unpack(data)
    except ProtocolError as error:
        assert error.code in (CloseCode.FRAME_ENCODING, CloseCode.LIMIT_EXCEEDED)
        return
    assert len(content) <= MAX_RATIO * len(data)


@given(st.integers(0, 1 << 20), st.data())
def test_a_changed_byte_is_never_more_than_refused(seed, data):
    packed = bytearray(pack(of_ratio(3)) or b"")
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ProtocolError):
        assert len(unpack(bytes(packed))) <= MAX_BYTES
