"""An impaired link in front of a UDP server: a proxy that delays, loses and doubles as a link model says."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from simnet.link import LinkModel, LinkStats

_READ_BYTES = 65_535
_READS_PER_WAKE_UP = 64
_MAX_CLIENTS = 1024
_MAX_UNDER_WAY_BYTES = 64 << 20
"""What all links may hold; beyond it datagrams are dropped, however long the delay."""


@dataclass(slots=True)
class _Client:
    """One client of the proxy: its own socket towards the server, and a link each way."""

    back: socket.socket
    there: LinkModel
    returning: LinkModel
    heard_at: float


class UdpImpairment:
    """Takes clients on one port and brings their datagrams to `target` and back through link models.

    `link(n)` makes the n-th model: each client gets an even one for the way there and the next, odd one for
    the way back. 1,024 clients are served at a time; one silent for `idle_s` makes room.
    """

    def __init__(self, link: Callable[[int], LinkModel], *, idle_s: float = 60.0) -> None:
        self.target: tuple[str, int] | None = None
        """Where to; datagrams are dropped until it is set."""
        self.clients_seen = 0
        self.clients_refused = 0
        """Datagrams of clients that there was no room for."""
        self.overflows = 0
        """Datagrams dropped because too much was under way."""
        self._ended = LinkStats(), LinkStats()
        self._link = link
        self._idle_s = idle_s
        self._numbers = itertools.count()
        self._clients: dict[tuple[str, int], _Client] = {}
        self._under_way_bytes = 0
        self._front: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        """The port that clients send to. Raises RuntimeError before `start`."""
        if self._front is None:
            raise RuntimeError("the impaired link has no port before start()")
        return int(self._front.getsockname()[1])

    def totals(self) -> tuple[LinkStats, LinkStats]:
        """What the links there and those back did, those of clients that are gone included."""
        there, back = (dataclasses.replace(ended) for ended in self._ended)
        for client in self._clients.values():
            _add(there, client.there.stats)
            _add(back, client.returning.stats)
        return there, back

    async def start(self, host: str, port: int = 0) -> None:
        """Bind and begin. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        self._front = _socket(host, port)
        self._loop.add_reader(self._front, self._from_clients, self._front)

    def close(self) -> None:
        """Stop at once; what is on its way is lost."""
        front, self._front = self._front, None
        if front is not None:
            self._loop.remove_reader(front)
            front.close()
        for address in list(self._clients):
            self._leave(address)

    def _from_clients(self, front: socket.socket) -> None:
        now = time.monotonic()
        for data, address in _drain(front):
            client = self._clients.get(address) or self._enter(front, address, now)
            if client is None or self.target is None:
                continue
            client.heard_at = now
            for arrival, copy in client.there.transmit(data, now):
                self._later(arrival, client.back, copy, self.target)

    def _enter(self, front: socket.socket, address: tuple[str, int], now: float) -> _Client | None:
        if self.target is None:
            return None
        if len(self._clients) >= _MAX_CLIENTS and not self._make_room(now):
            self.clients_refused += 1
            return None
        back = _socket("::" if ":" in self.target[0] else "0.0.0.0", 0)
        there, returning = self._link(next(self._numbers)), self._link(next(self._numbers))
        self._loop.add_reader(back, self._from_server, front, back, returning, address)
        client = self._clients[address] = _Client(back, there, returning, now)
        self.clients_seen += 1
        return client

    def _make_room(self, now: float) -> bool:
        quiet = [address for address, client in self._clients.items() if now - client.heard_at > self._idle_s]
        for address in quiet:
            self._leave(address)
        return bool(quiet)

    def _leave(self, address: tuple[str, int]) -> None:
        client = self._clients.pop(address)
        for ended, link in zip(self._ended, (client.there, client.returning), strict=True):
            _add(ended, link.stats)
        self._loop.remove_reader(client.back)
        client.back.close()

    def _from_server(
        self, front: socket.socket, back: socket.socket, model: LinkModel, address: tuple[str, int]
    ) -> None:
        now = time.monotonic()
        for data, _server in _drain(back):
            for arrival, copy in model.transmit(data, now):
                self._later(arrival, front, copy, address)

    def _later(self, arrival: float, way: socket.socket, data: bytes, address: tuple[str, int]) -> None:
        if self._under_way_bytes + len(data) > _MAX_UNDER_WAY_BYTES:
            self.overflows += 1
            return
        self._under_way_bytes += len(data)
        self._loop.call_later(max(0.0, arrival - time.monotonic()), self._send, way, data, address)

    def _send(self, way: socket.socket, data: bytes, address: tuple[str, int]) -> None:
        self._under_way_bytes -= len(data)
        if way.fileno() < 0:
            return  # closed meanwhile
        with contextlib.suppress(OSError):  # a full buffer or an unreachable end loses it, as a network does
            way.sendto(data, address)


def _add(total: LinkStats, more: LinkStats) -> None:
    for counter in dataclasses.fields(LinkStats):
        setattr(total, counter.name, getattr(total, counter.name) + getattr(more, counter.name))


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
