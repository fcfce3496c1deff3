"""Corrections glide: continuous at the moment of correction, gone after 100 ms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statesync.blend import ErrorBlend


def make() -> ErrorBlend[float, float]:
    return ErrorBlend(lambda shown, state: shown - state, lambda state, error, share: state + error * share)


def test_without_a_correction_the_state_is_shown():
    assert make().show(3.0, 1.0) == 3.0


@given(st.lists(st.tuples(st.floats(0, 0.2), st.floats(-100, 100)), min_size=1, max_size=10))
def test_what_is_shown_never_leaps_and_ends_at_the_state(corrections):
    blend, now, state = make(), 0.0, 0.0
    for gap, after in corrections:
        now += gap
        before = blend.show(state, now)
        blend.corrected(state, after, now)
        state = after
        assert blend.show(state, now) == pytest.approx(before, abs=1e-9)
    assert blend.show(state, now + 0.1001) == state


def test_the_error_falls_evenly_over_a_tenth_of_a_second():
    blend = make()
    blend.corrected(10.0, 0.0, 5.0)
    assert [blend.show(0.0, 5.0 + at) for at in (0.0, 0.025, 0.05, 0.075, 0.1)] == pytest.approx(
        [10.0, 7.5, 5.0, 2.5, 0.0]
    )


def test_time_that_stands_or_goes_back_never_adds_to_the_error():
    blend = make()
    blend.corrected(10.0, 0.0, 5.0)
    assert blend.show(0.0, 4.0) == 10.0


def test_a_duration_of_nothing_is_refused():
    with pytest.raises(ValueError, match="duration_s"):
        ErrorBlend(lambda a, b: a - b, lambda a, e, s: a, duration_s=0)
