"""Reliable lanes, sending: windows, budgets, and repetition of exactly what was lost."""

from __future__ import annotations

from typing import Any

import pytest

from netcore.delivery import Delivery
from netcore.errors import QueueFull
from netcore.fragments import MESSAGE_COST
from netcore.lane import LaneOptions
from netcore.reliable_lane import ID_WINDOW, MAX_NEW_IN_PACKET, ReliableBudget, ReliableSender
from netcore.send_lanes import Draft
from netcore.stats import ConnectionStats
from tests.netcore.test_frames import parse


class Bench:
    """Lanes with one budget, and what they sent."""

    def __init__(self, lanes: int = 1, **limits: int) -> None:
        self.wakes = 0
        self.ready: list[Any] = []
        self.stats = ConnectionStats(dict)
        given = {
            "max_message": 262_144,
            "recv_budget": 1 << 20,
            "queue_bytes": 1 << 20,
            "queue_messages": 5000,
        }
        self.budget = ReliableBudget(**(given | limits), wake=self.wake)
        self.lanes = [
            ReliableSender(8 + at, LaneOptions(Delivery.ORDERED), self.budget, self.ready, self.stats)
            for at in range(lanes)
        ]
        self.lane = self.lanes[0]

    def wake(self) -> None:
        self.wakes += 1

    def packets(self, room: int = 1170) -> list[list[dict[str, Any]]]:
        """Fill packets as long as any lane has something that may go."""
        packets = []
        while self.ready:
            draft = Draft()
            draft.reset(room)
            while self.ready and self.ready[0].fill(draft, 1.0):
                del self.ready[0]
            if draft.parts:
                packets.append(parse(b"".join(draft.parts))[0])
        return packets

    def frames(self) -> list[dict[str, Any]]:
        return [frame for packet in self.packets() for frame in packet]


# NCP-9-2
def test_messages_go_once_with_rising_ids():
    bench = Bench()
    for number in range(5):
        bench.lane.put(b"%d" % number, 0, None)
    assert [(frame["id"], frame["data"]) for frame in bench.frames()] == [
        (number, (b"%d" % number).hex()) for number in range(5)
    ]
    assert bench.frames() == []


# NCP-9-12, NCP-11-4
def test_a_lost_message_goes_again_first_and_alone():
    bench = Bench()
    for text in (b"a", b"b", b"c"):
        bench.lane.put(text, 0, None)
    bench.frames()
    bench.lane.lost(1, -1)
    bench.lane.lost(1, -1)
    bench.lane.put(b"d", 0, None)
    assert [frame["id"] for frame in bench.frames()] == [1, 3]
    assert bench.stats.retransmitted == 1


def test_a_part_that_was_lost_goes_again_without_the_others():
    bench = Bench()
    bench.lane.put(bytes(5000), 0, None)
    assert [frame["index"] for frame in bench.frames()] == [0, 1, 2, 3, 4]
    bench.lane.acked(0, 1)
    bench.lane.lost(0, 1)
    bench.lane.lost(0, 3)
    assert [frame["index"] for frame in bench.frames()] == [3]
    for index in (0, 2, 3, 4):
        assert bench.lane.outstanding
        bench.lane.acked(0, index)
    assert not bench.lane.outstanding
    assert bench.budget.queued_bytes == bench.budget.sent_cost == bench.budget.queued_messages == 0


# NCP-9-6
def test_the_id_window_stops_at_exactly_1024_and_goes_on_with_the_oldest():
    bench = Bench()
    for _ in range(ID_WINDOW + 1):
        bench.lane.put(b"", 0, None)
    assert len(bench.frames()) == ID_WINDOW
    bench.lane.acked(1, -1)
    assert bench.wakes == 0, "the oldest still blocks"
    assert bench.frames() == []
    bench.lane.acked(0, -1)
    assert bench.wakes == 1
    assert [frame["id"] for frame in bench.frames()] == [ID_WINDOW]


# NCP-9-7
def test_the_receive_budget_counts_from_the_oldest_unacknowledged():
    bench = Bench(recv_budget=3 * (100 + MESSAGE_COST))
    for _ in range(5):
        bench.lane.put(bytes(100), 0, None)
    assert len(bench.frames()) == 3
    bench.lane.acked(1, -1)
    bench.lane.acked(2, -1)
    assert bench.frames() == [], "1 and 2 may be held behind 0"
    bench.lane.acked(0, -1)
    assert len(bench.frames()) == 2


# NCP-9-7
def test_the_budget_is_one_for_all_lanes_and_frees_whoever_waits():
    bench = Bench(lanes=2, recv_budget=2 * (100 + MESSAGE_COST))
    first, second = bench.lanes
    first.put(bytes(100), 0, None)
    first.put(bytes(100), 0, None)
    second.put(bytes(100), 0, None)
    assert [frame["lane"] for frame in bench.frames()] == [8, 8]
    first.acked(0, -1)
    assert [frame["lane"] for frame in bench.frames()] == [9]


# NCP-9-8
def test_at_most_32_new_messages_of_a_lane_in_a_packet():
    bench = Bench()
    for _ in range(MAX_NEW_IN_PACKET + 1):
        bench.lane.put(b"", 0, None)
    assert [len(packet) for packet in bench.packets()] == [MAX_NEW_IN_PACKET, 1]


@pytest.mark.parametrize("limits", [{"queue_bytes": 300}, {"queue_messages": 3}])
def test_a_full_queue_is_refused_until_something_is_acknowledged(limits):
    bench = Bench(**limits)
    for _ in range(3):
        bench.lane.put(bytes(100), 0, None)
    with pytest.raises(QueueFull):
        bench.lane.put(b"x", 0, None)
    bench.frames()
    with pytest.raises(QueueFull):
        bench.lane.put(b"x", 0, None)
    bench.lane.acked(0, -1)
    bench.lane.put(b"x", 0, None)


def test_the_largest_message_and_one_byte_more():
    bench = Bench(max_message=2000)
    bench.lane.put(bytes(2000), 0, None)
    with pytest.raises(ValueError, match="2001"):
        bench.lane.put(bytes(2001), 0, None)


def test_keys_and_times_to_live_are_a_mistake_here():
    with pytest.raises(ValueError):
        Bench().lane.put(b"", 1, None)
    with pytest.raises(ValueError):
        Bench().lane.put(b"", 0, 1.0)


def test_an_acknowledgement_that_comes_twice_counts_once():
    bench = Bench()
    bench.lane.put(b"x", 0, None)
    bench.frames()
    bench.lane.acked(0, -1)
    bench.lane.acked(0, -1)
    bench.lane.lost(0, -1)
    assert bench.frames() == []
    assert bench.budget.queued_messages == 0
