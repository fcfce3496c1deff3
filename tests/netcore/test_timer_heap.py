from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netcore.timer_heap import TimerHeap


def test_the_earliest_comes_first_and_once() -> None:
    heap: TimerHeap[str] = TimerHeap()
    for key, when in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        heap.arm(key, when)
    assert heap.next() == 1.0
    assert heap.pop_due(0.9) == []
    assert heap.pop_due(2.0) == ["a", "b"]
    assert heap.pop_due(2.0) == []
    assert heap.next() == 3.0


def test_equal_deadlines_pop_in_the_order_they_were_armed() -> None:
    heap: TimerHeap[str] = TimerHeap()
    for key in "zyx":
        heap.arm(key, 1.0)
    assert heap.pop_due(1.0) == ["z", "y", "x"]


def test_a_deadline_moved_earlier_holds_and_the_old_one_is_gone() -> None:
    heap: TimerHeap[str] = TimerHeap()
    heap.arm("a", 5.0)
    heap.arm("a", 1.0)
    assert heap.pop_due(1.0) == ["a"]
    assert heap.pop_due(9.0) == []
    assert heap.next() is None


def test_a_deadline_moved_later_pops_early() -> None:
    heap: TimerHeap[str] = TimerHeap()
    heap.arm("a", 1.0)
    heap.arm("a", 5.0)
    assert heap.next() == 1.0


def test_a_disarmed_key_never_pops() -> None:
    heap: TimerHeap[str] = TimerHeap()
    heap.arm("a", 1.0)
    heap.arm("a", None)
    heap.arm("never", None)
    assert heap.next() is None
    assert heap.pop_due(9.0) == []


def test_many_moves_leave_no_garbage_behind() -> None:
    heap: TimerHeap[int] = TimerHeap()
    for round_number in range(1000):
        for key in range(10):
            heap.arm(key, round_number + 100.0)
            heap.arm(key, round_number + 1.0)
        assert len(heap.pop_due(round_number + 1.0)) == 10
    assert len(heap._heap) < 200


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 50)) | st.integers(0, 10), max_size=60
    )
)
def test_no_deadline_is_missed(steps: list[tuple[str, int | None] | int]) -> None:
    """Against a dict: each key pops no later than its deadline in force, and only armed keys pop."""
    heap: TimerHeap[str] = TimerHeap()
    want: dict[str, float] = {}
    now = 0.0
    for step in steps:
        if isinstance(step, int):
            now += step
            for key in heap.pop_due(now):
                assert key in want
                if want[key] > now:
                    heap.arm(key, want[key])
                else:
                    del want[key]
            assert all(when > now for when in want.values())
        else:
            key, when = step
            heap.arm(key, None if when is None else now + when + 1)
            if when is None:
                want.pop(key, None)
            else:
                want[key] = now + when + 1
    following = heap.next()
    assert (following is None) == (not want)
    assert following is None or following <= min(want.values())
