"""The loop lag watchdog: a loop that is held up is noticed, and the culprit is named."""

from __future__ import annotations

import asyncio
import time

import pytest
import structlog.testing

from netplay.loop_lag import BEAT_S, BLOCKED_S, BUCKETS_S, LOG_EVERY_S, LagStats, LagWatch, LoopWatchdog


def test_punctual_beats_count_and_tell_nothing() -> None:
    watch = LagWatch()
    assert [watch.beat(n * BEAT_S) for n in range(10)] == [None] * 10
    assert sum(watch.stats.counts) == watch.stats.counts[0] == 9
    assert watch.stats.blocked == 0


def test_a_late_beat_is_told_with_the_stack_taken_while_it_was_late() -> None:
    watch = LagWatch()
    watch.beat(0.0)
    watch.look(BEAT_S + BLOCKED_S * 0.9, lambda: "not late enough")
    watch.look(BEAT_S + BLOCKED_S * 1.1, lambda: "the culprit")
    watch.look(BEAT_S + BLOCKED_S * 1.5, lambda: "something later")
    told = watch.beat(BEAT_S + 0.2)
    assert told == (pytest.approx(0.2), "the culprit", 0)
    assert watch.stats.blocked == 1
    assert watch.stats.longest_s == pytest.approx(0.2)


def test_no_stack_is_kept_for_the_next_block() -> None:
    watch = LagWatch()
    watch.beat(0.0)
    watch.look(1.0, lambda: "old")
    watch.beat(1.0)
    told = watch.beat(1.0 + BEAT_S + LOG_EVERY_S)
    assert told is not None
    assert told[1] is None


def test_lines_are_held_to_a_rate_and_the_left_out_ones_are_counted() -> None:
    watch = LagWatch()
    now, lines = 0.0, []
    watch.beat(now)
    for _ in range(250):
        now += BEAT_S + 0.08
        lines.append(watch.beat(now))
    written = [line for line in lines if line is not None]
    assert len(written) == 3  # in 25 s, one each 10 s
    assert watch.stats.blocked == 250
    assert sum(line[2] for line in written[:2]) == lines.index(written[1]) - 1


def test_every_lag_has_a_bucket() -> None:
    stats = LagStats()
    for lag in (0.0, *BUCKETS_S, 100.0):
        stats.add(lag)
    assert stats.counts == [2, *[1] * (len(BUCKETS_S) - 1), 1]


async def test_a_call_that_blocks_a_real_loop_is_named_in_one_line() -> None:
    watchdog = LoopWatchdog()
    with structlog.testing.capture_logs() as lines:
        watchdog.start()
        await asyncio.sleep(BEAT_S * 2)
        time.sleep(BLOCKED_S + BEAT_S + 0.08)  # noqa: ASYNC251 - the blocking call is the test
        await asyncio.sleep(BEAT_S * 2)
        watchdog.stop()
    blocked = [line for line in lines if line["event"] == "loop_blocked"]
    assert blocked[0]["lag_ms"] > BLOCKED_S * 1000
    assert "test_a_call_that_blocks_a_real_loop_is_named_in_one_line" in blocked[0]["stack"]
    assert "\n" not in blocked[0]["stack"]
    assert watchdog.stats.blocked >= 1
    watchdog.stop()
