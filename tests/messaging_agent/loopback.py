"""A whole server on loopback, in the test's own loop, and a UDP path that can be blocked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from messaging_agent.channel import Channel
from messaging_agent.connect import Connecting, connect

from hub.keys import KeyRing
from netplay.config import Config
from netplay.server import NetplayServer


class Loopback:
    """A started server, and connects to it with everything filled in that a story does not care about."""

    def __init__(self, server: NetplayServer, key: str) -> None:
        self.server = server
        self.key = key

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.http_port}"

    def join(self, name: str, *transports: str, **options: Any) -> Connecting:
        options.setdefault("channel", "lobby")
        options.setdefault("password", "our password")
        if transports:
            options["transports"] = transports
        channel, password = options.pop("channel"), options.pop("password")
        return connect(self.url, options.pop("key", self.key), channel, name, password, **options)


@contextlib.asynccontextmanager
async def serving(state_dir: Path, **config: Any) -> AsyncIterator[Loopback]:
    """A server on a free port."""
    keys = KeyRing()
    key = keys.issue("developer", os.urandom)
    server = NetplayServer(Config(port=0, state_dir=state_dir, shutdown_s=0.2, **config), keys)
    await server.start()
    try:
        yield Loopback(server, key)
    finally:
        await server.stop()


async def seen(channel: Channel, *names: str) -> None:
    """Wait until the server has told `channel` of these agents."""
    async with asyncio.timeout(5.0):
        # Whichever event tells it, the roster is what counts.
        while not set(names) <= {agent.name for agent in channel.agents}:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class UdpPath:
    """Forwards datagrams to a server's port and back, each client address by a socket of its own."""

    def __init__(self, *, blocked: bool) -> None:
        self.blocked = blocked
        self.target: tuple[str, int] | None = None
        self._loop = asyncio.get_running_loop()
        self._backs: dict[Any, socket.socket] = {}
        self._front = self._socket(self._from_client)
        self._front.bind(("127.0.0.1", 0))
        self.port = int(self._front.getsockname()[1])

    def _socket(self, read: Callable[[], None]) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        self._loop.add_reader(made, read)
        return made

    def _from_client(self) -> None:
        data, client = self._front.recvfrom(2048)
        if self.blocked or self.target is None:
            return
        back = self._backs.get(client)
        if back is None:
            back = self._backs[client] = self._socket(lambda: self._from_server(client))
        back.sendto(data, self.target)

    def _from_server(self, client: Any) -> None:
        data = self._backs[client].recv(2048)
        if not self.blocked:
            self._front.sendto(data, client)

    def close(self) -> None:
        for used in (self._front, *self._backs.values()):
            self._loop.remove_reader(used)
            used.close()


@contextlib.asynccontextmanager
async def serving_behind_a_path(state_dir: Path, *, blocked: bool) -> AsyncIterator[tuple[Loopback, UdpPath]]:
    """A server whose UDP port clients reach through a `UdpPath` only."""
    path = UdpPath(blocked=blocked)
    try:
        async with serving(state_dir, advertise_udp_port=path.port) as loopback:
            path.target = ("127.0.0.1", loopback.server.udp_port)
            yield loopback, path
    finally:
        path.close()


def cut(channel: Channel) -> None:
    """Break the channel's present link as a network does: without a word."""
    link: Any = channel.session.link
    if link.transport == "udp":
        link.abandon()
        link.connection_closed(0x88, "cut by the test", False)
    elif link.transport == "long-poll":
        link.abandon("cut by the test")
    else:
        link._socket._conn.transport.abort()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
