"""Claims: which session, generation and transport a token is for."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.claims import TRANSPORTS, Claims, decode_claims, encode_claims
from netcore.errors import ProtocolError


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**32 - 1), st.sampled_from(sorted(TRANSPORTS)))
def test_claims_come_back_as_they_were(session_id, generation, transport):
    claims = Claims(session_id, generation, transport)
    data = encode_claims(claims)
    assert len(data) == 21
    assert decode_claims(data) == claims


@given(st.binary(max_size=24))
def test_any_bytes_are_claims_or_refused(data):
    with contextlib.suppress(ProtocolError):
        assert encode_claims(decode_claims(data)) == data


@pytest.mark.parametrize("data", [b"", bytes(20), bytes(22), bytes(20) + b"\x00", bytes(20) + b"\x07"])
def test_other_lengths_and_transports_are_refused(data):
    with pytest.raises(ProtocolError):
        decode_claims(data)


@pytest.mark.parametrize(
    "claims", [Claims(bytes(15), 0, "udp"), Claims(bytes(16), 1 << 32, "udp"), Claims(bytes(16), 0, "pigeon")]
)
def test_a_caller_mistake_is_a_value_error(claims):
    with pytest.raises(ValueError):
        encode_claims(claims)
