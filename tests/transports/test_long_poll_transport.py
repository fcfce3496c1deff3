"""Long poll beyond the common contract: repeats, replaced polls, secrets, idle links, limits, hostile clients."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable

import aiohttp
import pytest
import pytest_asyncio

from messaging.link_frames import encode_frame, iterate_frames
from messaging.poll_bodies import (
    MAX_BATCH_BYTES,
    Batch,
    Close,
    decode_batch,
    encode_batch,
    encode_open,
    encode_poll,
)
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.transports.contract import Ticket
from tests.transports.long_poll_client import BINARY, LongPollClient
from tests.transports.long_poll_harness import LongPollHarness
from tests.transports.recorders import Recorder

O, S = Delivery.ORDERED, Delivery.SEQUENCED  # noqa: E741


@pytest_asyncio.fixture
async def harness() -> AsyncIterator[LongPollHarness]:
    made = LongPollHarness(wait_s=0.4, linger_s=0.5)
    await made.server.start()
    yield made
    await made.stop()


async def opened(harness: LongPollHarness) -> tuple[LongPollClient, Recorder]:
    """A client that does nothing by itself, and the server's handler."""
    client = await harness.dial(harness.ticket())
    client.vanish()
    await asyncio.gather(*client.tasks, return_exceptions=True)
    return client, harness.acceptor.handlers[-1]


def up(number: int, data: bytes = b"x", close: Close | None = None) -> bytes:
    return encode_batch(Batch(number, encode_frame(8, O, 0, data), close))


def datas(answer: tuple[int, bytes]) -> list[bytes]:
    assert answer[0] == 200, answer
    return [frame.data for frame in iterate_frames(decode_batch(answer[1]).frames)]


def problem(answer: tuple[int, bytes]) -> tuple[int, str, int]:
    fields = json.loads(answer[1])
    return answer[0], fields["type"], fields["code"]


async def soon(awaitable: Awaitable[tuple[int, bytes]]) -> asyncio.Task[tuple[int, bytes]]:
    task = asyncio.ensure_future(awaitable)
    await asyncio.sleep(0.1)
    return task  # type: ignore[return-value]


# LP-4-2
# LP-4-2
async def test_an_upload_that_is_repeated_is_taken_once(harness: LongPollHarness) -> None:
    client, handler = await opened(harness)
    for body in (up(1, b"a"), up(1, b"a"), up(2, b"b"), up(1, b"a"), up(2, b"b")):
        assert await client.post("up", body) == (204, b"")
    assert handler.data_of(8) == [b"a", b"b"]
    assert harness.transport.stats.repeated == 3


# LP-4-1, LP-4-2
# LP-4-2
async def test_two_copies_of_an_upload_at_once_are_taken_once(harness: LongPollHarness) -> None:
    client, handler = await opened(harness)
    answers = await asyncio.gather(*(client.post("up", up(1)) for _ in range(5)))
    assert [status for status, _ in answers] == [204] * 5
    assert handler.data_of(8) == [b"x"]


# LP-5-1, LP-5-3
# LP-5-1, LP-5-3
async def test_a_batch_whose_answer_was_lost_comes_again_and_unchanged(harness: LongPollHarness) -> None:
    client, _ = await opened(harness)
    link = harness.acceptor.links[-1]
    link.send(1, O, b"one")
    link.flush()
    first = await client.post("down", encode_poll(0))
    link.send(1, O, b"two")
    link.flush()
    assert await client.post("down", encode_poll(0)) == first
    assert datas(first) == [b"one"]
    assert datas(await client.post("down", encode_poll(1))) == [b"two"]


async def test_an_answer_on_its_way_to_a_client_that_went_is_not_lost(harness: LongPollHarness) -> None:
    client, _ = await opened(harness)
    link = harness.acceptor.links[-1]
    poll = await soon(client.post("down", encode_poll(0)))
    link.send(1, O, b"one")
    link.flush()
    poll.cancel()
    await asyncio.gather(poll, return_exceptions=True)
    assert datas(await client.post("down", encode_poll(0))) == [b"one"]


# LP-5-2
# LP-5-2
async def test_a_poll_ends_empty_after_its_time(harness: LongPollHarness) -> None:
    client, _ = await opened(harness)
    assert await client.post("down", encode_poll(0)) == (204, b"")
    assert await client.post("down", encode_poll(0)) == (204, b"")


# LP-5-4
# LP-5-4
async def test_a_second_poll_ends_the_first(harness: LongPollHarness) -> None:
    client, _ = await opened(harness)
    first = await soon(client.post("down", encode_poll(0)))
    second = await soon(client.post("down", encode_poll(0)))
    status, type, code = problem(await first)
    assert (status, type, code) == (409, "poll-replaced", None)
    link = harness.acceptor.links[-1]
    link.send(1, O, b"for the second")
    link.flush()
    assert datas(await second) == [b"for the second"]
    assert harness.transport.stats.replaced == 1


