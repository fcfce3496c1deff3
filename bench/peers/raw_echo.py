"""Raw UDP echoes: sockets and nothing else, once on the event loop that a server needs, once blocking."""

from __future__ import annotations

import asyncio
import socket
import time
from multiprocessing.connection import Connection

from netcore.aio import event_loop_factory

_BUFFER_BYTES = 2048
_TIMEOUT_S = 30.0


def serve_on_loop(pipe: Connection) -> None:
    """Echo every datagram from a reader of the event loop; tells its port through `pipe`."""

    async def main() -> None:
        with _bound() as echo:

            def answer() -> None:
                data, address = echo.recvfrom(_BUFFER_BYTES)
                echo.sendto(data, address)

            asyncio.get_running_loop().add_reader(echo, answer)
            pipe.send(echo.getsockname()[1])
            await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        runner.run(main())


def round_trips_on_loop(port: int, count: int, payload: bytes) -> list[float]:
    """Seconds of `count` round trips, one in flight, each answer sending the next."""

    async def main() -> list[float]:
        times: list[float] = []
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        clock = time.perf_counter
        sent_at = 0.0
        with _bound() as client:
            client.connect(("127.0.0.1", port))

            def answered() -> None:
                nonlocal sent_at
                client.recv(_BUFFER_BYTES)
                times.append(clock() - sent_at)
                if len(times) == count:
                    loop.remove_reader(client)
                    done.set_result(None)
                    return
                sent_at = clock()
                client.send(payload)

            loop.add_reader(client, answered)
            sent_at = clock()
            client.send(payload)
            await asyncio.wait_for(done, _TIMEOUT_S)
        return times

    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        return runner.run(main())


def serve_blocking(pipe: Connection) -> None:
    """Echo every datagram, one system call after the other; tells its port through `pipe`."""
    with _bound() as echo:
        echo.setblocking(True)
        pipe.send(echo.getsockname()[1])
        while True:
            data, address = echo.recvfrom(_BUFFER_BYTES)
            echo.sendto(data, address)


def round_trips_blocking(port: int, count: int, payload: bytes) -> list[float]:
    """Seconds of `count` round trips, one in flight."""
    times = []
    with _bound() as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(2.0)
        for _ in range(count):
            sent_at = time.perf_counter()
            client.send(payload)
            client.recv(_BUFFER_BYTES)
            times.append(time.perf_counter() - sent_at)
    return times


def _bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made
