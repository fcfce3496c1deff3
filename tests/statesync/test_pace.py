"""The client's pace: close to where it should be, evenly, and trimmed by what the server tells."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.link import LinkModel
from statesync.input_buffer import InputBuffer
from statesync.inputs import InputSender
from statesync.pace import TickPacer

HZ = 60.0


def test_nothing_is_played_before_the_server_is_known():
    assert list(TickPacer(HZ).advance(1.0)) == []


def test_the_client_runs_ahead_by_half_the_round_trip_the_margin_and_the_slack():
    pacer = TickPacer(HZ, slack_target=1.5)
    pacer.target(600.0, rtt_s=0.1, jitter_s=0.01, now=5.0)
    assert list(pacer.advance(5.0)) == [604 + 1]
    assert pacer.position == pytest.approx(600 + 3 + 0.6 + 1.5)


@given(st.lists(st.floats(0.001, 0.1), min_size=1, max_size=200))
def test_every_tick_is_played_once_whatever_the_frames(frames):
    pacer = TickPacer(HZ)
    pacer.target(100.0, 0.05, 0.0, 0.0)
    played = list(pacer.advance(0.0))
    now = 0.0
    for frame in frames:
        now += frame
        played += pacer.advance(now)
    assert played == list(range(played[0], played[0] + len(played)))
    assert played[-1] == int(pacer.position)
    assert pacer.snaps == 1


def test_a_small_error_is_made_up_with_two_per_cent():
    pacer = TickPacer(HZ)
    pacer.target(100.0, 0.0, 0.0, 0.0)
    pacer.advance(0.0)
    pacer.target(106.0, 0.0, 0.0, 0.0)
    speeds = []
    for frame in range(1, 1200):
        pacer.advance(frame / HZ)
        speeds.append(pacer.speed)
    assert max(speeds) == pytest.approx(1.02)
    assert pacer.position == pytest.approx(pacer.wanted(1199 / HZ), abs=0.05)
    assert pacer.snaps == 1


def test_a_starving_server_allows_five_per_cent():
    pacer = TickPacer(HZ)
    pacer.target(100.0, 0.0, 0.0, 0.0)
    pacer.advance(0.0)
    pacer.slack(-3.0, 0.0)
    pacer.target(110.0, 0.0, 0.0, 0.0)
    pacer.advance(1 / HZ)
    assert pacer.speed == pytest.approx(1.05)
    pacer.slack(2.0, 0.02)
    pacer.advance(2 / HZ)
    assert pacer.speed == pytest.approx(1.02)


@pytest.mark.parametrize("off", [-30.0, 30.0])
def test_a_big_error_is_jumped_over(off):
    pacer = TickPacer(HZ)
    pacer.target(1000.0, 0.0, 0.0, 0.0)
    pacer.advance(0.0)
    pacer.target(1000.0 + off, 0.0, 0.0, 0.0)
    assert list(pacer.advance(0.001)) == [int(1000 + off + 1.5 + 0.06)]
    assert pacer.snaps == 2


def test_a_frame_of_ten_seconds_does_not_play_six_hundred_ticks():
    pacer = TickPacer(HZ)
    pacer.target(0.0, 0.0, 0.0, 0.0)
    pacer.advance(0.0)
    assert len(pacer.advance(10.0)) == 1


@given(st.lists(st.floats(), max_size=50))
def test_no_report_however_odd_takes_the_client_far(reports):
    pacer = TickPacer(HZ)
    pacer.target(1000.0, 0.0, 0.0, 0.0)
    for number, ticks in enumerate(reports):
        pacer.slack(ticks, number * 0.5)
    assert abs(pacer.wanted(0.0) - 1001.5) <= 0.25 * HZ


def test_slack_that_comes_of_being_too_far_ahead_still_does_not_move_the_goal():
    """Ten ticks too far ahead the slack is ten ticks too much: trimmed by that, the client would fall behind later."""
    pacer = TickPacer(HZ, slack_target=1.5)
    for frame in range(600):
        now = frame / HZ
        off = 10.0 if frame == 0 else 0.0
        pacer.target(1000.0 + frame + off, 0.0, 0.0, now)
        pacer.advance(now)
        pacer.slack(pacer.position - (1000.0 + frame), now)
    assert abs(pacer.wanted(600 / HZ) - (1600.0 + 1.5)) < 0.2
    assert abs(pacer.position - (1599.0 + 1.5)) < 0.5


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="tick_hz"):
        TickPacer(0)


def closed_loop(seed: int, delay_s: float, jitter_s: float, loss: float, told_rtt_s: float, seconds: float):
    """A client and a server over a path; what the client is told of the round trip may be wrong."""
    pacer, sender = TickPacer(HZ, slack_target=1.5), InputSender(1)
    buffer = InputBuffer(b"\x00", HZ)
    up = LinkModel(seed, delay_s=delay_s, jitter_s=jitter_s, loss=loss)
    down = LinkModel(seed + 1, delay_s=delay_s, jitter_s=jitter_s, loss=loss)
    inputs: list[tuple[float, bytes]] = []
    reports: list[tuple[float, float]] = []
    missed: list[int] = []
    slack = None
    for tick in range(int(seconds * HZ)):
        now = tick / HZ
        for when, data in sorted(inputs):
            if when <= now:
                buffer.receive(data, when)
        inputs = [pair for pair in inputs if pair[0] > now]
        buffer.take(tick, now)
        if buffer.starved:
            missed.append(tick)
        slack = buffer.slack(now)
        if tick % 3 == 0 and slack is not None:
            reports += [(when, slack) for when, _ in down.transmit(b"", now)]
        for when, ticks in sorted(reports):
            if when <= now:
                pacer.slack(ticks, when)
        reports = [pair for pair in reports if pair[0] > now]
        pacer.target(float(tick), told_rtt_s, 0.0, now)
        for own in pacer.advance(now):
            sender.push(own, b"x")
            inputs += up.transmit(sender.message(), now)
    return pacer, slack, missed


@given(
    st.integers(0, 1000),
    st.floats(0.002, 0.15),
    st.floats(0, 0.03),
    st.floats(0, 0.1),
    st.floats(-0.05, 0.05),
)
@settings(max_examples=10, deadline=None)
def test_the_loop_settles_near_the_wanted_slack_though_told_a_wrong_round_trip(
    seed, delay, jitter, loss, lie
):
    pacer, slack, missed = closed_loop(seed, delay, jitter, loss, 2 * delay + lie, 40)
    assert slack == pytest.approx(1.5, abs=1.6)
    assert len([tick for tick in missed if tick > 20 * HZ]) < 20 * HZ * 0.03
    assert pacer.snaps <= 2
