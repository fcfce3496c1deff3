"""Client and server endpoint in memory: from the first byte to messages both ways, and every way to fail."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore import admission
from netcore.client import ClientEndpoint
from netcore.codes import CloseCode
from netcore.config import ConnectionConfig
from netcore.datagrams import (
    ACCEPT,
    RETRY,
    VERSIONS,
    Hello,
    decode_hello,
    encode_accept,
    encode_retry,
    encode_versions,
)
from netcore.delivery import Delivery
from netcore.noise import Initiator, Responder
from netcore.params import Params
from netcore.server import Refusal, ServerConfig
from netcore.token import VERSION, Credentials, TokenKey
from tests.netcore.endpoints import CLIENT, SERVER, Net, Recorder
from tests.netcore.seeded import seeded


def test_one_round_trip_and_both_know_each_other() -> None:
    # NCP-5-4, NCP-5-16
    net = Net()
    client = net.client(net.credentials(b"who I am"))
    net.step()
    assert client.handler.connection is not None
    assert net.accepted == []  # only the client's first DATA proves it
    net.step()
    (server_side,) = net.accepted
    assert server_side.connection is not None
    assert server_side.connection.claims == b"who I am"
    assert client.handler.connection.claims == b""
    assert server_side.connection.cid == client.handler.connection.cid
    assert dict(net.server.connections) == {server_side.connection.cid: server_side.connection}
    stats = net.server.stats
    assert (stats.hellos, stats.accepts, stats.retries, stats.established) == (1, 1, 0, 1)
    assert (stats.half_open, stats.connections, stats.dropped) == (0, 1, {})


def test_messages_travel_both_ways() -> None:
    net = Net()
    client, server_side = net.joined()
    assert client.handler.connection is not None and server_side.connection is not None
    for kind in Delivery:
        client.handler.connection.send(8 + kind, kind, b"up" + bytes((kind,)))
        server_side.connection.send(8 + kind, kind, b"down" + bytes((kind,)))
    client.handler.connection.flush()
    server_side.connection.flush()
    net.settle()
    assert sorted(client.handler.texts) == [b"down" + bytes((kind,)) for kind in Delivery]
    assert sorted(server_side.texts) == [b"up" + bytes((kind,)) for kind in Delivery]


def test_a_message_in_the_first_packet_finds_the_application_ready() -> None:
    net = Net()

    class Eager(Recorder):
        def connected(self, connection: object) -> None:
            super().connected(connection)  # type: ignore[arg-type]
            assert self.connection is not None
            self.connection.send(8, Delivery.ORDERED, b"first words")

    handler = Eager()
    client = net.client()
    client.endpoint._handler = client.handler = handler
    net.settle()
    assert net.accepted[0].texts == [b"first words"]


def test_always_retry_costs_a_round_trip_and_no_memory() -> None:
    # NCP-5-11, NCP-5-14
    net = Net(ServerConfig(retry="always"))
    client = net.client()
    net.step()
    assert client.handler.connection is None
    assert (net.server.stats.retries, net.server.stats.half_open) == (1, 0)
    assert net.gate.log_size == 0
    net.settle()
    assert client.handler.connection is not None
    assert len(net.accepted) == 1
    assert client.endpoint.stats.retries == 1


def test_the_first_byte_of_the_attempt_is_the_steer() -> None:
    # NCP-3-7
    net = Net()
    offered = net.credentials()
    client = net.client(Credentials(offered.token, offered.psk, offered.app_id, steer=0xA7))
    ((data, _),) = client.endpoint.datagrams_to_send(net.now)
    assert data[5] == 0xA7


def test_the_hello_schedule_and_its_end() -> None:
    # NCP-5-2
    net = Net()
    client = net.client()
    times: list[float] = []
    start = net.now
    while not client.handler.closed:
        times += [net.now - start] * len(client.endpoint.datagrams_to_send(net.now))
        when = client.endpoint.next_timer()
        if when is None:
            break
        assert when > net.now or client.handler.closed
        net.now = when
        client.endpoint.handle_timer(net.now)
    assert times == pytest.approx([0, 0.25, 0.75, 1.75, 2.75, 3.75])
    assert client.handler.closed == [(CloseCode.IDLE, "no answer from the server", False)]
    assert net.now - start == pytest.approx(4.75)
    assert client.endpoint.is_closed
    assert client.endpoint.datagrams_to_send(net.now + 9) == []


@pytest.mark.parametrize("lost", ["hello", "accept", "first data", "answer"])
def test_the_loss_of_any_one_datagram_only_costs_time(lost: str) -> None:
    net = Net()
    client = net.client()
    index = ["hello", "accept", "first data", "answer"].index(lost)
    carried = 0
    for _ in range(3000):
        for data, _ in client.endpoint.datagrams_to_send(net.now):
            carried += 1
            if carried - 1 != index:
                net.server.receive_datagram(data, CLIENT, net.now)
        for data, _ in net.from_server():
            carried += 1
            if carried - 1 != index:
                client.endpoint.receive_datagram(data, SERVER, net.now)
        net.now += 0.005
        for endpoint in (net.server, client.endpoint):
            endpoint.handle_timer(net.now)
        if net.accepted and carried > index + 1 and net.server.connections:
            break
    assert len(net.accepted) == 1
    assert client.handler.connection is not None
    client.handler.connection.send(8, Delivery.ORDERED, b"still here")
    client.handler.connection.flush()
    net.advance(1.0)
    assert net.accepted[0].texts == [b"still here"]


def test_a_repeated_hello_gets_the_same_accept() -> None:
    # NCP-5-10, step 4
    net = Net()
    client = net.client()
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    ((first, _),) = net.to_server(hello)
    ((again, _),) = net.to_server(hello)
    assert first == again
    assert first[0] == ACCEPT
    assert (net.server.stats.half_open, net.server.stats.accepts) == (1, 2)
    client.endpoint.receive_datagram(again, SERVER, net.now)
    net.settle()
    assert len(net.accepted) == 1


def test_an_accept_that_came_twice_changes_nothing() -> None:
    net = Net()
    client = net.client()
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    ((accept, _),) = net.to_server(hello)
    client.endpoint.receive_datagram(accept, SERVER, net.now)
    connection = client.handler.connection
    client.endpoint.receive_datagram(accept, SERVER, net.now)
    assert client.handler.connection is connection
    assert client.endpoint.stats.dropped == {"late": 1}


def test_a_refusal_is_an_authenticated_close() -> None:
    # NCP-5-18
    net = Net()
    net.refuse = Refusal(CloseCode.CHANNEL_FULL, "no room")
    client = net.client()
    net.settle()
    net.advance(0.5)
    assert client.handler.connection is not None
    assert client.handler.closed == [(CloseCode.CHANNEL_FULL, "no room", True)]
    assert net.accepted[0].closed == []  # the application said no: it hears nothing more
    assert net.server.stats.refused == 1


def test_an_application_that_raises_loses_that_connection_only() -> None:
    net = Net()
    good, _ = net.joined(("198.51.100.8", 1))

    def broken(connection: object) -> Recorder:
        raise RuntimeError("a defect")

    net.server._accept = broken
    client = net.client()
    with pytest.raises(RuntimeError, match="a defect"):
        net.settle()
    net.advance(0.5)
    assert client.handler.closed[0][0] == CloseCode.INTERNAL
    assert good.handler.closed == []


def test_a_server_that_is_closing_says_so_to_everyone() -> None:
    net = Net()
    old, _ = net.joined(("198.51.100.8", 1))
    net.server.close_all(CloseCode.SERVER_SHUTDOWN, "bye")
    net.advance(0.2)
    new = net.client()
    net.advance(0.5)
    for client in (old, new):
        assert client.handler.closed == [(CloseCode.SERVER_SHUTDOWN, "bye", True)]
    assert len(net.accepted) == 1
    net.advance(5.0)
    assert net.server.stats.connections == 0


def test_the_round_trip_of_the_handshake_is_the_first_sample() -> None:
    net = Net()
    client = net.client()
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    net.now += 0.03
    ((accept, _),) = net.to_server(hello)
    net.now += 0.03
    client.endpoint.receive_datagram(accept, SERVER, net.now)
    ((data, _),) = client.endpoint.datagrams_to_send(net.now)
    net.now += 0.03
    net.to_server(data)
    server_side = net.accepted[0].connection
    assert client.handler.connection is not None and server_side is not None
    assert client.handler.connection.rtt_s == pytest.approx(0.06)
    assert server_side.rtt_s == pytest.approx(0.06)


def test_a_repeated_hello_gives_no_sample() -> None:
    net = Net()
    client = net.client()
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    net.now += 0.25
    ((again, _),) = client.endpoint.datagrams_to_send(net.now)
    net.to_server(hello)
    ((accept, _),) = net.to_server(again)
    client.endpoint.receive_datagram(accept, SERVER, net.now)
    assert client.handler.connection is not None
    assert client.handler.connection.rtt_s is None
    ((data, _),) = client.endpoint.datagrams_to_send(net.now)
    net.to_server(data)
    server_side = net.accepted[0].connection
    assert server_side is not None
    assert server_side.rtt_s is None


def test_a_server_of_another_version_ends_the_attempt() -> None:
    # NCP-5-6
    net = Net()
    client = net.client()
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    client.endpoint.receive_datagram(encode_versions(hello[5:13], [0x4E435009]), SERVER, net.now)
    assert client.handler.closed[0][0] == CloseCode.VERSION
    assert client.endpoint.datagrams_to_send(net.now + 1) == []


def test_a_versions_that_names_our_own_version_is_a_lie() -> None:
    # NCP-5-6
    net = Net()
    client = net.client()
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    lie = encode_versions(hello[5:13], [0x4E435009, 0x4E435001])
    client.endpoint.receive_datagram(lie, SERVER, net.now)
    assert client.handler.closed == []
    net.to_server(hello)
    net.settle()


def test_the_server_answers_another_version_with_its_own() -> None:
    net = Net()
    ((answer, _),) = net.to_server(b"\x08\x4e\x43\x50\x09" + b"attempt!" + bytes(1187))
    assert answer == bytes((VERSIONS,)) + b"attempt!" + b"\1\x4e\x43\x50\x01"


def test_a_hello_chosen_down_to_an_older_version_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    # NCP-5-22
    newer = VERSION + 1
    outcomes = []
    for spoken in ((VERSION,), (VERSION, newer)):
        monkeypatch.setattr(admission, "SUPPORTED_VERSIONS", spoken)
        net = Net()
        offered = net.credentials()
        hello = Hello(VERSION, b"attempt!", offered.app_id, b"", offered.token, b"")
        payload = Params(versions=(VERSION, newer)).encode()
        message = Initiator(offered.psk, hello.prologue(), b"\x05" * 32, payload).message
        outcomes.append(len(net.to_server(hello._replace(message=message).encode())))
        assert net.gate.log_size == outcomes[-1]
    assert outcomes == [1, 0]
    assert net.dropped() == {"downgrade": 1}


def test_an_answer_to_another_attempt_is_not_followed() -> None:
    # NCP-5-5
    net = Net()
    client = net.client()
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    other = bytes((hello[5] ^ 1,)) + hello[6:13]
    for answer in (
        encode_retry(other, bytes(24)),
        encode_versions(other, [9]),
        encode_accept(other, bytes(96)),
    ):
        client.endpoint.receive_datagram(answer, SERVER, net.now)
    assert client.endpoint.stats.dropped == {"attempt_id": 3}
    assert client.endpoint.datagrams_to_send(net.now) == []
    assert client.handler.closed == []


@pytest.mark.parametrize("params", [Params(), Params(cid=1), Params(reset_token=bytes(16))])
def test_an_accept_must_name_connection_id_and_reset_token(params: Params) -> None:
    # NCP-5-20
    net = Net()
    offered = net.credentials()
    client = net.client(offered)
    ((data, _),) = client.endpoint.datagrams_to_send(net.now)
    hello = decode_hello(data)
    responder = Responder(offered.psk, hello.prologue(), hello.message)
    message, _ = responder.accept(b"\x06" * 32, params.encode())
    client.endpoint.receive_datagram(encode_accept(hello.attempt_id, message), SERVER, net.now)
    assert client.handler.connection is None
    assert client.endpoint.stats.dropped == {"params_missing": 1}


def test_after_a_retry_the_schedule_starts_again() -> None:
    # NCP-5-3
    net = Net(ServerConfig(retry="always"))
    client = net.client()
    client.endpoint.datagrams_to_send(net.now)
    net.now += 0.25
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    ((retry, _),) = net.to_server(hello)
    client.endpoint.receive_datagram(retry, SERVER, net.now)
    ((again, _),) = client.endpoint.datagrams_to_send(net.now)
    assert decode_hello(again)._replace(cookie=b"") == decode_hello(hello)
    assert client.endpoint.next_timer() == pytest.approx(net.now + 0.25)


@given(st.lists(st.binary(max_size=1300), max_size=8), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_noise_from_the_servers_own_address_does_not_stop_a_client(junk: list[bytes], steps: int) -> None:
    # NCP-5-5
    net = Net()
    client = net.client()
    for _ in range(steps):
        net.step()
    heads = (b"", b"\x09\x4e\x43\x50\x01", b"\x0a\x4e\x43\x50\x01", b"\x0b", b"\x0c", b"\x04", b"\x05")
    for data in junk:
        for head in heads:
            client.endpoint.receive_datagram(head + data, SERVER, net.now)
    net.settle()
    assert client.handler.connection is not None
    assert client.handler.closed == []
    assert len(net.accepted) == 1


def test_another_sender_than_the_server_is_not_heard() -> None:
    # NCP-3-3
    net = Net()
    client = net.client()
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    ((accept, _),) = net.to_server(hello)
    client.endpoint.receive_datagram(accept, ("192.0.2.1", 7778), net.now)
    client.endpoint.receive_datagram(accept, ("192.0.2.2", 7777), net.now)
    assert client.handler.connection is None
    assert client.endpoint.stats.dropped == {"address": 2}
    # The same server, as a socket of the other family shows it.
    client.endpoint.receive_datagram(accept, ("::ffff:192.0.2.1", 7777, 0, 0), net.now)
    assert client.handler.connection is not None


def test_a_client_follows_few_retries() -> None:
    # NCP-5-3
    net = Net(ServerConfig(retry="always"))
    client = net.client()
    ((hello, _),) = client.endpoint.datagrams_to_send(net.now)
    ((retry, _),) = net.to_server(hello)
    assert retry[0] == RETRY
    sent = 0
    for _ in range(10):
        client.endpoint.receive_datagram(retry, SERVER, net.now)
        sent += len(client.endpoint.datagrams_to_send(net.now))
    assert sent == 3


def test_giving_up_before_the_answer() -> None:
    net = Net()
    client = net.client()
    client.endpoint.datagrams_to_send(net.now)
    client.endpoint.close()
    client.endpoint.close()
    assert client.handler.closed == [(CloseCode.NORMAL, "", False)]
    assert client.endpoint.next_timer() is None


def test_credentials_for_another_application_or_key_lead_nowhere() -> None:
    for wrong, reason in (("app_id", "app_id"), ("key", "token_key"), ("psk", "noise_authentication")):
        net = Net()
        good = net.credentials()
        if wrong == "app_id":
            bad = Credentials(good.token, good.psk, 8)
        elif wrong == "key":
            bad = net.credentials(key=TokenKey(9, bytes(32)))
        else:
            bad = Credentials(good.token, bytes(32), good.app_id)
        client = net.client(bad)
        net.advance(6.0, step_s=0.05)
        assert client.handler.connection is None
        assert client.handler.closed[0][0] == CloseCode.IDLE
        assert net.dropped() == {reason: 6}
        assert net.server.stats.datagrams_out == 0
        assert net.gate.log_size == 0


def test_the_idle_timeout_is_the_smaller_of_both_sides() -> None:
    # NCP-5-21
    net = Net(ServerConfig(connection=ConnectionConfig(idle_timeout_s=1.0)))
    _, server_side = net.joined()
    net.clients.clear()  # the client is gone without a word
    net.advance(0.9)
    assert server_side.closed == []
    net.advance(0.2)
    assert server_side.closed == [(CloseCode.IDLE, "nothing heard", False)]
    assert net.server.connections == {}
    assert net.server.next_timer() is None


def test_an_endpoint_wakes_its_driver_for_what_is_sent_between_wake_ups() -> None:
    net = Net()
    client, server_side = net.joined()
    woken: list[str] = []
    net.server.wake = lambda: woken.append("server")
    client.endpoint.wake = lambda: woken.append("client")
    for handler in (client.handler, server_side):
        assert handler.connection is not None
        for _ in range(3):
            handler.connection.send(8, Delivery.ORDERED, b"x")
            handler.connection.flush()
    assert woken == ["client", "server"]
    net.settle()
    assert woken == ["client", "server"]
    assert len(server_side.texts) == len(client.handler.texts) == 3


def test_connected_may_close_at_once() -> None:
    net = Net()

    class Fickle(Recorder):
        def connected(self, connection: object) -> None:
            super().connected(connection)  # type: ignore[arg-type]
            assert self.connection is not None
            self.connection.close(5, "changed my mind")

    handler = Fickle()
    endpoint = ClientEndpoint(net.credentials(), SERVER, handler, random=seeded(9), now=net.now)
    client = net.client()
    client.endpoint, client.handler = endpoint, handler
    net.advance(1.0)
    assert handler.closed == [(5, "changed my mind", False)]
    assert [recorder.closed for recorder in net.accepted] == [[(5, "changed my mind", True)]]
