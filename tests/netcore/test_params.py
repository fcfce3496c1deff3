from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.config import ConnectionConfig
from netcore.errors import ProtocolError
from netcore.params import MAX_PARAMS_BYTES, Params, promise_of
from netcore.varint import encode_varint

PARAMS = st.builds(
    Params,
    idle_timeout_s=st.integers(100, 3_600_000).map(lambda ms: ms / 1000),
    max_udp_payload=st.integers(1200, 65_527),
    max_message=st.integers(1, 1 << 30),
    recv_budget=st.integers(1, 1 << 30),
    versions=st.lists(st.integers(0, 2**32 - 1), max_size=16).map(tuple),
    cid=st.none() | st.integers(0, 2**32 - 1),
    reset_token=st.just(b"") | st.binary(min_size=16, max_size=16),
    server_time_us=st.none() | st.integers(0, 2**64 - 1),
    claims=st.binary(max_size=512),
)


@given(PARAMS)
def test_what_was_encoded_is_decoded(params: Params) -> None:
    assert Params.decode(params.encode()) == params


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_the_one_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        Params.decode(data)


@given(PARAMS, st.data())
def test_a_damaged_list_raises_nothing_but_the_one_error(params: Params, data: st.DataObject) -> None:
    encoded = bytearray(params.encode())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ProtocolError):
        Params.decode(bytes(encoded))


def item(identifier: int, value: bytes) -> bytes:
    return encode_varint(identifier) + encode_varint(len(value)) + value


def test_nothing_means_the_defaults() -> None:
    assert Params.decode(b"") == Params(10.0, 1452, 262_144, 1 << 20)


def test_unknown_ids_are_skipped() -> None:
    # NCP-5-20
    data = item(0, b"x") + item(1, encode_varint(500)) + item(0x0F, b"") + item(0x99, bytes(40))
    assert Params.decode(data) == Params(idle_timeout_s=0.5)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (item(2, encode_varint(1199)), "params_value"),
        (item(2, encode_varint(65_528)), "params_value"),
        (item(1, encode_varint(99)), "params_value"),
        (item(3, encode_varint(0)), "params_value"),
        (item(4, encode_varint((1 << 30) + 1)), "params_value"),
        (item(1, encode_varint(500) + b"\0"), "params_value"),
        (item(5, b""), "params_value"),
        (item(5, bytes(5)), "params_value"),
        (item(5, bytes(68)), "params_value"),
        (item(0x10, bytes(3)), "params_value"),
        (item(0x11, bytes(15)), "params_value"),
        (item(0x12, bytes(9)), "params_value"),
        (item(0x13, bytes(513)), "params_value"),
        (item(2, encode_varint(1300)) + item(1, encode_varint(500)), "params_order"),
        (item(9, b"") + item(9, b""), "params_order"),
        (item(9, bytes(20))[:-1], "params_length"),
        (item(0x99, bytes(MAX_PARAMS_BYTES)), "params_length"),
        (b"\x40\x01\x00", "varint_not_minimal"),
        (b"\x01", "varint_truncated"),
    ],
)
def test_each_rule_has_its_reason(data: bytes, text: str) -> None:
    # NCP-5-20
    with pytest.raises(ProtocolError) as caught:
        Params.decode(data)
    assert caught.value.text == text


@pytest.mark.parametrize(
    "params",
    [
        Params(max_udp_payload=1199),
        Params(idle_timeout_s=0.05),
        Params(versions=tuple(range(17))),
        Params(reset_token=b"short"),
        Params(claims=bytes(513)),
    ],
)
def test_a_caller_that_breaks_a_rule_is_told(params: Params) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        params.encode()


def test_a_configuration_becomes_a_promise() -> None:
    promise = promise_of(ConnectionConfig(idle_timeout_s=3.5, max_message_bytes=5000))
    assert (promise.idle_timeout_s, promise.max_message, promise.cid) == (3.5, 5000, None)
