"""The input codec: round trips, one encoding each, the published vectors, and bytes of any kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statesync.errors import MalformedInput
from statesync.input_codec import RENDER_STEPS, InputMessage, decode, encode, reconstruct

VECTORS = json.loads(Path("docs/protocol/vectors/statesync.json").read_text())["inputs"]
LAST_TICK = 2**32 - 1


@st.composite
def messages(draw) -> tuple[InputMessage, int]:
    size = draw(st.integers(1, 64) | st.integers(1, 9))
    alphabet = draw(st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=3))
    inputs = draw(st.lists(st.sampled_from(alphabet), min_size=1, max_size=16))
    newest = draw(st.integers(len(inputs) - 1, LAST_TICK) | st.integers(15, 40))
    near = st.integers(max(0, newest - 2**15 + 1), min(LAST_TICK, newest + 2**15))
    snapshot = draw(st.none() | near)
    steps = draw(
        st.none() | st.integers(max(0, newest * 256 - 2**23 + 1), min(LAST_TICK * 256, newest * 256 + 2**23))
    )
    render = None if steps is None else steps / RENDER_STEPS
    return InputMessage(newest, tuple(inputs), snapshot, render), size


@given(messages())
def test_what_is_encoded_is_decoded(case):
    message, size = case
    assert decode(encode(message, size), size) == message


@given(st.binary(max_size=60), st.integers(1, 20))
def test_any_bytes_are_one_message_in_its_one_encoding_or_malformed(data, size):  # SYNC-2-5, SYNC-2-6
    try:
        message = decode(data, size)
    except MalformedInput:
        return
    assert encode(message, size) == data


@given(messages(), st.data())
@settings(max_examples=200)
def test_damaged_messages_are_canonical_or_malformed(case, data):
    message, size = case
    damaged = bytearray(encode(message, size))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(max(0, len(damaged) - 3), len(damaged)))]
    try:
        got = decode(bytes(damaged), size)
    except MalformedInput:
        return
    assert encode(got, size) == bytes(damaged)


@pytest.mark.parametrize("vector", VECTORS["good"], ids=lambda vector: vector["name"])
# SYNC-2-1, SYNC-2-3
def test_good_vectors(vector):
    message = InputMessage(
        vector["newest"],
        tuple(map(bytes.fromhex, vector["inputs"])),
        vector["last_snapshot"],
        vector["render_tick"],
    )
    data = bytes.fromhex(vector["bytes"])
    assert decode(data, vector["input_bytes"]) == message
    assert encode(message, vector["input_bytes"]) == data


@pytest.mark.parametrize("vector", VECTORS["bad"], ids=lambda vector: vector["name"])
# SYNC-2-1, SYNC-2-2, SYNC-2-3, SYNC-2-4
def test_bad_vectors(vector):
    with pytest.raises(MalformedInput):
        decode(bytes.fromhex(vector["bytes"]), vector["input_bytes"])


def test_unchanged_inputs_cost_one_bit_each():
    one = encode(InputMessage(100, (bytes(8),)), 8)
    nine = encode(InputMessage(100, (bytes(8),) * 9), 8)
    assert len(nine) == len(one) + 1


@given(st.integers(0, 2**16 - 1), st.integers(0, 2**20))
# SYNC-2-3
def test_low_bits_become_the_nearest_number(low, near):
    value = reconstruct(low, 16, near)
    assert value % 2**16 == low
    assert near - 2**15 < value <= near + 2**15


@pytest.mark.parametrize(
    ("message", "size", "reason"),
    [
        (InputMessage(0, ()), 1, "1 to 16 inputs"),
        (InputMessage(99, (b"x",) * 17), 1, "1 to 16 inputs"),
        (InputMessage(2, (b"x",) * 4), 1, "newest must be within 3"),
        (InputMessage(2**32, (b"x",)), 1, "newest must be within 0"),
        (InputMessage(5, (b"xx",)), 1, "must have 1 bytes"),
        (InputMessage(5, (b"x", b"")), 1, "one has 0"),
        (InputMessage(5, (b"",)), 0, "1 to 64 bytes"),
        (InputMessage(5, (bytes(65),)), 65, "1 to 64 bytes"),
        (InputMessage(40_000, (b"x",), 40_000 - 2**15), 1, "last_snapshot"),
        (InputMessage(5, (b"x",), 6 + 2**15), 1, "last_snapshot"),
        (InputMessage(5, (b"x",), -1), 1, "last_snapshot"),
        (InputMessage(5, (b"x",), None, 40_000.0), 1, "render_tick"),
    ],
)
def test_a_message_the_format_cannot_hold_is_the_callers_mistake(message, size, reason):
    with pytest.raises(ValueError, match=reason) as refusal:
        encode(message, size)
    assert not isinstance(refusal.value, MalformedInput)
