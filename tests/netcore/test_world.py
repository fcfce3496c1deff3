"""The whole protocol between real endpoints in virtual time: every promise kept on every kind of bad path."""

from __future__ import annotations

from collections import Counter

import pytest

from netcore.codes import CloseCode
from netcore.config import ConnectionConfig
from netcore.delivery import Delivery
from netcore.server import ServerConfig
from simnet.chance import Chance
from simnet.eventlog import EventKind
from simnet.link import LinkModel, LinkProfile
from simnet.loss import GilbertElliott
from simnet.presets import PathProfile, preset
from tests.netcore.traffic import LANES, SERVER, NcpWorld, Side


def both(**parameters) -> PathProfile:
    profile = LinkProfile(**parameters)
    return PathProfile(profile, profile)


def test_the_handshake_takes_one_round_trip_and_the_servers_word_half_a_one_more():
    net = NcpWorld(1, both(delay_s=0.05))
    near, far = net.pairs[0]
    assert net.world.run_until_true(lambda: near.connects == 1, 5)
    assert net.world.now() == pytest.approx(0.1)
    assert net.world.run_until_true(lambda: far.connects == 1, 5)
    assert net.world.now() == pytest.approx(0.15)


def test_with_a_cookie_it_takes_two():
    net = NcpWorld(1, both(delay_s=0.05), server=ServerConfig(retry="always"))
    near, _ = net.pairs[0]
    assert net.world.run_until_true(lambda: near.connects == 1, 5)
    assert net.world.now() == pytest.approx(0.2)


def test_under_thirty_per_cent_loss_nearly_every_handshake_succeeds_and_the_others_are_told():
    connected = 0
    for seed in range(60):
        net = NcpWorld(seed, both(delay_s=0.04, jitter_s=0.01, loss=0.3))
        near, far = net.pairs[0]
        net.world.run_until(12)
        assert near.connects or near.closed == [(CloseCode.IDLE, near.closed[0][1], False)]
        assert far.connects <= 1
        assert net.server.stats.established <= 1
        connected += near.connects and far.connects
    assert connected >= 56


@pytest.mark.parametrize(
    "name",
    [
        "lan",
        "far",
        "awful",
        "loss-5",
        "hostile",
        "bursts",
        "phone",
        "narrow",
        "duplicates",
        "reorder",
        "corrupt",
    ],
)
def test_all_four_kinds_keep_their_promises(name):
    net = NcpWorld(3, preset(name))
    net.join()
    net.chat(8)
    net.settle()
    for near, far in net.pairs:
        assert not near.closed and not far.closed
        for side in (near, far):
            for lane, messages in side.peer.sent.items():
                share = len(side.got[lane]) / len(messages)
                assert share > (0.3 if name == "hostile" else 0.6), (side.name, lane)


def test_several_clients_keep_their_messages_apart():
    net = NcpWorld(4, preset("bursts"), clients=6)
    net.join()
    net.chat(4)
    net.settle()
    assert all(side.got[11] and not side.closed for pair in net.pairs for side in pair)
    assert len(net.server.connections) == 6


def swarm_path(seed: int) -> PathProfile:
    """A path with some of all faults, others in each seed."""
    chance = Chance(seed, "swarm")

    def some(most: float) -> float:
        return chance.uniform() * most if chance.below(2) else 0.0

    def one() -> LinkProfile:
        loss = GilbertElliott(some(0.05), 0.2 + some(0.5), some(1.0)) if chance.below(3) == 0 else some(0.3)
        narrow = chance.below(4) == 0
        return LinkProfile(
            delay_s=some(0.2),
            jitter_s=some(0.1),
            loss=loss,
            duplicate=some(0.5),
            reorder=some(0.5),
            corrupt=some(0.1),
            rate_bytes_per_s=20_000 + some(500_000) if narrow else None,
            queue_bytes=20_000 if narrow else None,
        )

    return PathProfile(one(), one())


@pytest.mark.parametrize("seed", range(40))
def test_a_swarm_of_faulty_paths(seed):
    """Every seed has other faults, perhaps an outage, and must keep all promises or say that it is over."""
    net = NcpWorld(seed, swarm_path(seed))
    near, far = net.pairs[0]
    if not net.world.run_until_true(lambda: bool(near.connects and far.connects), 10):
        net.world.run_until(20)
        assert near.closed
        return
    if seed % 3 == 0:
        net.world.call_at(net.world.now() + 1.0, lambda: net.world.outage(net.address(0), SERVER, 1.5))
    net.chat(3)
    net.settle(30)
    assert not near.closed and not far.closed


