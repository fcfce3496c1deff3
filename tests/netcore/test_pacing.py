"""The token bucket: a tick's burst at once, then the rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.pacing import BURST_PACKETS, Pacer


def packets_until(pacer: Pacer, rate: float, start: float, end: float) -> int:
    """How many full packets leave by `end` where there is always one more."""
    sent, now = 0, start
    while now <= end:
        pacer.refill(rate, now)
        while pacer.tokens > 0:
            pacer.tokens -= 1200
            sent += 1
        now = pacer.release_at(rate)
    return sent


# NCP-12-3
def test_a_ticks_burst_goes_at_once():
    assert packets_until(Pacer(1200, 0.0), 1.0, 0.0, 0.0) == BURST_PACKETS


@given(st.floats(20_000, 1e7), st.floats(0.2, 5))
# NCP-12-3
def test_the_rate_holds_over_time(rate, seconds):
    sent = packets_until(Pacer(1200, 0.0), rate, 0.0, seconds)
    assert sent * 1200 <= BURST_PACKETS * 1200 + rate * seconds + rate * 0.004 + 2400
    assert sent * 1200 >= rate * seconds - 2400


def test_a_fast_rate_has_four_milliseconds_of_burst():
    pacer = Pacer(1200, 0.0)
    pacer.refill(12e6, 1.0)
    assert pacer.tokens == pytest.approx(48_000)


def test_release_lies_ahead():
    pacer = Pacer(1200, 5.0)
    pacer.tokens = -300.0
    assert pacer.release_at(1e6) == pytest.approx(5.0 + 1500 / 1e6)
