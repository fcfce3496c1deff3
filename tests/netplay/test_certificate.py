"""The self-made certificate: short-lived, for this machine's addresses, renewed before anybody notices."""

from __future__ import annotations

import datetime
import hashlib
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from netplay.certificate import CLOCK_SKEW, LIFE, RENEW_BEFORE, SelfMadeCertificate, fingerprint, own_names
from netplay.refusal import ConfigError

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
NAMES = ["192.0.2.7", "fd00::7", "localhost"]


def made(folder: Path, now: datetime.datetime = NOW, names: list[str] = NAMES) -> SelfMadeCertificate:
    certificate = SelfMadeCertificate(folder, names)
    certificate.renew(now)
    return certificate


def test_it_is_for_the_given_names_short_lived_and_of_the_kind_browsers_take(tmp_path: Path) -> None:
    kept = made(tmp_path)
    certificate = x509.load_pem_x509_certificate(kept.public_file.read_bytes())
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    assert ends - begins <= datetime.timedelta(days=13)
    assert begins <= NOW - CLOCK_SKEW
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(str(name.value) for name in names) == sorted(NAMES)


def test_the_key_is_the_owners_alone_and_not_in_the_public_file(tmp_path: Path) -> None:
    kept = made(tmp_path)
    assert stat.S_IMODE(kept.pair_file.stat().st_mode) == 0o600
    assert b"PRIVATE" in kept.pair_file.read_bytes()
    assert b"PRIVATE" not in kept.public_file.read_bytes()
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(kept.pair_file)


def test_it_is_kept_until_its_end_comes_near_and_then_made_anew(tmp_path: Path) -> None:
    kept = made(tmp_path)
    first = kept.pair_file.read_bytes()
    nearly = NOW + LIFE - RENEW_BEFORE - CLOCK_SKEW - datetime.timedelta(minutes=1)
    assert not kept.renew(nearly)
    assert kept.pair_file.read_bytes() == first
    assert kept.renew(nearly + datetime.timedelta(minutes=2))
    assert kept.pair_file.read_bytes() != first


def test_a_clock_that_was_set_back_makes_a_new_one(tmp_path: Path) -> None:
    assert made(tmp_path).renew(NOW - datetime.timedelta(days=1))


def test_new_addresses_make_a_new_one_and_gone_ones_do_not(tmp_path: Path) -> None:
    made(tmp_path)
    assert SelfMadeCertificate(tmp_path, [*NAMES, "192.0.2.8"]).renew(NOW)
    assert not SelfMadeCertificate(tmp_path, NAMES[:1]).renew(NOW)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\xff" * 100])
def test_a_damaged_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    kept = made(tmp_path)
    kept.pair_file.write_bytes(content)
    assert kept.renew(NOW)
    assert fingerprint(kept.pair_file.read_bytes()) == fingerprint(kept.public_file.read_bytes())


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("in the way")
    with pytest.raises(ConfigError, match="the self-made certificate cannot be kept"):
        made(tmp_path)


def test_the_fingerprint_is_that_of_the_bytes_on_the_wire(tmp_path: Path) -> None:
    pem = made(tmp_path).public_file.read_text()
    expected = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    assert fingerprint(pem.encode()) == expected


def test_own_names_have_the_addresses_and_localhost() -> None:
    assert {"192.0.2.7", "localhost"} <= set(own_names(["192.0.2.7"]))
