"""Redundancy: small messages ride again in the packets to come, are delivered once, and cost what they may."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.delivery import Delivery
from netcore.lane import MAX_REDUNDANCY, REDUNDANT_BYTES, LaneOptions
from simnet.link import LinkProfile
from tests.netcore.linked import LinkedPair

SEQUENCED, RELIABLE, ORDERED = Delivery.SEQUENCED, Delivery.RELIABLE, Delivery.ORDERED
LANE = 8


def pair_with(
    times: int, kind: Delivery = ORDERED, link: LinkProfile | None = None, seed: int = 0
) -> LinkedPair:
    pair = LinkedPair(seed, link)
    pair.client.configure_lane(LANE, LaneOptions(kind, redundancy=times))
    pair.run(1.0)
    return pair


def send(pair: LinkedPair, number: int, size: int = 100, pause_s: float = 1 / 60) -> None:
    connection = pair.client
    kind = connection._send_lanes[LANE].kind
    connection.send(LANE, kind, number.to_bytes(4, "big").ljust(size, b"."))
    connection.flush()
    pair.run(pause_s)


def numbers(pair: LinkedPair) -> list[int]:
    return [int.from_bytes(data[:4], "big") for data in pair.at_server.texts(LANE)]


links = st.builds(
    LinkProfile,
    delay_s=st.sampled_from([0.001, 0.02, 0.1]),
    jitter_s=st.sampled_from([0.0, 0.03]),
    loss=st.sampled_from([0.0, 0.1, 0.4]),
    duplicate=st.sampled_from([0.0, 0.3]),
    reorder=st.sampled_from([0.0, 0.3]),
)
script = st.lists(
    st.tuples(
        st.one_of(st.integers(4, 100), st.sampled_from([256, 257, 1136, 3000])),
        st.sampled_from([0.0, 0.001, 0.016, 0.3]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 10_000),
    links,
    script,
    st.integers(0, MAX_REDUNDANCY),
    st.sampled_from([RELIABLE, ORDERED]),
)
def test_every_message_is_delivered_exactly_once(
    seed: int, link: LinkProfile, sizes: list[tuple[int, float]], times: int, kind: Delivery
) -> None:
    pair = pair_with(times, kind, link, seed)
    for number, (size, pause_s) in enumerate(sizes):
        send(pair, number, size, pause_s)
    pair.heal()
    pair.run(8.0)
    got = numbers(pair)
    assert sorted(got) == list(range(len(sizes)))
    assert kind is RELIABLE or got == sorted(got)
    small = sum(size <= REDUNDANT_BYTES for size, _ in sizes)
    assert pair.client.stats.repeated_ahead <= times * small, "more often than it may"


# NCP-9-12
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), links, script, st.integers(1, MAX_REDUNDANCY))
def test_sequenced_messages_are_never_delivered_twice_or_late(
    seed: int, link: LinkProfile, sizes: list[tuple[int, float]], times: int
) -> None:
    pair = pair_with(times, SEQUENCED, link, seed)
    for number, (size, pause_s) in enumerate(sizes):
        send(pair, number, size, pause_s)
    pair.heal()
    pair.run(3.0)
    got = numbers(pair)
    assert got == sorted(set(got))


@pytest.mark.parametrize("times", [0, 1, 2, 5])
def test_a_message_rides_again_in_exactly_so_many_packets(times: int) -> None:
    pair = pair_with(times, link=LinkProfile(delay_s=0.5))  # no acknowledgement comes in time
    for number in range(20):
        send(pair, number)
    assert pair.client.stats.repeated_ahead == sum(min(times, 19 - number) for number in range(20))
    assert pair.client.stats.retransmitted == 0


def test_a_message_that_arrived_does_not_ride_again() -> None:
    pair = pair_with(4, link=LinkProfile(delay_s=0.005))
    for number in range(20):
        send(pair, number, pause_s=0.1)
    assert pair.client.stats.repeated_ahead == 0


@pytest.mark.parametrize(("size", "rides"), [(REDUNDANT_BYTES, True), (REDUNDANT_BYTES + 1, False)])
def test_only_messages_up_to_256_bytes_ride_again(size: int, rides: bool) -> None:
    pair = pair_with(1, link=LinkProfile(delay_s=0.5))
    for number in range(3):
        send(pair, number, size)
    assert pair.client.stats.repeated_ahead == 2 * rides


@pytest.mark.parametrize("kind", [RELIABLE, ORDERED])
def test_a_lost_message_is_there_with_the_next_packet(kind: Delivery) -> None:
    late = {}
    for times in (0, 1):
        pair = pair_with(times, kind, LinkProfile(delay_s=0.05))
        pair.world.outage(("198.51.100.5", 40000), ("192.0.2.1", 7777), 0.001)
        start = pair.world.now()
        for number in range(20):
            send(pair, number)
        pair.run(2.0)
        place = numbers(pair).index(0)
        late[times] = pair.at_server.times[place] - start
    assert late[1] == pytest.approx(1 / 60 + 0.05, abs=0.001)
    assert late[0] > 0.15


def test_repeating_makes_no_packet_of_its_own_and_waits_for_another_wake_up() -> None:
    packets = []
    for times in (0, 3):
        pair = pair_with(times, link=LinkProfile(delay_s=0.5))
        for _ in range(2):
            for number in range(30):
                pair.client.send(LANE, ORDERED, number.to_bytes(4, "big") * 60)
            pair.client.flush()
            pair.run(0.01)
        packets.append(pair.client.stats.packets_out)
        if times:
            # Seven packets of 240-byte messages leave together, each too full for one more but the last.
            assert pair.client.stats.repeated_ahead <= 4
    assert packets[0] == packets[1]


def test_messages_of_other_lanes_give_a_ride_too() -> None:
    pair = pair_with(2, link=LinkProfile(delay_s=0.5))
    send(pair, 0)
    for _ in range(5):
        pair.client.send(9, Delivery.UNRELIABLE, b"x")
        pair.client.flush()
        pair.run(0.01)
    assert pair.client.stats.repeated_ahead == 2


def test_a_full_packet_gives_no_ride_and_the_next_with_room_does() -> None:
    pair = pair_with(1, link=LinkProfile(delay_s=0.5))
    send(pair, 0, 200)
    pair.client.send(9, Delivery.UNRELIABLE, bytes(1100))
    pair.client.flush()
    pair.run(0.01)
    assert pair.client.stats.repeated_ahead == 0
    pair.client.send(9, Delivery.UNRELIABLE, bytes(100))
    pair.client.flush()
    pair.run(0.01)
    assert pair.client.stats.repeated_ahead == 1


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.3])
def test_the_bytes_spent_are_bounded(loss: float) -> None:
    spent = {}
    for times in (0, 2):
        pair = pair_with(times, link=LinkProfile(delay_s=0.05, loss=loss))
        before = pair.client.stats.bytes_out
        for number in range(600):
            send(pair, number)
        spent[times] = pair.client.stats.bytes_out - before
    assert spent[2] - spent[0] <= 600 * 2 * 106


def test_a_burst_of_small_messages_rides_again_as_far_as_there_is_room() -> None:
    pair = pair_with(2, link=LinkProfile(delay_s=0.5))
    for number in range(1000):
        pair.client.send(LANE, ORDERED, number.to_bytes(4, "big"))
    pair.client.flush()
    pair.run(0.01)
    send(pair, 1000)
    assert 0 < pair.client.stats.repeated_ahead < 200
    pair.run(5.0)
    assert numbers(pair) == list(range(1001))
