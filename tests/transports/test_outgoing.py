"""The outgoing queue: who waits, who gives way, and in which order frames leave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.ports import QueueFull
from netcore.delivery import Delivery
from transports.outgoing import OutgoingQueue, QueueLimits

U, S, R, O = Delivery.UNRELIABLE, Delivery.SEQUENCED, Delivery.RELIABLE, Delivery.ORDERED  # noqa: E741


# WS-5-3
def test_reliable_and_ordered_frames_leave_in_the_order_of_putting() -> None:
    queue = OutgoingQueue(QueueLimits())
    for number in range(5):
        queue.put(1 + number % 2, (O, R)[number % 2], 0, b"%d" % number)
    assert queue.take(1000) == [b"0", b"1", b"2", b"3", b"4"]
    assert len(queue) == 0 and queue.size_bytes == 0


# WS-5-1
def test_the_newest_frame_of_a_key_replaces_the_older_in_its_place() -> None:
    queue = OutgoingQueue(QueueLimits())
    queue.put(3, S, 1, b"old")
    queue.put(3, S, 2, b"other")
    queue.put(3, S, 1, b"newer")
    assert queue.replaced == 1
    assert queue.size_bytes == 10
    assert queue.take(1000) == [b"newer", b"other"]


def test_equal_keys_of_two_lanes_are_two_places() -> None:
    queue = OutgoingQueue(QueueLimits())
    queue.put(3, S, 1, b"three")
    queue.put(4, S, 1, b"four")
    queue.put(5, S, 0, b"five")
    assert queue.take(1000) == [b"three", b"four", b"five"]


@pytest.mark.parametrize(
    "limits", [QueueLimits(reliable_messages=3), QueueLimits(reliable_bytes=30)], ids=["messages", "bytes"]
)
# WS-5-1
def test_the_reliable_cap_is_exact(limits: QueueLimits) -> None:
    queue = OutgoingQueue(limits)
    for _ in range(3):
        queue.put(2, R, 0, bytes(10))
    with pytest.raises(QueueFull, match="3 reliable messages of 30 bytes"):
        queue.put(1, O, 0, b"x")
    queue.take(10)
    queue.put(1, O, 0, bytes(10))


@pytest.mark.parametrize(
    "limits", [QueueLimits(unreliable_messages=3), QueueLimits(unreliable_bytes=3)], ids=["messages", "bytes"]
)
def test_the_oldest_unreliable_frame_gives_way(limits: QueueLimits) -> None:
    queue = OutgoingQueue(limits)
    for number in range(5):
        queue.put(4, U, 0, b"%d" % number)
    assert queue.dropped == 2
    assert queue.take(1000) == [b"2", b"3", b"4"]


def test_an_unreliable_frame_above_the_cap_still_gets_its_chance() -> None:
    queue = OutgoingQueue(QueueLimits(unreliable_bytes=3))
    queue.put(4, U, 0, b"small")
    queue.put(4, U, 0, b"larger")
    assert queue.take(1000) == [b"larger"]


def test_above_its_cap_the_longest_waiting_key_is_dropped() -> None:
    queue = OutgoingQueue(QueueLimits(sequenced_bytes=30))
    for key in range(4):
        queue.put(3, S, key, bytes([key]) * 10)
    assert queue.dropped == 1
    assert [frame[0] for frame in queue.take(1000)] == [1, 2, 3]


def test_a_partial_take_gives_every_kind_its_share() -> None:
    queue = OutgoingQueue(QueueLimits())
    for number in range(100):
        queue.put(1, O, 0, b"r" * 10)
        queue.put(3, S, number, b"s" * 10)
        queue.put(4, U, 0, b"u" * 10)
    taken = b"".join(queue.take(90))
    assert len(taken) == 90
    assert taken.count(b"r") == taken.count(b"s") == taken.count(b"u") == 30


def test_a_frame_larger_than_the_budget_leaves_alone() -> None:
    queue = OutgoingQueue(QueueLimits())
    queue.put(1, O, 0, bytes(1000))
    queue.put(1, O, 0, b"next")
    assert [len(frame) for frame in queue.take(100)] == [1000]
    assert queue.take(100) == [b"next"]


_puts = st.lists(
    st.tuples(st.sampled_from([U, S, R, O]), st.integers(0, 5), st.binary(min_size=1, max_size=40)),
    max_size=80,
)


@given(puts=_puts, budget=st.integers(10, 200))
def test_what_leaves_is_what_was_put_and_the_sums_are_right(
    puts: list[tuple[Delivery, int, bytes]], budget: int
) -> None:
    queue = OutgoingQueue(QueueLimits())
    lanes = {O: 1, R: 2, S: 3, U: 4}
    newest: dict[int, bytes] = {}
    plain: dict[Delivery, list[bytes]] = {U: [], R: [], O: []}
    for number, (kind, key, data) in enumerate(puts):
        frame = bytes([kind]) + number.to_bytes(2, "big") + data
        queue.put(lanes[kind], kind, key, frame)
        if kind is S:
            newest[key] = frame
        else:
            plain[kind].append(frame)
    taken: list[bytes] = []
    while queue:
        before = queue.size_bytes
        frames = queue.take(budget)
        assert frames
        assert len(frames) == 1 or sum(map(len, frames)) <= budget
        assert queue.size_bytes == before - sum(map(len, frames))
        taken += frames
    assert queue.size_bytes == 0
    for kind, frames in plain.items():
        assert [frame for frame in taken if frame[0] == kind] == frames
    assert sorted(frame for frame in taken if frame[0] == S) == sorted(newest.values())
