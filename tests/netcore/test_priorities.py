"""Priorities: whose messages go first, and that bulk never makes an urgent one wait for more than a packet."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.config import ConnectionConfig
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.lane import LaneOptions
from simnet.link import LinkProfile
from tests.netcore.linked import LinkedPair

UNRELIABLE, SEQUENCED, RELIABLE, ORDERED = Delivery
BULK, URGENT = 20, 8


def slow_pair(**config: float) -> LinkedPair:
    """A client that may send 50,000 bytes a second, whatever waits."""
    pair = LinkedPair(
        link=LinkProfile(delay_s=0.02),
        client=ConnectionConfig(rate_bytes_per_s=50_000.0, queue_reliable_bytes=4 << 20, **config),  # type: ignore[arg-type]
    )
    pair.run(1.0)
    return pair


def lanes_of(pair: LinkedPair) -> list[int]:
    return [lane for lane, _, _, _ in pair.at_server.messages]


@pytest.mark.parametrize("kind", [UNRELIABLE, SEQUENCED, RELIABLE, ORDERED])
@pytest.mark.parametrize("bulk", [UNRELIABLE, ORDERED])
def test_an_urgent_message_leaves_with_the_next_packet(kind: Delivery, bulk: Delivery) -> None:
    pair = slow_pair()
    pair.client.configure_lane(BULK, LaneOptions(bulk, priority=-1, max_queue_bytes=1 << 20))
    for _ in range(300):
        pair.client.send(BULK, bulk, bytes(1100))
    pair.client.flush()
    pair.run(1.0)
    assert set(lanes_of(pair)) == {BULK}
    for number in range(20):
        before = pair.client.stats.messages_out  # each bulk message fills a packet
        pair.client.send(URGENT, kind, b"%d" % number)
        pair.client.flush()
        pair.run(0.1)
        assert pair.client.stats.messages_out > before + 2, "bulk goes on meanwhile"
        assert pair.at_server.texts().index(b"%d" % number) - before in (0, 1)


# NCP-12-4
def test_without_priorities_lanes_take_turns() -> None:
    pair = slow_pair()
    for _ in range(40):
        for lane in (BULK, BULK + 1, BULK + 2):
            pair.client.send(lane, ORDERED, bytes(1100))
    pair.client.flush()
    pair.run(1.0)
    counts = Counter(lanes_of(pair))
    assert max(counts.values()) - min(counts.values()) <= 1
    assert sum(counts.values()) > 20


def test_equal_priorities_take_turns_below_a_higher_one() -> None:
    pair = slow_pair()
    for lane in (1, 2):
        pair.client.configure_lane(lane, LaneOptions(ORDERED, priority=-5))
    pair.client.configure_lane(3, LaneOptions(ORDERED, priority=5))
    for lane in (1, 2, 3):
        for _ in range(15):
            pair.client.send(lane, ORDERED, bytes(1100))
    pair.client.flush()
    pair.run(3.0)
    lanes = lanes_of(pair)
    assert lanes[:15] == [3] * 15
    assert all(abs(Counter(lanes[15:at])[1] - Counter(lanes[15:at])[2]) <= 1 for at in range(15, 45))


def test_a_higher_priority_starves_a_lower_one() -> None:
    pair = slow_pair()
    pair.client.configure_lane(BULK, LaneOptions(ORDERED, priority=-1))
    pair.client.send(BULK, ORDERED, b"patient")
    for _ in range(100):
        for _ in range(30):
            pair.client.send(URGENT, UNRELIABLE, bytes(1100))
        pair.client.flush()
        pair.run(0.01)
    assert BULK not in lanes_of(pair)
    pair.run(3.0)
    assert pair.at_server.texts(BULK) == [b"patient"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 1136)), min_size=1, max_size=40),
    st.permutations(range(-3, 3)),
)
def test_one_flush_sends_classes_in_their_order(
    messages: list[tuple[int, int]], priorities: list[int]
) -> None:
    """Whatever order lanes were opened and filled in, a message never stands behind one of a lower priority, but for
    the room that a packet has left."""
    pair = LinkedPair(client=ConnectionConfig(window_bytes=1 << 20))
    pair.run(1.0)
    for lane, priority in enumerate(priorities):
        pair.client.configure_lane(lane, LaneOptions(UNRELIABLE, priority=priority))
    for lane, size in messages:
        pair.client.send(lane, UNRELIABLE, bytes(size))
    pair.client.flush()
    pair.run(1.0)
    seen = [priorities[lane] for lane in lanes_of(pair)]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(messages)


def test_a_lost_urgent_message_goes_again_before_bulk() -> None:
    pair = slow_pair()
    pair.client.configure_lane(BULK, LaneOptions(ORDERED, priority=-1))
    for _ in range(200):
        pair.client.send(BULK, ORDERED, bytes(1100))
    pair.client.flush()
    pair.run(0.5)
    pair.world.outage(("198.51.100.5", 40000), ("192.0.2.1", 7777), 0.03)
    start = pair.world.now()
    pair.client.send(URGENT, ORDERED, b"urgent")
    pair.client.flush()
    pair.run(1.0)
    at = lanes_of(pair).index(URGENT)
    assert pair.client.stats.retransmitted >= 1
    assert pair.at_server.times[at] - start < 0.2


def test_lists_of_classes_stay_sorted() -> None:
    connection: Connection = LinkedPair().client
    for lane, priority in enumerate((3, -8, 0, 7, 3, -8, 1)):
        connection.configure_lane(lane, LaneOptions(ORDERED, priority=priority))
    assert connection._outgoing._priorities == [7, 3, 1, 0, -8]
