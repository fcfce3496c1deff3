"""A relay over the `websockets` library: its own `broadcast` to everyone else, without compression or encryption."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.asyncio.server import serve as serve_websockets

from bench.fleet import CountingFleet, stamped
from bench.websocket_stream import WebSocketStream, open_websocket
from netcore.aio import event_loop_factory


def serve(pipe: Pipe) -> None:
    """Relay until terminated; tells its port through `pipe`."""
    members: set[ServerConnection] = set()
    others: dict[ServerConnection, list[ServerConnection]] = {}

    def changed() -> None:
        others.clear()
        others.update({me: [member for member in members if member is not me] for me in members})

    async def member(connection: ServerConnection) -> None:
        members.add(connection)
        changed()
        try:
            async for message in connection:
                broadcast(others[connection], message)
        finally:
            members.discard(connection)
            changed()

    async def main() -> None:
        async with serve_websockets(
            member, "127.0.0.1", 0, compression=None, ping_interval=None, max_queue=None
        ) as server:
            pipe.send(next(iter(server.sockets)).getsockname()[1])
            await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        runner.run(main())


class WebsocketsFleet(CountingFleet):
    """Members with a stream each."""

    def __init__(self, payload_bytes: int) -> None:
        """`payload_bytes` of every message."""
        super().__init__(payload_bytes)
        self._streams: list[WebSocketStream] = []

    async def join(self, ready: Any, size: int) -> None:
        """See `bench.fleet.Fleet`."""
        for _ in range(size):
            self._streams.append(await open_websocket(ready, "/", self.tally.arrived, self._end))
        self.actions = [self._sender(stream) for stream in self._streams]

    def close(self) -> None:
        """See `bench.fleet.Fleet`."""
        for stream in self._streams:
            stream.close()

    def _end(self, why: str) -> None:
        self.problem = why

    def _sender(self, stream: WebSocketStream) -> Callable[[float], None]:
        return lambda intended: stream.send(stamped(intended, self.payload_bytes))
