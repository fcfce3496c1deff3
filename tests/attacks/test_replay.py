"""A05, A09: datagrams that were recorded are worth nothing: nowhere, in no order, and the first flight least of all."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.address import Address
from netcore.datagrams import DATA, HELLO, HELLO_BYTES, decode_hello
from netcore.delivery import Delivery
from netcore.replay import WINDOW
from netcore.server import ServerConfig
from netcore.token import TokenGate, TokenKey
from tests.netcore.endpoints import APP_ID, CLIENT, SERVER, Client, Net

ELSEWHERE: Address = ("203.0.113.77", 9)
MIXED = (Delivery.UNRELIABLE, Delivery.SEQUENCED, Delivery.RELIABLE, Delivery.ORDERED)


class Recording:
    """A session as someone on the path sees it: everything that went up and down, in order."""

    def __init__(self, seed: int, *, exchanges: int = 12) -> None:
        self.net = Net(seed=seed)
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        draw = random.Random(seed)
        client = self.net.client()
        for turn in range(exchanges):
            for data, _ in client.endpoint.datagrams_to_send(self.net.now):
                self.up.append(data)
                for answer, _ in self.net.to_server(data):
                    self.hand_down(client, answer)
            for answer, _ in self.net.from_server():
                self.hand_down(client, answer)
            if client.handler.connection is not None:
                ends = [client.handler.connection, *(recorder.connection for recorder in self.net.accepted)]
                for end in ends:
                    assert end is not None
                    for _ in range(draw.randrange(4)):
                        kind = draw.choice(MIXED)
                        end.send(8 + kind, kind, b"%d/%d" % (turn, draw.randrange(1 << 30)))
                    end.flush()
            self.net.now += draw.random() * 0.05
        self.client = client
        self.at_server = self.net.accepted[0]

    def hand_down(self, client: Client, answer: bytes) -> None:
        self.down.append(answer)
        client.endpoint.receive_datagram(answer, SERVER, self.net.now)

    def facts(self) -> tuple[object, ...]:
        """What a replay could move: messages, connections, ends."""
        net = self.net
        return (
            list(self.at_server.messages),
            list(self.client.handler.messages),
            len(net.accepted),
            self.at_server.closed + self.client.handler.closed,
        )


def replays(recorded: list[bytes], draw: random.Random, times: int) -> list[bytes]:
    """Each recorded datagram `times` over, in an order of the attacker's."""
    return draw.sample(recorded * times, len(recorded) * times)


@given(st.integers(0, 1 << 30), st.booleans())
@settings(max_examples=25, deadline=None)
def test_no_recorded_datagram_delivers_anything_a_second_time(seed: int, later: bool) -> None:
    """At the same server, at the client, from the same and from another address, at once and 20 s later."""
    session = Recording(seed)
    net, draw = session.net, random.Random(seed)
    before = session.facts()
    assert session.at_server.messages and session.client.handler.messages
    if later:
        net.now += 20.0  # the connection still stands, its timers have not run
    for address in (CLIENT, ELSEWHERE):
        for data in replays(session.up, draw, 3):
            net.server.receive_datagram(data, address, net.now)
    for source in (SERVER, ELSEWHERE):
        for data in replays(session.down, draw, 3):
            session.client.endpoint.receive_datagram(data, source, net.now)
    # What goes up replayed downwards, and the other way round.
    for data in session.down:
        net.server.receive_datagram(data, CLIENT, net.now)
    for data in session.up:
        session.client.endpoint.receive_datagram(data, SERVER, net.now)
    assert session.facts() == before
    # And the session goes on as if nothing had been.
    connection = session.client.handler.connection
    assert connection is not None
    connection.send(20, Delivery.ORDERED, b"afterwards")
    connection.flush()
    for data, _ in session.client.endpoint.datagrams_to_send(net.now):
        net.to_server(data)
    assert session.at_server.texts[-1] == b"afterwards"


