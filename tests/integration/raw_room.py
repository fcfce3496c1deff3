"""A whole server with limits of a test's own, and agents of one transport in one channel of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.config import HubConfig
from hub.keys import KeyRing
from netplay import server as netplay_server
from netplay.config import Config
from tests.integration.raw_agents import AGENTS, RawAgent, http_connect


class Room:
    """A server with limits of the test's own, and agents in one channel of it."""

    def __init__(self, server: netplay_server.NetplayServer, key: str, transport: str) -> None:
        self.server = server
        self.key = key
        self.transport = transport
        self.closing = AsyncExitStack()

    @property
    def base(self) -> str:
        """The address of the HTTP API."""
        return f"http://127.0.0.1:{self.server.http_port}"

    async def dial(self, name: str) -> RawAgent:
        """An agent with a link, not attached."""
        answer = await http_connect(self.base, self.key, name, self.transport)
        agent = await AGENTS[self.transport].open(answer)
        self.closing.push_async_callback(agent.stop)
        return agent

    async def enter(self, *names: str) -> list[RawAgent]:
        """Agents that are all there and know of each other."""
        agents = []
        for name in names:
            agent = await self.dial(name)
            agent.attach()
            await agent.until(lambda agent=agent: agent.welcome is not None)
            agents.append(agent)
        for agent in agents:
            await agent.until(lambda agent=agent: len(agent.joined) == len(agents))
        return agents


@asynccontextmanager
async def open_room(
    transport: str,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any] | None = None,
    **limits: Any,
) -> AsyncIterator[Room]:
    """A started server. `limits` are the hub's, `settings` those of the whole configuration."""
    original = netplay_server.hub_config

    def hub_config(config: Config) -> HubConfig:
        return replace(original(config), **limits)

    monkeypatch.setattr(netplay_server, "hub_config", hub_config)
    keys = KeyRing()
    key = keys.issue("tester", os.urandom)
    config = Config(port=0, state_dir=state_dir, shutdown_s=0.1, **(settings or {}))
    server = netplay_server.NetplayServer(config, keys)
    await server.start()
    room = Room(server, key, transport)
    try:
        async with room.closing:
            yield room
    finally:
        await server.stop()
