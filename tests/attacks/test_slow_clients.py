"""A11: clients that send their requests slowly, or hold them open, cost a bounded time and nobody else anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from messaging.link_frames import encode_frame
from messaging.poll_bodies import Batch, encode_batch
from netcore.delivery import Delivery
from signaling.settings import HttpLimits
from tests.transports.long_poll_client import LongPollClient
from tests.transports.long_poll_harness import LongPollHarness

SLOW = 300
LIMITS = HttpLimits(header_deadline_s=1.0, body_grace_s=1.0, body_bytes_per_s=1024, connections=2000)
BODY = b"Content-Type: application/octet-stream\r\nContent-Length: 400000\r\n\r\n"


@pytest_asyncio.fixture
async def harness() -> AsyncIterator[LongPollHarness]:
    made = LongPollHarness(LIMITS, idle_timeout_s=10.0)
    await made.server.start()
    yield made
    await made.stop()


async def drip(port: int, head: bytes) -> float:
    """Send `head`, then a byte now and then, until the server ends it; after how many seconds."""
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head)
        while time.monotonic() - begun < 10:
            try:
                async with asyncio.timeout(0.2):
                    if await reader.read(65_536) == b"" or reader.at_eof():
                        break
            except TimeoutError:
                writer.write(b"x")
    except OSError:
        pass
    writer.close()
    return time.monotonic() - begun


async def slowest_of(client: LongPollClient, count: int) -> float:
    """The longest of `count` uploads, in seconds."""
    slowest = 0.0
    for number in range(1, count + 1):
        begun = time.monotonic()
        status, _ = await client.post(
            "up", encode_batch(Batch(number, encode_frame(8, Delivery.ORDERED, 0, b"x")))
        )
        assert status == 204
        slowest = max(slowest, time.monotonic() - begun)
        await asyncio.sleep(0.01)
    return slowest


@pytest.mark.parametrize("kind", ["headers", "body of an opening", "body of an upload", "body of a poll"])
async def test_hundreds_of_slow_requests_end_in_time_while_others_are_served(
    harness: LongPollHarness, kind: str
) -> None:
    honest = await harness.dial(harness.ticket())
    other = await harness.dial(harness.ticket())
    bearer = b"Authorization: Bearer " + other.secret.encode() + b"\r\n"
    heads = {
        "headers": b"POST /api/v1/links HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "body of an opening": b"POST /api/v1/links HTTP/1.1\r\nHost: x\r\n" + BODY,
        "body of an upload": b"POST /api/v1/links/up HTTP/1.1\r\nHost: x\r\n" + bearer + BODY,
        "body of a poll": b"POST /api/v1/links/down HTTP/1.1\r\nHost: x\r\n" + bearer + BODY,
    }
    slow = [asyncio.create_task(drip(harness.server.port, heads[kind])) for _ in range(SLOW)]
    await asyncio.sleep(0.3)
    assert harness.server.census.open > SLOW
    assert await slowest_of(honest, 30) < 1.0
    lasted = await asyncio.gather(*slow)
    assert max(lasted) < 8
    handler = harness.acceptor.handlers[0]
    assert len(handler.data_of(8)) == 30
    assert harness.server.census.open < 20


async def test_hundreds_of_polls_of_one_link_leave_one_waiting(harness: LongPollHarness) -> None:
    client = await harness.dial(harness.ticket())
    client.vanish()
    polls = [asyncio.create_task(client.post("down", b"\x04\x00")) for _ in range(100)]
    done, waiting = await asyncio.wait(polls, timeout=3)
    assert len(waiting) == 1
    assert {task.result()[0] for task in done} == {409}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
