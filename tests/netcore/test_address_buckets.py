from __future__ import annotations

import pytest

from netcore.address_buckets import AddressBuckets


def test_a_burst_then_the_rate() -> None:
    buckets = AddressBuckets(20, 5)
    assert [buckets.take(b"a", 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert not buckets.take(b"a", 0.049)
    assert buckets.take(b"a", 0.051)
    assert not buckets.take(b"a", 0.051)
    passed = sum(buckets.take(b"a", 1 + i / 1000) for i in range(1000))
    assert passed == pytest.approx(5 + 20, abs=1)


def test_groups_do_not_share() -> None:
    buckets = AddressBuckets(1, 1)
    assert buckets.take(b"a", 0.0)
    assert buckets.take(b"b", 0.0)
    assert not buckets.take(b"a", 0.0)


def test_memory_is_bounded_and_strangers_wait_when_it_is_full() -> None:
    buckets = AddressBuckets(20, 5, cap=100)
    taken = sum(buckets.take(str(i).encode(), 0.0) for i in range(1000))
    assert taken == len(buckets) == 100
    # Each bucket lacks one token, which takes 50 ms to come back; every 62.5 ms at most there is a sweep.
    assert not buckets.take(b"new", 0.06)
    assert buckets.take(b"new", 0.063)
    assert len(buckets) == 1


def test_an_empty_bucket_is_not_forgotten_to_make_room() -> None:
    buckets = AddressBuckets(1, 2, cap=2)
    for _ in range(2):
        assert buckets.take(b"greedy", 0.0)
    assert buckets.take(b"other", 0.0)
    assert buckets.take(b"third", 1.0)
    assert [buckets.take(b"greedy", 1.0) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0.5)])
def test_limits_that_let_nobody_in_are_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        AddressBuckets(rate, burst)
