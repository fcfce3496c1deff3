"""NCP endpoints for measurements: a token without an HTTP server, handlers that count."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from netcore.client import ClientEndpoint
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.server import ServerConfig, ServerEndpoint
from netcore.token import Credentials, TokenGate, TokenKey, seal_token
from simnet.trace import Transmitter
from simnet.world import World

APP_ID = 1


class Counter:
    """A handler that counts messages and keeps the connection; `on_message` may be replaced."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.messages = 0
        self.closed = False
        self.on_message: Callable[[int, Delivery, int, bytes], None] = self._count

    def connected(self, connection: Connection) -> None:
        """The client's handshake is complete."""
        self.connection = connection

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        """One whole message."""
        self.on_message(lane, kind, key, data)

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        """The connection ended."""
        self.closed = True

    def _count(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        self.messages += 1


def bench_key() -> TokenKey:
    """A token key that both processes of a measurement can make by themselves."""
    return TokenKey(1, bytes(range(32)))


def bench_gate(key: TokenKey) -> TokenGate:
    """The gate that opens the tokens of `key`."""
    return TokenGate([key], APP_ID)


def bench_credentials(key: TokenKey) -> Credentials:
    """A fresh token with its pre-shared key, good for two minutes."""
    token, psk = seal_token(
        key, app_id=APP_ID, claims=b"bench", expires_unix=int(time.time()) + 120, random=os.urandom
    )
    return Credentials(token, psk, APP_ID, 0)


class _Pair:
    """A client endpoint and a server endpoint with their handlers."""

    CLIENT = ("127.0.0.1", 1)
    SERVER = ("127.0.0.1", 2)

    def __init__(self, now: float, random: Callable[[int], bytes]) -> None:
        key = bench_key()
        self.server_handler, self.client_handler = Counter(), Counter()
        self.server = ServerEndpoint(
            ServerConfig(), bench_gate(key), self._accept, random=random, wall=time.time
        )
        self.client = ClientEndpoint(
            bench_credentials(key), self.SERVER, self.client_handler, random=random, now=now
        )

    def _accept(self, connection: Connection) -> Counter:
        self.server_handler.connection = connection
        return self.server_handler

    @property
    def at_server(self) -> Connection:
        """The connection as the server has it. Raises RuntimeError before the handshake."""
        return _established(self.server_handler)

    @property
    def at_client(self) -> Connection:
        """The connection as the client has it. Raises RuntimeError before the handshake."""
        return _established(self.client_handler)


def _established(handler: Counter) -> Connection:
    if handler.connection is None:
        raise RuntimeError("the handshake of a measurement did not complete")
    return handler.connection


class NcpWorld(_Pair):
    """A client and a server at both ends of a path in virtual time."""

    def __init__(self, up: Transmitter, down: Transmitter) -> None:
        self._world = World(seed=1)
        super().__init__(0.0, self._world.random("pair"))
        self._world.add(self.server, self.SERVER)
        self._world.add(self.client, self.CLIENT)
        self._world.connect(self.CLIENT, self.SERVER, up, down)
        self.now, self.call_at, self.run_until = self._world.now, self._world.call_at, self._world.run_until


class NcpPair(_Pair):
    """A client and a server past their handshake, joined by function calls. `now` is virtual seconds."""

    def __init__(self, now: float) -> None:
        super().__init__(now, os.urandom)
        for _ in range(5):
            self.carry_up(now)
            self.carry_down(now)

    def carry_up(self, now: float) -> None:
        """Client to server."""
        for datagram, _address in self.client.datagrams_to_send(now):
            self.server.receive_datagram(datagram, self.CLIENT, now)

    def carry_down(self, now: float) -> None:
        """Server to client."""
        for datagram, _address in self.server.datagrams_to_send(now):
            self.client.receive_datagram(datagram, self.SERVER, now)
