"""The whole client against the whole server, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from messaging_agent import Channel, ChannelClosed, HistoryPage
from messaging_agent.errors import (
    BadApiKey,
    BadRequest,
    Conflict,
    MessageRefused,
    NameTaken,
    NoTransport,
    ServerUnreachable,
    SessionLost,
    UnknownAgent,
)
from messaging_agent.events import (
    AgentJoined,
    AgentLeft,
    Disconnected,
    Event,
    Reconnected,
    TransportChanged,
)

from netcore.delivery import Delivery
from tests.messaging_agent.loopback import Loopback, cut, free_port, seen, serving, serving_behind_a_path


@pytest.fixture
async def loopback(tmp_path: Path) -> AsyncIterator[Loopback]:
    async with serving(tmp_path) as made:
        yield made


async def collect(channel: Channel, count: int) -> list[object]:
    return [(await channel.next_message(10.0)).content for _ in range(count)]


async def test_quick_start_two_agents_one_over_udp_one_over_websocket(loopback: Loopback) -> None:
    async with loopback.join("ada", "udp") as ada, loopback.join("bob", "websocket") as bob:
        assert (ada.transport, bob.transport) == ("udp", "websocket")
        assert (ada.created, bob.created) == (True, False)
        assert [agent.name for agent in bob.agents] == ["ada", "bob"]
        await ada.send("Hello, Bob!")
        async for message in bob:
            assert (message.sender, message.content, message.encrypted) == ("ada", "Hello, Bob!", True)
            break
        receipt = bob.send({"hello": "Ada"}, delivery="sequenced", key=1)
        assert receipt.done
        async for message in ada:
            assert (message.content, message.key) == ({"hello": "Ada"}, 1)
            break


@pytest.mark.parametrize("transport", ["udp", "websocket", "long-poll"])
async def test_the_four_kinds_pass_over_every_transport(loopback: Loopback, transport: str) -> None:
    async with loopback.join("ada", transport) as ada, loopback.join("bob", transport) as bob:
        await seen(ada, "bob")
        for kind in Delivery:
            await ada.send(f"as {kind.name}", delivery=kind, type="test", to="bob")
        heard = {message.delivery: message for message in [await bob.next_message(5.0) for _ in range(4)]}
        assert {kind: message.content for kind, message in heard.items()} == {
            kind: f"as {kind.name}" for kind in Delivery
        }
        assert all(message.to_me and message.type == "test" for message in heard.values())


@pytest.mark.parametrize("transport", ["udp", "websocket", "long-poll"])
async def test_filters_and_chosen_types_choose_who_gets_a_message(loopback: Loopback, transport: str) -> None:
    async with (
        loopback.join("red-1", transport) as ada,
        loopback.join("red-2", transport) as bob,
        loopback.join("blue-1", transport, custom_event_type="goal, end") as cem,
    ):
        for delivery in ("ordered", "unreliable"):
            ada.send("for the reds", filter="red-.*", delivery=delivery)
            ada.send("for all", delivery=delivery)
            await ada.send("a goal", type="goal", delivery=delivery)
            assert await collect(bob, 3) == ["for the reds", "for all", "a goal"]
            assert await collect(cem, 1) == ["a goal"]
        with pytest.raises(MessageRefused, match="look-ahead"):
            await ada.send("x", filter="(?=x)")


async def test_the_server_never_sees_what_is_said(loopback: Loopback) -> None:
    async with loopback.join("ada", "udp") as ada, loopback.join("bob", "udp", encrypt=False) as bob:
        await ada.send("a secret")
        message = await bob.next_message(5.0)
        assert message.encrypted
        assert b"a secret" not in message.raw
        page = await bob.receive(after=0)
        assert b"a secret" not in page.messages[0].raw
        mine = await ada.receive(after=0)
        assert (mine.messages[0].content, mine.messages[0].encrypted) == ("a secret", False)


async def test_the_log_is_read_with_any_poll_source(loopback: Loopback) -> None:
    async with loopback.join("ada", "websocket", poll_source="CACHE") as ada:
        for number in range(5):
            await ada.send(number)
        await ada.send("not kept", ephemeral=True)
        page = await ada.receive(after=2, limit=2, poll_source="KAFKA")
        assert isinstance(page, HistoryPage)
        assert [(message.offset, message.content) for message in page.messages] == [(3, 2), (4, 3)]
        assert (page.last_offset, page.served_by) == (5, "memory")


async def test_events_tell_who_comes_and_goes(loopback: Loopback) -> None:
    async with loopback.join("ada", "udp") as ada:
        events = ada.events()
        async with loopback.join("bob", "websocket", metadata={"team": "red"}):
            joined = await anext(events)
            assert isinstance(joined, AgentJoined)
            assert (joined.agent.name, joined.agent.metadata) == ("bob", {"team": "red"})
        left = await anext(events)
        assert isinstance(left, AgentLeft)
        assert left.agent.name == "bob"


async def test_rtt_and_the_servers_clock_become_known(loopback: Loopback) -> None:
    async with loopback.join("ada", "udp") as ada, loopback.join("bob", "websocket") as bob:
        await asyncio.sleep(0.5)
        for channel in (ada, bob):
            assert channel.rtt_s is not None
            assert channel.rtt_s < 0.2
            # Server and client share this machine's monotonic clock.
            assert abs(channel.server_time - time.monotonic()) < 0.1


# Getting in


async def test_a_silent_udp_path_costs_a_second_at_most(tmp_path: Path) -> None:
    async with serving_behind_a_path(tmp_path, blocked=True) as (loopback, _):
        async with loopback.join("warm up", "websocket"):
            pass
        begun = time.monotonic()
        async with loopback.join("ada") as ada:
            took = time.monotonic() - begun
            assert ada.transport == "websocket"
            assert 0.8 <= took < 2.0  # about a second, with room for a busy machine


async def test_where_udp_is_refused_at_once_websocket_is_tried_at_once(loopback: Loopback) -> None:
    async with loopback.join("warm up", "websocket"):
        pass
    begun = time.monotonic()
    channel = await loopback.join("ada")
    assert channel.transport == "udp"
    assert time.monotonic() - begun < 0.8
    await channel.close()


async def test_no_transport_is_an_error_that_names_each_failure(tmp_path: Path) -> None:
    async with serving_behind_a_path(tmp_path, blocked=True) as (loopback, _):
        with pytest.raises(NoTransport, match="udp: no answer") as caught:
            await loopback.join("ada", "udp")
        assert [attempt.transport for attempt in caught.value.attempts] == ["udp"]
        async with loopback.join("ada", "websocket") as again:
            assert again.agent_name == "ada"


async def test_refusals_are_exceptions_that_say_what_to_do(loopback: Loopback) -> None:
    with pytest.raises(BadApiKey, match="api_key"):
        await loopback.join("ada", key="npk_000000000000_" + "a" * 43)
    with pytest.raises(BadRequest, match="game"):
        await loopback.join("ada", game="no such game")
    with pytest.raises(ValueError, match="channel name"):
        await loopback.join("ada", channel="*")
    with pytest.raises(ValueError, match="agent name"):
        await loopback.join("a\nb")
    with pytest.raises(ValueError, match="transports"):
        loopback.join("ada", "pigeon")
    async with loopback.join("ada"):
        with pytest.raises(NameTaken, match="agent name"):
            await loopback.join("ada")
        with pytest.raises(Conflict, match="game"):
            await loopback.join("bob", game="air-hockey")


async def test_where_nobody_listens_the_address_is_named() -> None:
    from messaging_agent import connect

    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServerUnreachable, match=url):
        await connect(url, "key", "lobby", "ada", "our password")
    with pytest.raises(ValueError, match="api_url"):
        await connect("not an address", "key", "lobby", "ada", "our password")


async def test_a_message_too_large_for_the_channel_is_refused_by_its_receipt(loopback: Loopback) -> None:
    async with loopback.join("ada", "udp") as ada:
        with pytest.raises(MessageRefused, match="large"):
            await ada.send(bytes(100_000))
        with pytest.raises(UnknownAgent):
            ada.send("x", to="nobody")


async def test_a_burst_of_a_thousand_messages_passes(loopback: Loopback) -> None:
    async with loopback.join("ada", "udp") as ada, loopback.join("bob", "websocket") as bob:
        receipts = [ada.send(number, ephemeral=True) for number in range(1000)]
        assert await collect(bob, 1000) == list(range(1000))
        await receipts[-1]
        assert all(receipt.done and receipt.error is None for receipt in receipts)


# Coming back


async def talk(sender: Channel, count: int, pause_s: float) -> None:
    for number in range(count):
        sender.send(number)
        await asyncio.sleep(pause_s)


@pytest.mark.parametrize("transport", ["udp", "websocket", "long-poll"])
# WS-7-3
async def test_a_cut_link_is_resumed_without_loss(loopback: Loopback, transport: str) -> None:
    async with loopback.join("ada", transport) as ada, loopback.join("bob", transport) as bob:
        events: list[Event] = []
        bob.on_event = events.append
        first_session = bob.session_id
        talking = [asyncio.create_task(talk(ada, 100, 0.005)), asyncio.create_task(talk(bob, 100, 0.005))]
        await asyncio.sleep(0.1)
        cut(bob)
        await asyncio.sleep(0.2)
        cut(ada)
        assert await collect(bob, 100) == list(range(100))
        assert await collect(ada, 100) == list(range(100))
        await asyncio.gather(*talking)
        assert [type(event) for event in events if not isinstance(event, (AgentJoined, AgentLeft))][:3] == [
            Disconnected,
            TransportChanged,
            Reconnected,
        ]
        assert bob.session_id != first_session
        assert [agent.name for agent in bob.agents] == ["ada", "bob"]


async def test_the_better_transport_takes_over_when_it_works_without_loss(tmp_path: Path) -> None:
    async with (
        serving_behind_a_path(tmp_path, blocked=True) as (loopback, path),
        loopback.join("ada", "websocket") as ada,
        loopback.join("bob", fallback_after_s=0.1, upgrade_after_s=0.1) as bob,
    ):
        assert bob.transport == "websocket"
        talking = [asyncio.create_task(talk(ada, 200, 0.01)), asyncio.create_task(talk(bob, 200, 0.01))]
        events = bob.events()
        await asyncio.sleep(0.3)
        path.blocked = False
        assert await collect(bob, 200) == list(range(200))
        assert await collect(ada, 200) == list(range(200))
        await asyncio.gather(*talking)
        async with asyncio.timeout(8.0):
            changed = next_transport(await anext(events))
            while changed is None:
                changed = next_transport(await anext(events))
        assert changed == ("websocket", "udp")
        assert bob.transport == "udp"
        await bob.send("over udp")
        assert await collect(ada, 1) == ["over udp"]


def next_transport(event: Event) -> tuple[str | None, str] | None:
    return (event.previous, event.transport) if isinstance(event, TransportChanged) else None


async def test_a_session_that_the_server_ends_is_over(loopback: Loopback) -> None:
    bob = await loopback.join("bob", "websocket")
    loopback.server.hub.disconnect(bob.session_id)
    with pytest.raises(ChannelClosed, match="left"):
        await bob.next_message(5.0)
    await bob.close()


async def test_a_session_the_server_does_not_know_any_more_is_lost(loopback: Loopback) -> None:
    bob = await loopback.join("bob", "websocket")
    loopback.server.hub._sessions.clear()
    receipt = bob.send("into the void")
    cut(bob)
    with pytest.raises(SessionLost):
        await bob.next_message(5.0)
    with pytest.raises(SessionLost):
        async with asyncio.timeout(5.0):
            await receipt
    assert isinstance(await bob.wait_closed(), SessionLost)
    await bob.close()


async def test_a_session_is_taken_up_by_another_process(loopback: Loopback) -> None:
    async with loopback.join("ada", "udp") as ada:
        first = await loopback.join("bob", "udp")
        cut(first)
        first.session.handler = type(first.session.handler).__mro__[1]()  # the first process is no more
        await first.keeper.stop()
        await ada.send("while nobody was there")
        async with loopback.join("bob", "websocket", session_id=first.session_id) as second:
            assert second.resumed
            await first._signaling.close()
            await ada.send("welcome back", to="bob")
            heard = [(await second.next_message(5.0)).content]
            while heard[-1] != "welcome back":
                heard.append((await second.next_message(5.0)).content)


async def test_close_is_quick_final_and_repeatable(loopback: Loopback) -> None:
    async with loopback.join("ada", "udp") as ada:
        bob = await loopback.join("bob", "websocket")
        bob.send("last words")
        begun = time.monotonic()
        await bob.close()
        await bob.close()
        assert time.monotonic() - begun < 1.0
        assert await collect(ada, 1) == ["last words"]
        assert [message async for message in bob] == []
        with pytest.raises(ChannelClosed):
            bob.send("too late")
        assert [task.get_name() for task in asyncio.all_tasks() if "link keeper" in task.get_name()] == [
            "link keeper"
        ]
