"""TLS of the HTTP port: what is loaded, what is refused, and that a reload never breaks what works."""

from __future__ import annotations

import contextlib
import datetime
import ssl
from pathlib import Path

import pytest

from netplay.certificate import SelfMadeCertificate
from netplay.config import Config
from netplay.refusal import ConfigError
from netplay.tls import ServerTls, server_tls


def self_made(folder: Path) -> SelfMadeCertificate:
    certificate = SelfMadeCertificate(folder, ["localhost"])
    certificate.renew(datetime.datetime.now(datetime.UTC))
    return certificate


def test_there_is_none_unless_asked_for(tmp_path: Path) -> None:
    assert server_tls(Config(state_dir=tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_lan_server_makes_its_certificate_and_keeps_it(tmp_path: Path) -> None:
    config = Config(state_dir=tmp_path, lan=True)
    first, second = server_tls(config), server_tls(config)
    assert first is not None
    assert second is not None
    assert first.fingerprint == second.fingerprint
    assert len(first.fingerprint) == 64


def test_ones_own_certificate_goes_before_the_self_made_one(tmp_path: Path) -> None:
    own = self_made(tmp_path / "own")
    config = Config(state_dir=tmp_path, lan=True, tls_cert=own.public_file, tls_key=own.pair_file)
    used = server_tls(config)
    assert used is not None
    assert used.self_made is None
    assert not (tmp_path / "tls").exists()


def test_files_that_do_not_fit_are_one_sentence(tmp_path: Path) -> None:
    one, other = self_made(tmp_path / "one"), self_made(tmp_path / "other")
    for certificate, key, reason in (
        (one.public_file, other.pair_file, "MISMATCH"),
        (tmp_path / "missing.pem", one.pair_file, "missing.pem cannot be read"),
        (one.pair_file, tmp_path / "missing.pem", "missing.pem cannot be read"),
        (one.public_file, one.public_file, "cannot be used"),
    ):
        with pytest.raises(ConfigError, match=reason) as refused:
            ServerTls(certificate, key)
        assert "\n" not in str(refused.value)


def test_a_reload_takes_the_new_certificate_and_keeps_the_old_one_where_the_new_is_bad(
    tmp_path: Path,
) -> None:
    own = self_made(tmp_path)
    used = ServerTls(own.pair_file, own.pair_file)
    before = used.fingerprint
    own.pair_file.unlink()
    own.renew(datetime.datetime.now(datetime.UTC))
    used.reload()
    renewed = used.fingerprint
    assert renewed != before
    own.pair_file.write_text("nothing")
    with pytest.raises(ConfigError):
        used.reload()
    assert used.fingerprint == renewed


def test_the_self_made_one_is_renewed_while_serving(tmp_path: Path) -> None:
    used = server_tls(Config(state_dir=tmp_path, lan=True))
    assert used is not None
    before = used.fingerprint
    used.renew(datetime.datetime.now(datetime.UTC))
    assert used.fingerprint == before
    used.renew(datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=11))
    assert used.fingerprint != before


def handshake(server: ServerTls, certificate: Path) -> None:
    """A client that trusts `certificate` alone, in memory. Raises ssl.SSLError where it does not come in."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(certificate))
    ends = [
        context.wrap_bio(back, there, server_hostname="localhost"),
        server.context.wrap_bio(there, back, server_side=True),
    ]
    for end in ends * 2:
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    ends[0].write(b"hello")
    assert ends[1].read() == b"hello"


def test_a_pair_that_does_not_fit_leaves_the_context_in_use_as_it_was(tmp_path: Path) -> None:
    one, other = self_made(tmp_path / "one"), self_made(tmp_path / "other")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(one.public_file.read_bytes())
    key.write_bytes(one.pair_file.read_bytes())
    used = ServerTls(certificate, key)
    handshake(used, one.public_file)
    certificate.write_bytes(other.public_file.read_bytes())  # the key is still to be copied
    with pytest.raises(ConfigError):
        used.reload()
    handshake(used, one.public_file)
    key.write_bytes(other.pair_file.read_bytes())
    used.reload()
    handshake(used, other.public_file)
    with pytest.raises(ssl.SSLError):
        handshake(used, one.public_file)