@given(st.integers(0, 1 << 30))
@settings(max_examples=15, deadline=None)
def test_no_recorded_datagram_delivers_anything_at_another_server(seed: int) -> None:
    """After a restart with the same token key, and at a server with another key; both accept nobody by it."""
    session = Recording(seed)
    net, draw = session.net, random.Random(seed)
    for key in (net.key, TokenKey(1, bytes(32)), TokenKey(2, net.key.secret)):
        net.gate = TokenGate([key], APP_ID)
        net.server = net.make_server()
        for address in (CLIENT, ELSEWHERE):
            for data in replays(session.up, draw, 2):
                net.server.receive_datagram(data, address, net.now)
                for answer, to in net.from_server():
                    # The server's answer is fresh, and so is of no use to an old session.
                    assert len(answer) <= len(data) and to == address
        assert net.server.stats.established == 0
    assert len(net.accepted) == 1


def test_a_packet_from_before_the_window_is_not_taken_though_it_never_came() -> None:
    """Held back by the attacker: within the last 1,024 it is just late, older it is dropped."""
    net = Net()
    client, recorder = net.joined()
    connection = client.handler.connection
    assert connection is not None
    held: list[bytes] = []
    for number in range(WINDOW + 40):
        connection.send(8, Delivery.UNRELIABLE, b"%d" % number)
        connection.flush()
        for data, _ in client.endpoint.datagrams_to_send(net.now):
            if number in (5, WINDOW - 5):
                held.append(data)
            else:
                net.to_server(data)
        for data, _ in net.from_server():
            client.endpoint.receive_datagram(data, SERVER, net.now)
        net.now += 0.01
    assert len(held) == 2
    before = len(recorder.messages)
    for data in held * 3:
        net.to_server(data)
    assert recorder.texts[before:] == [b"%d" % (WINDOW - 5)]


# A09: there is no early data.


def first_flight(net: Net, client: Client) -> bytes:
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    return hello


def test_the_first_flight_is_one_hello_with_nothing_in_it_that_has_an_effect() -> None:
    """Its token, its key, its parameters: the application hears of none of it until the second flight."""
    net = Net()
    client = net.client()
    hello = first_flight(net, client)
    assert hello[0] == HELLO and len(hello) == HELLO_BYTES
    assert client.handler.connection is None  # so there is nothing to send by yet
    for _ in range(20):
        net.to_server(hello)
        net.now += 0.01
    assert net.accepted == []
    assert (net.server.stats.established, len(net.server.connections)) == (0, 0)
    # A HELLO with data behind it, or with a packet in one datagram, is no more than a HELLO, if that.
    assert decode_hello(hello).encode() == hello
    net.to_server(hello + bytes((DATA,)) + bytes(40))
    assert net.accepted == []


@pytest.mark.parametrize("times", [1, 2, 7])
def test_replaying_hello_and_first_data_has_one_effect(times: int) -> None:
    net = Net()
    client = net.client()
    hello = first_flight(net, client)
    for answer, _ in net.to_server(hello):
        client.endpoint.receive_datagram(answer, SERVER, net.now)
    connection = client.handler.connection
    assert connection is not None
    connection.send(8, Delivery.ORDERED, b"buy one")
    connection.flush()
    data = [datagram for datagram, _ in client.endpoint.datagrams_to_send(net.now)]
    for _ in range(times):
        for datagram in [hello, *data, *reversed(data), hello]:
            net.to_server(datagram)
            net.to_server(datagram, ELSEWHERE)
    assert [recorder.texts for recorder in net.accepted] == [[b"buy one"]]
    assert net.server.stats.established == 1


def test_first_data_does_not_survive_a_restart_between_the_flights() -> None:
    """The successor answers the same HELLO with other keys: the old second flight opens nothing there."""
    net = Net(config=replace(ServerConfig(), trusted_networks=("0.0.0.0/0",)))
    client = net.client()
    hello = first_flight(net, client)
    for answer, _ in net.to_server(hello):
        client.endpoint.receive_datagram(answer, SERVER, net.now)
    connection = client.handler.connection
    assert connection is not None
    connection.send(8, Delivery.ORDERED, b"buy one")
    connection.flush()
    data = [datagram for datagram, _ in client.endpoint.datagrams_to_send(net.now)]
    for datagram in data:
        net.to_server(datagram)
    assert [recorder.texts for recorder in net.accepted] == [[b"buy one"]]
    net.gate = TokenGate([net.key], APP_ID)
    for _ in range(50):
        net.server = net.make_server()
        for datagram in (hello, *data):
            net.to_server(datagram)
    assert len(net.accepted) == 1
