"""udp_echo: one message in flight over loopback, beside a raw socket."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection as Pipe
from typing import Any

from bench.child import child, own_processor
from bench.ncp import Counter, bench_credentials, bench_gate, bench_key
from bench.peers import raw_echo
from bench.percentiles import summary
from bench.scenario import Bar, Measurement, Scenario
from netcore.aio import event_loop_factory, open_udp
from netcore.client import ClientEndpoint
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.server import ServerConfig, ServerEndpoint

_LANE = 11
_TIMEOUT_S = 30.0


def measure(settings: Mapping[str, Any]) -> Measurement:
    """Round trips of an encrypted message between two processes, turn by turn with the raw sockets'."""
    count, payload = settings["round_trips"], bytes(settings["payload_bytes"])
    measurement = Measurement(details=dict(settings))
    with (
        child(raw_echo.serve_on_loop) as raw,
        child(raw_echo.serve_blocking) as blocking,
        child(_serve) as ncp,
        own_processor() as other,
    ):
        for server in (raw, blocking, ncp):
            if other is not None:
                server.pin(other)
        for _ in range(settings["runs"]):
            theirs = summary(raw_echo.round_trips_on_loop(raw.ready, count, payload))
            least = summary(raw_echo.round_trips_blocking(blocking.ready, count, payload))
            ours = summary(_round_trips(ncp.ready, count, payload))
            for name, figures in (("raw", theirs), ("blocking", least), ("netcore", ours)):
                for rank in ("p50", "p99"):
                    measurement.add(f"{name}_{rank}_us", figures[rank] * 1e6, "us")
            measurement.add("median_ratio", ours["p50"] / theirs["p50"], "x")
    return measurement


def _serve(pipe: Pipe) -> None:
    """Echo every message, on the lane it came in on."""

    async def main() -> None:
        def accept(connection: Connection) -> Counter:
            handler = Counter()

            def echo(lane: int, kind: Delivery, key: int, data: bytes) -> None:
                connection.send(lane, kind, data, key)
                connection.flush()

            handler.on_message = echo
            return handler

        endpoint = ServerEndpoint(
            ServerConfig(), bench_gate(bench_key()), accept, random=os.urandom, wall=time.time
        )
        driver = await open_udp(endpoint, "127.0.0.1", 0)
        pipe.send(driver.address[1])
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        runner.run(main())


def _round_trips(port: int, count: int, payload: bytes) -> list[float]:
    async def main() -> list[float]:
        times: list[float] = []
        done = asyncio.get_running_loop().create_future()
        clock = time.perf_counter
        sent_at = 0.0

        class Client(Counter):
            def connected(self, connection: Connection) -> None:
                super().connected(connection)
                self.next()

            def next(self) -> None:
                nonlocal sent_at
                assert self.connection is not None
                sent_at = clock()
                self.connection.send(_LANE, Delivery.UNRELIABLE, payload)
                self.connection.flush()

            def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
                times.append(clock() - sent_at)
                if len(times) < count:
                    self.next()
                elif not done.done():
                    done.set_result(None)

        client = Client()
        endpoint = ClientEndpoint(
            bench_credentials(bench_key()),
            ("127.0.0.1", port),
            client,
            random=os.urandom,
            now=time.monotonic(),
        )
        driver = await open_udp(endpoint, "127.0.0.1", 0, remote=("127.0.0.1", port))
        try:
            await asyncio.wait_for(done, _TIMEOUT_S)
            assert client.connection is not None
            client.connection.close()
            await asyncio.sleep(0.01)
        finally:
            driver.close()
        return times

    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        return runner.run(main())


SCENARIO = Scenario(
    name="udp_echo",
    about="one message in flight between two processes on two processors, over loopback",
    baseline="raw UDP sockets on the same event loop, without protocol or encryption (blocking ones for comparison)",
    bars=(Bar("median_ratio", 2.0, "median round trip against the raw socket's"),),
    measure=measure,
    settings={"runs": 5, "round_trips": 4000, "payload_bytes": 100},
)