def test_damaged_datagrams_are_dropped_and_every_one_is_counted():
    net = NcpWorld(5, both(delay_s=0.02, corrupt=0.2), record=True)
    net.join()
    net.chat(8)
    net.settle()
    net.world.run_for(0.2)
    sent = {event.data for event in net.world.events if event.kind is EventKind.SENT}
    arrived = [event for event in net.world.events if event.kind is EventKind.ARRIVED]
    damaged = [event for event in arrived if event.data not in sent]
    at_server = sum(event.destination == SERVER for event in damaged)
    at_client = len(damaged) - at_server
    assert at_server > 50 and at_client > 50
    server, client = net.server.stats, net.clients[0].stats
    # A damaged connection id or version is answered, which is counted too; the client drops such an answer.
    answered = sum(event.data[0] in (0x0B, 0x0C) and event.data in sent for event in arrived)
    assert sum(server.dropped.values()) + server.resets + server.versions == at_server
    assert sum(client.dropped.values()) == at_client + answered
    assert not net.pairs[0][0].closed and not net.pairs[0][1].closed


def test_two_seconds_without_a_path_are_survived():
    net = NcpWorld(6, both(delay_s=0.03, jitter_s=0.005))
    net.join()
    net.chat(2)
    start = net.world.now()
    net.world.outage(net.address(0), SERVER, 2.0)
    net.chat(4)
    near, far = net.pairs[0]
    assert not near.closed and not far.closed
    net.settle(2)
    assert net.world.now() - start < 5


# NCP-13-4
def test_a_path_that_stays_away_ends_both_sides_with_idle():
    net = NcpWorld(7, connection=ConnectionConfig(idle_timeout_s=4.0))
    net.join()
    net.chat(1)
    net.world.cut(net.address(0), SERVER)
    net.world.run_for(4.5)
    near, far = net.pairs[0]
    for side in (near, far):
        [(code, _, remote)] = side.closed
        assert (code, remote) == (CloseCode.IDLE, False)
    assert not net.server.connections
    count = net.world.log.count
    net.world.run_for(60)
    assert net.world.log.count <= count + 4


def busy(seed: int) -> NcpWorld:
    net = NcpWorld(seed, preset("bursts"), clients=3)
    net.join()
    net.chat(3)
    net.settle()
    return net


def test_the_same_seed_gives_the_same_bytes_at_the_same_times():
    assert busy(11).world.digest() == busy(11).world.digest()
    assert busy(11).world.digest() != busy(12).world.digest()


def recorded(seed: int) -> tuple[NcpWorld, list[tuple[bytes, tuple, tuple]]]:
    net = NcpWorld(seed, both(delay_s=0.02, jitter_s=0.01), record=True)
    net.join()
    net.chat(2)
    net.settle()
    net.world.run_for(1)
    return net, [
        (event.data, event.source, event.destination)
        for event in net.world.events
        if event.kind is EventKind.SENT
    ]


def numbers_of(net: NcpWorld) -> list[tuple[int, Counter[int]]]:
    return [
        (side.connects, Counter({lane: len(got) for lane, got in side.got.items()}))
        for pair in net.pairs
        for side in pair
    ]


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_recording_played_into_the_living_connection_delivers_nothing(shuffled):
    net, datagrams = recorded(8)
    before = numbers_of(net)
    if shuffled:
        chance = Chance(1, "shuffle")
        datagrams.sort(key=lambda _: chance.u64())
    for data, source, destination in datagrams:
        net.world.inject(data, source, destination)
        net.world.run_for(0.001)
    net.world.run_for(1)
    assert numbers_of(net) == before
    assert net.server.stats.established == 1
    near, far = net.pairs[0]
    assert not near.closed and not far.closed
    net.chat(1)
    net.settle()


def test_a_recording_played_after_the_end_opens_nothing():
    net, datagrams = recorded(9)
    near, far = net.pairs[0]
    assert near.connection is not None
    near.connection.close()
    net.world.run_for(5)
    assert near.closed and far.closed
    before = numbers_of(net)
    for wait in (0.0, 40.0, 70.0):
        net.world.run_for(wait)
        for data, source, destination in datagrams:
            net.world.inject(data, source, destination)
            net.world.run_for(0.001)
    assert numbers_of(net) == before
    assert net.server.stats.established == 1
    assert not net.server.connections


def test_a_recording_from_another_address_moves_and_delivers_nothing():
    net, datagrams = recorded(10)
    before = numbers_of(net)
    stranger = ("203.0.113.66", 6666)
    for data, _, destination in datagrams:
        if destination == SERVER:
            net.world.inject(data, stranger, SERVER)
            net.world.run_for(0.001)
    assert numbers_of(net) == before
    answered = [event for event in net.world.events if event.destination == stranger]
    assert sum(len(event.data) for event in answered) < sum(len(data) for data, *_ in datagrams) / 3
    net.chat(1)
    net.settle()


@pytest.mark.parametrize("seed", range(15))
# NCP-5-17
def test_before_the_client_proved_itself_the_server_never_sends_more_than_it_got(seed):
    net = NcpWorld(seed, swarm_path(seed), record=True)
    far = net.pairs[0][1]
    net.world.run_until_true(lambda: far.connects == 1, 8)
    received = sent = 0
    for event in net.world.events:
        if event.destination == SERVER and event.kind is EventKind.ARRIVED:
            received += len(event.data)
        elif event.source == SERVER and event.kind is EventKind.SENT:
            sent += len(event.data)
            assert sent <= received


