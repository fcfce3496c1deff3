"""The WebSocket link against servers that close, break, or talk nonsense."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from messaging_agent.errors import LinkFailed
from messaging_agent.websocket_link import MAX_MESSAGE_BYTES, WebSocketLink, open_websocket_link
from yarl import URL

from messaging.link_frames import encode_frame, iterate_frames
from netcore.codes import CloseCode
from netcore.delivery import Delivery

Script = Callable[[web.WebSocketResponse], Awaitable[None]]


class Heard:
    def __init__(self) -> None:
        self.messages: list[tuple[int, Delivery, int, bytes]] = []
        self.ends: list[tuple[int, str, bool]] = []
        self.over = asyncio.Event()

    def link_message(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        self.messages.append((lane, kind, key, data))

    def link_closed(self, code: int, reason: str, remote: bool) -> None:
        self.ends.append((code, reason, remote))
        self.over.set()


@contextlib.asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[tuple[WebSocketLink, Heard]]:
    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("netplay.v1",))
        await socket.prepare(request)
        assert socket.ws_protocol == "netplay.v1"
        assert await socket.receive_bytes() == b"\x01token"
        await script(socket)
        return socket

    app = web.Application()
    app.router.add_get("/link", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as http:
        url = URL(f"http://127.0.0.1:{runner.addresses[0][1]}/link")
        link = await open_websocket_link(http, url, b"token")
        heard = Heard()
        link.start(heard)
        try:
            yield link, heard
        finally:
            link.close(0)
    await runner.cleanup()


async def ended(heard: Heard) -> tuple[int, str, bool]:
    async with asyncio.timeout(5.0):
        await heard.over.wait()
    (end,) = heard.ends
    return end


async def test_frames_go_both_ways_and_what_is_sent_together_travels_together() -> None:
    received: list[Any] = []

    async def script(socket: web.WebSocketResponse) -> None:
        received.append(await socket.receive_bytes())
        frames = encode_frame(1, Delivery.ORDERED, 0, b"a") + encode_frame(3, Delivery.SEQUENCED, 7, b"b")
        await socket.send_bytes(frames)
        await socket.close(code=4000 + CloseCode.KICKED, message=b"enough")

    async with scripted(script) as (link, heard):
        link.send(8, Delivery.ORDERED, b"one")
        link.send(10, Delivery.SEQUENCED, b"two", 5)
        link.flush()
        assert await ended(heard) == (CloseCode.KICKED, "enough", True)
        assert heard.messages == [(1, Delivery.ORDERED, 0, b"a"), (3, Delivery.SEQUENCED, 7, b"b")]
        assert [frame.data for frame in iterate_frames(received[0])] == [b"one", b"two"]
        assert link.stats()["packets_in"] == 1


@pytest.mark.parametrize(
    ("say", "code"),
    [
        (lambda socket: socket.send_bytes(b"\xff\xff"), CloseCode.FRAME_ENCODING),
        (lambda socket: socket.send_bytes(b""), CloseCode.FRAME_ENCODING),
        (lambda socket: socket.send_str("hello"), CloseCode.PROTOCOL_VIOLATION),
        (lambda socket: socket.send_bytes(bytes(MAX_MESSAGE_BYTES + 1)), None),
    ],
    ids=["bad frame", "empty", "text", "too long"],
)
async def test_nonsense_ends_the_link_with_a_code(say: Any, code: int | None) -> None:
    closed: list[int | None] = []

    async def script(socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            await say(socket)
        await socket.receive()
        closed.append(socket.close_code)

    async with scripted(script) as (_, heard):
        end = await ended(heard)
        if code is not None:
            assert (end[0], end[2]) == (code, False)
    if code is not None:
        assert closed == [4000 + code]


@pytest.mark.parametrize(
    ("close_code", "code"),
    [(1000, CloseCode.NORMAL), (1001, CloseCode.SERVER_SHUTDOWN), (1011, CloseCode.INTERNAL)],
)
# WS-7-2, ERR-2
async def test_closes_of_the_websocket_itself_have_a_meaning(close_code: int, code: int) -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.close(code=close_code)

    async with scripted(script) as (_, heard):
        assert (await ended(heard))[0] == code


# WS-7-3
async def test_a_broken_connection_is_a_reason_to_come_back() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        transport = socket._req.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.abort()

    async with scripted(script) as (_, heard):
        assert (await ended(heard))[::2] == (CloseCode.IDLE, False)


async def test_closing_sends_what_waits_and_then_the_code() -> None:
    received: list[bytes] = []
    codes: list[int | None] = []

    async def script(socket: web.WebSocketResponse) -> None:
        async for message in socket:
            received.append(message.data)
        codes.append(socket.close_code)

    async with scripted(script) as (link, heard):
        link.send(8, Delivery.ORDERED, b"last words")
        link.close(CloseCode.NORMAL, "bye")
        link.send(8, Delivery.ORDERED, b"too late")
        assert (await ended(heard))[::2] == (CloseCode.NORMAL, False)
    assert [frame.data for data in received for frame in iterate_frames(data)] == [b"last words"]
    assert codes == [4000]


async def test_a_server_without_websockets_is_a_failed_link() -> None:
    runner = web.ServerRunner(web.Server(lambda _: _not_found()))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as http:
        url = URL(f"http://127.0.0.1:{runner.addresses[0][1]}/link")
        with pytest.raises(LinkFailed, match="websocket"):
            await open_websocket_link(http, url, b"token")
    await runner.cleanup()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(LinkFailed, match="websocket"):
            await open_websocket_link(http, url, b"token")


async def _not_found() -> web.Response:
    return web.Response(status=404)
