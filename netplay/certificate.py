"""The self-made certificate: for servers on a local network, where no authority certifies an address.

ECDSA on P-256, valid for 13 days at most: browsers that are told the hash of a certificate take none that lives
longer than 14 days. Kept under `state_dir`, made anew before it ends and when the machine's addresses change.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netplay.refusal import ConfigError
from netplay.secret_file import read_secret, replace_secret

LIFE: Final = datetime.timedelta(days=13)
RENEW_BEFORE: Final = datetime.timedelta(days=3)
CLOCK_SKEW: Final = datetime.timedelta(hours=1)
"""The validity begins so long before now, inside `LIFE`: clocks of phones are not exact."""
MAX_FILE_BYTES: Final = 65_536
FOLDER: Final = "tls"


class SelfMadeCertificate:
    """Certificate and private key in the files of `state_dir`/tls; `renew` keeps them good."""

    def __init__(self, state_dir: Path, names: Iterable[str]) -> None:
        """`names` are the DNS names and IP addresses that the certificate is to be good for."""
        self.pair_file = state_dir / FOLDER / "self-made.pem"
        """Certificate and private key, mode 0600."""
        self.public_file = state_dir / FOLDER / "certificate.pem"
        """The certificate alone, for clients to trust."""
        self._names = sorted(set(names))

    def renew(self, now: datetime.datetime) -> bool:
        """Make the certificate anew where there is none, or none that will do; True where that was so.

        Raises `ConfigError` where the files cannot be kept.
        """
        try:
            if self._good(now):
                return False
            pair, public = _made(self._names, now)
            replace_secret(self.pair_file, pair)
            self.public_file.write_bytes(public)
        except OSError as error:
            raise ConfigError(
                f"the self-made certificate cannot be kept: {error.strerror} ({error.filename})."
            ) from None
        return True

    def _good(self, now: datetime.datetime) -> bool:
        try:
            certificate = x509.load_pem_x509_certificate(read_secret(self.pair_file, MAX_FILE_BYTES))
        except (FileNotFoundError, ValueError):
            return False
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return (
            begins <= now < ends - RENEW_BEFORE
            and ends - begins <= LIFE
            and set(self._names) <= set(_names_in(certificate))
            and self.public_file.is_file()
        )


def fingerprint(pem: bytes) -> str:
    """SHA-256 over the first certificate in `pem`, as 64 hexadecimal digits. ValueError where there is none."""
    certificate = x509.load_pem_x509_certificate(pem)
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def own_names(addresses: Sequence[str]) -> list[str]:
    """What clients may call this machine: its addresses, its host name, and that in `.local`."""
    host = socket.gethostname().partition(".")[0].lower()
    return [*addresses, "localhost", *([host, f"{host}.local"] if host.isascii() and host else [])]


def _made(names: Sequence[str], now: datetime.datetime) -> tuple[bytes, bytes]:
    """A new (certificate and key, certificate) as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "netplay")])
    begins = now - CLOCK_SKEW
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(os.urandom(16), "big") >> 1)
        .not_valid_before(begins)
        .not_valid_after(begins + LIFE)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return public + private, public


def _general_name(name: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ip_address(name))
    return x509.DNSName(name)


def _names_in(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]
