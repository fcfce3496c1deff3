"""An impaired link in front of a UDP server: a proxy that delays, loses and doubles as a link model says."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import Callable

from simnet.link import LinkModel

_READ_BYTES = 2048
_READS_PER_WAKE_UP = 64
_MAX_CLIENTS = 1024


class UdpImpairment:
    """Takes clients on one port and brings their datagrams to `target` and back through link models.

    `link(n)` makes the n-th model: each client gets one for the way there and one for the way back. The newest
    1,024 clients are served; what comes from others is dropped.
    """

    def __init__(self, link: Callable[[int], LinkModel]) -> None:
        self.target: tuple[str, int] | None = None
        """Where to; datagrams are dropped until it is set."""
        self._link = link
        self._numbers = itertools.count()
        self._clients: dict[tuple[str, int], tuple[socket.socket, LinkModel]] = {}
        self._front: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        """The port that clients send to. Raises RuntimeError before `start`."""
        if self._front is None:
            raise RuntimeError("the impaired link has no port before start()")
        return int(self._front.getsockname()[1])

    async def start(self, host: str, port: int = 0) -> None:
        """Bind and begin. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        self._front = _socket(host, port)
        self._loop.add_reader(self._front, self._from_clients, self._front)

    def close(self) -> None:
        """Stop at once; what is on its way is lost."""
        front, self._front = self._front, None
        for one in [front, *(back for back, _ in self._clients.values())]:
            if one is not None:
                self._loop.remove_reader(one)
                one.close()
        self._clients.clear()

    def _from_clients(self, front: socket.socket) -> None:
        now = time.monotonic()
        for data, client in _drain(front):
            entry = self._clients.get(client) or self._enter(front, client)
            if entry is None or self.target is None:
                continue
            back, model = entry
            for arrival, copy in model.transmit(data, now):
                self._later(arrival, back, copy, self.target)

    def _enter(self, front: socket.socket, client: tuple[str, int]) -> tuple[socket.socket, LinkModel] | None:
        if len(self._clients) >= _MAX_CLIENTS:
            return None
        back = _socket(front.getsockname()[0], 0)
        there, returning = self._link(next(self._numbers)), self._link(next(self._numbers))
        self._loop.add_reader(back, self._from_server, front, back, returning, client)
        entry = self._clients[client] = (back, there)
        return entry

    def _from_server(
        self, front: socket.socket, back: socket.socket, model: LinkModel, client: tuple[str, int]
    ) -> None:
        now = time.monotonic()
        for data, _server in _drain(back):
            for arrival, copy in model.transmit(data, now):
                self._later(arrival, front, copy, client)

    def _later(self, arrival: float, way: socket.socket, data: bytes, address: tuple[str, int]) -> None:
        self._loop.call_later(max(0.0, arrival - time.monotonic()), _send, way, data, address)


def _socket(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def _drain(source: socket.socket) -> list[tuple[bytes, tuple[str, int]]]:
    datagrams = []
    for _ in range(_READS_PER_WAKE_UP):
        try:
            datagrams.append(source.recvfrom(_READ_BYTES))
        except (BlockingIOError, InterruptedError):
            break
        except OSError:
            continue  # an answer from the network to something sent earlier
    return datagrams


def _send(way: socket.socket, data: bytes, address: tuple[str, int]) -> None:
    if way.fileno() < 0:
        return  # closed meanwhile
    with contextlib.suppress(OSError):  # a full buffer or an unreachable end loses it, as a network does
        way.sendto(data, address)
