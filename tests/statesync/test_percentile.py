"""Nearest-rank percentiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statesync.percentile import nearest_rank


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.integers(1, 100))
def test_enough_samples_lie_at_or_below_and_not_with_any_smaller_one(samples, percent):
    value = nearest_rank(samples, percent)
    assert value in samples
    assert sum(one <= value for one in samples) * 100 >= percent * len(samples)
    assert sum(one < value for one in samples) * 100 < percent * len(samples)


def test_no_samples_have_no_percentile():
    with pytest.raises(ValueError, match="no samples"):
        nearest_rank([], 50)
