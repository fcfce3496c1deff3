"""Clock synchronisation: how near to the truth, never back, and nothing believed that was not asked."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.link import LinkModel
from statesync.clock import ClockSync

VECTORS = json.loads(Path("docs/protocol/vectors/statesync.json").read_text())
TOLERANCE = VECTORS["tolerance"]


class Remote:
    """A remote clock behind a path, and a client that keeps asking."""

    def __init__(self, *, offset_s=0.0, drift=0.0, up: LinkModel, down: LinkModel, start=50.0) -> None:
        self.offset_s, self.drift, self.up, self.down = offset_s, drift, up, down
        self.start = self.now = start
        self.clock = ClockSync(start)
        self.underway: list[tuple[float, int, int]] = []
        self.asked: list[float] = []

    def truth(self, now: float) -> float:
        return now + self.offset_s + self.drift * (now - self.start)

    def run(self, seconds: float, each=lambda now: None, frame_s: float = 0.05) -> None:
        end, frame = self.now + seconds, self.now + frame_s
        while self.now < end:
            answer = self.underway[0][0] if self.underway else math.inf
            self.now = min(max(self.clock.next_timer(), self.now), answer, frame)
            if self.now == answer:
                _, t0, t1 = self.underway.pop(0)
                self.clock.answer(t0, t1, t1, self.now)
            elif self.now == frame:
                each(self.now)
                frame += frame_s
            else:
                self.ask()

    def ask(self) -> None:
        t0 = self.clock.request(self.now)
        assert t0 is not None
        self.asked.append(self.now)
        for there, _ in self.up.transmit(b"", self.now):
            t1 = int(self.truth(there) * 1e6)
            self.underway += [(back, t0, t1) for back, _ in self.down.transmit(b"", there)]
        self.underway.sort()


@given(
    st.integers(0, 10**6),
    st.floats(0.0005, 0.3),
    st.floats(0.0005, 0.3),
    st.floats(0, 0.1),
    st.floats(0, 0.3),
    st.floats(-90e-6, 90e-6),
    st.floats(0, 1e6),
)
@settings(max_examples=40, deadline=None)
def test_the_estimate_is_within_asymmetry_and_jitter_and_the_output_monotone(
    seed, up_s, down_s, jitter_s, loss, drift, offset_s
):
    up = LinkModel(seed, delay_s=up_s, jitter_s=jitter_s, loss=loss)
    down = LinkModel(seed + 1, delay_s=down_s, jitter_s=jitter_s, loss=loss)
    remote = Remote(offset_s=offset_s, drift=drift, up=up, down=down)
    outputs: list[float] = []

    def look(now: float) -> None:
        clock = remote.clock
        if not clock.synchronized:
            return
        truth = remote.truth(now)
        assert abs(clock.offset_s(now) - (truth - now)) <= clock.rtt_s / 2 + 2e-4 * 40 + 1e-5
        asymmetry_and_jitter = abs(up_s - down_s) / 2 + (clock.rtt_s - up_s - down_s) / 2
        assert abs(clock.offset_s(now) - (truth - now)) <= asymmetry_and_jitter + 2e-4 * 40 + 1e-5
        outputs.append(clock.remote_time(now))
        if now - remote.start > 30 + 2 * loss:
            assert abs(outputs[-1] - truth) <= clock.error_s(now) + 1e-9

    remote.run(90, look)
    assert outputs == sorted(outputs)
    assert remote.clock.era == 0


# SYNC-3-3
def test_a_symmetric_quiet_path_gives_the_exact_offset():
    remote = Remote(offset_s=1234.5, up=LinkModel(delay_s=0.02), down=LinkModel(delay_s=0.02))
    remote.run(3)
    assert remote.clock.offset_s(remote.now) == pytest.approx(1234.5, abs=2e-6)
    assert remote.clock.rtt_s == pytest.approx(0.04, abs=1e-6)
    assert remote.clock.remote_time(remote.now) == pytest.approx(remote.truth(remote.now), abs=2e-6)
    assert remote.clock.error_s(remote.now) == pytest.approx(0.02, abs=1e-3)


def test_asking_is_fast_for_sixteen_samples_then_slow():  # SYNC-3-1
    remote = Remote(up=LinkModel(delay_s=0.01), down=LinkModel(delay_s=0.01))
    remote.run(10)
    gaps = [later - earlier for earlier, later in zip(remote.asked, remote.asked[1:], strict=False)]
    assert gaps[:16] == pytest.approx([0.1] * 16)
    assert gaps[16:] == pytest.approx([1.0] * 8)


def test_a_silent_server_is_asked_fast_only_so_often():
    remote = Remote(up=LinkModel(loss=1.0), down=LinkModel())
    remote.run(30)
    assert len(remote.asked) == 64 + math.floor(30 - 6.4) + 1
    assert not remote.clock.synchronized
    assert remote.clock.error_s(remote.now) == math.inf
    assert remote.clock.rtt_s is None
    assert remote.clock.request(remote.now) is None


def test_drift_is_found_and_carries_the_clock_through_silence():  # SYNC-3-5
    remote = Remote(drift=50e-6, up=LinkModel(delay_s=0.01), down=LinkModel(delay_s=0.01))
    remote.run(50)
    assert remote.clock.drift == 0.0
    remote.run(150)
    assert remote.clock.drift == pytest.approx(50e-6, rel=0.05)
    later = remote.now + 600
    assert remote.clock.remote_time(later) - remote.truth(later) == pytest.approx(0, abs=0.002)


def test_a_drift_no_crystal_has_is_not_believed():
    remote = Remote(drift=0.001, up=LinkModel(delay_s=0.01), down=LinkModel(delay_s=0.01))
    remote.run(100)
    assert remote.clock.drift == 100e-6


def test_a_small_change_is_slewed_at_five_milliseconds_a_second():  # SYNC-3-7
    remote = Remote(up=LinkModel(delay_s=0.1), down=LinkModel(delay_s=0.1))
    remote.run(10)
    remote.offset_s += 0.1
    remote.up = remote.down = LinkModel(delay_s=0.05)
    remote.run(1.2)
    first = remote.clock.remote_time(remote.now) - remote.now
    remote.run(4.0)
    later = remote.clock.remote_time(remote.now) - remote.now
    assert later - first == pytest.approx(0.020, abs=0.001)
    assert remote.clock.error_s(remote.now) >= abs(remote.truth(remote.now) - remote.now - later)
    remote.run(30)
    assert remote.clock.remote_time(remote.now) == pytest.approx(remote.truth(remote.now), abs=1e-5)
    assert remote.clock.steps == 0


def test_a_big_change_forward_is_stepped():
    remote = Remote(up=LinkModel(delay_s=0.1), down=LinkModel(delay_s=0.1))
    remote.run(10)
    remote.offset_s += 5.0
    remote.run(40)
    assert remote.clock.remote_time(remote.now) == pytest.approx(remote.truth(remote.now), abs=1e-5)
    assert remote.clock.steps == 1


def test_a_change_back_of_up_to_two_seconds_stands_still():  # SYNC-3-8
    remote = Remote(offset_s=100.0, up=LinkModel(delay_s=0.1), down=LinkModel(delay_s=0.1))
    outputs: list[float] = []

    def look(now: float) -> None:
        if remote.clock.synchronized:
            outputs.append(remote.clock.remote_time(now))

    remote.run(10, look)
    remote.offset_s -= 1.0
    remote.run(60, look)
    assert outputs == sorted(outputs)
    assert outputs[-1] == pytest.approx(remote.truth(remote.now), abs=0.06)
    assert remote.clock.era == 0


def test_another_remote_clock_is_another_era():
    remote = Remote(offset_s=1000.0, up=LinkModel(delay_s=0.01), down=LinkModel(delay_s=0.01))
    remote.run(10, remote.clock.remote_time)
    remote.offset_s = -20.0
    remote.run(45, remote.clock.remote_time)
    assert remote.clock.era == 1
    assert remote.clock.remote_time(remote.now) == pytest.approx(remote.truth(remote.now), abs=1e-5)


def test_what_was_read_before_the_first_sample_does_not_hold_the_clock_back():
    remote = Remote(offset_s=-40.0, up=LinkModel(delay_s=0.01), down=LinkModel(delay_s=0.01))
    assert remote.clock.remote_time(remote.now) == remote.now
    remote.run(1)
    assert remote.clock.remote_time(remote.now) == pytest.approx(remote.truth(remote.now), abs=1e-5)


@given(
    st.lists(
        st.tuples(st.integers(-5, 2**64), st.integers(-5, 2**64), st.integers(-5, 2**64), st.floats(0, 20)),
        max_size=40,
    )
)
def test_answers_nobody_asked_for_change_nothing(answers):  # SYNC-3-2
    clock = ClockSync(1.0)
    t0 = clock.request(1.0)
    for forged, t1, t2, later in answers:
        if forged != t0:
            assert not clock.answer(forged, t1, t2, 1.0 + later)
    assert not clock.synchronized
    assert clock.rejected == sum(forged != t0 for forged, *_ in answers)


@pytest.mark.parametrize(
    ("t1", "t2", "now"),
    [(200, 100, 1.02), (0, 30_000, 1.02), (0, 2**53, 1.02), (-5, 5, 1.02), (0, 0, 11.1)],
    ids=["answered before received", "negative round trip", "beyond 53 bits", "negative", "too late"],
)
def test_impossible_answers_are_rejected(t1, t2, now):
    clock = ClockSync(1.0)
    assert not clock.answer(clock.request(1.0), t1, t2, now)
    assert clock.rejected == 1


def test_an_answer_counts_once():
    clock = ClockSync(1.0)
    t0 = clock.request(1.0)
    assert clock.answer(t0, 500, 500, 1.02)
    assert not clock.answer(t0, 500, 500, 1.02)
    assert clock.samples == 1


def test_only_the_last_sixteen_requests_are_remembered():
    clock = ClockSync(0.0)
    asked = [clock.request(clock.next_timer()) for _ in range(20)]
    now = clock.next_timer()
    assert [clock.answer(t0, 0, 0, now) for t0 in asked] == [False] * 4 + [True] * 16


@pytest.mark.parametrize("vector", VECTORS["clock"], ids=lambda vector: vector["name"])
# SYNC-3-4, SYNC-3-6
def test_vectors(vector):
    clock = ClockSync(vector["start"])
    for step in vector["steps"]:
        now = step["now"]
        if step["op"] == "request":
            assert clock.request(now) == step["t0"]
        elif step["op"] == "answer":
            assert clock.answer(step["t0"], step["t1"], step["t2"], now) == step["accepted"]
        else:
            assert clock.remote_time(now) == pytest.approx(step["remote_time"], abs=TOLERANCE)
            assert clock.error_s(now) == pytest.approx(step["error_s"], abs=TOLERANCE)
