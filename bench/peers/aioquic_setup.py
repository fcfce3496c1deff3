"""What aioquic needs before it can speak: configurations of both sides and a self-made certificate."""

from __future__ import annotations

import datetime
import functools
import ssl
import tempfile
from pathlib import Path

from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PROTOCOL = "bench"
_MAX_DATAGRAM_FRAME_BYTES = 65536
_IDLE_TIMEOUT_S = 600.0


@functools.cache
def server_configuration() -> QuicConfiguration:
    """A server that speaks datagrams; one certificate for the whole process."""
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=[_PROTOCOL],
        max_datagram_frame_size=_MAX_DATAGRAM_FRAME_BYTES,
        idle_timeout=_IDLE_TIMEOUT_S,
    )
    with tempfile.TemporaryDirectory() as folder:
        configuration.load_cert_chain(*_self_signed(Path(folder)))
    return configuration


def client_configuration() -> QuicConfiguration:
    """A client that speaks datagrams and trusts anybody."""
    return QuicConfiguration(
        is_client=True,
        alpn_protocols=[_PROTOCOL],
        verify_mode=ssl.CERT_NONE,
        max_datagram_frame_size=_MAX_DATAGRAM_FRAME_BYTES,
        idle_timeout=_IDLE_TIMEOUT_S,
    )


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
