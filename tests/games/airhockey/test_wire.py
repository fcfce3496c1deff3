"""Inputs and snapshots as bytes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games.airhockey import rules, wire
from games.airhockey.rules import MatchOptions
from games.airhockey.state import canonical_bytes, initial_state
from games.airhockey.wire import WireError


def test_a_snapshot_is_the_state_bit_for_bit_at_every_tick_of_a_match() -> None:
    options, chance = MatchOptions(3, 60), random.Random(1)
    state = rules.start(3)
    targets = [(0, 0), (0, 0)]
    for _ in range(options.time_limit_ticks + 3700):
        if chance.random() < 0.1:
            targets = [(chance.randint(-9000, 9000), chance.randint(-16000, 16000)) for _ in range(2)]
        state = rules.step(state, [targets[0], targets[1]], options)
        data = wire.encode_snapshot(state)
        assert len(data) == wire.SNAPSHOT_BYTES == 36
        assert canonical_bytes(wire.decode_snapshot(data, state.tick)) == canonical_bytes(state)
        if state.is_over:
            break
    assert state.is_over


def test_the_view_can_go_on_from_a_snapshot_exactly_as_the_server_does() -> None:
    options = MatchOptions()
    state = rules.start(9)
    for _ in range(300):
        state = rules.step(state, [(500, -9000), (0, 9000)], options)
    copy = wire.decode_snapshot(wire.encode_snapshot(state), state.tick)
    for _ in range(300):
        state = rules.step(state, [(500, -3000), (0, 9000)], options)
        copy = rules.step(copy, [(500, -3000), (0, 9000)], options)
    assert copy == state


@given(st.binary(max_size=50))
def test_arbitrary_bytes_are_refused_or_a_possible_state(data: bytes) -> None:
    try:
        state = wire.decode_snapshot(data, 1)
    except WireError:
        return
    rules.step(state, [None, None], MatchOptions())


@settings(max_examples=300)
@given(st.integers(0, 35), st.integers(0, 255))
def test_a_changed_byte_gives_an_error_or_a_state_that_encodes_to_it(place: int, value: int) -> None:
    data = bytearray(wire.encode_snapshot(initial_state(5)))
    data[place] = value
    try:
        state = wire.decode_snapshot(bytes(data), 1)
    except WireError:
        return
    assert wire.encode_snapshot(state) == bytes(data)


@given(st.integers(-32767, 32767), st.integers(-32768, 32767))
def test_inputs_give_back_what_went_in(x: int, y: int) -> None:
    assert wire.decode_input(wire.encode_input((x, y))) == (x, max(-32767, y))


def test_targets_beyond_sixteen_bits_are_clamped_and_never_become_the_neutral_input() -> None:
    assert wire.decode_input(wire.encode_input((-(10**9), 10**9))) == (-32767, 32767)
    assert wire.decode_input(wire.encode_input(None)) is None
    assert bytes.fromhex("80008000") == wire.NEUTRAL


@pytest.mark.parametrize("data", [b"", b"abc", b"abcde"])
def test_inputs_of_another_length_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        wire.decode_input(data)
