"""Long-poll bodies: whatever is written reads back; whatever comes is read or refused with the one error."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.poll_bodies import (
    MAX_BATCH_BYTES,
    MAX_REASON_BYTES,
    Batch,
    Close,
    decode_batch,
    decode_open,
    decode_poll,
    encode_batch,
    encode_open,
    encode_poll,
)
from netcore.codes import CloseCode
from netcore.errors import ProtocolError

NUMBERS = st.integers(1, (1 << 62) - 1)
SHORT = st.text(max_size=MAX_REASON_BYTES // 4)
CLOSES = st.builds(Close, st.integers(0, 0xFFFF), SHORT)


@given(NUMBERS, st.binary(min_size=1), st.none() | CLOSES)
def test_a_batch_comes_back_as_it_was(number: int, frames: bytes, close: Close | None) -> None:
    batch = Batch(number, frames, close)
    assert decode_batch(encode_batch(batch)) == batch


@given(NUMBERS, st.text())
def test_a_reason_of_any_length_fits_and_stays_text(number: int, reason: str) -> None:
    close = decode_batch(encode_batch(Batch(number, b"", Close(1, reason)))).close
    assert close is not None
    assert len(close.reason.encode()) <= MAX_REASON_BYTES


@given(st.integers(0, (1 << 62) - 1))
def test_a_poll_comes_back_as_it_was(received: int) -> None:
    assert decode_poll(encode_poll(received)) == received


@given(st.binary())
def test_a_token_comes_back_as_it_was(token: bytes) -> None:
    assert decode_open(encode_open(token)) == token


@given(
    st.binary(max_size=64)
    | st.builds(lambda head, rest: bytes((head,)) + rest, st.integers(0, 5), st.binary(max_size=64))
)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for decode in (decode_batch, decode_poll, decode_open):
        with contextlib.suppress(ProtocolError):
            decode(body)


def test_a_batch_above_the_limit_is_refused_by_its_length() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_batch(b"\x02\x01" + bytes(MAX_BATCH_BYTES - 1))
    assert caught.value.code == CloseCode.LIMIT_EXCEEDED
    assert decode_batch(b"\x02\x01" + bytes(MAX_BATCH_BYTES - 2)).number == 1
