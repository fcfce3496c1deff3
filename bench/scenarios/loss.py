"""loss: one-way latency of reliable and ordered messages under loss, beside ideal recovery over the same losses."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.ideal import IdealPath
from bench.loss_trace import LossTrace, trace_pair
from bench.ncp import Counter, NcpWorld
from bench.percentiles import summary
from bench.scenario import Bar, Measurement, Scenario
from messaging import lanes
from netcore.delivery import Delivery

_INTERVAL_S = 1 / 60
_WARM_UP_S = 1.0
_TAIL_S = 10.0
_RANKS = ("p50", "p99", "p99.9")
_LANES = {Delivery.ORDERED: lanes.TO_CLIENT_ORDERED, Delivery.RELIABLE: lanes.TO_CLIENT_RELIABLE}


@dataclass(frozen=True, slots=True)
class _From:
    """A trace that begins at `start`; before, the path is perfect, so that every run starts from a handshake."""

    trace: LossTrace
    start: float

    def transmit(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        if now < self.start:
            return [(now + self.trace.delay_s[0], data)]
        return [(self.start + at, same) for at, same in self.trace.transmit(data, now - self.start)]


def measure(settings: Mapping[str, Any]) -> Measurement:
    """Pooled percentiles over all seeds, both directions; virtual time, so one run says it all."""
    messages = settings["messages"] // settings["seeds"] // 2
    seconds = messages * _INTERVAL_S
    measurement = Measurement(details=dict(settings))
    worst = dict.fromkeys(_LANES, 0.0)
    for percent in (1, 2, 5):
        ideal: dict[Delivery, list[float]] = {kind: [] for kind in _LANES}
        ours: dict[Delivery, list[float]] = {kind: [] for kind in _LANES}
        for seed in range(settings["seeds"]):
            up, down = trace_pair(seed, percent / 100, seconds + _TAIL_S)
            ordered, reliable = IdealPath(up, down, rtt_s=up.delay_s[0] + down.delay_s[0]).run(
                messages, _INTERVAL_S
            )
            ideal[Delivery.ORDERED] += ordered
            ideal[Delivery.RELIABLE] += reliable
            for kind in _LANES:
                ours[kind] += _latencies(up, down, kind, messages, settings["payload_bytes"])
        for kind in _LANES:
            theirs, mine = summary(ideal[kind]), summary(ours[kind])
            for rank in _RANKS:
                name = f"{kind.name.lower()}_{percent}pct_{rank}"
                measurement.add(f"{name}_ideal", theirs[rank] * 1e3, "ms")
                measurement.add(f"{name}_ours", mine[rank] * 1e3, "ms")
                worst[kind] = max(worst[kind], mine[rank] / theirs[rank])
    for kind, ratio in worst.items():
        measurement.add(f"{kind.name.lower()}_worst_ratio", ratio, "x")
    return measurement


def _latencies(up: LossTrace, down: LossTrace, kind: Delivery, messages: int, size: int) -> list[float]:
    """One-way seconds of every message of both directions."""
    world = NcpWorld(_From(up, _WARM_UP_S), _From(down, _WARM_UP_S))
    lane, latencies = _LANES[kind], []

    def listen(handler: Counter) -> None:
        def arrived(_lane: int, _kind: Delivery, _key: int, data: bytes) -> None:
            sent_at = _WARM_UP_S + int.from_bytes(data[:4], "big") * _INTERVAL_S
            latencies.append(world.now() - sent_at)

        handler.on_message = arrived

    world.run_until(_WARM_UP_S)
    listen(world.server_handler)
    listen(world.client_handler)

    def send(number: int) -> None:
        data = number.to_bytes(4, "big").ljust(size, b".")
        for connection in (world.at_client, world.at_server):
            connection.send(lane, kind, data)
            connection.flush()

    for number in range(messages):
        world.call_at(_WARM_UP_S + number * _INTERVAL_S, functools.partial(send, number))
    world.run_until(_WARM_UP_S + messages * _INTERVAL_S + _TAIL_S)
    if len(latencies) != 2 * messages:
        raise RuntimeError(f"{len(latencies)} of {2 * messages} {kind.name.lower()} messages arrived")
    return latencies


SCENARIO = Scenario(
    name="loss",
    about="latency of 60 messages a second each way at 1, 2 and 5 % loss, 25 ms one way, virtual time",
    baseline="ideal RFC 9002 recovery over the same loss traces (bench/ideal.py)",
    bars=(
        Bar("ordered_worst_ratio", 1.05, "p50, p99, p99.9 of ordered messages, the worst against ideal"),
        Bar("reliable_worst_ratio", 1.05, "p50, p99, p99.9 of reliable messages, the worst against ideal"),
    ),
    measure=measure,
    settings={"seeds": 20, "messages": 36_000, "payload_bytes": 100},
)
