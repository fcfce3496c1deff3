"""UDP links for the tests: the server's endpoint behind `transports.udp`, and clients that can misbehave.

The same harness drives them on real sockets or in a world in virtual time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from netcore.aio import UdpDriver, open_udp
from netcore.client import ClientEndpoint
from netcore.codes import CloseCode
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.sequenced_lane import SequencedSender
from netcore.server import ServerEndpoint
from netcore.server_config import ServerConfig
from netcore.token import Credentials, TokenGate, TokenKey, seal_token
from simnet.link import LinkProfile
from simnet.world import World
from tests.transports.contract import Harness, Remote, Ticket
from tests.transports.recorders import PATIENCE_S, Changes, Recorder, RecordingAcceptor
from transports.udp import accept_links

APP_ID = 7


class UdpClient(Remote):
    """A client endpoint, its handler, and a node that a driver drives, all in one."""

    def __init__(
        self,
        changes: Changes,
        ticket: Ticket,
        server: Any,
        *,
        random: Callable[[int], bytes] = os.urandom,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.recorder = Recorder(changes)
        self.wake: Callable[[], None] = lambda: None
        self._waiting: list[tuple[int, Delivery, bytes, int]] = []
        self._extra: list[bytes] = []
        self._server = server
        self._stalled = False
        self._gone = False
        self._awake = False
        self.endpoint = ClientEndpoint(
            Credentials(ticket.token, ticket.psk, APP_ID), server, self, random=random, now=clock()
        )
        self.endpoint.wake = self._woken

    def _woken(self) -> None:
        self.wake()

    # The client's handler.

    def connected(self, connection: Connection) -> None:
        waiting, self._waiting = self._waiting, []
        for lane, kind, data, key in waiting:
            self.send(lane, kind, data, key)

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        self.recorder.link_message(lane, kind, key, data)

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        self.recorder.link_closed(code, reason, remote)

    # A node for a driver.

    def receive_datagram(self, data: bytes, addr: Any, now: float) -> None:
        if not self._stalled and not self._gone:
            self.endpoint.receive_datagram(data, addr, now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Any]]:
        if self._gone:
            return []
        extra, self._extra = self._extra, []
        return [*self.endpoint.datagrams_to_send(now), *((data, self._server) for data in extra)]

    def next_timer(self) -> float | None:
        return None if self._gone else self.endpoint.next_timer()

    def handle_timer(self, now: float) -> None:
        if not self._gone:
            self.endpoint.handle_timer(now)

    # A remote.

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        connection = self.endpoint.connection
        if connection is None:
            self._waiting.append((lane, kind, data, key))
            return
        if not connection.is_closed:
            connection.send(lane, kind, data, key)
            connection.flush()

    def forget_lane(self, lane: int) -> None:
        """Let the next message on `lane` be of any kind and key, as a client without our checks could."""
        assert self.endpoint.connection is not None
        self.endpoint.connection._send_lanes.pop(lane, None)

    def forget_keys(self, lane: int) -> None:
        """Let the next message on `lane` have any key."""
        assert self.endpoint.connection is not None
        sender = self.endpoint.connection._send_lanes[lane]
        assert isinstance(sender, SequencedSender)
        sender._ids.clear()

    def close(self, code: int, reason: str) -> None:
        assert self.endpoint.connection is not None
        self.endpoint.connection.close(code, reason)

    def vanish(self) -> None:
        self._gone = True

    def stall(self) -> None:
        self._stalled = True

    def go_on(self) -> None:
        self._stalled = False

    def send_garbage(self) -> None:
        assert self.endpoint.connection is not None
        self._extra.append(self.endpoint.connection._sealer.seal(b"\x3f\xff\xff\xff"))
        self.wake()

    @property
    def max_message_bytes(self) -> int:
        return 262_144


class _UdpServer(Harness):
    """What both worlds share: gate, acceptor and the server's endpoint."""

    name = "udp"
    token_refusal = CloseCode.IDLE
    vanish_timeout_s = 12

    def __init__(self, changes: Changes, random: Callable[[int], bytes], wall: Callable[[], float]) -> None:
        self.changes = changes
        self._random = random
        self._wall = wall
        self.acceptor = RecordingAcceptor(self.changes)
        self.key = TokenKey.generate(random)
        self.gate = TokenGate([self.key], APP_ID)
        self.endpoint = ServerEndpoint(
            ServerConfig(trusted_networks=("127.0.0.0/8",)),
            self.gate,
            accept_links(self.acceptor),
            random=random,
            wall=wall,
        )

    def ticket(self, claims: bytes = b"somebody", *, expires_in_s: float = 30) -> Ticket:
        token, psk = seal_token(
            self.key,
            app_id=APP_ID,
            claims=claims,
            expires_unix=int(self._wall() + expires_in_s),
            random=self._random,
        )
        return Ticket(token, psk)


class UdpHarness(_UdpServer):
    """The server's endpoint on a real socket; `dial` makes clients on sockets of their own."""

    def __init__(self) -> None:
        super().__init__(Changes(), os.urandom, time.time)
        self._drivers: list[UdpDriver] = []

    async def start(self) -> None:
        self._drivers.append(await open_udp(self.endpoint, "127.0.0.1", 0))

    async def stop(self) -> None:
        for driver in self._drivers:
            driver.close()

    async def dial(self, ticket: Ticket) -> UdpClient:
        client = UdpClient(self.changes, ticket, self._drivers[0].address)
        self._drivers.append(await open_udp(client, "127.0.0.1", 0))
        return client


class _VirtualChanges(Changes):
    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def until(self, condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        assert self._world.run_until_true(lambda: bool(condition()), timeout_s), "waited in vain"


class VirtualUdpHarness(_UdpServer):
    """The same in a world in virtual time, over links with delay and jitter."""

    SERVER = ("10.0.0.1", 7777)

    def __init__(self, seed: int, profile: LinkProfile) -> None:
        self.world = World(seed, default_link=profile)
        super().__init__(_VirtualChanges(self.world), self.world.random("server"), self.world.wall)
        self.world.add(self.endpoint, self.SERVER)
        self._clients = 0

    async def breathe(self) -> None:
        self.world.run_for(0.0001)

    async def dial(self, ticket: Ticket) -> UdpClient:
        self._clients += 1
        random = self.world.random(f"client {self._clients}")
        client = UdpClient(self.changes, ticket, self.SERVER, random=random, clock=self.world.now)
        self.world.add(client, (f"10.0.1.{self._clients}", 40_000))
        return client
