"""Lane options: what they take, when they are set, queue caps and times to live by lane."""

from __future__ import annotations

from typing import Any

import pytest

from netcore.config import ConnectionConfig
from netcore.delivery import Delivery
from netcore.errors import QueueFull
from netcore.fragments import MESSAGE_COST
from netcore.lane import MAX_PRIORITY, MAX_REDUNDANCY, MIN_PRIORITY, LaneOptions
from simnet.link import LinkProfile
from tests.netcore.linked import LinkedPair, make_connection

UNRELIABLE, SEQUENCED, RELIABLE, ORDERED = Delivery


@pytest.mark.parametrize(
    "options",
    [
        {"kind": ORDERED, "priority": MIN_PRIORITY},
        {"kind": ORDERED, "priority": MAX_PRIORITY},
        {"kind": RELIABLE, "redundancy": MAX_REDUNDANCY},
        {"kind": SEQUENCED, "redundancy": 1, "settle": True},
        {"kind": UNRELIABLE, "ttl_s": 0.0, "max_queue_bytes": 1},
        {"kind": 3, "max_queue_bytes": 1},
    ],
)
def test_what_is_allowed_at_its_limits(options: dict[str, Any]) -> None:
    assert LaneOptions(**options).kind is Delivery(options["kind"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": 4}, "4 is not a valid Delivery"),
        ({"kind": ORDERED, "priority": MIN_PRIORITY - 1}, "priority is -9"),
        ({"kind": ORDERED, "priority": MAX_PRIORITY + 1}, "priority is 8"),
        ({"kind": ORDERED, "redundancy": MAX_REDUNDANCY + 1}, "redundancy is 9"),
        ({"kind": ORDERED, "redundancy": -1}, "redundancy is -1"),
        ({"kind": UNRELIABLE, "redundancy": 1}, "every copy would be delivered"),
        ({"kind": UNRELIABLE, "settle": True}, "only sequenced lanes settle"),
        ({"kind": ORDERED, "settle": True}, "only sequenced lanes settle"),
        ({"kind": SEQUENCED, "ttl_s": 1.0}, "ttl_s is 1.0"),
        ({"kind": UNRELIABLE, "ttl_s": -0.1}, "ttl_s is -0.1"),
        ({"kind": UNRELIABLE, "ttl_s": float("nan")}, "ttl_s is nan"),
        ({"kind": SEQUENCED, "max_queue_bytes": 10}, "max_queue_bytes is 10"),
        ({"kind": ORDERED, "max_queue_bytes": 0}, "max_queue_bytes is 0"),
    ],
)
def test_what_is_not_is_refused_with_the_reason(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LaneOptions(**options)


def test_a_lane_is_configured_once_and_before_its_first_message() -> None:
    connection = make_connection(is_client=True)
    connection.configure_lane(9, LaneOptions(SEQUENCED, settle=True))
    with pytest.raises(ValueError, match="lane 9 is in use"):
        connection.configure_lane(9, LaneOptions(SEQUENCED))
    connection.send(10, ORDERED, b"x")
    with pytest.raises(ValueError, match="lane 10 is in use"):
        connection.configure_lane(10, LaneOptions(ORDERED, redundancy=2))


def test_a_configured_lane_takes_its_kind_only() -> None:
    connection = make_connection(is_client=True)
    connection.configure_lane(9, LaneOptions(SEQUENCED, settle=True))
    with pytest.raises(ValueError, match="lane 9 is sequenced, not ordered"):
        connection.send(9, ORDERED, b"x")
    with pytest.raises(ValueError, match="lane 64 out of range"):
        connection.configure_lane(64, LaneOptions(ORDERED))


def test_a_closed_connection_takes_no_options_and_does_not_mind() -> None:
    connection = make_connection(is_client=True)
    connection.abandon(0, "", False)
    connection.configure_lane(9, LaneOptions(SEQUENCED, settle=True))


def test_a_reliable_lane_refuses_above_its_own_cap_and_others_go_on() -> None:
    pair = LinkedPair(server=ConnectionConfig(queue_reliable_bytes=1000))
    bulk, words = 8, 9
    pair.client.configure_lane(bulk, LaneOptions(RELIABLE, max_queue_bytes=300))
    for _ in range(3):
        pair.client.send(bulk, RELIABLE, bytes(100))
    with pytest.raises(QueueFull, match="300 bytes of lane 8"):
        pair.client.send(bulk, RELIABLE, b"x")
    pair.client.send(bulk, RELIABLE, b"")
    pair.client.send(words, RELIABLE, bytes(500))
    pair.client.flush()
    pair.run(1.0)
    assert len(pair.at_server.messages) == 5
    pair.client.send(bulk, RELIABLE, bytes(300))  # all acknowledged: there is room again


def test_an_unreliable_lane_drops_its_oldest_above_its_own_cap() -> None:
    pair = LinkedPair()
    pair.client.configure_lane(8, LaneOptions(UNRELIABLE, max_queue_bytes=2 * (10 + MESSAGE_COST)))
    for number in range(3):
        pair.client.send(8, UNRELIABLE, bytes([number]) * 10)
        pair.client.send(9, UNRELIABLE, bytes([number]) * 10)
    pair.client.flush()
    pair.run(0.1)
    assert pair.at_server.texts(8) == [b"\1" * 10, b"\2" * 10]
    assert len(pair.at_server.texts(9)) == 3


# Times to live. The window is full, so that what is sent has to wait for the acknowledgement after 0.1 s.

WINDOW = ConnectionConfig(window_bytes=4800, rate_bytes_per_s=1e9)


def waiting_pair(options: LaneOptions | None = None) -> LinkedPair:
    """A pair whose client has a full window since this very moment, a round trip of 100 ms."""
    pair = LinkedPair(link=LinkProfile(delay_s=0.05), client=WINDOW)
    if options is not None:
        pair.client.configure_lane(8, options)
    pair.run(1.0)
    for _ in range(6):
        pair.client.send(20, UNRELIABLE, bytes(1100))
    pair.client.flush()
    pair.run(0.0)
    return pair


def arrived(pair: LinkedPair) -> list[bytes]:
    pair.client.flush()
    pair.run(1.0)
    return pair.at_server.texts(8)


@pytest.mark.parametrize(
    ("ttl_s", "gone"), [(0.0, True), (0.05, True), (0.0999, True), (0.2, False), (None, False)]
)
def test_a_message_that_has_to_wait_longer_than_it_lives_never_leaves(
    ttl_s: float | None, gone: bool
) -> None:
    pair = waiting_pair()
    pair.client.send(8, UNRELIABLE, b"now or never", ttl_s=ttl_s)
    assert arrived(pair) == ([] if gone else [b"now or never"])
    assert pair.client.stats.dropped_ttl == gone


@pytest.mark.parametrize("ttl_s", [0.0, 1e-9, 1e9])
def test_what_need_not_wait_leaves_however_short_it_lives(ttl_s: float) -> None:
    pair = LinkedPair()
    pair.run(0.2)
    pair.client.send(8, UNRELIABLE, b"at once", ttl_s=ttl_s)
    pair.run(5.0)  # not flushed: the time has not begun
    assert arrived(pair) == [b"at once"]
    assert pair.client.stats.dropped_ttl == 0


def test_a_lane_has_a_time_to_live_of_its_own_and_a_message_may_have_another() -> None:
    pair = waiting_pair(LaneOptions(UNRELIABLE, ttl_s=0.01))
    pair.client.send(8, UNRELIABLE, b"the lane's")
    pair.client.send(8, UNRELIABLE, b"its own", ttl_s=10.0)
    assert arrived(pair) == [b"its own"]
    assert pair.client.stats.dropped_ttl == 1


def test_a_message_in_parts_that_has_begun_is_sent_to_its_end() -> None:
    pair = waiting_pair()
    pair.client.send(8, UNRELIABLE, b"l" * 9000, ttl_s=0.15)
    pair.client.send(8, UNRELIABLE, b"s", ttl_s=0.15)
    # The window takes four parts at 0.1 s, the rest a round trip later, when both have been dead for a while.
    assert arrived(pair) == [b"l" * 9000]
    assert pair.client.stats.dropped_ttl == 1


@pytest.mark.parametrize("ttl_s", [-1e-9, float("nan"), float("-inf")])
def test_a_time_to_live_is_not_negative(ttl_s: float) -> None:
    connection = make_connection(is_client=True)
    with pytest.raises(ValueError, match="ttl of"):
        connection.send(8, UNRELIABLE, b"x", ttl_s=ttl_s)


@pytest.mark.parametrize("kind", [SEQUENCED, RELIABLE, ORDERED])
def test_only_unreliable_messages_have_one(kind: Delivery) -> None:
    with pytest.raises(ValueError, match="ttl"):
        make_connection(is_client=True).send(8, kind, b"x", ttl_s=1.0)
