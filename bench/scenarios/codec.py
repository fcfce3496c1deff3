"""codec: the datagram path of both ends, in memory, beside aioquic's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bench.ncp import NcpPair
from bench.peers.aioquic_pair import AioquicPair
from bench.scenario import Bar, Measurement, Scenario
from netcore.delivery import Delivery

_HZ = 60
_LANE = 11


def measure(settings: Mapping[str, Any]) -> Measurement:
    """Processor time of one message: queue, seal, open, parse, deliver, acknowledge; both ends together."""
    count, payload = settings["messages"], bytes(settings["payload_bytes"])
    measurement = Measurement(details=dict(settings))
    _aioquic(count // 10, payload), _ncp(count // 10, payload)  # warm up
    for _ in range(settings["runs"]):
        theirs, ours = _aioquic(count, payload), _ncp(count, payload)
        measurement.add("aioquic_us", theirs * 1e6, "us/message")
        measurement.add("netcore_us", ours * 1e6, "us/message")
        measurement.add("ratio", ours / theirs, "x")
    return measurement


def _aioquic(count: int, payload: bytes) -> float:
    now, delivered = 0.0, 0
    pair = AioquicPair(now)
    started = time.process_time()
    for _ in range(count // 2):
        now += 1 / _HZ / 2
        delivered += pair.to_server(payload, now)
        now += 1 / _HZ / 2
        delivered += pair.to_client(payload, now)
        pair.handle_timers(now)
    return _each(started, delivered, count)


def _ncp(count: int, payload: bytes) -> float:
    now = 0.0
    pair = NcpPair(now)
    client, server = pair.at_client, pair.at_server
    started = time.process_time()
    for _ in range(count // 2):
        now += 1 / _HZ / 2
        client.send(_LANE, Delivery.UNRELIABLE, payload)
        client.flush()
        pair.carry_up(now)
        now += 1 / _HZ / 2
        server.send(_LANE, Delivery.UNRELIABLE, payload)
        server.flush()
        pair.carry_down(now)
        for endpoint in (pair.client, pair.server):
            due = endpoint.next_timer()
            if due is not None and due <= now:
                endpoint.handle_timer(now)
    return _each(started, pair.server_handler.messages + pair.client_handler.messages, count)


def _each(started: float, delivered: int, expected: int) -> float:
    if delivered != expected // 2 * 2:
        raise RuntimeError(
            f"{delivered} of {expected} messages arrived in memory, where nothing is ever lost"
        )
    return (time.process_time() - started) / delivered


SCENARIO = Scenario(
    name="codec",
    about="the datagram path of both ends in memory, 60 messages a second each way",
    baseline="aioquic QuicConnection datagrams, driven the same way",
    bars=(Bar("ratio", 0.25, "processor time of both ends against aioquic's"),),
    measure=measure,
    settings={"runs": 5, "messages": 4000, "payload_bytes": 100},
)
