"""A TCP path to a server for the tests: it can be cut at any byte, and can swallow WebSocket upgrades."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.messaging_agent.loopback import Loopback, UdpPath, serving


class TcpPath:
    """Forwards connections to a server's port."""

    def __init__(self) -> None:
        self.target = 0
        self.websocket_blocked = False
        self.port = 0
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(there_writer)
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if self.websocket_blocked and data.startswith(b"GET /link "):
                    await reader.read()
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
        self._open.discard(writer)

    def cut(self) -> int:
        """Abort every connection, wherever its bytes are. How many there were."""
        count = len(self._open)
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()
        return count

    async def stop(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def serving_behind_paths(state_dir: Path) -> AsyncIterator[tuple[Loopback, UdpPath, TcpPath]]:
    """A server whose links go through a `UdpPath` and a `TcpPath`; HTTP calls reach it directly."""
    udp, tcp = UdpPath(blocked=False), TcpPath()
    await tcp.start()
    try:
        async with serving(state_dir, advertise_udp_port=udp.port, advertise_tcp_port=tcp.port) as loopback:
            udp.target = ("127.0.0.1", loopback.server.udp_port)
            tcp.target = loopback.server.http_port
            yield loopback, udp, tcp
    finally:
        udp.close()
        await tcp.stop()
