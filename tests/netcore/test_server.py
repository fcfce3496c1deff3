"""The server endpoint against strangers, liars, floods and replays."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.address import Address
from netcore.codes import CloseCode
from netcore.config import ConnectionConfig
from netcore.datagrams import ACCEPT, HELLO, RESET, RETRY, Hello, decode_hello
from netcore.delivery import Delivery
from netcore.noise import Initiator
from netcore.params import Params
from netcore.server import ServerConfig, ServerEndpoint
from netcore.token import TokenGate, TokenKey
from tests.netcore.endpoints import CLIENT, SERVER, Client, Net
from tests.netcore.seeded import seeded

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "protocol" / "vectors"
ELSEWHERE: Address = ("203.0.113.77", 9)


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


def hello_of(client: Client, now: float) -> bytes:
    ((data, _),) = client.endpoint.datagrams_to_send(now)
    return data


@pytest.mark.parametrize("case", load("datagrams_bad.json")["cases"], ids=lambda case: case["name"])
def test_bad_datagrams_get_the_reaction_that_is_published(case: dict[str, Any]) -> None:
    # NCP-3-2, NCP-5-10
    tokens = load("token.json")
    key = TokenKey(tokens["key_id"], bytes.fromhex(tokens["key"]))
    gate = TokenGate([key], int(tokens["app_id"], 16))
    wall_now = load("datagrams_bad.json")["wall_now"]
    server = ServerEndpoint(
        ServerConfig(), gate, lambda connection: pytest.fail(), random=seeded(1), wall=lambda: wall_now
    )
    data = bytes.fromhex(case["bytes"]).ljust(case["length"], b"\0")
    server.receive_datagram(data, CLIENT, 1.0)
    out = server.datagrams_to_send(1.0)
    assert [answer.hex() for answer, _ in out] == ([case["answer"]] if case["answer"] else [])
    assert (server.stats.half_open, gate.log_size, server.next_timer()) == (0, 0, None)
    assert sum(server.stats.dropped.values()) == (0 if out else 1)
    if "cookie" in case["name"]:
        assert server.stats.dropped == {"hello_cookie_length": 1}


def test_a_datagram_beyond_the_largest_is_dropped_unread() -> None:
    # NCP-3-2
    net = Net()
    for size, reason in ((1452, "other_worker"), (1453, "length"), (24, "other_worker"), (23, "length")):
        net.server.stats.dropped.clear()
        net.to_server(b"\x04\x01".ljust(size, b"x"))
        assert net.dropped() == {reason: 1}


class Strangers:
    """Datagrams of all kinds from addresses that never prove themselves."""

    def __init__(self, net: Net) -> None:
        self.net = net
        victim = net.client()
        self.hello = hello_of(victim, net.now)
        joined, _ = net.joined(("198.51.100.99", 1))
        assert joined.handler.connection is not None
        joined.handler.connection.send(8, Delivery.ORDERED, b"x")
        joined.handler.connection.flush()
        ((self.data, _),) = joined.endpoint.datagrams_to_send(net.now)

    def datagram(self, draw: random.Random) -> bytes:
        base = bytearray(
            draw.choice(
                [
                    self.hello,
                    self.data,
                    self.data[:1] + draw.randbytes(30),
                    draw.randbytes(draw.randint(0, 1500)),
                ]
            )
        )
        for _ in range(draw.choice([0, 0, 1, 3])):
            if base:
                base[draw.randrange(len(base))] = draw.randrange(256)
        if draw.random() < 0.1:
            base = base[: draw.randint(0, len(base))]
        return bytes(base)


@pytest.mark.parametrize("retry", ["auto", "always"])
@pytest.mark.parametrize("seed", range(4))
# NCP-5-17
def test_an_unproved_address_never_gets_more_than_it_sent(retry: Any, seed: int) -> None:
    """A01: at every instant, for every address, and never on a timer."""
    net = Net(ServerConfig(retry=retry), seed=seed)
    strangers = Strangers(net)
    draw = random.Random(seed)
    addresses: list[Address] = [(f"203.0.113.{i}", 1000 + i) for i in range(20)]
    answered = 0
    for _ in range(1500):
        address = draw.choice(addresses)
        for data, to in net.to_server(strangers.datagram(draw), address):
            answered += 1
            assert to == address
            assert len(data) <= net.bytes_in[to]
        assert all(net.bytes_out.get(a, 0) <= net.bytes_in.get(a, 0) for a in addresses)
        if draw.random() < 0.1:
            net.now += draw.random()
            net.server.handle_timer(net.now)
            assert all(to not in addresses for _, to in net.from_server())
    assert answered > 20


@given(st.binary(max_size=1500), st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_no_datagram_raises(data: bytes, first: int) -> None:
    """A fuzz of the whole receive path; the endpoint catches what its parsers raise."""
    net = Net()
    for candidate in (data, bytes((first,)) + data, (bytes((HELLO,)) + data).ljust(1200, b"\0")[:1200]):
        net.to_server(candidate)
    assert net.server.stats.datagrams_in == 3


# Tokens and replays (A05, A08)


def test_a_token_connects_once() -> None:
    # NCP-4-5
    net = Net()
    credentials = net.credentials()
    first = net.client(credentials)
    net.settle()
    second = net.client(credentials, ("198.51.100.6", 2))
    net.advance(6.0, step_s=0.05)
    assert first.handler.connection is not None and first.handler.closed == []
    assert second.handler.connection is None
    assert len(net.accepted) == 1
    assert net.dropped() == {"token_used": 6}


def test_two_handshakes_race_for_one_token() -> None:
    # NCP-4-5
    net = Net()
    credentials = net.credentials()
    one, other = net.client(credentials), net.client(credentials, ("198.51.100.6", 2))
    assert [d[0] for d, _ in net.to_server(hello_of(one, net.now), one.address)] == [ACCEPT]
    # The other's address differs, so that it has to bring a cookie before anything else is said.
    hello = hello_of(other, net.now)
    ((retry, _),) = net.to_server(hello, other.address)
    assert retry[0] == RETRY
    other.endpoint.receive_datagram(retry, SERVER, net.now)
    assert net.to_server(hello_of(other, net.now), other.address) == []
    assert net.dropped() == {"token_pending": 1}
    # Even from one address.
    assert net.to_server(hello_of(net.client(credentials), net.now), one.address) == []


def test_two_endpoints_of_one_server_do_not_both_take_a_hello() -> None:
    net = Net()
    client = net.client()
    hello = hello_of(client, net.now)
    first, net.server = net.server, net.make_server()
    assert net.to_server(hello)[0][0][0] == ACCEPT
    net.server = first
    assert net.to_server(hello) == []
    assert net.dropped() == {"token_pending": 1}


def test_a_token_may_run_out_during_its_handshake() -> None:
    net = Net()
    client = net.client(net.credentials(lifetime_s=30))
    net.wall += 34
    net.step()
    net.wall += 3
    net.gate.redeem(net.credentials().token, net.wall)  # whatever makes the log forget old entries
    net.step()
    assert len(net.accepted) == 1
    assert client.handler.connection is not None


def test_a_handshake_that_died_gives_its_token_back() -> None:
    # NCP-4-5, NCP-5-13, NCP-5-19
    net = Net()
    credentials = net.credentials()
    net.to_server(hello_of(net.client(credentials), net.now))
    assert net.server.stats.half_open == 1
    net.clients.clear()
    assert net.server.next_timer() == pytest.approx(net.now + 5.0)
    net.now += 5.0
    net.server.handle_timer(net.now)
    assert net.from_server() == []
    assert net.server.stats.half_open == 0
    assert net.server.next_timer() is None
    client = net.client(credentials)
    net.settle()
    assert client.handler.connection is not None


def test_an_expired_token_is_refused() -> None:
    net = Net()
    credentials = net.credentials(lifetime_s=30)
    net.wall += 36
    assert net.to_server(hello_of(net.client(credentials), net.now)) == []
    assert net.dropped() == {"token_expired": 1}
    assert net.server.stats.tokens_refused == 1


def test_a_recorded_session_replays_to_nothing() -> None:
    """A05: same server, another address, after a restart; in any order."""
    net = Net()
    client = net.client()
    recorded: list[bytes] = []
    for step in range(20):
        for data, _ in client.endpoint.datagrams_to_send(net.now):
            recorded.append(data)
            for answer, _ in net.to_server(data):
                client.endpoint.receive_datagram(answer, SERVER, net.now)
        if client.handler.connection is not None:
            client.handler.connection.send(8, Delivery.ORDERED, b"m%d" % step)
            client.handler.connection.send(9, Delivery.UNRELIABLE, b"u%d" % step)
            client.handler.connection.flush()
    messages = list(net.accepted[0].messages)
    assert len(messages) == 38
    draw = random.Random(5)
    for address in (CLIENT, ELSEWHERE):
        for data in draw.sample(recorded * 3, len(recorded) * 3):
            net.to_server(data, address)
    assert net.accepted[0].messages == messages
    assert len(net.accepted) == 1

    net.gate = TokenGate([net.key], net.gate.app_id)
    net.server = net.make_server()  # a restart: everything forgotten, but the same key
    for data in draw.sample(recorded * 3, len(recorded) * 3):
        net.to_server(data)
    assert len(net.accepted) == 1
    assert (net.server.stats.accepts > 0, net.server.stats.established) == (True, 0)


# NCP-5-7, NCP-6-2
def test_the_keys_of_two_connections_never_meet_even_with_one_token_and_a_restart() -> None:
    """A06: a replayed HELLO at a restarted server gets other keys, as the server's ephemeral key is new."""
    net = Net()
    client = net.client()
    hello = hello_of(client, net.now)
    accepts = []
    for _ in range(5):
        net.gate = TokenGate([net.key], net.gate.app_id)
        net.server = net.make_server()
        ((accept, _),) = net.to_server(hello)
        accepts.append(accept[13:45])
    assert len(set(accepts)) == 5


