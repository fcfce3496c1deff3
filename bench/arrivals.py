"""Arrivals: any number of clients that come to one NCP server in memory, each from an address of its own."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from typing import Literal

from bench.ncp import APP_ID, Counter, bench_gate, bench_key
from netcore.address import Address
from netcore.client import ClientEndpoint
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.server import ServerConfig, ServerEndpoint
from netcore.token import Credentials, seal_token

SERVER: Address = ("127.0.0.1", 1)
_LANE = 11
_TOKEN_LIFE_S = 100
_ACKNOWLEDGED_S = 0.03
"""A little more than an acknowledgement waits for company."""
_NETWORK = "10.0.0.0/8"
"""Where the clients come from: trusted, because what is measured is the work and not the limits before it."""


class Arrival:
    """One client: its endpoint, its address, what it has heard."""

    __slots__ = ("address", "endpoint", "handler")

    def __init__(self, address: Address, endpoint: ClientEndpoint, handler: Counter) -> None:
        self.address = address
        self.endpoint = endpoint
        self.handler = handler

    def first_datagram(self, now: float) -> bytes:
        """The HELLO that this client begins with, or repeats with a cookie after a RETRY."""
        ((datagram, _server),) = self.endpoint.datagrams_to_send(now)
        return datagram


class Arrivals:
    """A server endpoint without sockets and the clients that come to it. `now` is seconds of any clock."""

    def __init__(
        self, *, retry: Literal["auto", "always"] = "auto", wall: Callable[[], float] = time.time
    ) -> None:
        """`retry` as in `ServerConfig`; `wall` gives Unix seconds for the tokens."""
        self._key = bench_key()
        self._wall = wall
        self._numbers = itertools.count(1)
        self.messages = 0
        """Messages that the server's application got."""
        config = ServerConfig(
            retry=retry,
            hellos_per_s=1e9,
            retry_above_half_open=65_536,
            half_open_cap=65_536,
            trusted_networks=(_NETWORK,),
        )
        self.server = ServerEndpoint(
            config, bench_gate(self._key), self._accept, random=os.urandom, wall=wall
        )

    def credentials(self) -> Credentials:
        """A fresh token of the server's key."""
        token, psk = seal_token(
            self._key,
            app_id=APP_ID,
            claims=bytes(21),  # as long as the hub's
            expires_unix=int(self._wall()) + _TOKEN_LIFE_S,
            random=os.urandom,
        )
        return Credentials(token, psk, APP_ID)

    def arrive(self, credentials: Credentials, now: float) -> Arrival:
        """A client whose HELLO is ready, and has not been sent."""
        number = next(self._numbers)
        address = (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 4000)
        handler = Counter()
        endpoint = ClientEndpoint(credentials, SERVER, handler, random=os.urandom, now=now)
        return Arrival(address, endpoint, handler)

    def to_server(self, arrival: Arrival, now: float) -> int:
        """Carry what the client has to say; returns how many datagrams that were."""
        datagrams = arrival.endpoint.datagrams_to_send(now)
        for datagram, _server in datagrams:
            self.server.receive_datagram(datagram, arrival.address, now)
        return len(datagrams)

    def to_client(self, arrival: Arrival, now: float) -> int:
        """Carry what the server has to say; what it says to others is lost."""
        datagrams = self.server.datagrams_to_send(now)
        for datagram, address in datagrams:
            if address == arrival.address:
                arrival.endpoint.receive_datagram(datagram, SERVER, now)
        return len(datagrams)

    def settle(self, arrival: Arrival, now: float) -> None:
        """Carry in both directions until neither side has anything to say at `now`."""
        while self.to_server(arrival, now) + self.to_client(arrival, now):
            pass

    def greet(self, arrival: Arrival, now: float, delivery: Delivery = Delivery.ORDERED) -> None:
        """From both sides one message, the server's acknowledged: nothing is left to do but to wait.

        The client's clock runs ahead by the time that it would wait to acknowledge; the server's stands still.
        """
        self.settle(arrival, now)
        client, server = arrival.handler.connection, self.newest
        if client is None:
            raise RuntimeError("a handshake in memory did not complete")
        for connection in (client, server):
            connection.send(_LANE, delivery, b"hello")
            connection.flush()
        self.settle(arrival, now)
        later = now + _ACKNOWLEDGED_S
        arrival.endpoint.handle_timer(later)
        for datagram, _server in arrival.endpoint.datagrams_to_send(later):
            self.server.receive_datagram(datagram, arrival.address, now)
        self.server.datagrams_to_send(now)

    newest: Connection
    """The connection that the server accepted last."""

    def _accept(self, connection: Connection) -> Counter:
        self.newest = connection
        handler = Counter()
        handler.on_message = self._count
        return handler

    def _count(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        self.messages += 1
