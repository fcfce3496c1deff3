"""A relay over ENet (C, through pyenet): what arrives goes to everyone else, as ENet does it best.

One wake-up takes in everything that has arrived, and one flush sends it on, so that ENet joins what goes to one
receiver in one packet. Messages are unreliable and sequenced, ENet's own kind for states. ENet does not encrypt; the
sealed relay opens each message and seals it anew for each receiver, as a game on the internet has to do above ENet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection as Pipe
from typing import Any

import enet
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bench.fleet import CountingFleet, stamped

_CHANNELS = 1
_PEERS = 256
_WAIT_MS = 100
_BEAT_S = 0.02
_JOIN_TIMEOUT_S = 10.0

Send = Callable[[int, Any], int]
"""A peer's `send(channel, packet)`."""


class Seal:
    """One key and a counter for nonces; the nonce goes in front of the message."""

    _NONCE_BYTES = 12

    def __init__(self) -> None:
        """The same key on every side: what counts is the work."""
        self._cipher = ChaCha20Poly1305(bytes(32))
        self._number = 0

    def close(self, data: bytes) -> bytes:
        """The message sealed under a nonce of its own."""
        self._number += 1
        nonce = self._number.to_bytes(self._NONCE_BYTES, "big")
        return nonce + self._cipher.encrypt(nonce, data, None)

    def open(self, data: bytes) -> bytes:
        """The message in clear."""
        return self._cipher.decrypt(data[: self._NONCE_BYTES], data[self._NONCE_BYTES :], None)


def serve(pipe: Pipe) -> None:
    """Relay in clear until terminated; tells its port through `pipe`."""

    def relay(data: bytes, sends: Sequence[Send]) -> None:
        packet = enet.Packet(data, 0)
        for send in sends:
            send(0, packet)

    _serve(pipe, relay)


def serve_sealed(pipe: Pipe) -> None:
    """The same, with every message sealed for every receiver."""
    seal = Seal()

    def relay(data: bytes, sends: Sequence[Send]) -> None:
        clear = seal.open(data)
        for send in sends:
            send(0, enet.Packet(seal.close(clear), 0))

    _serve(pipe, relay)


def _serve(pipe: Pipe, relay: Callable[[bytes, Sequence[Send]], None]) -> None:
    host = enet.Host(enet.Address(b"127.0.0.1", 0), _PEERS, _CHANNELS, 0, 0)
    pipe.send(host.address.port)
    peers: dict[int, Any] = {}
    others: dict[int, list[Send]] = {}
    while True:
        for event in _events(host, _WAIT_MS):
            sender = event.peer.incomingPeerID
            if event.type == enet.EVENT_TYPE_RECEIVE:
                relay(event.packet.data, others[sender])
                continue
            if event.type == enet.EVENT_TYPE_CONNECT:
                _never_throttle(event.peer)
                peers[sender] = event.peer
            else:
                peers.pop(sender, None)
            others = {me: [peer.send for it, peer in peers.items() if it != me] for me in peers}
        host.flush()


class EnetFleet(CountingFleet):
    """Members as peers of one client host: one socket, and C takes in what arrives."""

    def __init__(self, payload_bytes: int) -> None:
        """`payload_bytes` of every message."""
        super().__init__(payload_bytes)
        self._host = enet.Host(None, _PEERS, _CHANNELS, 0, 0)
        self._waited_for = 0
        self._all_connected = asyncio.Event()
        self._flush_waits = False
        self._loop = asyncio.get_running_loop()
        self._beat: asyncio.TimerHandle | None = None

    async def join(self, ready: Any, size: int) -> None:
        """See `bench.fleet.Fleet`."""
        self._waited_for = size
        address = enet.Address(b"127.0.0.1", ready)
        peers = [self._host.connect(address, _CHANNELS) for _ in range(size)]
        self._loop.add_reader(self._host.socket.fileno(), self._service)
        self._keep_beating()
        async with asyncio.timeout(_JOIN_TIMEOUT_S):
            await self._all_connected.wait()
        self.actions = [self._sender(peer) for peer in peers]

    def close(self) -> None:
        """See `bench.fleet.Fleet`."""
        if self._beat is not None:
            self._beat.cancel()
            self._loop.remove_reader(self._host.socket.fileno())

    def _sealed(self, data: bytes) -> bytes:
        return data

    def _opened(self, data: bytes) -> bytes:
        return data

    def _sender(self, peer: Any) -> Callable[[float], None]:
        def send(intended: float) -> None:
            peer.send(0, enet.Packet(self._sealed(stamped(intended, self.payload_bytes)), 0))
            if not self._flush_waits:
                self._flush_waits = True
                self._loop.call_soon(self._flush)

        return send

    def _flush(self) -> None:
        self._flush_waits = False
        self._host.flush()

    def _keep_beating(self) -> None:
        """ENet has timers of its own, and tells nobody when they are due."""
        self._service()
        self._beat = self._loop.call_later(_BEAT_S, self._keep_beating)

    def _service(self) -> None:
        for event in _events(self._host, 0):
            if event.type == enet.EVENT_TYPE_RECEIVE:
                self.tally.arrived(self._opened(event.packet.data))
            elif event.type == enet.EVENT_TYPE_CONNECT:
                _never_throttle(event.peer)
                self._waited_for -= 1
                if not self._waited_for:
                    self._all_connected.set()
            else:
                self.problem = "ENet disconnected a peer"


class SealedEnetFleet(EnetFleet):
    """The same with sealed messages."""

    def __init__(self, payload_bytes: int) -> None:
        """`payload_bytes` of every message, in clear."""
        super().__init__(payload_bytes)
        seal = Seal()
        self._sealed, self._opened = seal.close, seal.open  # type: ignore[method-assign]


def _events(host: Any, wait_ms: int) -> Iterator[Any]:
    """What one call of `service` took in, up to 256 datagrams."""
    event = host.service(wait_ms)
    while event is not None and event.type != enet.EVENT_TYPE_NONE:
        yield event
        event = host.check_events()


def _never_throttle(peer: Any) -> None:
    """Else ENet drops unreliable messages by chance once the round trip varies, and would relay less than we do."""
    peer.packetThrottleDeceleration = 0
