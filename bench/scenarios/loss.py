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
from netcore.lane import LaneOptions

_INTERVAL_S = 1 / 60
_WARM_UP_S = 1.0
_TAIL_S = 10.0
_BAR_REDUNDANCY = 2
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


@dataclass(frozen=True, slots=True)
class _Contest:
    """One kind of lane, beside the ideal of the same redundancy."""

    kind: Delivery
    redundancy: int = 0

    @property
    def name(self) -> str:
        """How its metrics begin."""
        suffix = f"_redundancy{self.redundancy}" if self.redundancy else ""
        return self.kind.name.lower() + suffix


def measure(settings: Mapping[str, Any]) -> Measurement:
    """Pooled percentiles over all seeds, both directions; virtual time, so one run says it all."""
    messages = settings["messages"] // settings["seeds"] // 2
    measurement = Measurement(details=dict(settings))
    contests = [_Contest(kind) for kind in _LANES]
    for times in sorted({int(text) for text in settings["redundancy"].split(",")} | {_BAR_REDUNDANCY}):
        if times:
            contests.append(_Contest(Delivery.ORDERED, times))
    for contest in contests:
        worst = 0.0
        for percent in (1, 2, 5):
            theirs, mine, sent_bytes = _compare(contest, percent, messages, settings)
            for rank in _RANKS:
                name = f"{contest.name}_{percent}pct_{rank}"
                measurement.add(f"{name}_ideal", theirs[rank] * 1e3, "ms")
                measurement.add(f"{name}_ours", mine[rank] * 1e3, "ms")
                worst = max(worst, mine[rank] / theirs[rank])
            measurement.add(f"{contest.name}_{percent}pct_bytes", sent_bytes, "B/message")
        measurement.add(f"{contest.name}_worst_ratio", worst, "x")
    return measurement


def _compare(
    contest: _Contest, percent: int, messages: int, settings: Mapping[str, Any]
) -> tuple[dict[str, float], dict[str, float], float]:
    """Percentiles of the ideal and of ours in seconds, and our UDP payload bytes for each message."""
    seconds = messages * _INTERVAL_S
    ideal: list[float] = []
    ours: list[float] = []
    sent_bytes = 0.0
    for seed in range(settings["seeds"]):
        up, down = trace_pair(seed, percent / 100, seconds + _TAIL_S)
        path = IdealPath(up, down, rtt_s=up.delay_s[0] + down.delay_s[0], redundancy=contest.redundancy)
        ordered, reliable = path.run(messages, _INTERVAL_S)
        ideal += ordered if contest.kind is Delivery.ORDERED else reliable
        latencies, spent = _latencies(up, down, contest, messages, settings["payload_bytes"])
        ours += latencies
        sent_bytes += spent
    return summary(ideal), summary(ours), sent_bytes / len(ours)


def _latencies(
    up: LossTrace, down: LossTrace, contest: _Contest, messages: int, size: int
) -> tuple[list[float], float]:
    """One-way seconds of every message of both directions, and the bytes that all of them took."""
    world = NcpWorld(_From(up, _WARM_UP_S), _From(down, _WARM_UP_S))
    kind, latencies = contest.kind, []
    lane = _LANES[kind]

    def listen(handler: Counter) -> None:
        def arrived(_lane: int, _kind: Delivery, _key: int, data: bytes) -> None:
            sent_at = _WARM_UP_S + int.from_bytes(data[:4], "big") * _INTERVAL_S
            latencies.append(world.now() - sent_at)

        handler.on_message = arrived

    world.run_until(_WARM_UP_S)
    listen(world.server_handler)
    listen(world.client_handler)
    connections = (world.at_client, world.at_server)
    for connection in connections:
        connection.configure_lane(lane, LaneOptions(kind, redundancy=contest.redundancy))

    def send(number: int) -> None:
        data = number.to_bytes(4, "big").ljust(size, b".")
        for connection in connections:
            connection.send(lane, kind, data)
            connection.flush()

    for number in range(messages):
        world.call_at(_WARM_UP_S + number * _INTERVAL_S, functools.partial(send, number))
    world.run_until(_WARM_UP_S + messages * _INTERVAL_S + _TAIL_S)
    if len(latencies) != 2 * messages:
        raise RuntimeError(f"{len(latencies)} of {2 * messages} {kind.name.lower()} messages arrived")
    return latencies, sum(connection.stats.bytes_out for connection in connections)


SCENARIO = Scenario(
    name="loss",
    about="latency of 60 messages a second each way at 1, 2 and 5 % loss, 25 ms one way, virtual time",
    baseline="ideal RFC 9002 recovery over the same loss traces (bench/ideal.py)",
    bars=(
        Bar("ordered_worst_ratio", 1.05, "p50, p99, p99.9 of ordered messages, the worst against ideal"),
        Bar("reliable_worst_ratio", 1.05, "p50, p99, p99.9 of reliable messages, the worst against ideal"),
        Bar(
            "ordered_redundancy2_worst_ratio", 1.05, "the same, ordered, each repeated in the next 2 packets"
        ),
    ),
    measure=measure,
    settings={"seeds": 20, "messages": 36_000, "payload_bytes": 100, "redundancy": "1,2"},
)
