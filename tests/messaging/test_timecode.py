"""Clock requests and answers."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.timecode import (
    TimeAnswer,
    TimeRequest,
    decode_time,
    encode_time_answer,
    encode_time_request,
)
from netcore.errors import ProtocolError

u64 = st.integers(0, 2**64 - 1)


@given(u64)
def test_a_request_comes_back_as_it_was(sent):
    assert decode_time(encode_time_request(sent)) == TimeRequest(sent)


@given(u64, u64, u64)
def test_an_answer_comes_back_as_it_was(sent, received, answered):
    assert decode_time(encode_time_answer(sent, received, answered)) == TimeAnswer(sent, received, answered)


@given(st.binary(max_size=30))
def test_any_bytes_are_a_time_message_or_refused(data):
    with contextlib.suppress(ProtocolError):
        decode_time(data)


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x01" + bytes(9), b"\x02" + bytes(8), b"\x02" + bytes(25), b"\x03" + bytes(8)]
)
def test_other_lengths_and_ops_are_refused(data):
    with pytest.raises(ProtocolError):
        decode_time(data)
