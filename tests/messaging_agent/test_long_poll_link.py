"""The long-poll link against servers that refuse, fall silent, lose answers, or talk nonsense."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from messaging_agent import long_poll_link
from messaging_agent.errors import LinkFailed
from messaging_agent.long_poll_link import LongPollLink, open_long_poll_link
from yarl import URL

from messaging.link_frames import encode_frame, iterate_frames
from messaging.poll_bodies import Batch, Close, decode_batch, decode_poll, encode_batch
from netcore.codes import CloseCode
from netcore.delivery import Delivery

O = Delivery.ORDERED  # noqa: E741
GOOD = {"secret": "the secret", "wait_s": 25.0, "idle_s": 15.0}


class Heard:
    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.ends: list[tuple[int, str, bool]] = []
        self.over = asyncio.Event()

    def link_message(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        self.messages.append(data)

    def link_closed(self, code: int, reason: str, remote: bool) -> None:
        self.ends.append((code, reason, remote))
        self.over.set()


class Script:
    """A server: what it got, and what it answers."""

    def __init__(self) -> None:
        self.opening: tuple[int, object] = (201, GOOD)
        self.uploads: list[Batch] = []
        self.polls: list[int] = []
        self.up: Callable[[int], web.Response] = lambda count: web.Response(status=204)
        self.down: Callable[[int], Awaitable[web.Response]] = self.silent

    async def silent(self, count: int) -> web.Response:
        await asyncio.sleep(30)
        return web.Response(status=204)

    async def serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.path == "/links":
            assert body == b"\x01token"
            status, answer = self.opening
            return (
                web.json_response(answer, status=status)
                if answer is not None
                else web.Response(body=b"?", status=status)
            )
        assert request.headers["Authorization"] == "Bearer the secret"
        if request.path == "/links/up":
            self.uploads.append(decode_batch(body))
            return self.up(len(self.uploads))
        self.polls.append(decode_poll(body))
        return await self.down(len(self.polls))


def batch(number: int, data: bytes = b"x", close: Close | None = None) -> web.Response:
    return web.Response(body=encode_batch(Batch(number, encode_frame(1, O, 0, data), close)))


@contextlib.asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[tuple[LongPollLink, Heard]]:
    async with listening(script) as (http, url):
        link = await open_long_poll_link(http, url, b"token")
        heard = Heard()
        link.start(heard)
        try:
            yield link, heard
        finally:
            link.abandon()
            await link.finished()


@contextlib.asynccontextmanager
async def listening(script: Script) -> AsyncIterator[tuple[aiohttp.ClientSession, URL]]:
    app = web.Application()
    app.router.add_post("/{path:.*}", script.serve)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as http:
        yield http, URL(f"http://127.0.0.1:{runner.addresses[0][1]}/links")
    await runner.cleanup()


async def ended(heard: Heard) -> tuple[int, str, bool]:
    async with asyncio.timeout(5.0):
        await heard.over.wait()
    (end,) = heard.ends
    return end


# LP-5-1, LP-5-6
async def test_batches_are_delivered_and_acknowledged_by_the_next_poll() -> None:
    script = Script()

    async def down(count: int) -> web.Response:
        return (
            batch(3, b"c", Close(CloseCode.KICKED, "bye"))
            if count == 3
            else batch(count, b"ab"[count - 1 : count])
        )

    script.down = down
    async with scripted(script) as (_, heard):
        assert await ended(heard) == (CloseCode.KICKED, "bye", True)
        assert heard.messages == [b"a", b"b", b"c"]
        assert script.polls == [0, 1, 2]


# LP-4-2
async def test_an_upload_without_a_good_answer_is_repeated_as_it_was() -> None:
    script = Script()
    script.up = lambda count: web.Response(status=(503, 429, 502, 204)[min(count, 4) - 1])
    async with scripted(script) as (link, heard):
        link.send(8, O, b"one")
        link.flush()
        for _ in range(500):
            if link.stats()["packets_out"]:
                break
            await asyncio.sleep(0.01)
        assert len(script.uploads) == 4
        assert len(set(script.uploads)) == 1
        assert not heard.ends
        assert link.stats()["repeated"] == 3


# LP-4-1, LP-5-6
async def test_what_is_sent_while_an_upload_is_on_its_way_goes_together_afterwards() -> None:
    script = Script()
    async with scripted(script) as (link, _):
        for number in range(20):
            link.send(8, O, b"%d" % number)
            link.flush()
            await asyncio.sleep(0)
        link.close(CloseCode.NORMAL, "done")
        await link.finished()
        sent = [
            frame.data
            for upload in script.uploads
            if upload.frames
            for frame in iterate_frames(upload.frames)
        ]
        assert sent == [b"%d" % number for number in range(20)]
        assert len(script.uploads) < 10
        assert [upload.number for upload in script.uploads] == list(range(1, len(script.uploads) + 1))
        assert script.uploads[-1].close == (CloseCode.NORMAL, "done")


# LP-6-3
@pytest.mark.parametrize("way", ["up", "down"])
async def test_when_nothing_gets_through_for_long_the_link_is_dead(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_poll_link, "DEAD_AFTER_S", 0.3)
    script = Script()
    if way == "up":
        script.up = lambda count: web.Response(status=502)
    else:

        async def broken(count: int) -> web.Response:
            return web.Response(status=502)

        script.down = broken
    async with scripted(script) as (link, heard):
        link.send(8, O, b"x")
        link.flush()
        assert await ended(heard) == (CloseCode.IDLE, "HTTP status 502", False)


@pytest.mark.parametrize(
    ("answer", "code", "remote"),
    [
        (web.Response(body=b""), CloseCode.PROTOCOL_VIOLATION, False),
        (web.Response(body=b"\xff\xff"), CloseCode.PROTOCOL_VIOLATION, False),
        (web.Response(body=b"\x02\x02\xc8\x01x"), CloseCode.PROTOCOL_VIOLATION, False),
        (web.Response(body=b"\x02\x01\xff\xff"), CloseCode.FRAME_ENCODING, False),
        (web.Response(body=b"\x02\x01" + bytes(600_000)), CloseCode.LIMIT_EXCEEDED, False),
        (web.Response(status=404, text="<html>no such page</html>"), CloseCode.IDLE, True),
        (web.Response(status=301, headers={"Location": "/elsewhere"}), CloseCode.IDLE, True),
        (web.json_response({"code": 0x88, "detail": "gone"}, status=401), CloseCode.IDLE, True),
        (web.json_response({"code": 0x11, "detail": "bad"}, status=400), CloseCode.FRAME_ENCODING, True),
        (web.json_response({"code": "x", "detail": 5}, status=400), CloseCode.IDLE, True),
        (web.json_response([1], status=400), CloseCode.IDLE, True),
    ],
    ids=[
        "empty",
        "garbage",
        "a gap",
        "bad frame",
        "too long",
        "a page",
        "elsewhere",
        "unknown",
        "bad",
        "odd",
        "list",
    ],
)
async def test_nonsense_ends_the_link_with_a_code(answer: web.Response, code: int, remote: bool) -> None:
    script = Script()

    async def down(count: int) -> web.Response:
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)

    script.down = down
    async with scripted(script) as (_, heard):
        end = await ended(heard)
        assert (end[0], end[2]) == (code, remote)


# LP-5-4
async def test_a_poll_that_another_replaced_is_made_again() -> None:
    script = Script()

    async def down(count: int) -> web.Response:
        return (
            web.json_response({"type": "poll-replaced"}, status=409)
            if count == 1
            else batch(1, b"x", Close(2, ""))
        )

    script.down = down
    async with scripted(script) as (_, heard):
        assert await ended(heard) == (2, "", True)
        assert script.polls == [0, 0]


async def test_a_close_of_the_server_is_told_with_its_last_words_though_an_upload_was_refused() -> None:
    script = Script()
    refused = asyncio.Event()

    def up(count: int) -> web.Response:
        refused.set()
        return web.json_response({"code": 2, "detail": "kicked"}, status=409)

    async def down(count: int) -> web.Response:
        await refused.wait()
        await asyncio.sleep(0.05)
        return batch(1, b"last words", Close(CloseCode.KICKED, "kicked"))

    script.up, script.down = up, down
    async with scripted(script) as (link, heard):
        link.send(8, O, b"x")
        link.flush()
        assert await ended(heard) == (CloseCode.KICKED, "kicked", True)
        assert heard.messages == [b"last words"]


@pytest.mark.parametrize(
    ("opening", "code"),
    [
        ((401, {"code": 0x95, "detail": "used"}), CloseCode.TOKEN_REFUSED),
        ((404, None), CloseCode.IDLE),
        ((201, None), CloseCode.FRAME_ENCODING),
        ((201, {"secret": 5, "wait_s": 25}), CloseCode.FRAME_ENCODING),
        ((201, {"secret": "a\nb", "wait_s": 25}), CloseCode.FRAME_ENCODING),
        ((201, {"secret": "x", "wait_s": 1e9}), CloseCode.FRAME_ENCODING),
        ((201, {"wait_s": 1}), CloseCode.FRAME_ENCODING),
        ((201, [1]), CloseCode.FRAME_ENCODING),
    ],
)
async def test_an_opening_that_fails_says_why(opening: tuple[int, object], code: int) -> None:
    script = Script()
    script.opening = opening
    async with listening(script) as (http, url):
        with pytest.raises(LinkFailed) as caught:
            await open_long_poll_link(http, url, b"token")
        assert caught.value.code == code


async def test_a_link_that_was_never_started_tells_the_server_when_it_is_closed() -> None:
    script = Script()
    async with listening(script) as (http, url):
        link = await open_long_poll_link(http, url, b"token")
        link.close(CloseCode.NORMAL, "not needed")
        await link.finished()
    assert [upload.close for upload in script.uploads] == [(CloseCode.NORMAL, "not needed")]


async def test_where_nobody_listens_the_link_fails_with_the_reason() -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(LinkFailed, match="long-poll"):
            await open_long_poll_link(http, URL("http://127.0.0.1:1/links"), b"token")
