"""A02: a hundred players behind one address come in at once, and a flood of bogus first packets stops nobody."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from netcore.address import Address
from netcore.datagrams import HELLO
from netcore.server_config import ServerConfig
from tests.integration.raw_agents import AGENTS
from tests.integration.raw_room import open_room
from tests.netcore.endpoints import Client, Net

ROOM = 100


def bogus(draw: random.Random, size: int = 1200) -> bytes:
    """Something that has the first byte and the length of a HELLO."""
    return bytes((HELLO,)) + draw.randbytes(size - 1)


@pytest.mark.parametrize("flood", [False, True])
def test_a_room_of_a_hundred_behind_one_address_comes_in_within_two_seconds(flood: bool) -> None:
    """All begin in the same moment; with the flood, 10,000 bogus HELLOs a second come from everywhere."""
    net = Net(ServerConfig())
    draw = random.Random(1)
    clients: list[Client] = [net.client(address=("198.51.100.7", 20_000 + n)) for n in range(ROOM)]
    for _ in range(200):  # of 10 ms
        if flood:
            for _ in range(100):
                source: Address = (
                    f"203.0.{draw.randrange(256)}.{draw.randrange(256)}",
                    draw.randrange(65536),
                )
                net.to_server(bogus(draw), source)
        for client in clients:
            client.endpoint.handle_timer(net.now)
        net.server.handle_timer(net.now)
        net.step()
        net.now += 0.01
    inside = sum(client.endpoint.connection is not None for client in clients)
    assert inside == len(net.accepted) == ROOM
    assert net.server.stats.retries > ROOM / 2  # above the limit the answer is RETRY, never silence


def test_a_flood_from_the_very_address_of_honest_players_does_not_keep_them_out() -> None:
    """The neighbour shares the address and its limit: the honest pass with their cookies."""
    net = Net(ServerConfig())
    draw = random.Random(2)
    clients = [net.client(address=("198.51.100.7", 20_000 + n)) for n in range(20)]
    for _ in range(200):
        for _ in range(50):
            net.to_server(bogus(draw), ("198.51.100.7", draw.randrange(1024, 20_000)))
        for client in clients:
            client.endpoint.handle_timer(net.now)
        net.step()
        net.now += 0.01
    assert len(net.accepted) == 20


@pytest.mark.parametrize("transport", list(AGENTS))
async def test_a_room_of_a_hundred_from_one_address_on_a_whole_server(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP connect, link and presence, with no address trusted: the limits per address hold for everyone."""
    settings = {"limits": {"trusted_networks": []}}
    async with open_room(transport, tmp_path, monkeypatch, settings) as room:
        first = await room.dial("agent-0")
        first.attach()
        others = await asyncio.gather(*(room.dial(f"agent-{n}") for n in range(1, ROOM)))
        for agent in others:
            agent.attach()
        for agent in (first, *others):
            await agent.until(lambda agent=agent: len(agent.joined) == ROOM, 20.0)
        assert not any(agent.closes for agent in (first, *others))
