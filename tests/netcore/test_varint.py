"""Varints: RFC 9000's own examples, one form for each value; truncated numbers restored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.errors import ProtocolError
from netcore.varint import MAX_VARINT, SHORT_VARINTS, decode_varint, encode_varint, restore_u16

VECTORS = json.loads((Path(__file__).parents[2] / "docs/protocol/vectors/varint.json").read_text())


@pytest.mark.parametrize("case", VECTORS["good"], ids=lambda case: case["bytes"])
# NCP-2-3
def test_vector(case):
    data = bytes.fromhex(case["bytes"])
    assert decode_varint(data) == (int(case["value"]), len(data))
    assert encode_varint(int(case["value"])) == data


@pytest.mark.parametrize("case", VECTORS["bad"], ids=lambda case: case["why"])
# NCP-2-4
def test_bad_vector_is_refused(case):
    with pytest.raises(ProtocolError) as refused:
        decode_varint(bytes.fromhex(case["bytes"]))
    assert refused.value.text == case["error"]


@pytest.mark.parametrize(
    "case", VECTORS["restore_u16"], ids=lambda case: f"{case['truncated']}-{case['expected']}"
)
# NCP-2-5
def test_restore_vector(case):
    assert restore_u16(case["truncated"], int(case["expected"])) == int(case["value"])


@given(st.integers(0, MAX_VARINT), st.binary(max_size=3), st.binary(max_size=3))
def test_round_trip_anywhere_in_a_packet(value, before, after):
    data = before + encode_varint(value) + after
    assert decode_varint(data, len(before)) == (value, len(data) - len(after))


@given(st.binary(max_size=9))
# NCP-2-4
def test_what_is_accepted_is_the_one_form(data):
    try:
        value, end = decode_varint(data)
    except ProtocolError:
        return
    assert encode_varint(value) == data[:end]


@pytest.mark.parametrize("value", [-1, MAX_VARINT + 1])
def test_out_of_range_is_the_callers_mistake(value):
    with pytest.raises(ValueError, match=str(value)):
        encode_varint(value)


def test_the_table_agrees():
    assert all(SHORT_VARINTS[value] == encode_varint(value) for value in range(2048))


@given(st.integers(0, 2**62), st.integers(-0x7FFF, 0x8000))
def test_restored_within_half_the_space(expected, distance):
    number = expected + distance
    if number >= 0:
        assert restore_u16(number & 0xFFFF, expected) == number


@given(st.integers(0, 0xFFFF), st.integers(0, 2**62))
def test_restored_is_never_negative_and_keeps_its_bits(truncated, expected):
    number = restore_u16(truncated, expected)
    assert number >= 0
    assert number & 0xFFFF == truncated
