"""The ticker's schedule: absolute deadlines, bursts, skips, statistics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.ticker import Ticker, TickTotals


# ROOM-8-1
def test_deadlines_are_absolute_so_one_late_tick_does_not_delay_the_next() -> None:
    ticker = Ticker(60, start_s=100.0)
    assert ticker.next_deadline == 100.0
    assert ticker.due(100.012) == 1
    assert ticker.next_deadline == pytest.approx(100.0 + 1 / 60)


def test_no_drift_after_a_million_ticks() -> None:
    ticker = Ticker(60, start_s=0.0)
    ticker._ticks = 1_000_000
    assert ticker.next_deadline == 1_000_000 / 60


def test_waking_too_early_runs_nothing_but_half_a_millisecond_counts_as_punctual() -> None:
    ticker = Ticker(60, start_s=1.0)
    assert ticker.due(0.9990) == 0
    assert ticker.due(0.9996) == 1
    assert ticker.stats().lateness_max_s == 0.0


def test_overdue_ticks_run_in_one_burst() -> None:
    ticker = Ticker(100, start_s=0.0, max_burst=4)
    assert ticker.due(0.025) == 3
    assert ticker.next_deadline == pytest.approx(0.03)
    assert (ticker.stats().late, ticker.stats().skipped) == (2, 0)


# ROOM-8-1
def test_beyond_the_burst_whole_ticks_are_skipped_and_counted() -> None:
    ticker = Ticker(100, start_s=0.0, max_burst=4)
    assert ticker.due(0.095) == 4
    assert ticker.stats().skipped == 6
    assert ticker.stats().ticks == 4
    assert ticker.next_deadline == pytest.approx(0.10)


def test_after_a_restart_the_next_tick_is_due_then_and_the_rest_follow() -> None:
    ticker = Ticker(100, start_s=0.0)
    assert ticker.due(0.015) == 2
    ticker.restart(5.0)
    assert ticker.due(4.99) == 0
    assert ticker.due(5.0) == 1
    assert ticker.next_deadline == pytest.approx(5.01)
    assert (ticker.stats().skipped, ticker.stats().ticks) == (0, 3)


def test_lateness_percentiles() -> None:
    ticker = Ticker(100, start_s=0.0)
    for n in range(100):
        ticker.due(n / 100 + (0.005 if n == 50 else 0.001))
    stats = ticker.stats()
    assert stats.lateness_p50_s == pytest.approx(0.001)
    assert stats.lateness_max_s == pytest.approx(0.005)
    assert stats.ticks == 100


@given(st.lists(st.floats(0.0, 0.3), max_size=60), st.integers(1, 8))
def test_whatever_the_delays_ticks_plus_skipped_follow_the_time(delays: list[float], burst: int) -> None:
    ticker = Ticker(60, start_s=0.0, max_burst=burst)
    now = 0.0
    for delay in delays:
        now = max(now, ticker.next_deadline) + delay
        ran = ticker.due(now)
        assert 1 <= ran <= burst
        assert now - 1e-9 < ticker.next_deadline <= now + 1 / 60 + 1e-9
    stats = ticker.stats()
    assert (stats.ticks + stats.skipped) / 60 == pytest.approx(ticker.next_deadline)


@pytest.mark.parametrize(("hz", "burst"), [(0, 4), (-1, 4), (60, 0)])
def test_bad_settings_are_refused(hz: float, burst: int) -> None:
    with pytest.raises(ValueError, match="is"):
        Ticker(hz, 0.0, burst)


def test_totals_add_up_over_the_tickers_that_share_them() -> None:
    totals = TickTotals()
    first, second = (Ticker(100, start_s=0.0, max_burst=4, totals=totals) for _ in range(2))
    first.due(0.025)
    second.due(0.095)
    assert (totals.matches, totals.ticks, totals.late, totals.skipped) == (2, 3 + 4, 2 + 3, 6)
    assert totals.lateness_sum_s == pytest.approx(0.025 + 0.015 + 0.005 + 0.095 + 0.085 + 0.075 + 0.065)
