"""Unreliable and sequenced lanes, sending: caps, latest wins, times to live, what fits a packet."""

from __future__ import annotations

from typing import Any

import pytest

from netcore.delivery import Delivery
from netcore.fragments import MESSAGE_COST, PART_BYTES
from netcore.send_lanes import Draft, UnreliableSender
from netcore.sequenced_lane import MAX_KEYS, SequencedSender
from netcore.stats import ConnectionStats
from tests.netcore.test_frames import parse


def drained(lane: Any, room: int = 1170, now: float = 1.0) -> list[list[dict[str, Any]]]:
    """The frames of each packet that the lane fills until it is empty."""
    packets, more = [], True
    while more:
        draft = Draft()
        draft.reset(room)
        more = not lane.fill(draft, now)
        if draft.parts:
            data = b"".join(draft.parts)
            assert len(data) <= room + 2, "the last length falls away, so a packet may seem 2 bytes too long"
            packets.append(parse(data)[0])
    return packets


def unreliable(cap: int = 65_536, lane: int = 4) -> tuple[UnreliableSender, ConnectionStats, list[Any]]:
    ready: list[Any] = []
    stats = ConnectionStats(dict)
    return UnreliableSender(lane, cap, ready, stats), stats, ready


def texts(packets: list[list[dict[str, Any]]]) -> list[bytes]:
    return [bytes.fromhex(frame["data"]) for packet in packets for frame in packet]


def test_messages_go_in_order_and_share_packets():
    lane, _, ready = unreliable()
    for number in range(30):
        lane.put(b"%d" % number * 50, 0, None)
    assert ready == [lane]
    packets = drained(lane)
    assert texts(packets) == [b"%d" % number * 50 for number in range(30)]
    assert 2 <= len(packets) <= 4
    assert lane.queued_bytes() == 0


def test_the_byte_cap_drops_the_oldest_at_one_above():
    lane, stats, _ = unreliable(cap=3 * (100 + MESSAGE_COST))
    for number in range(3):
        lane.put(bytes([number]) * 100, 0, None)
    assert stats.dropped_queue == 0
    lane.put(b"", 0, None)
    assert stats.dropped_queue == 1
    assert texts(drained(lane)) == [b"\1" * 100, b"\2" * 100, b""]


def test_empty_messages_cannot_pile_up_without_bound():
    lane, _, _ = unreliable(cap=6400)
    for _ in range(1000):
        lane.put(b"", 0, None)
    assert len(texts(drained(lane))) == 6400 // MESSAGE_COST


def test_a_time_to_live_counts_from_the_flush_that_could_not_send():
    lane, stats, _ = unreliable()
    lane.put(b"short", 0, 0.05)
    lane.put(b"long", 0, 5.0)
    lane.put(b"for ever", 0, None)
    lane.stamp(10.0)
    assert texts(drained(lane, now=10.05)) == [b"long", b"for ever"]
    assert stats.dropped_ttl == 1


def test_what_waits_goes_before_what_is_new():
    lane, _, _ = unreliable()
    lane.put(b"old", 0, None)
    lane.stamp(10.0)
    lane.put(b"new", 0, None)
    assert texts(drained(lane)) == [b"old", b"new"]