# NCP-7-3
def test_no_packet_number_is_ever_used_twice():
    """The number is the nonce; within 65,536 packets its two bytes on the wire are unique."""
    net = NcpWorld(20, preset("loss-5"), record=True)
    net.join()
    net.chat(5)
    net.settle()
    for source, header in ((net.address(0), 7), (SERVER, 3)):
        heads = [
            event.data[:header]
            for event in net.world.events
            if event.kind is EventKind.SENT and event.source == source and event.data[0] & 0xFE == 4
        ]
        assert 200 < len(heads) < 65_536
        assert len(set(heads)) == len(heads)


# NCP-7-8
def test_no_datagram_is_longer_than_every_path_takes():
    net, datagrams = recorded(13)
    assert max(len(data) for data, *_ in datagrams) == 1200
    assert net.pairs[0][0].got[10]


# NCP-13-5
def test_a_quiet_connection_says_no_more_than_that_it_lives():
    net = NcpWorld(14, connection=ConnectionConfig(idle_timeout_s=9.0), record=True)
    net.join()
    net.world.run_for(2)
    before = len(net.world.events)
    net.world.run_for(60)
    near, far = net.pairs[0]
    assert not near.closed and not far.closed
    sent = [event for event in net.world.events[before:] if event.kind is EventKind.SENT]
    assert len(sent) <= 4 * 60 / 3
    assert sum(event.kind is EventKind.TIMER for event in net.world.events[before:]) <= 60 * 4


def test_closing_delivers_what_was_queued_and_then_there_is_silence():
    net = NcpWorld(15, both(delay_s=0.03, loss=0.05), record=True)
    net.join()
    near, far = net.pairs[0]
    assert near.connection is not None
    for _ in range(30):
        near.send(10, 500)
        near.send(11, 2000)
    near.connection.close(CloseCode.NORMAL, "good night", 5.0)
    net.world.run_for(10)
    assert not far.missing()
    assert near.closed == [(CloseCode.NORMAL, "good night", False)]
    assert far.closed == [(CloseCode.NORMAL, "good night", True)]
    before = len(net.world.events)
    net.world.run_for(120)
    assert [event for event in net.world.events[before:] if event.kind is EventKind.SENT] == []
    assert not net.server.connections


def test_a_restarted_server_says_so_at_once():
    net = NcpWorld(16, both(delay_s=0.02), server=ServerConfig(reset_key=bytes(32)))
    net.join()
    near = net.pairs[0][0]
    net.world.remove(SERVER)
    fresh = NcpWorld(17, server=ServerConfig(reset_key=bytes(32)), clients=0)
    net.world.add(fresh.server, SERVER)
    net.world.connect(net.address(0), SERVER, LinkModel(delay_s=0.02), LinkModel(delay_s=0.02))
    near.send(11, 50)
    assert near.connection is not None
    near.connection.flush()
    net.world.run_for(0.1)
    assert len(near.closed) == 1


def test_the_round_trip_is_measured():
    net = NcpWorld(18, both(delay_s=0.060))
    net.join()
    net.chat(3)
    for side in net.pairs[0]:
        assert isinstance(side, Side) and side.connection is not None
        assert side.connection.rtt_s == pytest.approx(0.120, abs=0.03)


@pytest.mark.parametrize("seed", [1, 2, 3])
# NCP-9-12
def test_only_what_was_lost_is_sent_again(seed):
    net = NcpWorld(seed, both(delay_s=0.03, loss=0.05))
    net.join()
    net.chat(10)
    net.settle()
    ways = ((net.address(0), SERVER), (SERVER, net.address(0)))
    for side, way in zip(net.pairs[0], ways, strict=True):
        link = net.world.link(*way)
        assert side.connection is not None and isinstance(link, LinkModel)
        stats = side.connection.stats.snapshot()
        assert stats["spurious"] == 0
        assert 5 < stats["lost"] <= link.stats.lost
        assert stats["retransmitted"] < 3 * link.stats.lost


# NCP-11-5, NCP-11-7
def test_into_a_dead_path_it_probes_ever_more_rarely():
    net = NcpWorld(3, both(delay_s=0.03), record=True)
    net.join()
    net.chat(1)
    net.settle()
    net.world.run_for(1)
    near = net.pairs[0][0]
    net.world.cut(net.address(0), SERVER)
    near.send(11, 100)
    assert near.connection is not None
    near.connection.flush()
    before = len(net.world.events)
    net.world.run_for(4)
    probes = [
        event.at_s
        for event in net.world.events[before:]
        if event.kind is EventKind.SENT and event.source == net.address(0)
    ]
    assert 4 <= len(probes) <= 10
    assert probes[-1] - probes[-2] > 4 * (probes[1] - probes[0])


def test_unreliable_messages_arrive_as_often_as_the_path_lets_them():
    net = NcpWorld(19, both(delay_s=0.02, loss=0.2))
    net.join()
    net.chat(20, sizes=lambda _: 100)
    net.settle()
    near, far = net.pairs[0]
    unreliable = next(lane for lane, kind in LANES.items() if kind is Delivery.UNRELIABLE)
    share = len(far.got[unreliable]) / len(near.sent[unreliable])
    assert share == pytest.approx(0.8, abs=0.07)
