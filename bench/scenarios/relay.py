"""relay: processor time of the server for each message it delivers in a full room, beside a bare sender."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from bench.child import Child, child
from bench.members import Member
from bench.open_loop import run_open_loop
from bench.peers import bare_sender, relay_server
from bench.percentiles import summary
from bench.scenario import Bar, Measurement, Scenario
from netcore.aio import event_loop_factory

_SETTLE_S = 0.5
_READ_BYTES = 2048


def measure(settings: Mapping[str, Any]) -> Measurement:
    """Runs of the server and of the bare sender alternate; the load comes from this process."""
    measurement = Measurement(details=dict(settings))
    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        for _ in range(settings["runs"]):
            theirs = runner.run(_bare(settings))
            ours, share, ages = runner.run(_relay(settings))
            figures = summary(ages)
            measurement.add("baseline_us", theirs * 1e6, "us/delivered")
            measurement.add("relay_us", ours * 1e6, "us/delivered")
            measurement.add("ratio", ours / theirs, "x")
            measurement.add("delivered_share", share, "of sent")
            measurement.add("age_p50_ms", figures["p50"] * 1e3, "ms")
            measurement.add("age_p99_ms", figures["p99"] * 1e3, "ms")
    return measurement


async def _relay(settings: Mapping[str, Any]) -> tuple[float, float, list[float]]:
    """(server seconds a delivered message, share delivered, ages in seconds)."""
    with child(relay_server.serve) as server:
        port, api_key = server.ready
        members = [Member(settings["payload_bytes"]) for _ in range(settings["room"])]
        try:
            for number, member in enumerate(members):
                await member.connect(port, api_key, "relay", f"member-{number}")
            return await _load(server, members, settings)
        finally:
            for member in members:
                member.close()


async def _load(
    server: Child, members: list[Member], settings: Mapping[str, Any]
) -> tuple[float, float, list[float]]:
    actions = [member.send for member in members]
    await run_open_loop(actions, settings["rate_hz"], _SETTLE_S)
    await asyncio.sleep(_SETTLE_S)
    for member in members:
        member.delivered, member.ages_s = 0, []
    before = server.cpu_s()
    await run_open_loop(actions, settings["rate_hz"], settings["seconds"])
    await asyncio.sleep(_SETTLE_S)
    used = server.cpu_s() - before
    ended = [member.ended for member in members if member.ended is not None]
    if ended:
        raise RuntimeError(f"{len(ended)} members lost their links, the first with {ended[0]}")
    delivered = sum(member.delivered for member in members)
    sent = settings["rate_hz"] * settings["seconds"] * len(members) * (len(members) - 1)
    return used / delivered, delivered / sent, [age for member in members for age in member.ages_s]


async def _bare(settings: Mapping[str, Any]) -> float:
    """Seconds of the bare sender for each message, while this process takes them all in."""
    loop = asyncio.get_running_loop()
    receivers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(settings["room"])]
    for receiver in receivers:
        receiver.setblocking(False)
        receiver.bind(("127.0.0.1", 0))
        loop.add_reader(receiver, _drain, receiver)
    ports = [receiver.getsockname()[1] for receiver in receivers]
    arguments = (ports, settings["rate_hz"], settings["payload_bytes"], settings["seconds"])
    try:
        with child(bare_sender.serve, *arguments) as sender:
            messages, used = await asyncio.to_thread(sender.next_word)
    finally:
        for receiver in receivers:
            loop.remove_reader(receiver)
            receiver.close()
    return float(used / messages)


def _drain(receiver: socket.socket) -> None:
    try:
        while True:
            receiver.recv(_READ_BYTES)
    except BlockingIOError:
        pass


SCENARIO = Scenario(
    name="relay",
    about="server processor time for each message delivered in a room, senders at 60 Hz over encrypted UDP",
    baseline="a bare loop that seals each message for each receiver and sends it in a packet of its own",
    bars=(Bar("ratio", 0.6, "processor time a delivered message against the bare sender's"),),
    measure=measure,
    settings={"runs": 5, "room": 32, "rate_hz": 60, "payload_bytes": 100, "seconds": 3.0},
)