@pytest.mark.parametrize("size", [PART_BYTES, PART_BYTES + 1, 16 * PART_BYTES])
# NCP-9-13
def test_a_large_message_is_cut_only_where_it_must(size):
    lane, _, _ = unreliable()
    lane.put(bytes(size), 0, None)
    frames = [frame for packet in drained(lane) for frame in packet]
    assert ("last" in frames[0]) == (size > PART_BYTES)
    assert sum(len(frame["data"]) // 2 for frame in frames) == size
    assert len(frames) == -(-size // PART_BYTES)


# NCP-9-14
def test_the_largest_unreliable_message_and_one_byte_more():
    lane, _, _ = unreliable()
    lane.put(bytes(16 * PART_BYTES), 0, None)
    with pytest.raises(ValueError, match="18177"):
        lane.put(bytes(16 * PART_BYTES + 1), 0, None)
    with pytest.raises(ValueError, match="18177"):
        SequencedSender(3, []).put(bytes(16 * PART_BYTES + 1), 0, None)


def test_the_newest_of_each_key_goes():
    lane = SequencedSender(3, [])
    for number in range(10):
        lane.put(b"%d" % number, number % 3, None)
    frames = drained(lane)[0]
    assert [(frame["key"], bytes.fromhex(frame["data"]), frame["id"]) for frame in frames] == [
        (0, b"9", 0),
        (1, b"7", 0),
        (2, b"8", 0),
    ]
    lane.put(b"again", 1, None)
    assert drained(lane)[0][0]["id"] == 1


def test_a_newer_message_replaces_one_that_did_not_fit():
    lane = SequencedSender(3, [])
    for key in range(20):
        lane.put(b"old" * 30, key, None)
    draft = Draft()
    draft.reset(500)
    assert not lane.fill(draft, 1.0)
    sent = len(parse(b"".join(draft.parts))[0])
    assert 0 < sent < 20
    lane.put(b"new", 19, None)
    rest = [frame for packet in drained(lane) for frame in packet]
    assert [frame["key"] for frame in rest] == list(range(sent, 20))
    assert rest[-1]["data"] == b"new".hex()


@pytest.mark.parametrize("lane_number", [0, 3, 63])
@pytest.mark.parametrize("key", [0, 63, 64, 16_383, 16_384, 2**30, 2**62 - 1])
# NCP-8-1
def test_every_form_of_head(lane_number, key):
    lane = SequencedSender(lane_number, [])
    lane.put(b"x" * 70, key, None)
    ((frame,),) = drained(lane)
    assert (frame["lane"], frame["key"], frame["kind"]) == (lane_number, key, Delivery.SEQUENCED)
    assert frame["data"] == (b"x" * 70).hex()


def test_every_size_fills_packets_to_the_last_byte():
    for size in range(1080, PART_BYTES + 1):
        lane = SequencedSender(3, [])
        lane.put(bytes(size), 1, None)
        lane.put(bytes(60), 2, None)
        lane.put(bytes(10), 3, None)
        assert [len(text) for text in texts(drained(lane, room=1160))] == [size, 60, 10]


# NCP-9-3
def test_ids_wrap_around():
    lane = SequencedSender(3, [])
    lane.put(b"", 5, None)
    lane._ids[5] = 0xFFFE
    assert drained(lane)[0][0]["id"] == 0xFFFF
    lane.put(b"", 5, None)
    assert drained(lane)[0][0]["id"] == 0


# NCP-9-4
def test_as_many_keys_as_a_receiver_takes():
    lane = SequencedSender(3, [])
    for key in range(MAX_KEYS):
        lane.put(b"x", key * 1000, None)
    lane.put(b"x", 0, None)
    with pytest.raises(ValueError, match="256"):
        lane.put(b"x", 7, None)


@pytest.mark.parametrize(
    ("make", "key", "ttl_s"),
    [
        (lambda: unreliable()[0], 1, None),
        (lambda: SequencedSender(3, []), 1, 0.5),
        (lambda: SequencedSender(3, []), -1, None),
        (lambda: SequencedSender(3, []), 2**62, None),
    ],
)
def test_a_callers_mistake(make, key, ttl_s):
    with pytest.raises(ValueError):
        make().put(b"x", key, ttl_s)


# NCP-9-17
def test_a_sequenced_message_in_parts_and_others_between():
    lane = SequencedSender(3, [])
    lane.put(b"a" * 3000, 1, None)
    lane.put(b"b" * 20, 2, None)
    lane.put(b"c" * 3000, 3, None)
    frames = [frame for packet in drained(lane) for frame in packet]
    joined: dict[int, bytes] = {}
    for frame in frames:
        joined[frame["key"]] = joined.get(frame["key"], b"") + bytes.fromhex(frame["data"])
    assert joined == {1: b"a" * 3000, 2: b"b" * 20, 3: b"c" * 3000}
