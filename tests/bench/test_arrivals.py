"""Clients in memory: they get through, their greetings are acknowledged, and they are forgotten when they go."""

import pytest

from bench.arrivals import Arrivals

pytest.importorskip("aioquic")
from bench.peers import idle_server
from bench.scenarios import handshake


def test_a_greeting_leaves_the_server_nothing_to_send_again():
    arrivals = Arrivals()
    for _ in range(3):
        arrivals.greet(arrivals.arrive(arrivals.credentials(), 1.0), 1.0)
    assert len(arrivals.server.connections) == 3
    assert arrivals.messages == 3
    due = [connection.next_timer() for connection in arrivals.server.connections.values()]
    # No acknowledgement is awaited: the next thing to happen is an answer that may wait, or a keepalive.
    assert all(connection.stats.probes == 0 for connection in arrivals.server.connections.values())
    arrivals.server.handle_timer(max(due))
    assert sum(connection.stats.retransmitted for connection in arrivals.server.connections.values()) == 0


def test_clients_follow_a_retry():
    arrivals = Arrivals(retry="always")
    client = arrivals.arrive(arrivals.credentials(), 1.0)
    arrivals.greet(client, 1.0)
    assert client.endpoint.stats.retries == 1
    assert arrivals.messages == 1


def test_a_packet_that_is_treated_otherwise_than_told_stops_the_measurement():
    arrivals = Arrivals()
    genuine = handshake._hellos(arrivals, [arrivals.credentials()])
    with pytest.raises(RuntimeError, match="1 of 1 first packets were answered"):
        handshake._cost(arrivals, genuine, answered=False)
    forged = handshake._hellos(arrivals, [handshake._forged(arrivals.credentials())])
    with pytest.raises(RuntimeError, match="0 of 1"):
        handshake._cost(arrivals, forged, answered=True)


def test_each_bogus_packet_fails_at_the_check_it_is_named_after():
    arrivals, cookies_only = Arrivals(), Arrivals(retry="always")
    wrong = handshake._with_wrong_key(arrivals.credentials())
    handshake._cost(arrivals, handshake._hellos(arrivals, [wrong]), answered=False)
    handshake._cost(
        arrivals, handshake._hellos(arrivals, [handshake._forged(arrivals.credentials())]), answered=False
    )
    with_cookie = handshake._with_cookies(cookies_only, [wrong])
    handshake._cost(cookies_only, with_cookie, answered=False)
    assert arrivals.server.stats.dropped == {"noise_authentication": 1, "token_forged": 1}
    assert cookies_only.server.stats.dropped == {"noise_authentication": 1}


def test_memory_left_behind_is_found():
    kept = []
    traced, _resident = idle_server._each(lambda: kept.append(bytes(10_000)), 100)
    assert 10_000 <= traced < 10_300
    traced, _resident = idle_server._each(lambda: bytes(10_000), 100)
    assert traced < 300


def test_the_server_lets_go_of_who_leaves_at_once_and_of_who_vanishes_later():
    world = idle_server._World()
    world.connect_and_leave(vanish=False)
    world.connect_and_leave(vanish=True)
    world.pass_time(5.0)
    assert len(world.arrivals.server.connections) == 1
    world.pass_time(idle_server._FORGOTTEN_S)
    assert len(world.arrivals.server.connections) == 0
