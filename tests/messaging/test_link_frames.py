"""Link frames: what WebSocket messages carry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.link_frames import MAX_KEY, LinkFrame, encode_frame, iterate_frames
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from netcore.errors import ProtocolError

frames = st.builds(
    lambda lane, kind, key, data: LinkFrame(lane, kind, key if kind is Delivery.SEQUENCED else 0, data),
    st.integers(0, 63),
    st.sampled_from(Delivery),
    st.integers(0, MAX_KEY),
    st.binary(max_size=300),
)


@given(st.lists(frames, min_size=1, max_size=6))
def test_frames_come_back_as_they_were_written(written: list[LinkFrame]) -> None:
    data = b"".join(encode_frame(*frame) for frame in written)
    assert list(iterate_frames(data)) == written


@given(st.lists(frames, min_size=1, max_size=3), st.data())
def test_a_byte_string_cut_anywhere_inside_its_last_frame_is_refused(
    written: list[LinkFrame], draw: st.DataObject
) -> None:
    before = b"".join(encode_frame(*frame) for frame in written[:-1])
    last = encode_frame(*written[-1])
    cut = draw.draw(st.integers(1, len(last) - 1))
    with pytest.raises(ProtocolError) as caught:
        list(iterate_frames(before + last[:cut]))
    assert caught.value.code == CloseCode.FRAME_ENCODING


@given(st.binary(max_size=40))
def test_any_bytes_are_frames_or_a_protocol_error_and_what_was_read_encodes_to_the_same_bytes(
    data: bytes,
) -> None:
    try:
        found = list(iterate_frames(data))
    except ProtocolError:
        return
    assert b"".join(encode_frame(*frame) for frame in found) == data


def test_the_layout_is_the_documented_one() -> None:
    assert encode_frame(8, Delivery.ORDERED, 0, b"ab") == bytes.fromhex("c8026162")
    assert encode_frame(3, Delivery.SEQUENCED, 0x1234, b"") == bytes.fromhex("43523400")
    assert encode_frame(0, Delivery.UNRELIABLE, 0, b"x" * 64)[:3] == bytes.fromhex("004040")


@pytest.mark.parametrize("data", ["", "c8", "c84001aa", "c880000001aa", "c8c00000000000000001aa", "4380"])
def test_malformed_frames_are_refused(data: str) -> None:
    with pytest.raises(ProtocolError):
        list(iterate_frames(bytes.fromhex(data)))


def test_a_message_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    at_limit = encode_frame(8, Delivery.ORDERED, 0, bytes(100))
    assert len(next(iterate_frames(at_limit, max_data_bytes=100)).data) == 100
    with pytest.raises(ProtocolError) as caught:
        list(iterate_frames(encode_frame(8, Delivery.ORDERED, 0, bytes(101)), max_data_bytes=100))
    assert caught.value.code == CloseCode.LIMIT_EXCEEDED


def test_a_length_above_the_limit_is_refused_before_its_bytes_are_there() -> None:
    with pytest.raises(ProtocolError) as caught:
        list(iterate_frames(bytes.fromhex("c8bfffffff")))
    assert caught.value.code == CloseCode.LIMIT_EXCEEDED


@pytest.mark.parametrize(("lane", "key"), [(64, 0), (-1, 0), (3, MAX_KEY + 1), (3, -1)])
def test_a_callers_number_out_of_range_is_a_value_error(lane: int, key: int) -> None:
    with pytest.raises(ValueError, match="not in"):
        encode_frame(lane, Delivery.SEQUENCED, key, b"")