# Who has proved what


def test_data_from_another_address_than_the_accept_went_to_proves_nothing() -> None:
    """Else a client with a token could point a server's whole traffic at a third party."""
    net = Net()
    client = net.client()
    net.step()
    for data, _ in client.endpoint.datagrams_to_send(net.now):
        assert net.to_server(data, ELSEWHERE) == []
    assert net.accepted == []
    net.advance(1.0)
    assert len(net.accepted) == 1
    assert ELSEWHERE not in net.bytes_out


def test_a_repeated_hello_from_elsewhere_has_to_prove_its_address() -> None:
    # NCP-5-14
    net = Net()
    client = net.client()
    hello = hello_of(client, net.now)
    net.to_server(hello, ELSEWHERE)  # spoofed: the victim's address
    ((retry, to),) = net.to_server(hello, client.address)
    assert (retry[0], to) == (RETRY, client.address)
    client.endpoint.receive_datagram(retry, SERVER, net.now)
    net.settle()
    assert client.handler.connection is not None
    assert len(net.accepted) == 1
    server_side = net.accepted[0].connection
    assert server_side is not None and server_side.address == client.address


def test_a_half_open_handshake_survives_forged_data() -> None:
    net = Net()
    client = net.client()
    net.step()
    ((data, _),) = client.endpoint.datagrams_to_send(net.now)
    for at in range(len(data)):
        damaged = data[:at] + bytes((data[at] ^ 0x20,)) + data[at + 1 :]
        assert all(len(answer) == 17 for answer, _ in net.to_server(damaged))
    assert net.accepted == []
    net.to_server(data)
    assert len(net.accepted) == 1


