"""UDP, WebSocket and long poll under one session: down the ladder, up again, and through cuts, nothing lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from messaging_agent import Channel

from tests.messaging_agent.loopback import cut
from tests.messaging_agent.tcp_path import TcpPath, serving_behind_paths


class Talk:
    """Two agents that count at each other, and what each has heard."""

    def __init__(self, here: Channel, there: Channel) -> None:
        self.pairs = ((here, there), (there, here))
        self.heard: dict[str, list[int]] = {here.agent_name: [], there.agent_name: []}
        self.sent = 0
        self.talking = True

    async def run(self) -> None:
        listeners = [asyncio.create_task(self.listen(channel)) for channel, _ in self.pairs]
        while self.talking:
            for channel, _ in self.pairs:
                channel.send(self.sent, ephemeral=True)
            self.sent += 1
            await asyncio.sleep(0.01)
        await until(lambda: all(len(heard) >= self.sent for heard in self.heard.values()), 20)
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)

    async def listen(self, channel: Channel) -> None:
        async for message in channel:
            self.heard[channel.agent_name].append(message.content)

    def check(self) -> None:
        """Everything arrived, once, in order."""
        assert self.sent > 50
        for heard in self.heard.values():
            assert heard == list(range(self.sent))


async def while_they_talk(here: Channel, there: Channel, story: Callable[[], Awaitable[None]]) -> None:
    talk = Talk(here, there)
    running = asyncio.create_task(talk.run())
    await story()
    talk.talking = False
    await running
    talk.check()


async def until(condition: Callable[[], bool], timeout_s: float) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def on(channel: Channel, transport: str) -> None:
    await until(lambda: channel.transport == transport, 10)


async def test_the_ladder_goes_down_to_long_poll_and_up_again_without_loss(tmp_path: Path) -> None:
    async with serving_behind_paths(tmp_path) as (loopback, udp, tcp):
        udp.blocked = tcp.websocket_blocked = True
        begun = asyncio.get_running_loop().time()
        async with (
            loopback.join("ada", fallback_after_s=0.2, upgrade_after_s=0.3) as ada,
            loopback.join("bob", "long-poll") as bob,
        ):
            assert (ada.transport, bob.transport) == ("long-poll", "long-poll")
            assert asyncio.get_running_loop().time() - begun < 5

            async def story() -> None:
                await asyncio.sleep(0.5)
                tcp.websocket_blocked = False
                await on(ada, "websocket")
                udp.blocked = False
                await on(ada, "udp")
                udp.blocked = tcp.websocket_blocked = True
                cut(ada)
                await on(ada, "long-poll")

            await while_they_talk(ada, bob, story)


# LP-4-1, LP-4-2, LP-5-3
@pytest.mark.parametrize("seed", range(3))
# LP-4-2, LP-5-3
async def test_connections_cut_at_any_byte_lose_and_double_nothing_on_one_link(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    async with (
        serving_behind_paths(tmp_path) as (loopback, _, tcp),
        loopback.join("ada", "long-poll") as ada,
        loopback.join("bob", "long-poll") as bob,
    ):
        links = ada.session.link, bob.session.link

        async def story() -> None:
            await cut_often(tcp, chance)

        await while_they_talk(ada, bob, story)
        assert (ada.session.link, bob.session.link) == links
        assert sum(link.stats()["repeated"] for link in links if link is not None) > 0


async def cut_often(tcp: TcpPath, chance: random.Random) -> None:
    cuts = 0
    while cuts < 25:
        await asyncio.sleep(chance.uniform(0.0, 0.06))
        cuts += tcp.cut() > 0


# LP-6-4
@pytest.mark.parametrize("seed", range(2))
# LP-6-4
async def test_a_session_hops_between_all_three_through_cuts_without_loss(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with (
        serving_behind_paths(tmp_path) as (loopback, udp, tcp),
        loopback.join("ada", fallback_after_s=0.1, upgrade_after_s=0.2) as ada,
        loopback.join("bob", fallback_after_s=0.1, upgrade_after_s=0.2) as bob,
    ):
        seen = set()

        async def story() -> None:
            for turn in range(9):
                wanted = ("udp", "websocket", "long-poll")[turn % 3]
                udp.blocked = wanted != "udp"
                tcp.websocket_blocked = wanted == "long-poll"
                for channel in (ada, bob):
                    if channel.session.link is not None:
                        cut(channel)
                await on(ada, wanted)
                await on(bob, wanted)
                seen.add(ada.transport)
                await asyncio.sleep(chance.uniform(0.0, 0.1))

        await while_they_talk(ada, bob, story)
        assert seen == {"udp", "websocket", "long-poll"}
