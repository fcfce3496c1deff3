"""The composed server: one number for TCP and UDP, and agents that are told before it goes."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from messaging_agent import connect
from messaging_agent.channel import EventStream
from messaging_agent.events import Disconnected, Event
from messaging_agent.signaling_client import SignalingClient

from hub.keys import KeyRing
from netcore.codes import CloseCode
from netplay.config import Config
from netplay.local_addresses import local_addresses
from netplay.server import NetplayServer, hub_config


def server_at(port: int, folder: Path, **settings: object) -> tuple[NetplayServer, str]:
    keys = KeyRing()
    key = keys.issue("tester", os.urandom)
    return NetplayServer(Config(port=port, state_dir=folder, **settings), keys), key


async def test_a_free_port_is_one_number_for_tcp_and_udp(tmp_path: Path) -> None:
    server, _ = server_at(0, tmp_path)
    await server.start()
    try:
        assert server.http_port == server.udp_port > 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, pytest.raises(OSError):
            probe.bind(("127.0.0.1", server.udp_port))
    finally:
        await server.stop()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
async def test_a_taken_port_is_refused_and_nothing_stays_bound(tmp_path: Path, kind: int) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        server, _ = server_at(port, tmp_path)
        with pytest.raises(OSError):
            await server.start()
        other = socket.SOCK_DGRAM if kind == socket.SOCK_STREAM else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, other) as probe:
            probe.bind(("127.0.0.1", port))  # free again


async def test_stopping_tells_agents_on_every_transport_and_delivers_what_was_queued(tmp_path: Path) -> None:
    server, key = server_at(0, tmp_path)
    await server.start()
    url = f"http://127.0.0.1:{server.http_port}"
    channels = [
        await connect(url, key, "room", name, "secret", transports=(transport,))
        for name, transport in (("ada", "udp"), ("ben", "websocket"))
    ]
    try:
        events = [channel.events() for channel in channels]
        await channels[0].send("last words")
        await server.stop()
        assert (await channels[1].next_message(5)).content == "last words"
        for stream in events:
            async with asyncio.timeout(5):
                ends = [event async for event in _until_disconnected(stream)]
            assert ends[-1].code == CloseCode.SERVER_SHUTDOWN
    finally:
        for channel in channels:
            channel.session.end()
            await channel.close()


async def _until_disconnected(stream: EventStream) -> AsyncIterator[Event]:
    async for event in stream:
        yield event
        if isinstance(event, Disconnected):
            return


def test_the_hub_gets_the_configured_limits(tmp_path: Path) -> None:
    config = Config(
        state_dir=tmp_path,
        relay_tick_ms=7,
        limits={"agents_per_channel": 9, "message_bytes": 300, "messages_per_s": 10, "messages_burst": 20},
    )
    hub = hub_config(config)
    assert (hub.agents_per_channel, hub.max_message_bytes, hub.relay_tick_s) == (9, 300, 0.007)
    assert hub.ingress_messages_per_s == 10
    assert hub.ingress_messages_burst == 20


@pytest.mark.parametrize("host", ["0.0.0.0", pytest.param("::", marks=pytest.mark.needs("ipv6"))])
async def test_a_server_on_every_address_has_one_udp_socket_for_each(tmp_path: Path, host: str) -> None:
    server, key = server_at(0, tmp_path, host=host, metrics_port="off")
    await server.start()
    try:
        assert set(server.udp_addresses) == set(local_addresses(ipv4=host != "::", ipv6=host == "::"))
        local = "[::1]" if host == "::" else "127.0.0.1"
        url = f"http://{local}:{server.http_port}"
        async with connect(url, key, "room", "ada", "secret", transports=("udp",)) as ada:
            assert ada.transport == "udp"
    finally:
        await server.stop()


async def test_clients_are_told_the_advertised_ports(tmp_path: Path) -> None:
    server, key = server_at(0, tmp_path, advertise_tcp_port=443, advertise_udp_port=444, metrics_port="off")
    await server.start()
    try:
        client = SignalingClient(f"http://127.0.0.1:{server.http_port}", key)
        grant = await client.connect(
            channel_name="room",
            proof=bytes(32),
            agent_name="ada",
            scope="private",
            transports=["udp", "websocket"],
            poll_source="AUTO",
        )
        assert {link.transport: link.port for link in grant.links} == {"udp": 444, "websocket": 443}
        await client.close()
    finally:
        await server.stop()


async def test_metrics_tell_of_the_links_there_are(tmp_path: Path) -> None:
    server, key = server_at(0, tmp_path)
    await server.start()
    url = f"http://127.0.0.1:{server.http_port}"
    try:
        async with (
            connect(url, key, "room", "ada", "secret", transports=("udp",)) as ada,
            connect(url, key, "room", "ben", "secret", transports=("websocket",)) as ben,
            httpx.AsyncClient() as client,
        ):
            await ada.send("hello")
            assert (await ben.next_message(5)).content == "hello"
            text = (await client.get(f"http://127.0.0.1:{server.metrics_port}/metrics")).text
        for line in (
            "netplay_hub_sessions 2.0",
            "netplay_hub_links 2.0",
            "netplay_hub_messages_in_total 1.0",
            "netplay_udp_connections 1.0",
            "netplay_udp_established_total 1.0",
            "netplay_websocket_links 1.0",
        ):
            assert f"\n{line}\n" in text, line
        assert "room" not in text.replace("room_failures", "").replace("room failures", "")
        found = re.search(r'netplay_udp_rtt_seconds\{quantile="0.5"\} (\S+)', text)
        assert found
        assert 0 < float(found.group(1)) < 1
    finally:
        await server.stop()