# Floods (A02)


def bogus_hello(net: Net, draw: random.Random) -> bytes:
    token = (1).to_bytes(2, "big") + draw.randbytes(16) + (int(net.wall) + 30).to_bytes(8, "big")
    return Hello(
        0x4E435001, draw.randbytes(8), 7, b"", token + draw.randbytes(60), draw.randbytes(62)
    ).encode()


def test_above_its_limit_an_address_gets_retry_and_with_a_cookie_passes() -> None:
    # NCP-5-14
    net = Net()
    draw = random.Random(1)
    answers = [len(net.to_server(bogus_hello(net, draw))) for _ in range(30)]
    assert answers == [0] * 5 + [1] * 25
    client = net.client()  # behind the same address
    net.settle()
    assert client.handler.connection is not None
    assert client.endpoint.stats.retries == 1


def test_trusted_networks_are_free_of_the_limit_per_address() -> None:
    net = Net(ServerConfig(trusted_networks=("198.51.100.0/24",)))
    draw = random.Random(1)
    for _ in range(30):
        assert net.to_server(bogus_hello(net, draw)) == []
    assert len(net.to_server(bogus_hello(net, draw), ELSEWHERE)) == 0
    for _ in range(10):
        net.to_server(bogus_hello(net, draw), ELSEWHERE)
    assert net.server.stats.retries == 6


