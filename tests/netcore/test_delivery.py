"""What each delivery kind promises, over worlds that lose, repeat, reorder and bend packets."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.config import ConnectionConfig
from netcore.delivery import Delivery
from netcore.errors import QueueFull
from netcore.params import Params
from simnet.link import LinkProfile
from tests.netcore.linked import LinkedPair, Listener

LANES = {
    0: Delivery.ORDERED,
    8: Delivery.ORDERED,
    9: Delivery.RELIABLE,
    10: Delivery.SEQUENCED,
    11: Delivery.UNRELIABLE,
}

links = st.builds(
    LinkProfile,
    delay_s=st.sampled_from([0.0005, 0.02, 0.1]),
    jitter_s=st.sampled_from([0.0, 0.004, 0.03]),
    loss=st.sampled_from([0.0, 0.02, 0.1, 0.3]),
    duplicate=st.sampled_from([0.0, 0.2]),
    reorder=st.sampled_from([0.0, 0.2]),
    corrupt=st.sampled_from([0.0, 0.1]),
)
sends = st.lists(
    st.tuples(
        st.booleans(),  # from the client?
        st.sampled_from(sorted(LANES)),
        st.integers(0, 3),  # key
        st.one_of(st.integers(0, 200), st.sampled_from([1136, 1137, 5_000, 40_000])),  # bytes
        st.sampled_from([0.0, 0.0, 0.001, 0.03]),  # pause after it
    ),
    max_size=60,
)


class Model:
    """What one side sent, in the order of sending, and the check of what the other side got."""

    def __init__(self) -> None:
        self.sent: dict[int, list[bytes]] = defaultdict(list)

    def data(self, lane: int, key: int, size: int) -> bytes:
        """A message that says which it is."""
        return f"{lane}/{key}/{len(self.sent[lane])}/".encode().ljust(size, b".")

    def check(self, got: Listener, *, complete: bool) -> None:
        for lane, kind in LANES.items():
            sent, texts = self.sent[lane], got.texts(lane)
            assert set(texts) <= set(sent)
            if kind is Delivery.ORDERED:
                assert texts == sent[: len(texts)]
            if kind is not Delivery.SEQUENCED:
                assert len(texts) == len(set(texts))
            if kind is Delivery.SEQUENCED:
                newest: dict[int, int] = {}
                for text, key in [(m[3], m[2]) for m in got.messages if m[0] == lane]:
                    said_key, number = map(int, text.split(b"/")[1:3])
                    assert said_key == key
                    assert number > newest.get(key, -1)
                    newest[key] = number
            if complete and kind.is_reliable:
                assert sorted(texts) == sorted(sent)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), link=links, script=sends)
# NCP-9-1, NCP-9-12
def test_every_kind_keeps_its_promise(seed: int, link: LinkProfile, script: list) -> None:
    pair = LinkedPair(seed, link)
    pair.run(0.3)
    models = {pair.client: Model(), pair.server: Model()}
    for from_client, lane, key, size, pause in script:
        sender = pair.client if from_client else pair.server
        if not sender.established:
            continue
        kind, model = LANES[lane], models[sender]
        data = model.data(lane, key, size if kind.is_reliable else min(size, 16 * 1136))
        try:
            sender.send(lane, kind, data, key if kind is Delivery.SEQUENCED else 0)
        except QueueFull:
            continue
        model.sent[lane].append(data)
        if pause:
            sender.flush()
            pair.run(pause)
            models[pair.client].check(pair.at_server, complete=False)
            models[pair.server].check(pair.at_client, complete=False)
    pair.client.flush()
    pair.server.flush()
    pair.run(0.5)
    pair.heal()
    pair.run(8.0)
    assert not pair.at_client.closed and not pair.at_server.closed
    models[pair.client].check(pair.at_server, complete=True)
    models[pair.server].check(pair.at_client, complete=True)
    for end in (pair.client, pair.server):
        gauges = end.stats.snapshot()
        assert gauges["unacked_bytes"] == gauges["held_bytes"] == 0
        assert gauges["bytes_in_flight"] < 40, "at most the PING of an idle connection"


def test_a_large_ordered_message_arrives_whole_over_a_bad_path():
    pair = LinkedPair(3, LinkProfile(delay_s=0.02, jitter_s=0.01, loss=0.1, duplicate=0.1))
    pair.run(0.2)
    data = bytes(range(256)) * 1024
    pair.client.send(8, Delivery.ORDERED, data)
    pair.client.flush()
    pair.run(8)
    assert pair.at_server.texts() == [data]


def test_a_bulk_transfer_uses_the_budget_and_never_trips_the_receiver():
    params = Params(recv_budget=70_000, max_message=60_000)
    pair = LinkedPair(1, LinkProfile(delay_s=0.01, loss=0.05), server_params=params)
    pair.run(0.1)
    sent = []
    for number in range(300):
        lane = 8 + number % 3
        data = bytes([number % 256]) * (500 + 97 * number)
        sent.append((lane, data))
        pair.client.send(lane, Delivery.ORDERED if lane < 10 else Delivery.RELIABLE, data)
        pair.client.flush()
        pair.run(0.05)
    pair.heal()
    pair.run(10)
    assert not pair.at_server.closed
    for lane in (8, 9):
        assert pair.at_server.texts(lane) == [data for where, data in sent if where == lane]
    assert sorted(pair.at_server.texts(10)) == sorted(data for where, data in sent if where == 10)


def test_thousands_of_small_reliable_messages_at_once_keep_within_the_id_window():
    pair = LinkedPair(5, LinkProfile(delay_s=0.03, loss=0.05, reorder=0.1))
    pair.run(0.2)
    sent = [number.to_bytes(2, "big") for number in range(4000)]
    for data in sent:
        pair.client.send(9, Delivery.RELIABLE, data)
    pair.client.flush()
    pair.run(15)
    assert sorted(pair.at_server.texts()) == sent
    assert not pair.at_server.closed


@pytest.mark.parametrize("kind", [Delivery.RELIABLE, Delivery.ORDERED])
# NCP-9-2, NCP-9-3
def test_ids_may_wrap_around(kind):
    pair = LinkedPair(5, LinkProfile(delay_s=0.0005), client=ConnectionConfig(rate_bytes_per_s=1e8))
    pair.run(0.1)
    count = 66_000
    for start in range(0, count, 1000):
        for number in range(start, start + 1000):
            pair.client.send(9, kind, number.to_bytes(4, "big"))
        pair.client.flush()
        pair.run(0.1)
    assert pair.at_server.texts() == [number.to_bytes(4, "big") for number in range(count)]


def test_a_lost_message_is_repeated_one_round_trip_after_the_gap_shows():
    pair = LinkedPair(1, LinkProfile(delay_s=0.025))
    pair.run(0.5)
    for _ in range(20):  # a settled round trip of 50 ms
        pair.client.send(8, Delivery.ORDERED, b"warm up")
        pair.client.flush()
        pair.run(1 / 60)
    pair.run(0.2)
    pair.at_server.messages.clear()
    pair.at_server.times.clear()
    start = pair.world.now()
    pair.world.cut(("198.51.100.5", 40000), ("192.0.2.1", 7777))
    pair.client.send(8, Delivery.ORDERED, b"lost")
    pair.client.flush()
    pair.run(0.001)
    pair.world.cut(("198.51.100.5", 40000), ("192.0.2.1", 7777), False)
    for number in range(6):
        pair.world.run_until(start + (number + 1) / 60)
        pair.client.send(8, Delivery.ORDERED, b"later")
        pair.client.flush()
    pair.run(0.3)
    assert pair.at_server.texts()[0] == b"lost"
    # Gap seen at 16.7 + 25 ms, told at once, heard 25 ms later, repeated at once, 25 ms on the way.
    assert pair.at_server.times[0] - start == pytest.approx(1 / 60 + 0.075, abs=0.002)


def test_a_lost_last_message_comes_by_a_probe():
    pair = LinkedPair(1, LinkProfile(delay_s=0.025))
    pair.run(0.5)
    pair.world.cut(("198.51.100.5", 40000), ("192.0.2.1", 7777))
    pair.client.send(8, Delivery.ORDERED, b"last")
    pair.client.flush()
    start = pair.world.now()
    pair.run(0.01)
    pair.world.cut(("198.51.100.5", 40000), ("192.0.2.1", 7777), False)
    pair.run(2)
    assert pair.at_server.texts() == [b"last"]
    assert pair.at_server.times[0] - start < 0.35
    assert pair.client.stats.probes >= 1


def test_after_an_outage_traffic_flows_again_soon():
    pair = LinkedPair(1, LinkProfile(delay_s=0.025))
    pair.run(0.5)
    pair.world.outage(("198.51.100.5", 40000), ("192.0.2.1", 7777), 4.0)
    for _ in range(10):
        pair.client.send(8, Delivery.ORDERED, b"during")
        pair.client.flush()
        pair.run(0.4)
    assert not pair.at_server.messages
    pair.run(1.3)
    assert len(pair.at_server.messages) == 10
