"""fanout: processor time of a relay for each message it delivers, by room size, ours beside others."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bench.child import Child, child
from bench.fleet import Fleet
from bench.open_loop import run_open_loop
from bench.percentiles import summary
from bench.scenario import Bar, Measurement, Scenario
from netcore.aio import event_loop_factory

_SETTLE_S = 0.3
OURS = "netplay_udp"


@dataclass(frozen=True, slots=True)
class Contender:
    """One implementation of the same relay: the server, and members that speak to it."""

    name: str
    server: str
    """`module:function`, a target of `bench.child.child`."""
    fleet: str
    """`module:class`, see `bench.fleet.Fleet`."""

    def load(self) -> tuple[Callable[..., None], Callable[[int], Fleet]]:
        """(server, fleet). Raises ImportError where its package is not installed."""
        return _named(self.server), _named(self.fleet)


CONTENDERS = (
    Contender(OURS, "bench.peers.relay_server:serve", "bench.netplay_fleet:NetplayFleet"),
    Contender(
        "netplay_websocket", "bench.peers.relay_server:serve", "bench.netplay_fleet:NetplayWebSocketFleet"
    ),
    Contender("enet", "bench.peers.enet_relay:serve", "bench.peers.enet_relay:EnetFleet"),
    Contender("enet_sealed", "bench.peers.enet_relay:serve_sealed", "bench.peers.enet_relay:SealedEnetFleet"),
    Contender("aioquic", "bench.peers.aioquic_relay:serve", "bench.peers.aioquic_relay:AioquicFleet"),
    Contender(
        "websockets", "bench.peers.websockets_relay:serve", "bench.peers.websockets_relay:WebsocketsFleet"
    ),
)
ENCRYPTING = ("enet_sealed", "aioquic")
"""Rivals that encrypt as we do."""
RIVALS = tuple(contender.name for contender in CONTENDERS if not contender.name.startswith("netplay"))


def measure(settings: Mapping[str, Any]) -> Measurement:
    """Room by room; in a room the contenders take turns, run by run, each with its server in its own process."""
    measurement = Measurement(details=dict(settings))
    contenders, skipped = available()
    measurement.details["skipped"] = skipped
    rooms = [int(text) for text in settings["rooms"].split(",")]
    rates = [float(text) for text in settings["rates_hz"].split(",")]
    if len(rates) != len(rooms):
        raise ValueError(f"{len(rooms)} rooms with {len(rates)} rates_hz: expected one rate for each room")
    per_room: list[list[dict[str, float]]] = []
    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        for size, rate_hz in zip(rooms, rates, strict=True):
            costs = runner.run(_room(contenders, size, rate_hz, settings, measurement))
            per_room.append(costs)
            for run in costs:
                measurement.add(f"room_{size}_ratio", against(RIVALS, run), "x")
    for same_run in zip(*per_room, strict=True):
        for metric, rivals in (("encrypted_ratio", ENCRYPTING), ("ratio", RIVALS)):
            measurement.add(metric, max(against(rivals, costs) for costs in same_run), "x")
    measurement.details["plots"] = _plots(contenders, rooms)
    return measurement


def against(rivals: Sequence[str], costs: Mapping[str, float]) -> float:
    """What ours costs over UDP against the cheapest of the `rivals` that are there."""
    return costs[OURS] / min(costs[name] for name in rivals if name in costs)


def available(
    contenders: tuple[Contender, ...] = CONTENDERS,
) -> tuple[list[Contender], dict[str, str]]:
    """Those that can run here, and why the others cannot. Raises ValueError where no rival is left."""
    found, skipped = [], {}
    for contender in contenders:
        try:
            contender.load()
        except ImportError as error:
            skipped[contender.name] = f"{error.name or error} is not installed"
        else:
            found.append(contender)
    if not any(contender.name in ENCRYPTING for contender in found):
        raise ValueError(f"fanout has nobody to compare with: {skipped}; pip install 'netplay[bench]'")
    return found, skipped


async def _room(
    contenders: list[Contender],
    size: int,
    rate_hz: float,
    settings: Mapping[str, Any],
    measurement: Measurement,
) -> list[dict[str, float]]:
    """For each run: server seconds of a delivered message, by contender."""
    results: list[dict[str, float]] = []
    with ExitStack() as stack:
        # Every server starts before anyone joins: starting blocks this loop, and members have timeouts.
        servers = {each.name: stack.enter_context(child(each.load()[0])) for each in contenders}
        fleets = {}
        for each in contenders:
            fleets[each.name] = stack.enter_context(_joined(each, settings["payload_bytes"]))
            await fleets[each.name].join(servers[each.name].ready, size)
        for _ in range(settings["runs"]):
            costs = {}
            for name, fleet in fleets.items():
                cost, share, age_s = await _load(servers[name], fleet, rate_hz, settings["seconds"])
                costs[name] = cost
                measurement.add(f"room_{size}_{name}_us", cost * 1e6, "us/delivered")
                measurement.add(f"room_{size}_{name}_share", share, "of sent")
                measurement.add(f"room_{size}_{name}_age_p50_ms", age_s * 1e3, "ms")
            results.append(costs)
    return results


@contextmanager
def _joined(contender: Contender, payload_bytes: int) -> Iterator[Fleet]:
    fleet = contender.load()[1](payload_bytes)
    try:
        yield fleet
    finally:
        fleet.close()


async def _load(server: Child, fleet: Fleet, rate_hz: float, seconds: float) -> tuple[float, float, float]:
    """(server seconds a delivered message, share delivered, median age in seconds)."""
    await run_open_loop(fleet.actions, rate_hz, _SETTLE_S)
    await asyncio.sleep(_SETTLE_S)
    fleet.reset()
    before = server.cpu_s()
    await run_open_loop(fleet.actions, rate_hz, seconds)
    await asyncio.sleep(_SETTLE_S)
    used = server.cpu_s() - before
    if fleet.problem is not None:
        raise RuntimeError(f"{type(fleet).__name__} lost members on the way: {fleet.problem}")
    tally, members = fleet.tally, len(fleet.actions)
    if not tally.delivered:
        raise RuntimeError("nothing was delivered")
    sent = rate_hz * seconds * members * (members - 1)
    return used / tally.delivered, tally.delivered / sent, summary(tally.ages_s)["p50"]


def _plots(contenders: list[Contender], rooms: list[int]) -> list[dict[str, Any]]:
    def plot(title: str, unit: str, figure: str) -> dict[str, Any]:
        return {
            "title": title,
            "x_label": "members of the room",
            "y_label": unit,
            "x": rooms,
            "series": {
                each.name: [f"room_{size}_{each.name}_{figure}" for size in rooms] for each in contenders
            },
        }

    return [
        plot("Server processor time of a delivered message", "us/delivered", "us"),
        plot("Median age on arrival", "ms", "age_p50_ms"),
        plot("Delivered share", "of sent", "share"),
    ]


def _named(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


SCENARIO = Scenario(
    name="fanout",
    about="server processor time for each message delivered, in rooms of several sizes, over UDP and WebSocket",
    baseline="the same relay over ENet (pyenet), aioquic datagrams and websockets, each in its own process",
    bars=(
        Bar(
            "encrypted_ratio",
            1.0,
            "ours over UDP against the cheapest rival that encrypts, worst of the rooms",
        ),
        Bar("ratio", 1.0, "ours over UDP against the cheapest rival of all, worst of the rooms"),
    ),
    measure=measure,
    settings={
        "runs": 5,
        "rooms": "2,8,32,100",
        "rates_hz": "60,60,20,5",
        "payload_bytes": 100,
        "seconds": 1.5,
    },
)
