"""A server that is asked to stop tells its agents, lets their messages out, and ends with exit code 0."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path

import pytest
from messaging_agent import Channel, connect
from messaging_agent.events import Disconnected

from netcore.codes import CloseCode
from tests.support.server_process import ServerProcess, serving

MESSAGES = 100


async def disconnected(channel: Channel) -> Disconnected:
    async for event in channel.events():
        if isinstance(event, Disconnected):
            return event
    raise AssertionError("the channel ended without telling why")


async def told_and_flushed(server: ServerProcess, key: str, transport: str) -> float:
    """Ask the server to stop in the middle of traffic; seconds until the process ended."""
    async with (
        asyncio.timeout(30),
        connect(server.url, key, "lobby", "ada", "a password", transports=["udp"]) as ada,
        connect(server.url, key, "lobby", "bob", "a password", transports=[transport]) as bob,
    ):
        ends = asyncio.create_task(disconnected(bob))
        receipts = [ada.send(str(number)) for number in range(MESSAGES)]
        await receipts[-1]
        asked = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        heard = [(await bob.next_message(5)).content for _ in range(MESSAGES)]
        assert heard == [str(number) for number in range(MESSAGES)]
        assert (await ends).code == CloseCode.SERVER_SHUTDOWN
        await asyncio.to_thread(server.process.wait, 10)
        return time.monotonic() - asked


@pytest.mark.parametrize("transport", ["udp", "websocket"])
def test_the_last_messages_arrive_and_the_agents_are_told(tmp_path: Path, transport: str) -> None:
    with serving(tmp_path) as server:
        key = (tmp_path / "state" / "netplay" / "development-key").read_text().strip()
        took = asyncio.run(told_and_flushed(server, key, transport))
        assert server.wait() == 0
    last = json.loads(server.logged[-1])
    assert (last["event"], last["clean"]) == ("stopped", True)
    assert took < 5.0
