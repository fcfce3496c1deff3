"""The replay window against a set of everything ever accepted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.replay import WINDOW, ReplayWindow

steps = st.lists(
    st.one_of(
        st.integers(1, 3),  # in order, or a small gap
        st.integers(-40, -1),  # late
        st.sampled_from([-WINDOW - 1, -WINDOW, -WINDOW + 1, WINDOW - 1, WINDOW, WINDOW + 1, 5000, 60_000]),
    ),
    max_size=120,
)


@settings(max_examples=200)
@given(steps)
# NCP-7-6
def test_each_number_once_and_none_below_the_window(steps: list[int]) -> None:
    window, accepted = ReplayWindow(), set()
    for step in steps:
        pn = window.largest + step
        if pn < 0:
            continue
        known = pn in accepted or pn <= max(accepted, default=0) - WINDOW
        assert window.seen(pn) == known
        if not known:
            window.commit(pn)
            accepted.add(pn)
            assert window.seen(pn)
        assert window.largest == max(accepted, default=-1)


def test_asking_commits_nothing():
    window = ReplayWindow()
    assert not window.seen(7)
    assert not window.seen(7)
    window.commit(7)
    assert window.seen(7)


def test_the_edge_of_the_window():
    window = ReplayWindow()
    window.commit(WINDOW + 9)
    assert window.seen(9)
    assert not window.seen(10)
    window.commit(10)
    assert window.seen(10)
