"""Interpolation: time never goes back, the delay keeps to its bounds and follows the path."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.link import LinkModel
from statesync.interpolate import InterpolationBuffer

VECTORS = json.loads(Path("docs/protocol/vectors/statesync.json").read_text())
INTERVAL = 0.05


def lerp(a: float, b: float, t: float) -> float:
    return a + (b - a) * t


def make(interval_s: float = INTERVAL) -> InterpolationBuffer[float]:
    return InterpolationBuffer(lerp, interval_s)


def stream(link: LinkModel, seconds: float, interval_s: float = INTERVAL) -> list[tuple[float, float]]:
    """(arrival, stamp) of states sent at their stamp, in order of arrival."""
    sent = (number * interval_s for number in range(int(seconds / interval_s)))
    return sorted((when, stamp) for stamp in sent for when, _ in link.transmit(b"", stamp))


def watch(buffer, arrivals, seconds, frame_s=1 / 60, state=lambda stamp: stamp):
    """Feed and sample; (now, shown, position) of every frame that had something to show."""
    frames, waiting, now = [], list(arrivals), 0.0
    while now < seconds:
        now += frame_s
        while waiting and waiting[0][0] <= now:
            when, stamp = waiting.pop(0)
            buffer.push(stamp, state(stamp), when)
        shown = buffer.sample(now)
        if shown is not None:
            frames.append((now, shown, buffer.position_s))
    return frames


@given(
    st.integers(0, 10**6),
    st.floats(0, 0.4),
    st.floats(0, 0.3),
    st.floats(0, 0.5),
    st.floats(0.004, 0.1),
    st.sampled_from([1 / 60, 1 / 20, 0.25]),
)
@settings(max_examples=60, deadline=None)
def test_time_never_goes_back_and_the_delay_stays_in_bounds(seed, delay, jitter, loss, interval, frame):
    buffer = make(interval)
    arrivals = stream(LinkModel(seed, delay_s=delay, jitter_s=jitter, loss=loss), 8, interval)
    frames = watch(buffer, arrivals, 10, frame)
    positions = [position for _, _, position in frames]
    assert positions == sorted(positions)
    assert interval <= buffer.delay_s <= 0.250 + 1e-12
    assert interval <= buffer.target_delay_s <= 0.250
    newest = max((stamp for _, stamp in arrivals), default=0.0)
    assert all(position <= newest + 0.1 + 1e-9 for position in positions)
    assert 0.0 <= buffer.underflow_rate <= 1.0


# SYNC-4-1, SYNC-4-2
def test_on_a_steady_path_it_shows_the_truth_one_interval_and_two_milliseconds_late():
    buffer = make()
    frames = watch(buffer, stream(LinkModel(delay_s=0.03), 10), 9.5)
    for now, shown, position in frames[10:]:
        assert shown == pytest.approx(position)
        assert now - 0.03 - position == pytest.approx(0.052, abs=1e-6)
    assert buffer.underflow_rate == 0.0
    assert buffer.added_delay_s == pytest.approx(0.052, abs=1e-6)


# SYNC-4-2, SYNC-4-3
def test_jitter_makes_the_delay_grow_as_far_as_it_needs():
    buffer = make()
    frames = watch(buffer, stream(LinkModel(2, delay_s=0.03, jitter_s=0.04), 30), 29)
    assert 0.052 + 0.030 < buffer.delay_s < 0.052 + 0.041
    late = [now - position - 0.03 for now, _, position in frames[600:]]
    assert max(late) < 0.1
    assert buffer.underflow_rate < 0.02


# SYNC-4-3
def test_the_delay_shrinks_ten_milliseconds_a_second_when_the_path_calms():
    buffer = make()
    arrivals = stream(LinkModel(2, delay_s=0.03, jitter_s=0.08), 10)
    calm = [(stamp + 0.03, stamp) for stamp in (10 + number * INTERVAL for number in range(400))]
    watched = watch(buffer, arrivals + calm, 12.5)
    grown = buffer.delay_s
    assert grown > 0.11
    waiting = [pair for pair in calm if pair[0] > watched[-1][0]]
    now = watched[-1][0]
    while waiting and now < 15.5:
        now += 1 / 60
        while waiting and waiting[0][0] <= now:
            when, stamp = waiting.pop(0)
            buffer.push(stamp, stamp, when)
        buffer.sample(now)
    assert buffer.delay_s == pytest.approx(grown - 0.01 * (now - watched[-1][0]), abs=1e-6)


# SYNC-4-4
def test_playback_is_at_most_five_per_cent_faster_or_slower():
    buffer = make()
    frames = watch(buffer, stream(LinkModel(2, delay_s=0.03, jitter_s=0.1), 20), 19)
    for (before, _, first), (after, _, second) in itertools.pairwise(frames):
        assert (second - first) <= 1.0500001 * (after - before)
    moving = [
        (second - first) / (after - before)
        for (before, _, first), (after, _, second) in itertools.pairwise(frames)
    ]
    assert min(moving) >= 0.9499999


def test_a_pause_is_extrapolated_for_a_tenth_of_a_second_and_then_held():  # SYNC-4-5, SYNC-4-6
    buffer = make()
    frames = watch(buffer, stream(LinkModel(delay_s=0.03), 2), 3)
    newest = 1.95
    assert frames[-1][1] == pytest.approx(newest + 0.1)
    assert frames[-1][2] == pytest.approx(newest + 0.1)
    assert buffer.underflow_rate > 0.1


def test_after_a_long_pause_it_leaps_forward_to_where_it_belongs():
    buffer = make()
    watch(buffer, stream(LinkModel(delay_s=0.03), 1), 3)
    assert buffer.jumps == 0
    buffer.push(3.0, 3.0, 3.03)
    buffer.push(3.05, 3.05, 3.08)
    buffer.sample(3.09)
    assert buffer.jumps == 1
    assert buffer.position_s == pytest.approx(3.09 - 0.03 - 0.052, abs=1e-6)


def test_before_the_first_state_there_is_nothing_and_then_the_first():
    buffer = make()
    assert buffer.sample(1.0) is None
    assert buffer.added_delay_s == 0.0
    buffer.push(10.0, 7.0, 1.0)
    assert buffer.sample(1.001) == 7.0
    assert buffer.position_s < 10.0


def test_nothing_lies_between_a_state_and_a_teleport():  # SYNC-4-7
    buffer = make()
    for number in range(3):
        buffer.push(number * INTERVAL, float(number), number * INTERVAL)
    buffer.push(3 * INTERVAL, 1000.0, 3 * INTERVAL, teleport=True)
    seen = [buffer.sample(0.15 + frame / 240) for frame in range(60)]
    assert max(shown for shown in seen if shown < 999) <= 2.0
    assert set(shown for shown in seen if shown > 2.0) == {1000.0}


def test_after_a_teleport_it_goes_on_between_states():
    buffer = make()
    for number in range(8):
        buffer.push(number * INTERVAL, 100.0 * number, number * INTERVAL, teleport=number == 3)
        buffer.sample(number * INTERVAL)
    seen = [buffer.sample(0.35 + frame / 240) for frame in range(10)]
    assert all(400 < shown < 700 for shown in seen)


def test_states_out_of_order_find_their_place():
    buffer = make()
    for stamp in (0.0, 0.1, 0.05, 0.15):
        buffer.push(stamp, stamp * stamp, 0.15)
    shown = [buffer.sample(0.2 + frame / 100) for frame in range(12)]
    position = buffer.position_s
    assert shown == sorted(shown)
    assert position > 0.05


def test_duplicates_and_late_states_are_of_no_use_and_counted():  # SYNC-4-8
    buffer = make()
    frames = watch(buffer, stream(LinkModel(delay_s=0.03), 1), 0.9)
    assert not buffer.push(0.8, 55.0, 0.9)
    assert not buffer.push(0.1, 55.0, 0.9)
    assert (buffer.duplicates, buffer.late) == (1, 1)
    assert buffer.sample(0.9 + 1 / 60) == pytest.approx(buffer.position_s)
    assert frames


def test_memory_is_bounded_when_nobody_looks():
    buffer = make()
    for number in range(10_000):
        buffer.push(number * INTERVAL, float(number), number * INTERVAL)
    assert len(buffer._states) == 64
    assert buffer.sample(10_000 * INTERVAL) is not None


def test_another_match_starts_anew():
    buffer = make()
    watch(buffer, stream(LinkModel(delay_s=0.03), 1), 1)
    buffer.reset()
    assert buffer.sample(2.0) is None
    buffer.push(-500.0, 3.0, 2.0)
    assert buffer.sample(2.01) == 3.0


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="interval_s"):
        make(0.0)
    with pytest.raises(ValueError, match=r"interval_s.*0\.3"):
        make(0.3)
    with pytest.raises(ValueError, match="nan"):
        make().push(float("nan"), 0.0, 0.0)


@pytest.mark.parametrize("vector", VECTORS["interpolation"], ids=lambda vector: vector["name"])
# SYNC-4-4, SYNC-4-9
def test_vectors(vector):
    buffer = make(vector["interval_s"])
    for step in vector["steps"]:
        if step["op"] == "push":
            used = buffer.push(
                step["stamp"], step["value"], step["now"], teleport=step.get("teleport", False)
            )
            assert used == step["used"]
            continue
        shown = buffer.sample(step["now"])
        if step["value"] is None:
            assert shown is None
            continue
        assert shown == pytest.approx(step["value"], abs=1e-6)
        assert buffer.position_s == pytest.approx(step["position_s"], abs=VECTORS["tolerance"])
        assert buffer.delay_s == pytest.approx(step["delay_s"], abs=VECTORS["tolerance"])
    for name in ("underflow_rate", "added_delay_s", "late", "jumps"):
        assert getattr(buffer, name) == pytest.approx(vector[name], abs=VECTORS["tolerance"])
