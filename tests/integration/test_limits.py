"""The limits that every transport carries, each at its number and one above (docs/protocol/limits.md)."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

from hub.errors import ErrorCode
from messaging.compression import pack
from messaging.control import ErrorNotice, Op, StreamAck, encode_link_control
from messaging.envelope import COMPRESSED, MAX_KEY, encode_publication
from messaging.lanes import CONTROL, DEFAULT_APPLICATION_LANE
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from netcore.varint import encode_varint
from tests.integration.raw_agents import AGENTS, RawAgent
from tests.integration.raw_room import open_room

ORDERED, RELIABLE, UNRELIABLE = Delivery.ORDERED, Delivery.RELIABLE, Delivery.UNRELIABLE

pytestmark = pytest.mark.parametrize("transport", list(AGENTS))

Serve = Callable[..., Any]


@pytest.fixture
def serve(transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    return functools.partial(open_room, transport, tmp_path, monkeypatch)


def send(agent: RawAgent, kind: Delivery, data: bytes, *, key: int = 0, number: int | None = None) -> None:
    """A publication as raw bytes; `number` overrides the stream number."""
    if kind.is_reliable:
        if number is None:
            agent._number += 1
            number = agent._number
        data = (number & 0xFFFF).to_bytes(2, "big") + data
    agent.write(DEFAULT_APPLICATION_LANE[kind], kind, data, key)


async def closed_with(agent: RawAgent) -> int:
    await agent.until(lambda: agent.closes)
    return agent.closes[0][0]


def errors(agent: RawAgent) -> list[tuple[int, int | None]]:
    return [(news.code, news.about) for news in agent.control if isinstance(news, ErrorNotice)]


async def refused(agent: RawAgent, about: int) -> int:
    """The code of the ERROR about one message, on a link that lives."""
    await agent.until(lambda: [code for code, number in errors(agent) if number == about])
    assert not agent.closes
    return next(code for code, number in errors(agent) if number == about)


async def test_content_at_its_limit_arrives_and_one_byte_more_is_refused(serve: Serve) -> None:
    async with serve(max_message_bytes=64 * 1024) as room:
        ada, ben = await room.enter("ada", "ben")
        send(ada, ORDERED, encode_publication(0, bytes(64 * 1024)))
        await ben.until(lambda: ben.received)
        assert len(ben.received[0][1].content) == 64 * 1024
        send(ada, ORDERED, encode_publication(0, bytes(64 * 1024 + 1)))
        assert await refused(ada, 2) == ErrorCode.MESSAGE_TOO_LARGE
        assert len(ben.received) == 1


@pytest.mark.parametrize("spare", [0, 1])
async def test_content_counts_as_it_is_without_compression(serve: Serve, spare: int) -> None:
    text = b"".join(b"line %d of a level; " % number for number in range(400))[: 4096 + spare]
    async with serve(max_message_bytes=4096) as room:
        ada, ben = await room.enter("ada", "ben")
        send(ada, ORDERED, encode_publication(0, text, compress=True))
        if spare:
            assert await refused(ada, 1) == ErrorCode.MESSAGE_TOO_LARGE
        else:
            await ben.until(lambda: ben.received)
            assert (ben.received[0][1].content, ben.received[0][1].compressed) == (text, True)


@pytest.mark.parametrize(("size", "code"), [(262_144, "ratio"), (262_145, "size")])
async def test_a_bomb_closes_the_link_of_its_sender_only(serve: Serve, size: int, code: str) -> None:
    block = (pack(b"".join(b"%05d" % number for number in range(400))) or b"")[2:]
    async with serve() as room:
        ada, ben = await room.enter("ada", "ben")
        send(ada, ORDERED, bytes((COMPRESSED, 0)) + encode_varint(size) + block)
        assert await closed_with(ada) == CloseCode.LIMIT_EXCEEDED
        assert room.server.hub.stats()[f"protocol_errors.compressed_{code}"] == 1
        assert not ben.received and not ben.closes


@pytest.mark.parametrize("spare", [0, 1])
async def test_a_control_message_has_4096_bytes_at_most(serve: Serve, spare: int) -> None:
    async with serve() as room:
        (ada,) = await room.enter("ada")
        head = bytes((Op.STREAM_ACK,))
        padding = 4096 + spare - len(head + msgpack.packb({"received": 0, "pad": "x" * 300})) + 300
        data = head + msgpack.packb({"received": 0, "pad": "x" * padding})
        assert len(data) == 4096 + spare
        ada.write(CONTROL, ORDERED, data)
        if spare:
            assert await closed_with(ada) == CloseCode.FRAME_ENCODING
        else:
            ada.ask_time()
            await ada.until(lambda: ada.times)
            assert not ada.closes


async def test_a_key_has_thirty_bits(serve: Serve) -> None:
    async with serve() as room:
        ada, ben = await room.enter("ada", "ben")
        ada.publish(Delivery.SEQUENCED, b"x", key=MAX_KEY)
        await ben.until(lambda: ben.received)
        assert ben.received[0][1].key == MAX_KEY
        ada.write_unchecked(10, Delivery.SEQUENCED, encode_publication(0, b"x"), MAX_KEY + 1)
        assert await closed_with(ada) == CloseCode.LIMIT_EXCEEDED
        assert not ben.closes


async def test_a_type_name_has_64_bytes(serve: Serve) -> None:
    async with serve() as room:
        ada, ben = await room.enter("ada", "ben")
        send(ada, ORDERED, encode_publication("t" * 64, b"x"))
        await ben.until(lambda: ben.received)
        send(ada, ORDERED, b"\x40\x40\x41" + b"t" * 65 + b"x")
        assert await closed_with(ada) == CloseCode.FRAME_ENCODING


async def test_an_agent_brings_so_many_types_and_not_one_more(serve: Serve) -> None:
    async with serve(types_per_agent=20) as room:
        ada, ben = await room.enter("ada", "ben")
        for number in range(21):
            send(ada, ORDERED, encode_publication(f"type {number}", b"x"))
        assert await refused(ada, 21) == ErrorCode.TYPE_REFUSED
        await ben.until(lambda: len(ben.received) == 20)
        send(ben, ORDERED, encode_publication("another", b"x"))
        await ada.until(lambda: ada.received)


async def test_a_filter_has_256_characters(serve: Serve) -> None:
    async with serve() as room:
        ada, ben = await room.enter("ada", "ben")
        longest = "ben|" + "é" * 252
        send(ada, ORDERED, encode_publication(0, b"x", filter=longest))
        await ben.until(lambda: ben.received)
        text = (longest + "é").encode()
        send(ada, ORDERED, b"\x80\x00" + encode_varint(len(text)) + text + b"x")
        assert await refused(ada, 2) == ErrorCode.FILTER_REFUSED
        send(ada, ORDERED, b"\x80\x00" + encode_varint(1025) + b"b" * 1025 + b"x")
        assert await closed_with(ada) == CloseCode.FRAME_ENCODING
        assert len(ben.received) == 1


async def test_above_the_budget_reliable_messages_close_and_others_are_dropped(serve: Serve) -> None:
    async with serve(ingress_messages_per_s=0.0, ingress_messages_burst=21.0) as room:
        ada, ben, cem = await room.enter("ada", "ben", "cem")  # ATTACH is the first of the 21
        for number in range(20):
            ada.publish(RELIABLE, b"%d" % number)
        await cem.until(lambda: len(cem.received) == 20)
        assert not ada.closes
        ada.publish(UNRELIABLE, b"dropped")
        ada.publish(RELIABLE, b"one too many")
        assert await closed_with(ada) == CloseCode.RATE_LIMIT
        stats = room.server.hub.stats()
        assert (stats["dropped_over_budget"], stats["rate_limited"]) == (1, 1)
        ben.publish(RELIABLE, b"the others go on")
        await cem.until(lambda: len(cem.received) == 21)


async def test_bytes_have_a_budget_too(serve: Serve) -> None:
    async with serve(ingress_bytes_per_s=0.0, ingress_bytes_burst=10_000.0) as room:
        ada, ben = await room.enter("ada", "ben")
        used = 10_000 - room.server.hub._sessions[next(iter(room.server.hub._sessions))].budget._bytes
        send(ada, ORDERED, encode_publication(0, bytes(10_000 - int(used) - 4)))
        await ben.until(lambda: ben.received)
        assert not ada.closes
        send(ada, ORDERED, encode_publication(0, b""))
        assert await closed_with(ada) == CloseCode.RATE_LIMIT


async def test_a_receiver_that_acknowledges_nothing_is_slow_at_the_cap_and_one(serve: Serve) -> None:
    async with serve(outbox_messages=30) as room:
        ada, ben = await room.enter("ada", "ben")
        ada.write(CONTROL, ORDERED, encode_link_control(StreamAck(len(ada.server_numbers))))
        outbox = next(s for s in room.server.hub._sessions.values() if s.info.name == "ben").outbound
        free = 30 - outbox._counted
        for number in range(free):
            ada.publish(ORDERED, b"%d" % number)
        await ben.until(lambda: len(ben.received) == free)
        assert not ben.closes
        ada.publish(ORDERED, b"one above")
        assert await closed_with(ben) == CloseCode.SLOW_CONSUMER
        assert not ada.closes


@pytest.mark.parametrize("spare", [0, 1])
async def test_a_stream_number_lies_2048_ahead_at_most(serve: Serve, spare: int) -> None:
    async with serve() as room:
        ada, ben = await room.enter("ada", "ben")
        send(ada, RELIABLE, encode_publication(0, b"far ahead"), number=2048 + spare)
        if spare:
            assert await closed_with(ada) == CloseCode.LIMIT_EXCEEDED
            assert not ben.received
        else:
            await ben.until(lambda: ben.received)


async def test_a_link_without_attach_is_closed_after_its_time(serve: Serve) -> None:
    async with serve(attach_timeout_s=0.3) as room:
        ada = await room.dial("ada")
        started = asyncio.get_running_loop().time()
        ada.ask_time()  # dropped: it came before ATTACH
        assert await closed_with(ada) == CloseCode.PROTOCOL_VIOLATION
        assert asyncio.get_running_loop().time() - started > 0.2
        assert not ada.times
