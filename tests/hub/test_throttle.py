"""Throttle: many callers, bounded memory."""

from __future__ import annotations

from hub.throttle import Throttle


def test_a_burst_holds_at_the_limit_and_waits_one_above():
    throttle = Throttle(0.5, 3)
    for _ in range(3):
        assert throttle.wait_s("a", 0.0) == 0.0
        throttle.draw("a", 0.0)
    assert throttle.wait_s("a", 0.0) == 2.0
    assert throttle.wait_s("a", 1.5) == 0.5
    assert throttle.wait_s("a", 2.0) == 0.0


def test_callers_do_not_pay_for_each_other():
    throttle = Throttle(0.5, 1)
    throttle.draw("a", 0.0)
    assert throttle.wait_s("a", 0.0) > 0.0
    assert throttle.wait_s("b", 0.0) == 0.0


def test_asking_draws_nothing():
    throttle = Throttle(0.5, 1)
    for _ in range(10):
        assert throttle.wait_s("a", 0.0) == 0.0


def test_memory_is_bounded_and_the_oldest_is_forgotten():
    throttle = Throttle(0.0, 1, max_callers=10)
    for number in range(11):
        throttle.draw(number, 0.0)
    assert len(throttle) == 10
    assert throttle.wait_s(0, 0.0) == 0.0
    assert throttle.wait_s(1, 0.0) == 3600.0
