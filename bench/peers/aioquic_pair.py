"""Two aioquic connections in memory, joined by function calls: its datagram path without sockets or event loop."""

from __future__ import annotations

import datetime
import ssl
import tempfile
from pathlib import Path

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import DatagramFrameReceived, HandshakeCompleted
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_CLIENT = ("127.0.0.1", 1)
_SERVER = ("127.0.0.1", 2)


class AioquicPair:
    """A client and a server past their handshake. `now` is virtual time in seconds, given by the caller."""

    def __init__(self, now: float) -> None:
        configuration = QuicConfiguration(
            is_client=False, alpn_protocols=["bench"], max_datagram_frame_size=65536
        )
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = _self_signed(Path(folder))
            configuration.load_cert_chain(certificate, key)
        self.client = QuicConnection(
            configuration=QuicConfiguration(
                is_client=True,
                alpn_protocols=["bench"],
                verify_mode=ssl.CERT_NONE,
                max_datagram_frame_size=65536,
            )
        )
        self.client.connect(_SERVER, now)
        self.server = QuicConnection(
            configuration=configuration,
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
        if len(done) != 2:
            raise RuntimeError(
                f"aioquic's handshake did not complete in memory: only {done or 'nobody'} is done"
            )

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


def _self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "certificate.pem", folder / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_path, key_path
