from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.codes import CloseCode
from netcore.datagrams import (
    HELLO_BYTES,
    Hello,
    decode_accept,
    decode_hello,
    decode_reset,
    decode_retry,
    decode_versions,
    encode_accept,
    encode_reset,
    encode_retry,
    encode_versions,
    hello_attempt_id,
)
from netcore.errors import ProtocolError
from netcore.token import VERSION

ATTEMPT = st.binary(min_size=8, max_size=8)
U32 = st.integers(0, 2**32 - 1)
HELLOS = st.builds(
    Hello,
    version=st.just(VERSION),
    attempt_id=ATTEMPT,
    app_id=st.integers(0, 2**64 - 1),
    cookie=st.just(b"") | st.binary(min_size=24, max_size=24),
    token=st.binary(min_size=26, max_size=900),
    message=st.binary(min_size=48, max_size=200),
)
DECODERS: list[Callable[[bytes], object]] = [
    decode_hello,
    decode_retry,
    decode_accept,
    decode_versions,
    decode_reset,
]


@given(HELLOS)
def test_hello_goes_there_and_back(hello: Hello) -> None:
    data = hello.encode()
    assert len(data) == HELLO_BYTES
    assert decode_hello(data) == hello
    assert hello_attempt_id(data) == hello.attempt_id


@given(ATTEMPT, st.binary(min_size=24, max_size=24))
def test_retry_goes_there_and_back(attempt: bytes, cookie: bytes) -> None:
    data = encode_retry(attempt, cookie)
    assert len(data) == 38
    assert decode_retry(data) == (attempt, cookie)


@given(ATTEMPT, st.binary(min_size=48, max_size=600))
def test_accept_goes_there_and_back(attempt: bytes, message: bytes) -> None:
    assert decode_accept(encode_accept(attempt, message)) == (attempt, message)


@given(ATTEMPT, st.lists(U32, min_size=1, max_size=16))
def test_versions_goes_there_and_back(attempt: bytes, versions: list[int]) -> None:
    assert decode_versions(encode_versions(attempt, versions)) == (attempt, tuple(versions))


@given(st.binary(min_size=16, max_size=16))
def test_reset_goes_there_and_back(token: bytes) -> None:
    data = encode_reset(token)
    assert len(data) == 17
    assert decode_reset(data) == token


@given(st.binary(max_size=1300), st.sampled_from(range(8, 13)))
def test_random_bytes_raise_nothing_but_the_one_error(data: bytes, first: int) -> None:
    for candidate in (data, bytes((first,)) + data, (bytes((first,)) + data).ljust(1200, b"\0")[:1200]):
        for decode in DECODERS:
            with contextlib.suppress(ProtocolError):
                decode(candidate)


@given(HELLOS, st.data())
# NCP-3-5
def test_a_hello_has_one_form_only(hello: Hello, data: st.DataObject) -> None:
    encoded = bytearray(hello.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, HELLO_BYTES - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode_hello(bytes(encoded))
    except ProtocolError:
        return
    assert decoded.encode() == bytes(encoded)


@given(st.binary(max_size=1300))
def test_an_answer_has_one_form_only(data: bytes) -> None:
    pairs: list[tuple[Callable[[bytes], tuple[bytes, object]], Callable[..., bytes]]] = [
        (decode_retry, encode_retry),
        (decode_accept, encode_accept),
        (decode_versions, encode_versions),
    ]
    for first, (decode, encode) in zip((9, 10, 11), pairs, strict=True):
        for tail in (data, VERSION.to_bytes(4, "big") + data):
            candidate = bytes((first,)) + tail
            with contextlib.suppress(ProtocolError):
                assert encode(*decode(candidate)) == candidate


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="1200"):
        Hello(VERSION, bytes(8), 1, bytes(24), bytes(900), bytes(251)).encode()
    assert len(Hello(VERSION, bytes(8), 1, bytes(24), bytes(900), bytes(250)).encode()) == HELLO_BYTES


def test_another_version_is_told_apart_before_the_rest_is_read() -> None:
    # NCP-3-6
    data = b"\x08" + b"\0\0\0\5" + b"attempt!" + b"\xff" * 1187
    with pytest.raises(ProtocolError) as caught:
        decode_hello(data)
    assert caught.value.code == CloseCode.VERSION
    assert hello_attempt_id(data) == b"attempt!"


# NCP-4-2
def test_the_length_limits_of_the_token() -> None:
    base = Hello(VERSION, bytes(8), 1, b"", bytes(26), bytes(48))
    for size in (26, 900):
        decode_hello(base._replace(token=bytes(size)).encode())
    for size in (25, 901):
        with pytest.raises(ProtocolError, match="hello_token_length"):
            decode_hello(base._replace(token=bytes(size)).encode())
    with pytest.raises(ProtocolError, match="hello_message_length"):
        decode_hello(base._replace(message=bytes(47)).encode())
