"""Prediction and reconciliation, with a server that sees every input, some of them, or others."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.link import LinkModel
from statesync.input_buffer import InputBuffer
from statesync.inputs import InputSender
from statesync.predict import Predictor


def step(state: tuple[int, int], data: int) -> tuple[int, int]:
    """A small world that never forgets: position and speed, both from all inputs before."""
    speed = (state[1] * 7 + data) % 1009
    return (state[0] + speed) % 65_537, speed


def equal(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one == other


START = (5, 1)


def make(**options) -> Predictor[tuple[int, int], int]:
    return Predictor(step, equal, 0, START, **options)


def play(inputs: list[int]) -> list[tuple[int, int]]:
    states = [START]
    for data in inputs:
        states.append(step(states[-1], data))
    return states


@given(st.lists(st.integers(0, 255), min_size=1, max_size=60), st.integers(0, 20))
def test_equal_steps_and_inputs_need_no_correction(inputs, lag):
    truth, predictor = play(inputs), make()
    for tick, data in enumerate(inputs, start=1):
        assert predictor.advance(data) == truth[tick]
        if tick > lag:
            assert not predictor.reconcile(tick - lag, truth[tick - lag])
    assert predictor.corrections == 0
    assert (predictor.tick, predictor.state) == (len(inputs), truth[-1])
    assert len(predictor) == min(lag, len(inputs))


@given(
    st.lists(st.tuples(st.integers(0, 255), st.booleans()), min_size=1, max_size=80),
    st.integers(0, 20),
    st.sets(st.integers(0, 80)),
)
@settings(max_examples=80)
def test_whatever_the_server_played_the_state_converges_to_its(events, lag, lost_snapshots):
    """The server plays 0 instead of the inputs that it misses; some of its snapshots are lost."""
    own = [data for data, _ in events]
    truth, predictor = play([data if arrived else 0 for data, arrived in events]), make()
    for tick, data in enumerate(own, start=1):
        predictor.advance(data)
        if tick > lag and tick - lag not in lost_snapshots:
            predictor.reconcile(tick - lag, truth[tick - lag])
            expected = truth[tick - lag]
            for later in own[tick - lag : tick]:
                expected = step(expected, later)
            assert predictor.state == expected
    predictor.reconcile(len(own), truth[-1])
    assert predictor.state == truth[-1]
    assert len(predictor) == 0


def test_a_correction_happens_once_for_one_difference():
    truth, predictor = play([1, 2, 0, 4, 5, 6]), make()
    for data in (1, 2, 3, 4, 5, 6):
        predictor.advance(data)
    assert [predictor.reconcile(tick, truth[tick]) for tick in range(1, 7)] == [False, False, True] + [
        False
    ] * 3
    assert predictor.corrections == 1


def test_states_that_come_twice_or_in_the_wrong_order_are_ignored():
    truth, predictor = play([1, 2, 3]), make()
    for data in (1, 2, 3):
        predictor.advance(data)
    predictor.reconcile(2, truth[2])
    assert not predictor.reconcile(2, (0, 0))
    assert not predictor.reconcile(1, (0, 0))
    assert predictor.ignored == 2
    assert predictor.state == truth[3]


def test_a_server_ahead_of_the_client_is_followed():
    predictor = make()
    predictor.advance(1)
    assert predictor.reconcile(40, (9, 9))
    assert (predictor.tick, predictor.state, len(predictor)) == (40, (9, 9), 0)
    assert predictor.advance(3) == step((9, 9), 3)


def test_memory_is_bounded_and_what_was_forgotten_is_not_judged():
    predictor = make(capacity=10)
    truth = play([7] * 30)
    for _ in range(30):
        predictor.advance(7)
    assert len(predictor) == 10
    assert not predictor.reconcile(20, (0, 0))
    assert predictor.ignored == 1
    assert not predictor.reconcile(21, truth[21])
    assert predictor.reconcile(22, (0, 0))
    with pytest.raises(ValueError, match="capacity"):
        make(capacity=0)


def test_equality_may_be_coarse():
    predictor = Predictor(
        lambda state, data: state + data, lambda a, b: math.isclose(a, b, abs_tol=0.01), 0, 0.0
    )
    predictor.advance(1.0)
    predictor.advance(1.0)
    assert not predictor.reconcile(1, 1.001)
    assert predictor.state == 2.0
    assert predictor.reconcile(2, 2.5)
    assert predictor.state == 2.5


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.3])
def test_through_the_input_codec_over_a_path_with_loss(loss):
    """Client and server play the same world through real messages; afterwards both have the same state."""
    hz, lead, ticks = 60.0, 4, 1500
    sender, buffer, predictor = InputSender(1), InputBuffer(b"\x00", hz, first_tick=1), make()
    up = LinkModel(5, delay_s=0.030, jitter_s=0.010, loss=loss)
    down = LinkModel(6, delay_s=0.030, jitter_s=0.010, loss=loss)
    inputs: list[tuple[float, bytes]] = []
    snapshots: list[tuple[float, int, tuple[int, int], int | None]] = []
    server = START
    for tick in range(1, ticks):
        now = tick / hz
        while inputs and inputs[0][0] <= now:
            buffer.receive(inputs.pop(0)[1], now)
        server = step(server, buffer.take(tick, now)[0])
        if tick % 3 == 0:
            snapshots += [(when, tick, server, buffer.newest) for when, _ in down.transmit(b"", now)]
            snapshots.sort(key=lambda snapshot: snapshot[0])
        while snapshots and snapshots[0][0] <= now:
            _, seen, state, confirmed = snapshots.pop(0)
            if confirmed is not None:
                sender.confirm(confirmed)
            predictor.reconcile(seen, state)
        while predictor.tick < tick + lead:
            data = (predictor.tick // 20 * 31) % 251 if tick < ticks - 200 else 0
            predictor.advance(data)
            sender.push(predictor.tick, bytes([data]))
            inputs += up.transmit(sender.message(), now)
            inputs.sort()
    for snapshot in snapshots:
        predictor.reconcile(snapshot[1], snapshot[2])
    expected = server
    for _ in range(lead):
        expected = step(expected, 0)
    assert predictor.state == expected
    assert predictor.corrections == 0 if loss == 0.0 else predictor.corrections < 200
