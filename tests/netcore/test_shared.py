"""Shared messages: framed once, the same bytes on every connection, latest wins on each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.ncp import NcpPair
from netcore.delivery import Delivery
from netcore.fragments import MAX_UNRELIABLE_BYTES, PART_BYTES
from netcore.frames import message_frame
from netcore.shared import SharedBlock, SharedMessage

LANE = 3


class Room:
    """One sender's connections to some receivers."""

    def __init__(self, receivers: int = 2) -> None:
        self.pairs = [NcpPair(0.0) for _ in range(receivers)]
        self.got: list[list[tuple[int, bytes]]] = [[] for _ in range(receivers)]
        for pair, got in zip(self.pairs, self.got, strict=True):
            pair.client_handler.on_message = lambda lane, kind, key, data, got=got: got.append((key, data))
        self.now = 0.0

    def queue(self, *messages: SharedMessage) -> None:
        block = SharedBlock(messages)
        for pair in self.pairs:
            pair.at_server.shared_sender(LANE)(block)

    def carry(self, pairs: slice = slice(None)) -> None:
        self.now += 0.05
        for pair in self.pairs[pairs]:
            pair.at_server.flush()
            pair.carry_down(self.now)
            self.now += 0.05
            pair.carry_up(self.now)


def message(key: int, number: int, data: bytes) -> SharedMessage:
    return SharedMessage(LANE, key, number, data)


def test_every_connection_delivers_the_same_message() -> None:
    room = Room()
    room.queue(message(7, 1, b"hello"))
    room.carry()
    assert room.got == [[(7, b"hello")], [(7, b"hello")]]


def test_a_newer_message_replaces_an_unsent_one_of_its_key_only() -> None:
    room = Room(1)
    for number, (key, data) in enumerate([(1, b"old"), (2, b"other"), (1, b"new")], 1):
        room.queue(message(key, number, data))
    room.carry()
    assert sorted(room.got[0]) == [(1, b"new"), (2, b"other")]


def test_a_block_arrives_in_its_order_and_a_later_one_replaces_its_keys() -> None:
    room = Room(1)
    room.queue(*(message(key, 1, bytes([key])) for key in range(5)))
    room.carry()
    assert room.got[0] == [(key, bytes([key])) for key in range(5)]
    room.got[0].clear()
    room.queue(message(0, 2, b"a"), message(1, 2, b"b"))
    room.queue(message(1, 3, b"B"), message(2, 2, b"c"))
    room.carry()
    assert sorted(room.got[0]) == [(0, b"a"), (1, b"B"), (2, b"c")]


def test_a_block_larger_than_a_packet_is_taken_apart() -> None:
    room = Room(1)
    room.queue(*(message(key, 1, bytes(400)) for key in range(10)), message(10, 1, bytes(3000)))
    for _ in range(8):
        room.carry()
    assert sorted(room.got[0]) == [(key, bytes(400)) for key in range(10)] + [(10, bytes(3000))]


# NCP-9-3
def test_a_receiver_that_missed_numbers_takes_the_next_one() -> None:
    room = Room(1)
    for number in (5, 6, 5000, 21_000):
        room.queue(message(1, number, str(number).encode()))
        room.carry()
    assert [data for _, data in room.got[0]] == [b"5", b"6", b"5000", b"21000"]


def test_numbers_wrap_around() -> None:
    room = Room(1)
    for number in (0xFFFE, 0xFFFF, 0x1_0000, 0x1_0001):
        room.queue(message(1, number, str(number).encode()))
        room.carry()
    assert len(room.got[0]) == 4


def test_more_than_a_packet_goes_in_several_and_nothing_is_left() -> None:
    room = Room(1)
    sent = [(key, bytes([key]) * 300) for key in range(40)]
    for key, data in sent:
        room.queue(message(key, 1, data))
    for _ in range(8):
        room.carry()
    assert sorted(room.got[0]) == sent
    assert room.pairs[0].at_server.stats.snapshot()["queued_bytes"] == 0


@pytest.mark.parametrize("size", [0, PART_BYTES, PART_BYTES + 1, 5000, MAX_UNRELIABLE_BYTES])
# NCP-9-17
def test_every_size_up_to_the_limit_arrives_whole(size: int) -> None:
    room = Room()
    data = bytes(i % 251 for i in range(size))
    room.queue(message(3, 9, data))
    for _ in range(4):
        room.carry()
    assert room.got == [[(3, data)], [(3, data)]]


def test_a_small_message_replaces_a_large_one_of_its_key_and_the_other_way_round() -> None:
    for first, second in ((b"s", b"L" * 4000), (b"L" * 4000, b"s")):
        room = Room(1)
        room.queue(message(1, 1, first))
        room.queue(message(1, 2, second))
        for _ in range(3):
            room.carry()
        assert room.got[0] == [(1, second)]


def test_shared_and_own_messages_share_a_lane_under_keys_of_their_own() -> None:
    room = Room(1)
    room.queue(message(1, 1, b"shared"))
    room.pairs[0].at_server.send(LANE, Delivery.SEQUENCED, b"own", 200)
    room.carry()
    assert sorted(room.got[0]) == [(1, b"shared"), (200, b"own")]


def test_a_closed_connection_takes_nothing_more() -> None:
    room = Room(1)
    connection = room.pairs[0].at_server
    sender = connection.shared_sender(LANE)
    connection.abandon(0, "", False)
    sender(SharedBlock([message(1, 1, b"late")]))
    connection.shared_sender(LANE)(SharedBlock([message(1, 2, b"later")]))
    room.carry()
    assert room.got == [[]]


def test_a_lane_of_another_kind_is_refused() -> None:
    connection = Room(1).pairs[0].at_server
    connection.send(LANE, Delivery.ORDERED, b"x")
    with pytest.raises(ValueError, match="lane 3 is ordered"):
        connection.shared_sender(LANE)


@given(st.integers(0, 63), st.integers(0, 255), st.integers(0, 1 << 20), st.binary(max_size=200))
def test_the_frame_is_the_one_that_the_document_describes(
    lane: int, key: int, number: int, data: bytes
) -> None:
    frame = SharedMessage(lane, key, number, data).frame
    assert frame == message_frame(Delivery.SEQUENCED << 6 | lane, number & 0xFFFF, key, data)


@pytest.mark.parametrize(
    ("lane", "key", "size"),
    [(64, 0, 0), (-1, 0, 0), (0, 256, 0), (0, -1, 0), (0, 0, MAX_UNRELIABLE_BYTES + 1)],
)
def test_what_is_out_of_range_is_refused_with_the_limit(lane: int, key: int, size: int) -> None:
    with pytest.raises(ValueError, match="shared message"):
        SharedMessage(lane, key, 0, bytes(size))
