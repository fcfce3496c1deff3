"""Frames, commands and events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.messages import (
    COMMANDS,
    Command,
    MessageError,
    SeatReport,
    SnapshotFrame,
    decode_command,
    decode_event,
    encode_command,
    encode_event,
)

slacks = st.one_of(st.none(), st.integers(-127, 127).map(lambda quarters: quarters / 4))


@given(
    st.integers(0, 255),
    st.integers(1, 2**32 - 1),
    st.lists(st.tuples(st.integers(-30000, 32000), slacks), min_size=1, max_size=16),
    st.binary(max_size=60),
)
def test_a_frame_gives_back_what_went_in(
    match: int, tick: int, seats: list[tuple[int, float | None]], state: bytes
) -> None:
    reports = tuple(SeatReport(max(0, tick + ahead), slack) for ahead, slack in seats)
    frame = SnapshotFrame(match, tick, reports, state)
    assert SnapshotFrame.decode(frame.encode()) == frame


def test_a_frame_of_two_seats_has_twelve_bytes_before_the_state() -> None:
    seats = (SeatReport(0, None), SeatReport(90, 1.6))
    data = SnapshotFrame(1, 100, seats, b"STATE").encode()
    assert data == bytes.fromhex("01 00000064 02 8000 80 fff6 06") + b"STATE"


def test_slack_and_input_ticks_out_of_range_are_clamped() -> None:
    seats = (SeatReport(10**6, 1e9), SeatReport(1, -1e9))
    decoded = SnapshotFrame.decode(SnapshotFrame(1, 200_000, seats, b"").encode())
    assert decoded.seats[0] == SeatReport(200_000 + 32767, 31.75)
    assert decoded.seats[1] == SeatReport(200_000 - 32767, -31.75)


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_a_frame_or_a_message_error(data: bytes) -> None:
    try:
        frame = SnapshotFrame.decode(data)
    except MessageError:
        return
    assert 1 <= len(frame.seats) <= 16


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_commands_give_back_what_went_in(command: str) -> None:
    assert decode_command(encode_command(command)) == Command(command)


def test_only_sit_names_a_seat() -> None:
    assert decode_command(encode_command("sit", 5)) == Command("sit", 5)
    for bad in (
        b'{"command":"ready","seat":1}',
        b'{"command":"sit","seat":16}',
        b'{"command":"sit","seat":-1}',
    ):
        with pytest.raises(MessageError):
            decode_command(bad)
    for value in (b"true", b"1.0", b'"1"', b"[1]"):
        with pytest.raises(MessageError):
            decode_command(b'{"command":"sit","seat":' + value + b"}")


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_no_command(data: bytes) -> None:
    with pytest.raises(MessageError):
        decode_command(data)


@pytest.mark.parametrize("event", [{"event": "start", "match": 1}, {"event": "x", "name": "Jörg"}])
def test_events_give_back_what_went_in(event: dict[str, Any]) -> None:
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize("data", [b"{}", b'{"event":1}', b"null", b"{" * 5000, b" " * 9000, b"1" * 5000])
def test_bad_events_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        decode_event(data)
