"""The client where loops cannot watch sockets (Windows), and where addresses are IPv6."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from messaging_agent import connect
from messaging_agent.udp_link import UdpLink

from hub.keys import KeyRing
from netplay.config import Config
from netplay.server import NetplayServer


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """Has no `add_reader` for others, as Windows' proactor loop has none."""

    def add_reader(self, *_: Any) -> Any:
        raise NotImplementedError

    def add_writer(self, *_: Any) -> Any:
        raise NotImplementedError


async def exchange(state_dir: Path, host: str, transport: str) -> tuple[Any, list[str]]:
    """A message from one agent to another over a real server: (content, kinds of their links)."""
    keys = KeyRing()
    key = keys.issue("developer", os.urandom)
    config = Config(port=0, host=host, state_dir=state_dir, shutdown_s=0.2, metrics_port="off")
    server = NetplayServer(config, keys)
    await server.start()
    url = f"http://{f'[{host}]' if ':' in host else host}:{server.http_port}"
    try:
        async with (
            connect(url, key, "lobby", "ada", "password", transports=(transport,)) as ada,
            connect(url, key, "lobby", "bob", "password", transports=(transport,)) as bob,
        ):
            await ada.send("hello")
            content = (await bob.next_message(5)).content
            return content, [str(ada.transport), str(bob.transport)]
    finally:
        await server.stop()


@pytest.mark.parametrize("transport", ["udp", "websocket"])
def test_a_loop_that_watches_no_sockets_is_enough(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driven = []
    drive = UdpLink.drive

    def noted(link: UdpLink, driver: Any) -> None:
        driven.append(driver)
        drive(link, driver)

    monkeypatch.setattr(UdpLink, "drive", noted)
    with asyncio.Runner(loop_factory=LoopWithoutReaders) as runner:
        told = runner.run(exchange(tmp_path, "127.0.0.1", transport))
    assert told == ("hello", [transport, transport])
    # asyncio's own datagram transport moved the bytes: the driver had no reader of its own.
    assert [driver._transport is not None for driver in driven] == [True] * (2 if transport == "udp" else 0)


@pytest.mark.needs("ipv6")
@pytest.mark.parametrize("transport", ["udp", "websocket"])
async def test_a_server_on_ipv6_is_reached(transport: str, tmp_path: Path) -> None:
    assert await exchange(tmp_path, "::1", transport) == ("hello", [transport, transport])
