"""A relay over aioquic: datagrams, sent on to everyone else, everything of one wake-up in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve as serve_quic
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, DatagramFrameReceived, HandshakeCompleted, QuicEvent

from bench.fleet import CountingFleet, stamped
from bench.peers.aioquic_setup import client_configuration, server_configuration
from netcore.aio import event_loop_factory

_JOIN_TIMEOUT_S = 30.0


def serve(pipe: Pipe) -> None:
    """Relay until terminated; tells its port through `pipe`."""

    async def main() -> None:
        room = _Room()
        server: Any = await serve_quic(
            "127.0.0.1",
            0,
            configuration=server_configuration(),
            create_protocol=lambda *given, **named: _Relay(room, *given, **named),
        )
        pipe.send(server._transport.get_extra_info("sockname")[1])
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        runner.run(main())


class _Room:
    """Who is in it, and who has something to send when the wake-up ends."""

    def __init__(self) -> None:
        self.members: set[_Relay] = set()
        self._dirty: set[_Relay] = set()

    def relay(self, sender: _Relay, data: bytes) -> None:
        for member in self.members:
            if member is not sender:
                member._quic.send_datagram_frame(data)
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty |= self.members

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for member in dirty:
            member.transmit()


class _Relay(QuicConnectionProtocol):
    def __init__(self, room: _Room, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._room = room

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, DatagramFrameReceived):
            self._room.relay(self, event.data)
        elif isinstance(event, HandshakeCompleted):
            self._room.members.add(self)
        elif isinstance(event, ConnectionTerminated):
            self._room.members.discard(self)


class _Member(QuicConnectionProtocol):
    def __init__(self, fleet: AioquicFleet) -> None:
        super().__init__(QuicConnection(configuration=client_configuration()))
        self._fleet = fleet

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, DatagramFrameReceived):
            self._fleet.tally.arrived(event.data)
        elif isinstance(event, ConnectionTerminated):
            self._fleet.problem = f"aioquic ended a connection: {event.reason_phrase or event.error_code}"

    def send(self, data: bytes) -> None:
        self._quic.send_datagram_frame(data)
        self.transmit()


class AioquicFleet(CountingFleet):
    """Members with a socket and a connection each."""

    def __init__(self, payload_bytes: int) -> None:
        """`payload_bytes` of every message."""
        super().__init__(payload_bytes)
        self._members: list[_Member] = []

    async def join(self, ready: Any, size: int) -> None:
        """See `bench.fleet.Fleet`."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_JOIN_TIMEOUT_S):
            for _ in range(size):
                _transport, member = await loop.create_datagram_endpoint(
                    lambda: _Member(self), local_addr=("127.0.0.1", 0)
                )
                member.connect(("127.0.0.1", ready))
                await member.wait_connected()
                self._members.append(member)
        self.actions = [self._sender(member) for member in self._members]

    def close(self) -> None:
        """See `bench.fleet.Fleet`."""
        for member in self._members:
            if member._transport is not None:
                member._transport.close()

    def _sender(self, member: _Member) -> Callable[[float], None]:
        return lambda intended: member.send(stamped(intended, self.payload_bytes))