# LP-5-5
# LP-5-5
async def test_a_state_that_nobody_asked_for_yet_is_replaced_by_a_newer_one(harness: LongPollHarness) -> None:
    client, _ = await opened(harness)
    link = harness.acceptor.links[-1]
    for number in range(50):
        link.send(3, S, b"%d" % number, 1)
        link.flush()
    assert datas(await client.post("down", encode_poll(0))) == [b"49"]


# LP-1-3, LP-3-4, LP-4-3
@pytest.mark.parametrize(
    ("way", "body", "code"),
    [
        ("up", up(2), CloseCode.PROTOCOL_VIOLATION),
        ("up", b"", CloseCode.PROTOCOL_VIOLATION),
        ("up", b"\x07\x01", CloseCode.PROTOCOL_VIOLATION),
        ("up", b"\x02\x01", CloseCode.FRAME_ENCODING),
        ("up", b"\x02\x00\xc8\x01x", CloseCode.FRAME_ENCODING),
        ("up", b"\x02\x01\xff\xff", CloseCode.FRAME_ENCODING),
        ("up", b"\x03\x01\x00", CloseCode.FRAME_ENCODING),
        ("up", b"\x03\x01\x00\x00\x05ab", CloseCode.FRAME_ENCODING),
        ("up", b"\x03\x01\x00\x00\x01\xff", CloseCode.FRAME_ENCODING),
        ("down", b"", CloseCode.PROTOCOL_VIOLATION),
        ("down", b"\x04", CloseCode.FRAME_ENCODING),
        ("down", b"\x04\x00\x00", CloseCode.FRAME_ENCODING),
        ("down", encode_poll(1), CloseCode.PROTOCOL_VIOLATION),
    ],
)
# LP-1-3, LP-3-4
async def test_a_broken_rule_ends_the_link_with_a_code(
    harness: LongPollHarness, way: str, body: bytes, code: CloseCode
) -> None:
    client, handler = await opened(harness)
    assert problem(await client.post(way, body)) == (400, "link-closed", code)
    await harness.changes.until(lambda: handler.closes)
    assert handler.closes[0][0] == code
    status, last = await client.post("down", encode_poll(0))
    assert status == 200
    close = decode_batch(last).close
    assert close is not None and close.code == code


# LP-6-2
# LP-6-2, LP-4-4
async def test_the_close_comes_with_what_was_queued_and_can_be_asked_for_again(
    harness: LongPollHarness,
) -> None:
    client, _ = await opened(harness)
    poll = await soon(client.post("down", encode_poll(0)))
    link = harness.acceptor.links[-1]
    link.send(1, O, b"last words")
    link.close(CloseCode.KICKED, "bye")
    answer = await poll
    assert datas(answer) == [b"last words"]
    assert decode_batch(answer[1]).close == (CloseCode.KICKED, "bye")
    assert await client.post("down", encode_poll(0)) == answer
    assert problem(await client.post("up", up(1))) == (409, "link-closed", CloseCode.KICKED)


# LP-4-4, LP-6-2
# LP-6-2
async def test_a_closed_link_is_forgotten_after_a_moment(harness: LongPollHarness) -> None:
    client, _ = await opened(harness)
    harness.acceptor.links[-1].close(CloseCode.KICKED, "bye")
    await harness.changes.until(lambda: harness.transport.links == 0)
    assert problem(await client.post("down", encode_poll(0))) == (401, "link-unknown", CloseCode.IDLE)


async def test_the_clients_last_batch_may_be_repeated(harness: LongPollHarness) -> None:
    client, handler = await opened(harness)
    last = up(1, b"bye", Close(0, "done"))
    assert await client.post("up", last) == (204, b"")
    assert await client.post("up", last) == (204, b"")
    assert handler.data_of(8) == [b"bye"]
    assert handler.closes == [(0, "done", True)]


# LP-6-1
async def test_a_link_that_is_only_asked_for_stays(harness: LongPollHarness) -> None:
    client, handler = await opened(harness)
    for _ in range(5):  # 2 s, longer than the idle time
        assert (await client.post("down", encode_poll(0)))[0] == 204
    assert not handler.closes


# LP-6-1
# LP-6-1
async def test_a_client_that_goes_while_it_waits_is_idle_from_then_on(harness: LongPollHarness) -> None:
    client, handler = await opened(harness)
    poll = await soon(client.post("down", encode_poll(0)))
    poll.cancel()
    await harness.changes.until(lambda: handler.closes)
    assert handler.closes == [(CloseCode.IDLE, "nobody asks", False)]
    assert harness.transport.stats.idle == 1


