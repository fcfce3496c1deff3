"""Agents on two transports in one channel of a whole server: HTTP connect, links, presence, messages, resume, stop."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from hub.keys import KeyRing
from messaging.control import Away, Back
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from netplay.config import Config
from netplay.server import NetplayServer
from tests.integration.raw_agents import AGENTS, RawAgent, http_connect, unpadded

TRANSPORTS = ["udp", "websocket", "long-poll"]


class Served:
    """A server on a free port and a key for it."""

    def __init__(self, server: NetplayServer, key: str) -> None:
        self.server = server
        self.key = key
        self.base = f"http://127.0.0.1:{server.http_port}"

    async def ask(self, name: str, transport: str, **more: Any) -> dict[str, Any]:
        return await http_connect(self.base, self.key, name, transport, **more)

    @asynccontextmanager
    async def agent(self, name: str, transport: str) -> AsyncIterator[RawAgent]:
        agent = await AGENTS[transport].open(await self.ask(name, transport))
        try:
            agent.attach()
            await agent.until(lambda: agent.welcome is not None)
            yield agent
        finally:
            await agent.stop()


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    keys = KeyRing()
    key = keys.issue("tester", os.urandom)
    server = NetplayServer(Config(port=0, state_dir=tmp_path), keys)
    await server.start()
    yield Served(server, key)
    await server.stop()


@pytest.mark.parametrize("first", TRANSPORTS)
@pytest.mark.parametrize("second", TRANSPORTS)
async def test_every_kind_goes_both_ways_between_two_agents(served: Served, first: str, second: str) -> None:
    async with served.agent("ada", first) as ada, served.agent("ben", second) as ben:
        await ada.until(lambda: {joined.name for joined in ada.joined} == {"ada", "ben"})
        await ben.until(lambda: {joined.name for joined in ben.joined} == {"ada", "ben"})
        for sender, receiver in ((ada, ben), (ben, ada)):
            assert sender.welcome is not None
            for kind in Delivery:
                sender.publish(
                    kind, f"{kind.name} grüße".encode(), key=3 if kind is Delivery.SEQUENCED else 0
                )
                await receiver.until(lambda receiver=receiver, kind=kind: len(receiver.received) == kind + 1)
            assert receiver.texts() == [f"{kind.name} grüße" for kind in Delivery]
            assert {delivered.sender for _, delivered in receiver.received} == {sender.welcome.index}
            assert [delivered.key for _, delivered in receiver.received] == [None, 3, None, None]


async def test_many_ordered_messages_arrive_in_order_on_the_other_transport(served: Served) -> None:
    async with served.agent("ada", "udp") as ada, served.agent("ben", "websocket") as ben:
        for number in range(200):
            ada.publish(Delivery.ORDERED, b"%d" % number)
            ben.publish(Delivery.ORDERED, b"%d" % number)
        await ben.until(lambda: len(ben.received) >= 200)
        await ada.until(lambda: len(ada.received) >= 200)
        assert ada.texts() == ben.texts() == [str(number) for number in range(200)]
        await ada.until(lambda: ada.acked == 200)
        await ben.until(lambda: ben.acked == 200)
        for agent in (ada, ben):
            assert agent.server_numbers == list(range(1, len(agent.server_numbers) + 1))


async def test_a_message_to_one_reaches_no_other(served: Served) -> None:
    async with (
        served.agent("ada", "udp") as ada,
        served.agent("ben", "websocket") as ben,
        served.agent("cal", "websocket") as cal,
    ):
        await ada.until(lambda: len(ada.joined) == 3)
        assert ben.welcome is not None
        ada.publish(Delivery.ORDERED, b"for ben", to=ben.welcome.index)
        ada.publish(Delivery.ORDERED, b"for all")
        await cal.until(lambda: cal.received)
        await ben.until(lambda: len(ben.received) == 2)
        assert cal.texts() == ["for all"]
        assert ben.texts() == ["for ben", "for all"]
        assert [delivered.targeted for _, delivered in ben.received] == [True, False]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_clock_requests_are_answered(served: Served, transport: str) -> None:
    async with served.agent("ada", transport) as ada:
        ada.ask_time()
        await ada.until(lambda: ada.times)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_link_that_is_lost_is_replaced_on_the_other_transport_and_nothing_is_missing(
    served: Served, transport: str
) -> None:
    other = TRANSPORTS[TRANSPORTS.index(transport) - 1]
    async with served.agent("ben", "websocket") as ben:
        answer = await served.ask("ada", transport)
        before = await AGENTS[transport].open(answer)
        before.attach()
        await before.until(lambda: len(before.joined) == 2)
        ben.publish(Delivery.ORDERED, b"one")
        await before.until(lambda: before.received)
        assert answer["resumed"] is False
        again = await served.ask("ada", other, session_id=answer["session_id"])
        assert again["resumed"] is True
        after = await AGENTS[other].open(again)
        after.server_numbers = list(before.server_numbers)
        after._number = before._number
        after.attach()
        await after.until(lambda: after.welcome is not None)
        assert after.welcome is not None and after.welcome.recovered
        await before.until(lambda: before.closes)
        assert before.closes[0][0] == CloseCode.REPLACED
        ben.publish(Delivery.ORDERED, b"two")
        await after.until(lambda: after.received)
        assert after.texts() == ["two"]
        assert after.server_numbers == list(range(1, len(after.server_numbers) + 1))
        await after.stop()
        await before.stop()


async def test_a_broken_websocket_is_seen_as_away_and_a_new_one_as_back(served: Served) -> None:
    async with served.agent("ben", "udp") as ben:
        answer = await served.ask("ada", "websocket")
        ada = await AGENTS["websocket"].open(answer)
        ada.attach()
        await ben.until(lambda: len(ben.joined) == 2)
        await ada.stop()
        await ben.until(lambda: any(isinstance(message, Away) for message in ben.control))
        again = await AGENTS["websocket"].open(
            await served.ask("ada", "websocket", session_id=answer["session_id"])
        )
        again.attach()
        await ben.until(lambda: any(isinstance(message, Back) for message in ben.control))
        await again.stop()


@pytest.mark.parametrize(
    ("minted", "used"), [("udp", "websocket"), ("long-poll", "websocket"), ("websocket", "websocket")]
)
async def test_a_token_opens_one_link_of_its_own_transport(served: Served, minted: str, used: str) -> None:
    (link,) = (await served.ask("ada", minted))["links"]
    codes = []
    for _ in range(2):
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{served.base}/link", protocols=("netplay.v1",)) as ws,
        ):
            await ws.send_bytes(b"\x01" + unpadded(link["token"]))
            if minted == used and not codes:
                await ws.ping()
                codes.append(None)
                continue
            message = await ws.receive(timeout=5)
            assert message.type is aiohttp.WSMsgType.CLOSE
            codes.append(message.data)
    link_refused, token_refused = 4000 + 0x382, 4000 + CloseCode.TOKEN_REFUSED
    assert codes == [None if minted == used else link_refused, token_refused]


async def test_stopping_the_server_closes_every_link_with_its_reason(tmp_path: Path) -> None:
    keys = KeyRing()
    key = keys.issue("tester", os.urandom)
    server = NetplayServer(Config(port=0, state_dir=tmp_path), keys)
    await server.start()
    served = Served(server, key)
    async with served.agent("ada", "udp") as ada, served.agent("ben", "websocket") as ben:
        await server.stop()
        await ada.until(lambda: ada.closes)
        await ben.until(lambda: ben.closes)
        assert ada.closes[0][0] == ben.closes[0][0] == CloseCode.SERVER_SHUTDOWN
