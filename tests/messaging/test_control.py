"""Control messages: strict, bounded, and canonical enough that nothing strange passes."""

from __future__ import annotations

import contextlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.control import (
    MAX_CONTROL_BYTES,
    MAX_DEPTH,
    MAX_ITEMS,
    Attach,
    Away,
    Back,
    ErrorNotice,
    Joined,
    Leave,
    Left,
    Op,
    StreamAck,
    TypeName,
    Welcome,
    check_metadata,
    decode_control,
    encode_link_control,
    encode_stream_control,
)
from netcore.errors import ProtocolError

numbers = st.integers(0, 2**62 - 1)
indexes = st.integers(1, 0xFFFF)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
metadata = st.dictionaries(texts, json_values, max_size=4)

link_messages = st.one_of(
    st.builds(Attach, numbers),
    st.builds(StreamAck, numbers),
    st.builds(
        Welcome, numbers, st.booleans(), numbers, indexes, texts, texts, st.booleans(), st.booleans(),
        st.none() | texts, texts, numbers,
    ),
)  # fmt: skip
stream_messages = st.one_of(
    st.builds(
        Joined,
        indexes,
        texts,
        st.integers(0, 2**48 - 1),
        metadata,
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(Left, indexes, texts),
    st.builds(Away, indexes),
    st.builds(Back, indexes),
    st.builds(TypeName, st.integers(0, 2**14 - 1), texts),
    st.builds(ErrorNotice, numbers, texts, st.none() | st.integers(0, 0xFFFF)),
    st.just(Leave()),
)


@given(link_messages)
def test_link_scoped_messages_come_back_as_they_were(message):
    assert decode_control(encode_link_control(message)) == (message, None)


@given(stream_messages, st.integers(0, 0xFFFF))
def test_messages_in_the_stream_come_back_with_their_number(message, number):
    head, body = encode_stream_control(message)
    assert decode_control(head + number.to_bytes(2, "big") + body) == (message, number)


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(data):
    with contextlib.suppress(ProtocolError):
        decode_control(data)


any_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=9)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=9)
        | st.dictionaries(texts | st.binary(max_size=3) | st.integers(0, 9), inner, max_size=9)
    ),
    max_leaves=20,
)


@given(st.sampled_from(list(Op)), any_values)
def test_any_body_is_decoded_or_refused(op, body):
    number = b"\0\1" if op >= 0x40 else b""
    with contextlib.suppress(ProtocolError):
        decode_control(bytes([op]) + number + msgpack.packb(body))


def body(value):
    return msgpack.packb(value)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "control_empty"),
        (b"\x7f\0\1\x90", "control_op"),
        (b"\x00\x90", "control_op"),
        (b"\x40\0", "control_truncated"),
        (b"\x01", "control_body"),
        (b"\x01" + body([]), "control_fields"),
        (b"\x01" + body({}), "control_fields"),
        (b"\x01" + body({"received": -1}), "control_number"),
        (b"\x01" + body({"received": True}), "control_number"),
        (b"\x01" + body({"received": 1.0}), "control_number"),
        (b"\x01" + body({"received": 2**62}), "control_number"),
        (b"\x01" + body({"received": 1}) + b"\0", "control_body"),
        (b"\x01" + body({"received": 1, 5: 1}), "control_body"),
        (b"\x01\x82" + 2 * (body("received") + b"\1"), "control_body"),
        (b"\x01" + body({"received": 1, "x": [0] * (MAX_ITEMS + 1)}), "control_body"),
        (b"\x01" + body({"received": 1, "x": b"bytes"}), "control_body"),
        (b"\x01" + body({"received": 1, "x": msgpack.ExtType(5, b"abcd")}), "control_body"),
        (b"\x01\x81\xa8received\xc1", "control_body"),
        (b"\x01\x81\xa9\xed\xa0\x80eceiv\xff\1", "control_body"),
        (b"\x42\0\1" + body([0]), "control_number"),
        (b"\x42\0\1" + body([65536]), "control_number"),
        (b"\x42\0\1" + body([]), "control_fields"),
        (b"\x41\0\1" + body([1, None]), "control_text"),
        (b"\x41\0\1" + body([1, "x" * 257]), "control_text"),
        (b"\x40\0\1" + body([1, "n", 0, [], False, False]), "control_metadata"),
        (b"\x40\0\1" + body([1, "n", 0, {"a": float("nan")}, False, False]), "control_metadata"),
        (b"\x40\0\1" + body([1, "n", 0, {}, 0, False]), "control_flag"),
    ],
)
# MSG-1-3, MSG-1-4
def test_bad_messages_are_refused_by_name(data, text):
    with pytest.raises(ProtocolError) as caught:
        decode_control(data)
    assert caught.value.text == text


# MSG-1-4
def test_fields_of_a_later_version_are_passed_over():
    assert decode_control(b"\x01" + body({"received": 1, "later": [1, {}]}))[0] == Attach(1)
    assert decode_control(b"\x42\0\1" + body([7, "later"]))[0] == Away(7)


def test_a_joined_of_six_fields_is_not_resumed():
    message, _ = decode_control(b"\x40\0\1" + body([1, "n", 5, {"a": 1}, True, False]))
    assert message == Joined(1, "n", 5, {"a": 1}, True, False, False)


def test_length_holds_at_the_limit_and_breaks_one_above():
    def of_length(size):
        text = "x" * (size - 17)
        data = b"\x01" + body({"received": 1, "x": text})
        assert len(data) == size
        return data

    decode_control(of_length(MAX_CONTROL_BYTES))
    with pytest.raises(ProtocolError) as caught:
        decode_control(of_length(MAX_CONTROL_BYTES + 1))
    assert caught.value.text == "control_too_long"


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


# MSG-1-3
def test_metadata_depth_and_width_hold_at_the_limit_and_break_one_above():
    check_metadata(nested(MAX_DEPTH), 1024)
    check_metadata({"a": [0] * MAX_ITEMS}, 1024)
    for bad in (nested(MAX_DEPTH + 1), {"a": [0] * (MAX_ITEMS + 1)}):
        with pytest.raises(ValueError):
            check_metadata(bad, 1024)


def test_metadata_size_holds_at_the_limit_and_breaks_one_above():
    check_metadata({"a": "x" * 100}, 105)
    with pytest.raises(ValueError, match="105 bytes, must have at most 104"):
        check_metadata({"a": "x" * 100}, 104)


@pytest.mark.parametrize(
    "bad",
    [{1: 2}, {"a": b"x"}, {"a": float("inf")}, {"a": 2**64}, {"a": {2: 3}}, {"a": "\ud800"}, {"a": object()}],
)
def test_metadata_of_other_types_is_refused(bad):
    with pytest.raises(ValueError):
        check_metadata(bad, 1024)


@given(metadata)
def test_accepted_metadata_always_fits_into_joined(value):
    try:
        check_metadata(value, 1024)
    except ValueError:
        return
    head, packed = encode_stream_control(Joined(1, "n", 0, value))
    assert decode_control(head + b"\0\1" + packed)[0].metadata == value


def test_deep_nesting_is_refused_without_a_stack_trace():
    with pytest.raises(ProtocolError):
        decode_control(b"\x40\0\1" + b"\x91" * 4000 + b"\xc0")


def test_chosen_integer_keys_are_refused():
    """A14: keys that all collide in a dict must not reach one."""
    keys = b"\x01\xde\0\x40" + b"".join(
        b"\xcf" + (n * (2**61 - 1)).to_bytes(8, "big") + b"\1" for n in range(1, 9)
    )
    with pytest.raises(ProtocolError):
        decode_control(keys)