def test_a_flood_of_bogus_first_packets_does_not_keep_honest_clients_out() -> None:
    """A02: 10,000 bogus HELLOs a second from everywhere; joins complete within two round trips."""
    net = Net()
    draw = random.Random(2)
    honest: list[Client] = []
    for tick in range(60):  # 60 ticks of 5 ms, 50 bogus HELLOs each
        for _ in range(50):
            spoofed: Address = (f"203.0.{draw.randrange(256)}.{draw.randrange(256)}", draw.randrange(65536))
            net.to_server(bogus_hello(net, draw), spoofed)
        if tick % 6 == 0:
            honest.append(net.client(address=(f"198.51.100.{tick}", 4)))
        net.step()
        net.step()
        net.now += 0.005
    assert len(honest) == len(net.accepted) == 10
    assert net.server.stats.retries > 500  # the flood met its limit
    assert net.server.stats.half_open == 0


def test_many_half_open_handshakes_make_cookies_due() -> None:
    # NCP-5-14
    net = Net(ServerConfig(retry_above_half_open=3, trusted_networks=("0.0.0.0/0",)))
    for index in range(6):
        net.to_server(hello_of(net.client(), net.now), ("198.51.100.1", index))
    assert (net.server.stats.half_open, net.server.stats.retries) == (4, 2)


def test_the_cap_of_half_open_handshakes_holds() -> None:
    # NCP-5-10, step 8
    config = ServerConfig(half_open_cap=3, retry_above_half_open=99, trusted_networks=("0.0.0.0/0",))
    net = Net(config)
    for index in range(5):
        net.to_server(hello_of(net.client(), net.now), ("198.51.100.1", index))
    assert net.server.stats.half_open == 3
    assert net.dropped() == {"half_open_cap": 2}
    assert net.gate.log_size == 3
    net.advance(5.1)
    assert net.server.stats.half_open == 0


# NCP-5-8
def test_nothing_is_kept_for_a_client_that_offers_a_bad_public_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows the pre-shared key, so only the exchange itself finds it out."""
    cases = {case["name"]: case for case in load("datagrams_bad.json")["cases"]}
    data = bytes.fromhex(cases["HELLO with a public key of low order"]["bytes"]).ljust(1200, b"\0")
    tokens = load("token.json")
    gate = TokenGate([TokenKey(1, bytes.fromhex(tokens["key"]))], int(tokens["app_id"], 16))
    server = ServerEndpoint(
        ServerConfig(), gate, lambda connection: pytest.fail(), random=seeded(1), wall=lambda: 1_999_999_980.0
    )
    server.receive_datagram(data, CLIENT, 1.0)
    assert server.stats.dropped == {"noise_public_key": 1}
    assert (gate.log_size, len(server._admission._ids._in_use)) == (0, 0)


def test_without_the_key_no_public_key_operation_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    # NCP-5-12
    net = Net()
    client = net.client()
    hello = decode_hello(hello_of(client, net.now))
    forged = Initiator(bytes(32), hello.prologue(), b"\x07" * 32, Params().encode()).message
    monkeypatch.setattr("netcore.noise.X25519PrivateKey", None)
    net.to_server(hello._replace(message=forged).encode())
    assert net.dropped() == {"noise_authentication": 1}


# RESET


def gone(net: Net, client: Client) -> bytes:
    """The server forgets everything; the client's next DATA."""
    net.server = net.make_server()
    assert client.handler.connection is not None
    client.handler.connection.send(8, Delivery.ORDERED, b"anyone there?")
    client.handler.connection.flush()
    ((data, _),) = client.endpoint.datagrams_to_send(net.now)
    return data


def test_a_restarted_server_says_so_at_once() -> None:
    # NCP-13-40 to NCP-13-42
    net = Net(ServerConfig(reset_key=b"r" * 32))
    client, _ = net.joined()
    ((reset, to),) = net.to_server(gone(net, client))
    assert (len(reset), to) == (17, CLIENT)
    client.endpoint.receive_datagram(reset, SERVER, net.now)
    reason = "the server no longer knows this connection"
    assert client.handler.closed == [(CloseCode.IDLE, reason, True)]
    assert client.handler.connection is not None and client.handler.connection.is_closed
    assert client.endpoint.next_timer() is None
    assert client.endpoint.datagrams_to_send(net.now + 1) == []


