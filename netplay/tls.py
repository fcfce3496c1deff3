"""TLS of the HTTP port: the configured certificate, or the self-made one; both can change while serving."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
from pathlib import Path
from typing import Final

import structlog

from netplay.certificate import SelfMadeCertificate, fingerprint, own_names
from netplay.config import Config
from netplay.local_addresses import local_addresses
from netplay.refusal import ConfigError

LOOK_EVERY_S: Final = 3600.0
"""How often it is looked whether the self-made certificate has to be renewed."""

log = structlog.get_logger("netplay.tls")


class ServerTls:
    """The server's TLS context. New connections take the certificate that was loaded last."""

    def __init__(self, certificate: Path, key: Path, self_made: SelfMadeCertificate | None = None) -> None:
        """Loads the files. Raises `ConfigError` where they cannot be used."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["http/1.1"])
        self.self_made = self_made
        self.fingerprint = ""
        """SHA-256 of the certificate in use, in hexadecimal digits: what clients may pin."""
        self._certificate = certificate
        self._key = key
        self._renewing: asyncio.Task[None] | None = None
        self.reload()

    def reload(self) -> None:
        """Take the files as they are now. Raises `ConfigError`, and goes on with what was loaded before."""
        try:
            told = fingerprint(self._certificate.read_bytes())
            # A pair that does not fit would break the context in use: try it on another.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self._certificate, self._key, _no_password
            )
            self.context.load_cert_chain(self._certificate, self._key, _no_password)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error).splitlines()[0]
            raise ConfigError(
                f"tls_cert = {self._certificate} and tls_key = {self._key} cannot be used: {reason}."
            ) from None
        except OSError as error:
            name = error.filename or f"{self._certificate} or {self._key}"
            raise ConfigError(f"tls_cert or tls_key: {name} cannot be read: {error.strerror}.") from None
        self.fingerprint = told

    def start(self) -> None:
        """Begin to look after the self-made certificate, if that is the one."""
        if self.self_made is not None:
            self._renewing = asyncio.create_task(self._renew_in_time(self.self_made), name="certificate")

    async def stop(self) -> None:
        """No more renewals."""
        task, self._renewing = self._renewing, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _renew_in_time(self, self_made: SelfMadeCertificate) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.renew(datetime.datetime.now(datetime.UTC))

    def renew(self, now: datetime.datetime) -> None:
        """Renew the self-made certificate where its time has come. A failure is logged."""
        try:
            if self.self_made is not None and self.self_made.renew(now):
                self.reload()
                log.info("certificate_renewed", sha256=self.fingerprint)
        except ConfigError as error:
            log.error("certificate_not_renewed", reason=str(error))


def server_tls(config: Config) -> ServerTls | None:
    """TLS as configured; None: plain HTTP. Raises `ConfigError`."""
    if config.tls_cert is not None and config.tls_key is not None:
        return ServerTls(config.tls_cert, config.tls_key)
    if not config.lan:
        return None
    names = own_names(local_addresses())
    if config.bind_host is not None:
        names.append(config.bind_host)
    self_made = SelfMadeCertificate(config.state_dir, names)
    self_made.renew(datetime.datetime.now(datetime.UTC))
    return ServerTls(self_made.pair_file, self_made.pair_file, self_made)


def _no_password() -> str:
    """An encrypted key file is refused instead of asking on the terminal."""
    raise ValueError("the private key is encrypted")
