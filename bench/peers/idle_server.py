"""Servers with idle connections, in a process of their own: what they keep in memory for each, and what they forget."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from bench.arrivals import Arrivals
from bench.peers.aioquic_pair import AioquicPair
from netcore.config import ConnectionConfig

_EPOCH = 1_000_000_000.0
_SPAN_S = 400.0
"""How long a run takes in virtual time: token log and resting ids are steady long before its half."""
_WARM_UP = 50
_FORGOTTEN_S = ConnectionConfig().idle_timeout_s + 5.0
"""After this the server has let go of every client that left or vanished."""


def serve_netcore(pipe: Pipe, connections: int) -> None:
    """Tells (traced bytes, resident bytes) of one idle connection of ours."""
    pipe.send("ready")
    world = _World()
    for _ in range(_WARM_UP):
        world.connect()

    def one_more() -> None:
        world.connect()

    pipe.send(_each(one_more, connections))
    if len(world.arrivals.server.connections) != connections * 2 + _WARM_UP:
        raise RuntimeError(f"{len(world.arrivals.server.connections)} connections are there")
    pipe.poll(60)


def serve_aioquic(pipe: Pipe, connections: int) -> None:
    """The same of aioquic's server side."""
    pipe.send("ready")
    kept = [AioquicPair(0.0).server for _ in range(_WARM_UP)]

    def one_more() -> None:
        pair = AioquicPair(0.0)
        pair.to_server(b"hello", 0.001)
        pair.to_client(b"hello", 0.002)
        kept.append(pair.server)

    pipe.send(_each(one_more, connections))
    pipe.poll(60)


def serve_churn(pipe: Pipe, cycles: int) -> None:
    """Tells resident bytes of our server after half of the connects and disconnects, and after all of them.

    Three of four clients say goodbye; every fourth vanishes, and the server finds out by its idle timeout.
    """
    pipe.send("ready")
    world = _World()
    resident = []
    for half in (cycles // 2, cycles - cycles // 2):
        for number in range(half):
            world.pass_time(_SPAN_S / cycles)
            world.connect_and_leave(vanish=number % 4 == 3)
        gc.collect()
        resident.append(resident_bytes())
    world.pass_time(_FORGOTTEN_S)
    pipe.send((*resident, len(world.arrivals.server.connections)))
    pipe.poll(60)


def resident_bytes() -> int:
    """What the system says that this process holds (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _each(one_more: Callable[[], None], count: int) -> tuple[float, float]:
    """(traced, resident) bytes that `one_more` leaves behind, the one after the other: tracing costs memory itself."""
    gc.collect()
    before = resident_bytes()
    for _ in range(count):
        one_more()
    gc.collect()
    resident = resident_bytes() - before
    tracemalloc.start()
    traced_before, _ = tracemalloc.get_traced_memory()
    for _ in range(count):
        one_more()
    gc.collect()
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (traced - traced_before) / count, resident / count


class _World:
    """A server and its clients in virtual time. Clients are dropped as soon as they have been heard."""

    def __init__(self) -> None:
        self.now = 0.0
        self.arrivals = Arrivals(wall=lambda: _EPOCH + self.now)

    def connect(self) -> None:
        """One more client, greeted and greeting. Time stands still: nobody is silent for long."""
        self.arrivals.greet(self.arrivals.arrive(self.arrivals.credentials(), self.now), self.now)

    def connect_and_leave(self, *, vanish: bool) -> None:
        """One client comes and goes."""
        client = self.arrivals.arrive(self.arrivals.credentials(), self.now)
        self.arrivals.greet(client, self.now)
        if not vanish:
            client.endpoint.close()
            self.arrivals.settle(client, self.now)

    def pass_time(self, seconds: float) -> None:
        """The server's timers go off as they fall due."""
        server, until = self.arrivals.server, self.now + seconds
        while (due := server.next_timer()) is not None and due <= until:
            self.now = max(self.now, due)
            server.handle_timer(self.now)
            server.datagrams_to_send(self.now)
        self.now = until
