"""A raw UDP echo: blocking sockets and nothing else, the least that Python can do for a round trip."""

from __future__ import annotations

import socket
import time
from multiprocessing.connection import Connection

_BUFFER_BYTES = 2048


def serve(pipe: Connection) -> None:
    """Echo every datagram to its sender until terminated; tells its port through `pipe`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
        echo.bind(("127.0.0.1", 0))
        pipe.send(echo.getsockname()[1])
        while True:
            data, address = echo.recvfrom(_BUFFER_BYTES)
            echo.sendto(data, address)


def round_trips(port: int, count: int, payload: bytes) -> list[float]:
    """Seconds of `count` round trips, one in flight."""
    times = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(2.0)
        for _ in range(count):
            sent_at = time.perf_counter()
            client.send(payload)
            client.recv(_BUFFER_BYTES)
            times.append(time.perf_counter() - sent_at)
    return times
