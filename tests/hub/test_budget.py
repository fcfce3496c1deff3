"""The ingress budget of one agent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.budget import IngressBudget
from hub.config import HubConfig

CONFIG = HubConfig(
    ingress_messages_per_s=10, ingress_messages_burst=5, ingress_bytes_per_s=100, ingress_bytes_burst=50
)


def test_messages_hold_at_the_limit_and_break_one_above():
    budget = IngressBudget(CONFIG, 0.0)
    assert [budget.admit(1, 0.0) for _ in range(6)] == [True] * 5 + [False]


def test_bytes_hold_at_the_limit_and_break_one_above():
    budget = IngressBudget(CONFIG, 0.0)
    assert budget.admit(50, 0.0)
    assert not budget.admit(1, 0.0)
    assert not IngressBudget(CONFIG, 0.0).admit(51, 0.0)


def test_what_is_refused_draws_nothing():
    budget = IngressBudget(CONFIG, 0.0)
    assert not budget.admit(51, 0.0)
    assert budget.admit(50, 0.0)


def test_both_buckets_fill_with_time_and_never_above_the_burst():
    budget = IngressBudget(CONFIG, 0.0)
    for _ in range(5):
        budget.admit(10, 0.0)
    assert not budget.admit(1, 0.05)
    assert budget.admit(1, 0.11)
    budget.admit(1, 1000.0)
    assert sum(budget.admit(1, 1000.0) for _ in range(10)) == 4


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 40)), max_size=100))
def test_no_schedule_passes_more_than_burst_plus_rate(schedule):
    budget, now, messages, octets = IngressBudget(CONFIG, 0.0), 0.0, 0, 0
    for pause, size in schedule:
        now += pause
        if budget.admit(size, now):
            messages += 1
            octets += size
    assert messages <= 5 + 10 * now + 1e-6
    assert octets <= 50 + 100 * now + 1e-6
