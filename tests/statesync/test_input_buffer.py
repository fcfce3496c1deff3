"""The server's input buffer: against a reference, bounded against anything, and honest about slack."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.link import LinkModel
from statesync.errors import MalformedInput
from statesync.input_buffer import InputBuffer
from statesync.input_codec import InputMessage, encode
from statesync.inputs import InputSender

HZ = 60.0
NEUTRAL = b"\x00"


def message(newest: int, *inputs: int) -> bytes:
    return encode(InputMessage(newest, tuple(bytes([one]) for one in inputs)), 1)


def test_inputs_are_played_at_their_tick():  # SYNC-2-10
    buffer = InputBuffer(NEUTRAL, HZ)
    buffer.receive(message(2, 10, 11, 12), 0.0)
    assert [buffer.take(tick, tick / HZ) for tick in range(3)] == [b"\x0a", b"\x0b", b"\x0c"]
    assert not buffer.starved


def test_a_gap_repeats_for_a_tenth_of_a_second_then_goes_neutral():  # SYNC-2-11
    buffer = InputBuffer(NEUTRAL, HZ)
    buffer.receive(message(0, 7), 0.0)
    played = [buffer.take(tick, tick / HZ) for tick in range(10)]
    assert played == [b"\x07"] * 7 + [NEUTRAL] * 3
    assert buffer.starved
    assert (buffer.stats.repeated, buffer.stats.neutral) == (6, 3)


def test_nothing_ever_received_is_neutral_from_the_start():
    buffer = InputBuffer(NEUTRAL, HZ)
    assert buffer.take(0, 0.0) == NEUTRAL
    assert buffer.stats.neutral == 1


def test_the_first_word_on_a_tick_holds():
    buffer = InputBuffer(NEUTRAL, HZ)
    buffer.receive(message(3, 1), 0.0)
    buffer.receive(message(3, 2), 0.0)
    assert buffer.take(3, 0.05) == b"\x01"
    assert buffer.stats.duplicate == 1


def test_the_future_is_held_only_so_far():
    buffer = InputBuffer(NEUTRAL, HZ, max_ahead=10)
    buffer.receive(message(9, 1), 0.0)
    buffer.receive(message(10, 1), 0.0)
    buffer.receive(message(2**32 - 1, 1), 0.0)
    assert buffer.stats.early == 2
    assert buffer.newest == 9
    assert len(buffer) == 1


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 16), st.integers(0, 2)), max_size=120))
@settings(max_examples=80)
def test_it_equals_a_reference_and_stays_bounded(events):
    """Messages of any tick between ticks taken in order, with skips."""
    buffer = InputBuffer(NEUTRAL, HZ, max_ahead=50)
    known: dict[int, bytes] = {}
    taken, last_input, last_tick = -1, NEUTRAL, -(10**9)
    for newest, wanted, skip in events:
        count = min(wanted, newest + 1)
        first = newest - count + 1
        inputs = [(tick * 7 + skip) % 256 for tick in range(first, newest + 1)]
        buffer.receive(message(newest, *inputs), taken / HZ)
        for tick, one in zip(range(first, newest + 1), inputs, strict=True):
            if taken < tick <= taken + 50:
                known.setdefault(tick, bytes([one]))
        taken += 1 + skip
        if taken in known:
            expected = last_input = known[taken]
            last_tick = taken
        else:
            expected = last_input if taken - last_tick <= 6 else NEUTRAL
        assert buffer.take(taken, taken / HZ) == expected
        assert buffer.starved == (taken not in known)
        assert len(buffer) == sum(tick > taken for tick in known) <= 50


@given(st.lists(st.binary(max_size=40), max_size=30))
# SYNC-2-7
def test_any_bytes_are_taken_or_malformed_and_counted(datas):
    buffer = InputBuffer(bytes(3), HZ)
    malformed = 0
    for data in datas:
        try:
            buffer.receive(data, 0.0)
        except MalformedInput:
            malformed += 1
    assert buffer.stats.malformed == malformed
    assert len(buffer) <= 128


def test_slack_is_how_early_inputs_come():  # SYNC-2-12
    buffer = InputBuffer(NEUTRAL, HZ)
    assert buffer.slack(0.0) is None
    for tick in range(60):
        now = tick / HZ
        buffer.take(tick, now)
        buffer.receive(message(tick + 3, 1), now + 0.5 / HZ)
    assert buffer.slack(1.0) == pytest.approx(2.5)
    assert buffer.slack(3.0) is None


def test_slack_is_negative_for_inputs_that_come_too_late():
    buffer = InputBuffer(NEUTRAL, HZ)
    for tick in range(60):
        buffer.take(tick, tick / HZ)
        if tick >= 4:
            buffer.receive(message(tick - 4, 1), tick / HZ)
    assert buffer.slack(1.0) == pytest.approx(-4)
    assert buffer.stats.late == 56


def test_slack_tells_of_the_worst_inputs_not_of_the_middle():
    buffer = InputBuffer(NEUTRAL, HZ)
    for tick in range(60):
        buffer.take(tick, tick / HZ)
        buffer.receive(message(tick + 5, 1), tick / HZ + (3 / HZ if tick % 15 == 14 else 0))
    assert buffer.slack(1.0) == pytest.approx(2, abs=0.1)


def test_a_repetition_does_not_count_for_slack():
    buffer = InputBuffer(NEUTRAL, HZ)
    buffer.take(0, 0.0)
    buffer.receive(message(5, 1), 0.0)
    for _ in range(50):
        buffer.receive(message(5, 1), 0.07)
    assert buffer.slack(0.1) == pytest.approx(5)


def test_under_loss_below_sixteen_in_a_row_every_tick_has_its_input():
    sender, buffer = InputSender(1), InputBuffer(NEUTRAL, HZ)
    link = LinkModel(3, delay_s=0.02, jitter_s=0.01, loss=0.3)
    underway: list[tuple[float, bytes]] = []
    lead = 16
    for tick in range(1200):
        now = tick / HZ
        sender.push(tick + lead, bytes([tick % 251]))
        underway += link.transmit(sender.message(), now)
        underway.sort(reverse=True)
        while underway and underway[-1][0] <= now:
            buffer.receive(underway.pop()[1], now)
        if buffer.newest is not None:
            sender.confirm(buffer.newest)
        data = buffer.take(tick, now)
        if tick >= lead:
            assert data == bytes([(tick - lead) % 251])
    assert buffer.stats.repeated == 0


def test_misuse_is_refused():
    buffer = InputBuffer(NEUTRAL, HZ, first_tick=100)
    buffer.take(100, 0.0)
    with pytest.raises(ValueError, match="tick 100 was taken, the next is 101"):
        buffer.take(100, 0.0)
    with pytest.raises(ValueError, match="empty"):
        InputBuffer(b"", HZ)
    with pytest.raises(ValueError, match="positive"):
        InputBuffer(NEUTRAL, 0)
