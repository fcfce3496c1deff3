"""handshake: processor time of a handshake, and of first packets that lead to none, beside aioquic's handshake."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench.arrivals import Arrival, Arrivals
from bench.peers.aioquic_pair import AioquicPair
from bench.scenario import Bar, Measurement, Scenario
from netcore.delivery import Delivery
from netcore.token import Credentials

_LANE = 11
_NOW = 1.0
_PACED_S = 0.001
"""How much later aioquic's pacer lets the first datagram go, after all the packets of its handshake."""
_BOGUS = ("forged_token", "wrong_key", "wrong_key_with_cookie")


def measure(settings: Mapping[str, Any]) -> Measurement:
    """Everything in memory and in one process; ours, aioquic's and the bogus ones alternate run by run."""
    count = settings["handshakes"]
    measurement = Measurement(details=dict(settings))
    _aioquic(2), _handshakes(10), _first_packets(10)  # warm up
    for _ in range(settings["runs"]):
        theirs = _aioquic(max(1, count // 5))
        ours, at_server = _handshakes(count)
        measurement.add("aioquic_us", theirs * 1e6, "us/handshake")
        measurement.add("netcore_us", ours * 1e6, "us/handshake")
        measurement.add("netcore_server_us", at_server * 1e6, "us/handshake")
        measurement.add("ratio", ours / theirs, "x")
        packets = _first_packets(count)
        for name, cost in packets.items():
            measurement.add(f"{name}_us", cost * 1e6, "us/packet")
        worst = max(packets[name] for name in _BOGUS)
        measurement.add("bogus_ratio", worst / at_server, "x")
    return measurement


def _aioquic(count: int) -> float:
    """Seconds of a handshake: both ends, up to the first datagram that the server's application gets."""
    AioquicPair(0.0)  # its certificate is made by now
    started = time.process_time()
    for number in range(count):
        pair = AioquicPair(float(number))
        if pair.to_server(b"first", number + _PACED_S) != 1:
            raise RuntimeError("aioquic did not deliver the first datagram after its handshake")
    return (time.process_time() - started) / count


def _handshakes(count: int) -> tuple[float, float]:
    """Seconds of a handshake (both ends, the server's), up to the first message that the application gets."""
    arrivals = Arrivals()
    credentials = [arrivals.credentials() for _ in range(count)]
    at_server, clock = 0.0, time.process_time
    started = clock()
    for each in credentials:
        client = arrivals.arrive(each, _NOW)
        hello = client.first_datagram(_NOW)
        begun = clock()
        arrivals.server.receive_datagram(hello, client.address, _NOW)
        answers = arrivals.server.datagrams_to_send(_NOW)
        at_server += clock() - begun
        first = _first_data(client, answers)
        begun = clock()
        arrivals.server.receive_datagram(first, client.address, _NOW)
        arrivals.server.datagrams_to_send(_NOW)
        at_server += clock() - begun
    took = clock() - started
    if arrivals.messages != count:
        raise RuntimeError(f"{arrivals.messages} of {count} clients got through in memory")
    return took / count, at_server / count


def _first_data(client: Arrival, answers: Sequence[tuple[bytes, Any]]) -> bytes:
    """The client's first DATA, with a message in it."""
    for datagram, _address in answers:
        client.endpoint.receive_datagram(datagram, ("127.0.0.1", 1), _NOW)
    connection = client.handler.connection
    if connection is None:
        raise RuntimeError("the server did not accept a valid HELLO")
    connection.send(_LANE, Delivery.UNRELIABLE, b"first")
    connection.flush()
    return client.first_datagram(_NOW)


def _first_packets(count: int) -> dict[str, float]:
    """Seconds that the server spends on first packets which lead to no connection, by what is wrong with them."""
    open_door, cookies_only = Arrivals(), Arrivals(retry="always")
    good = [open_door.arrive(open_door.credentials(), _NOW) for _ in range(count)]
    hellos = [(client.first_datagram(_NOW), client.address) for client in good]
    forged = _hellos(open_door, [_forged(open_door.credentials()) for _ in range(count)])
    wrong = [_with_wrong_key(open_door.credentials()) for _ in range(count)]
    costs = {
        "forged_token": _cost(open_door, forged, answered=False),
        "wrong_key": _cost(open_door, _hellos(open_door, wrong), answered=False),
        "wrong_key_with_cookie": _cost(cookies_only, _with_cookies(cookies_only, wrong), answered=False),
        "retry": _cost(cookies_only, _hellos(cookies_only, wrong), answered=True),
    }
    _cost(open_door, hellos, answered=True)
    costs["replayed_hello"] = _cost(open_door, hellos, answered=True)
    return costs


def _cost(arrivals: Arrivals, hellos: Sequence[tuple[bytes, Any]], *, answered: bool) -> float:
    """Seconds for each of `hellos`, a wake-up each. Raises RuntimeError unless the server treats them as told."""
    receive, answer = arrivals.server.receive_datagram, arrivals.server.datagrams_to_send
    answers = 0
    started = time.process_time()
    for datagram, address in hellos:
        receive(datagram, address, _NOW)
        answers += len(answer(_NOW))
    took = time.process_time() - started
    if answers != (len(hellos) if answered else 0):
        raise RuntimeError(f"{answers} of {len(hellos)} first packets were answered")
    return took / len(hellos)


def _hellos(arrivals: Arrivals, credentials: Sequence[Credentials]) -> list[tuple[bytes, Any]]:
    clients = [arrivals.arrive(each, _NOW) for each in credentials]
    return [(client.first_datagram(_NOW), client.address) for client in clients]


def _with_cookies(arrivals: Arrivals, credentials: Sequence[Credentials]) -> list[tuple[bytes, Any]]:
    """HELLOs that carry a valid cookie: their senders followed a RETRY."""
    clients = [arrivals.arrive(each, _NOW) for each in credentials]
    for client in clients:
        arrivals.to_server(client, _NOW)
        arrivals.to_client(client, _NOW)
    return [(client.first_datagram(_NOW), client.address) for client in clients]


def _forged(good: Credentials) -> Credentials:
    """A token of the right form that the server did not seal."""
    return Credentials(good.token[:-1] + bytes((good.token[-1] ^ 1,)), good.psk, good.app_id)


def _with_wrong_key(good: Credentials) -> Credentials:
    """A sniffed token: genuine, but whoever shows it lacks its key."""
    return Credentials(good.token, bytes(len(good.psk)), good.app_id)


SCENARIO = Scenario(
    name="handshake",
    about="a handshake in memory, token to first message, and first packets that lead to none",
    baseline="aioquic's handshake in memory, client hello to first datagram, certificates unchecked",
    bars=(
        Bar("ratio", 0.5, "processor time of both ends against aioquic's"),
        Bar("bogus_ratio", 0.25, "the dearest bogus first packet against the server's share of a handshake"),
    ),
    measure=measure,
    settings={"runs": 5, "handshakes": 300},
)
