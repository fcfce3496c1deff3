"""Two aioquic connections in memory, joined by function calls: its datagram path without sockets or event loop."""

from __future__ import annotations

from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import DatagramFrameReceived, HandshakeCompleted

from bench.peers.aioquic_setup import client_configuration, server_configuration

_CLIENT = ("127.0.0.1", 1)
_SERVER = ("127.0.0.1", 2)


class AioquicPair:
    """A client and a server past their handshake. `now` is virtual time in seconds, given by the caller."""

    def __init__(self, now: float) -> None:
        self.client = QuicConnection(configuration=client_configuration())
        self.client.connect(_SERVER, now)
        self.server = QuicConnection(
            configuration=server_configuration(),
            original_destination_connection_id=self.client.original_destination_connection_id,
        )
        self._handshake(now)

    def _handshake(self, now: float) -> None:
        done = set()
        for _ in range(10):
            for datagram, _address in self.client.datagrams_to_send(now):
                self.server.receive_datagram(datagram, _CLIENT, now)
            for datagram, _address in self.server.datagrams_to_send(now):
                self.client.receive_datagram(datagram, _SERVER, now)
            for name, connection in (("client", self.client), ("server", self.server)):
                while (event := connection.next_event()) is not None:
                    if isinstance(event, HandshakeCompleted):
                        done.add(name)
            if len(done) == 2:
                return
        raise RuntimeError(f"aioquic's handshake did not complete in memory: only {done or 'nobody'} is done")

    def to_server(self, data: bytes, now: float) -> int:
        """Send one datagram's payload client to server; returns how many were delivered."""
        self.client.send_datagram_frame(data)
        for datagram, _address in self.client.datagrams_to_send(now):
            self.server.receive_datagram(datagram, _CLIENT, now)
        return _delivered(self.server)

    def to_client(self, data: bytes, now: float) -> int:
        """Send one datagram's payload server to client; returns how many were delivered."""
        self.server.send_datagram_frame(data)
        for datagram, _address in self.server.datagrams_to_send(now):
            self.client.receive_datagram(datagram, _SERVER, now)
        return _delivered(self.client)

    def handle_timers(self, now: float) -> None:
        """Let both sides do what their timers ask for."""
        for connection in (self.client, self.server):
            due = connection.get_timer()
            if due is not None and due <= now:
                connection.handle_timer(now)


def _delivered(connection: QuicConnection) -> int:
    count = 0
    while (event := connection.next_event()) is not None:
        count += isinstance(event, DatagramFrameReceived)
    return count