def test_with_a_fresh_reset_key_the_reset_means_nothing_to_the_client() -> None:
    net = Net()
    client, _ = net.joined()
    ((reset, _),) = net.to_server(gone(net, client))
    client.endpoint.receive_datagram(reset, SERVER, net.now)
    assert client.handler.closed == []
    assert client.endpoint.stats.dropped == {"reset_token": 1}


# NCP-13-43
def test_a_stranger_who_copies_a_packet_does_not_get_the_clients_reset() -> None:
    # NCP-13-40
    net = Net(ServerConfig(reset_key=b"r" * 32))
    client, _ = net.joined()
    ((reset, to),) = net.to_server(gone(net, client), ELSEWHERE)
    assert to == ELSEWHERE
    client.endpoint.receive_datagram(reset, SERVER, net.now)
    assert client.handler.closed == []


def test_no_reset_goes_out_for_a_connection_that_lives() -> None:
    net = Net()
    client, _ = net.joined()
    assert client.handler.connection is not None
    cid = client.handler.connection.cid.to_bytes(4, "big")
    for address in (CLIENT, ELSEWHERE):
        assert net.to_server(b"\x04" + cid + bytes(40), address) == []


def test_resets_are_limited_by_address_and_not_sent_for_other_workers() -> None:
    # NCP-13-41
    net = Net()
    resets = [net.to_server(b"\x04\0" + i.to_bytes(3, "big") + bytes(30)) for i in range(40)]
    assert sum(map(len, resets)) == 10
    assert all(data[0] == RESET for out in resets for data, _ in out)
    assert net.dropped() == {"reset_limit": 30}
    assert net.to_server(b"\x04\x01" + bytes(33), ELSEWHERE) == []


def test_late_packets_of_an_ended_connection_are_met_with_silence_and_its_id_rests() -> None:
    # NCP-5-23, NCP-13-41
    net = Net(ServerConfig(connection=ConnectionConfig(idle_timeout_s=2.0)))
    client, server_side = net.joined()
    assert client.handler.connection is not None
    client.handler.connection.send(8, Delivery.ORDERED, b"late")
    client.handler.connection.flush()
    ((late, _),) = client.endpoint.datagrams_to_send(net.now)
    net.clients.clear()
    net.advance(2.1)
    assert server_side.closed and not net.server.connections
    assert net.to_server(late) == []
    assert net.dropped() == {"late": 1}
    net.now += 3.0
    ((reset, _),) = net.to_server(late)
    assert reset[0] == RESET


# The rest


def test_limits_that_make_no_sense_are_refused() -> None:
    wrongs: list[dict[str, Any]] = [
        {"retry": "never"},
        {"worker": 256},
        {"reset_key": b"short"},
        {"half_open_cap": 0},
        {"hellos_per_s": 0},
        {"trusted_networks": ("everyone",)},
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"."):
            ServerConfig(**wrong)


def test_a_run_depends_on_nothing_but_its_seed() -> None:
    def run() -> list[tuple[bytes, Address]]:
        net = Net(seed=77)
        sent: list[tuple[bytes, Address]] = []
        original = net.from_server

        def from_server() -> list[tuple[bytes, Address]]:
            found = original()
            sent.extend(found)
            return found

        net.from_server = from_server  # type: ignore[method-assign]
        for index in range(10):
            net.client(address=(f"198.51.100.{index}", index))
        net.settle()
        for recorder in net.accepted:
            assert recorder.connection is not None
            recorder.connection.send(1, Delivery.ORDERED, b"hello")
            recorder.connection.flush()
        net.advance(4.0, step_s=0.05)
        return sent

    assert run() == run()


def test_the_counters_are_plain_numbers() -> None:
    net = Net()
    net.joined()
    net.to_server(b"junk")
    snapshot = net.server.stats.snapshot()
    assert snapshot["connections"] == snapshot["hellos"] == 1
    assert snapshot["dropped_length"] == snapshot["dropped"] == 1
    assert snapshot["bytes_in"] == sum(net.bytes_in.values())
    assert snapshot["bytes_out"] == sum(net.bytes_out.values())


# NCP-3-1
def test_quic_and_strangers_of_the_shared_port_are_told_apart() -> None:
    net = Net()
    net.to_server(b"\xc3" + bytes(40))
    net.to_server(b"\x40" + bytes(40))
    net.to_server(b"\x80" + bytes(40))
    assert net.dropped() == {"quic": 2, "type": 1}
