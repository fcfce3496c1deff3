"""The client's side of inputs: what a message repeats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statesync.input_codec import decode
from statesync.inputs import InputSender


def sender_at(tick: int, **options) -> InputSender:
    sender = InputSender(1, **options)
    for number in range(tick + 1):
        sender.push(number, bytes([number % 256]))
    return sender


def ticks(sender: InputSender) -> list[int]:
    message = decode(sender.message(), sender.input_bytes)
    assert [one[0] for one in message.inputs] == [
        tick % 256 for tick in range(message.oldest, message.newest + 1)
    ]
    return list(range(message.oldest, message.newest + 1))


def test_everything_unconfirmed_is_repeated_up_to_sixteen():  # SYNC-2-8
    assert ticks(sender_at(5)) == [0, 1, 2, 3, 4, 5]
    assert ticks(sender_at(40)) == list(range(25, 41))


def test_what_the_server_has_is_not_repeated():
    sender = sender_at(9)
    sender.confirm(6)
    assert ticks(sender) == [7, 8, 9]
    sender.confirm(9)
    assert ticks(sender) == [9]


def test_a_confirmation_that_makes_no_sense_changes_nothing():
    sender = sender_at(9)
    sender.confirm(6)
    for nonsense in (10, 2**40, 3, -5):
        sender.confirm(nonsense)
    assert ticks(sender) == [7, 8, 9]
    InputSender(1).confirm(3)


def test_redundancy_and_size_can_be_limited():
    assert ticks(sender_at(9, redundancy=0)) == [9]
    assert ticks(sender_at(9, redundancy=2)) == [7, 8, 9]
    assert ticks(sender_at(9, max_inputs=4)) == [6, 7, 8, 9]


def test_a_jump_forward_starts_anew():  # SYNC-2-9
    sender = sender_at(9)
    sender.push(50, b"j")
    sender.push(51, b"k")
    assert decode(sender.message(), 1).inputs == (b"j", b"k")


def test_a_jump_back_starts_anew_and_is_not_taken_for_confirmed():
    sender = sender_at(40)
    sender.confirm(40)
    sender.push(20, b"a")
    sender.push(21, b"b")
    message = decode(sender.message(), 1)
    assert (message.newest, message.inputs) == (21, (b"a", b"b"))


def test_snapshot_and_render_tick_travel_along():
    message = decode(sender_at(9).message(last_snapshot=4, render_tick=2.5), 1)
    assert (message.last_snapshot, message.render_tick) == (4, 2.5)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=60))
def test_a_server_that_misses_fewer_than_sixteen_in_a_row_gets_all(events):
    sender, got, missed = InputSender(1), set(), 0
    for tick, (lost, confirmed_before) in enumerate(events):
        sender.push(tick, bytes([tick]))
        missed = missed + 1 if lost and missed < 15 else 0
        if missed == 0:
            got.update(ticks(sender))
            sender.confirm(tick - confirmed_before)
    if missed == 0:
        assert got == set(range(len(events)))


def test_misuse_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="1 to 64 bytes, not 0"):
        InputSender(0)
    with pytest.raises(ValueError, match="max_inputs"):
        InputSender(1, max_inputs=17)
    with pytest.raises(ValueError, match="redundancy"):
        InputSender(1, redundancy=-1)
    with pytest.raises(ValueError, match="no input"):
        InputSender(1).message()
    with pytest.raises(ValueError, match="must have 2 bytes, got 1"):
        InputSender(2).push(0, b"x")
    with pytest.raises(ValueError, match="from 0"):
        InputSender(1).push(-1, b"x")
