"""A server for the local network: HTTPS and UDP on every address, and agents that know its certificate."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from messaging_agent import connect
from messaging_agent.errors import ServerUnreachable

from hub.keys import KeyRing
from netplay.config import Config
from netplay.local_addresses import local_addresses, reachable_address
from netplay.server import NetplayServer
from netplay.tls import server_tls
from tests.support.server_process import serving

WRONG = "00" * 32


class Lan:
    """A started server as `--lan` makes it, with a key for it."""

    def __init__(self, server: NetplayServer, key: str, fingerprint: str, certificate: Path) -> None:
        self.server = server
        self.key = key
        self.fingerprint = fingerprint
        self.certificate = certificate

    def url(self, host: str) -> str:
        return f"https://{f'[{host}]' if ':' in host else host}:{self.server.http_port}"


@pytest.fixture
async def lan(tmp_path: Path) -> AsyncIterator[Lan]:
    config = Config(port=0, state_dir=tmp_path, shutdown_s=0.2, lan=True, metrics_port="off")
    keys = KeyRing()
    key = keys.issue("developer", os.urandom)
    tls = server_tls(config)
    assert tls is not None
    assert tls.self_made is not None
    server = NetplayServer(config, keys, tls=tls)
    await server.start()
    yield Lan(server, key, tls.fingerprint, tls.self_made.public_file)
    await server.stop()


@pytest.mark.parametrize("transport", ["udp", "websocket"])
async def test_an_agent_that_pins_the_certificate_comes_in_from_the_network(lan: Lan, transport: str) -> None:
    host = reachable_address() or "127.0.0.1"
    async with connect(
        lan.url(host),
        lan.key,
        "lobby",
        "ada",
        "password",
        transports=(transport,),
        certificate_sha256=lan.fingerprint,
    ) as channel:
        await channel.send("over TLS")
        assert channel.transport == transport


async def test_an_agent_that_trusts_the_certificate_file_comes_in(lan: Lan) -> None:
    context = ssl.create_default_context(cafile=str(lan.certificate))
    async with connect(
        lan.url("127.0.0.1"), lan.key, "lobby", "ada", "password", ssl_context=context
    ) as channel:
        assert channel.transport == "udp"


@pytest.mark.parametrize("options", [{}, {"certificate_sha256": WRONG}])
async def test_an_agent_that_knows_another_certificate_or_none_stays_out(lan: Lan, options: dict) -> None:
    with pytest.raises(ServerUnreachable):
        await connect(lan.url("127.0.0.1"), lan.key, "lobby", "ada", "password", **options)
    assert lan.server.hub.stats()["connects"] == 0


async def test_every_address_of_the_machine_answers_over_tcp_and_udp(lan: Lan) -> None:
    assert set(lan.server.udp_addresses) == set(local_addresses())
    for host in local_addresses():
        async with connect(
            lan.url(host),
            lan.key,
            "lobby",
            "ada",
            "password",
            transports=("udp",),
            certificate_sha256=lan.fingerprint,
        ) as channel:
            assert channel.transport == "udp"


async def test_plain_http_on_the_port_is_refused_without_a_word(lan: Lan) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", lan.server.http_port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            assert b"HTTP" not in await reader.read()
    writer.close()


def test_the_command_shows_a_qr_code_of_an_address_that_answers(tmp_path: Path) -> None:
    with serving(tmp_path, "--lan") as server:
        assert server.url == f"https://{reachable_address() or '127.0.0.1'}:{server.url.rsplit(':', 1)[1]}"
        banner = "\n".join(server.printed)
        assert "█" in banner
        assert "SHA-256" in banner
        assert server.stop() == 0
    assert (tmp_path / "state" / "netplay" / "tls" / "certificate.pem").is_file()
