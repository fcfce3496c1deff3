"""An impaired link in front of a TCP server: a proxy that delays bytes and holds them to a rate.

Nothing is lost, doubled or reordered: TCP would mend that on each side of a proxy by itself, and an
application would see nothing of it but delay.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from simnet.link import LinkProfile

_READ_BYTES = 16_384
_QUEUED_BYTES = 1 << 20
"""What one direction holds before it stops reading, so that the sender feels the link."""
_MAX_CONNECTIONS = 1024


@dataclass(slots=True)
class TcpCounts:
    """Counters since the start."""

    connections: int = 0
    refused: int = 0
    """Connections beyond 1,024 at once, and those whose server did not answer."""
    bytes_there: int = 0
    bytes_back: int = 0


@dataclass(slots=True)
class _Direction:
    """What is under way one way: (when it arrives, bytes), in order; empty bytes stand for the end."""

    profile: LinkProfile
    count: Callable[[int], None]
    under_way: deque[tuple[float, bytes]] = field(default_factory=deque)
    queued_bytes: int = 0
    busy_until: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, data: bytes, now: float) -> None:
        """`data` was read at `now`."""
        departure = now
        if self.profile.rate_bytes_per_s is not None:
            departure = max(self.busy_until, now) + len(data) / self.profile.rate_bytes_per_s
            self.busy_until = departure
        self.under_way.append((departure + self.profile.delay_s, data))
        self.queued_bytes += len(data)
        self.changed.set()


class TcpImpairment:
    """Takes connections on one port and brings their bytes to `target` and back, late and slowly."""

    def __init__(self, there: LinkProfile, back: LinkProfile) -> None:
        """Of the profiles `delay_s` and `rate_bytes_per_s` count."""
        self.target: tuple[str, int] | None = None
        """Where to; connections are refused until it is set."""
        self.counts = TcpCounts()
        self._there = there
        self._back = back
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that clients connect to. Raises RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the impaired link has no port before start()")
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int = 0) -> None:
        """Bind and begin. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_READ_BYTES)

    async def close(self) -> None:
        """Stop at once; what is on its way is lost."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # streams run this as a task
        self._connections.add(task)
        try:
            await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # close() ends it; asyncio's streams would log the cancellation
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts, target = self.counts, self.target
        if target is None or len(self._connections) > _MAX_CONNECTIONS:
            counts.refused += 1
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*target, limit=_READ_BYTES)
        except OSError:
            counts.refused += 1
            return
        counts.connections += 1

        def count_there(length: int) -> None:
            counts.bytes_there += length

        def count_back(length: int) -> None:
            counts.bytes_back += length

        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_carry(reader, far_writer, _Direction(self._there, count_there)))
                both.create_task(_carry(far_reader, writer, _Direction(self._back, count_back)))
        except* OSError:
            pass  # one side broke: the other is cut too
        finally:
            far_writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: _Direction) -> None:
    """One direction, from its first byte to its end."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_take(reader, direction))
        tasks.create_task(_give(writer, direction))


async def _take(reader: asyncio.StreamReader, direction: _Direction) -> None:
    data = b"-"
    while data:
        while direction.queued_bytes > _QUEUED_BYTES:
            direction.changed.clear()
            await direction.changed.wait()
        data = await reader.read(_READ_BYTES)
        direction.enter(data, time.monotonic())


async def _give(writer: asyncio.StreamWriter, direction: _Direction) -> None:
    while True:
        while not direction.under_way:
            direction.changed.clear()
            await direction.changed.wait()
        arrival, data = direction.under_way.popleft()
        wait_s = arrival - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        if not data:
            with contextlib.suppress(OSError):
                writer.write_eof()
            return
        writer.write(data)
        await writer.drain()
        direction.queued_bytes -= len(data)
        direction.count(len(data))
        direction.changed.set()
