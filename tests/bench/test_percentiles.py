"""Percentiles are by nearest rank: every figure was really measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.percentiles import percentile, summary


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0.1, 100))
def test_every_percentile_was_measured_and_has_the_right_share_at_or_below_it(sample, rank):
    ordered = sorted(sample)
    value = percentile(ordered, rank)
    assert value in ordered
    assert sum(x <= value for x in ordered) >= len(ordered) * rank / 100 - 1e-9
    assert sum(x < value for x in ordered) < len(ordered) * rank / 100 + 1e-9


def test_summary_of_a_known_sample():
    figures = summary(range(1, 1001))
    assert figures == {
        "p50": 500,
        "p90": 900,
        "p99": 990,
        "p99.9": 999,
        "max": 1000,
        "mean": 500.5,
        "count": 1000.0,
    }


def test_an_empty_sample_is_refused_with_a_reason():
    with pytest.raises(ValueError, match="empty sample"):
        percentile([], 50)