# Secrets and openings.


# LP-2-4
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("secret", ["", "x" * 32, "ünknown"])
# LP-2-4
async def test_another_secret_opens_nothing(harness: LongPollHarness, way: str, secret: str) -> None:
    client, handler = await opened(harness)
    client.secret = secret
    answer = await client.post(way, up(1) if way == "up" else encode_poll(0))
    assert problem(answer) == (401, "link-unknown", CloseCode.IDLE)
    assert not handler.messages


# LP-2-4
# LP-2-4
async def test_an_unknown_link_is_refused_before_its_body_is_read(harness: LongPollHarness) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.server.port)
    writer.write(
        b"POST /api/v1/links/up HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer nobody\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Length: 500000\r\n\r\n"
    )
    assert b" 401 " in await asyncio.wait_for(reader.readline(), 2)
    writer.close()


# LP-2-2, LP-7-1
# LP-2-1, LP-2-2, LP-7-1
async def test_the_secret_is_no_token_and_stands_in_no_log(
    harness: LongPollHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client, _ = await opened(harness)
    async with client.http.post(
        harness.base, data=encode_open(client.secret.encode()), headers=BINARY
    ) as response:
        assert response.status == 401
    await client.post("up", b"\xff")
    assert client.secret not in caplog.text


# LP-2-2
# LP-2-2
async def test_a_secret_in_the_address_is_not_looked_at(harness: LongPollHarness) -> None:
    client, _ = await opened(harness)
    secret, client.secret = client.secret, ""
    assert (await client.post(f"down?secret={secret}", encode_poll(0)))[0] == 401


async def test_two_links_have_two_secrets(harness: LongPollHarness) -> None:
    first, second = [await opened(harness) for _ in range(2)]
    assert first[0].secret != second[0].secret
    await second[0].post("up", up(1, b"mine"))
    assert (first[1].messages, second[1].data_of(8)) == ([], [b"mine"])


# LP-2-3, LP-3-2
@pytest.mark.parametrize(
    ("way", "size", "status"),
    [
        ("", 8_192, 401),
        ("", 8_193, 413),
        ("/up", MAX_BATCH_BYTES + 1, 413),
        ("/down", 65, 413),
        ("/down", 64, 400),
    ],
)
# LP-3-2
async def test_bodies_have_a_limit(harness: LongPollHarness, way: str, size: int, status: int) -> None:
    client, _ = await opened(harness)
    async with client.http.post(harness.base + way, data=bytes(size), headers=client.headers) as response:
        assert response.status == status


async def test_a_batch_at_the_limit_is_taken(harness: LongPollHarness) -> None:
    client, handler = await opened(harness)
    largest = encode_frame(8, O, 0, bytes(262_144))
    rest = MAX_BATCH_BYTES - 2 - len(largest)
    body = b"\x02\x01" + largest + encode_frame(8, O, 0, bytes(rest - 5))
    assert len(body) == MAX_BATCH_BYTES
    assert await client.post("up", body) == (204, b"")
    assert len(handler.messages) == 2


# LP-1-2
@pytest.mark.parametrize("way", ["", "/up", "/down"])
# LP-1-2
async def test_bodies_are_bytes(harness: LongPollHarness, way: str) -> None:
    client, _ = await opened(harness)
    headers = {**client.headers, "Content-Type": "application/json"}
    async with client.http.post(harness.base + way, data=b"{}", headers=headers) as response:
        assert response.status == 415


async def test_stopping_the_server_answers_waiting_polls(harness: LongPollHarness) -> None:
    client, _ = await opened(harness)
    poll = await soon(client.post("down", encode_poll(0)))
    harness.acceptor.links[-1].close(CloseCode.SERVER_SHUTDOWN, "stopping")
    await harness.server.stop()
    close = decode_batch((await poll)[1]).close
    assert close == (CloseCode.SERVER_SHUTDOWN, "stopping")


# LP-7-2
# LP-7-2
async def test_a_page_of_another_origin_may_open_a_link_for_it_needs_the_token(
    harness: LongPollHarness,
) -> None:
    asked = {"Origin": "https://game.example", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,content-type"
    async with aiohttp.ClientSession() as http, http.options(harness.base + "/up", headers=asked) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers


# LP-2-3
# LP-2-3
async def test_a_token_of_garbage_is_refused_with_a_problem(harness: LongPollHarness) -> None:
    client = await harness.dial(Ticket(b"garbage", b""))
    assert client.opening is not None
    status, fields = client.opening
    assert (status, fields["type"], fields["code"]) == (401, "token-refused", CloseCode.TOKEN_REFUSED)
    assert fields["come_back"] is True
