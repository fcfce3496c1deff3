"""The vectors of docs/protocol/long-poll.md, against the codec and a running server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from messaging.poll_bodies import Batch, Close, clipped, decode_batch, decode_poll, encode_batch, encode_poll
from tests.transports.long_poll_client import BINARY
from tests.transports.long_poll_harness import LongPollHarness

FILE = Path(__file__).parents[2] / "docs" / "protocol" / "vectors" / "long-poll.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def named(section: str) -> Any:
    return pytest.mark.parametrize("case", VECTORS[section], ids=lambda case: case["name"])


@pytest_asyncio.fixture
async def harness() -> AsyncIterator[LongPollHarness]:
    made = LongPollHarness()
    await made.server.start()
    yield made
    await made.stop()


# LP-1-1, LP-3-1
@named("batches")
# LP-3-1
def test_a_batch_reads_and_writes_as_the_vector_says(case: dict[str, Any]) -> None:
    close = None if case["close"] is None else Close(case["close"]["code"], case["close"]["reason"])
    batch = Batch(case["number"], bytes.fromhex(case["frames"]), close)
    assert decode_batch(bytes.fromhex(case["bytes"])) == batch
    assert encode_batch(batch).hex() == case["bytes"]


# LP-3-1
@pytest.mark.parametrize("case", VECTORS["polls"], ids=lambda case: str(case["received"]))
# LP-1-1, LP-3-1
def test_a_poll_reads_and_writes_as_the_vector_says(case: dict[str, Any]) -> None:
    assert decode_poll(bytes.fromhex(case["bytes"])) == case["received"]
    assert encode_poll(case["received"]).hex() == case["bytes"]


# LP-3-2
@pytest.mark.parametrize("case", VECTORS["reasons"], ids=lambda case: case["reason"][:3])
# LP-3-2
def test_a_reason_is_cut_at_a_character(case: dict[str, str]) -> None:
    assert clipped(case["reason"]).decode() == case["sent"]


# LP-3-3, LP-1-1
@pytest.mark.parametrize(
    ("way", "case"),
    [
        (way, case)
        for way, section in (("up", "bad_uploads"), ("down", "bad_polls"))
        for case in VECTORS[section]
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else value,
)
# LP-3-3, LP-4-3, LP-5-3
async def test_a_bad_body_closes_the_link(harness: LongPollHarness, way: str, case: dict[str, Any]) -> None:
    client = await harness.dial(harness.ticket())
    client.vanish()
    status, answer = await client.post(way, bytes.fromhex(case["bytes"]))
    fields = json.loads(answer)
    assert (status, fields["type"], fields["code"]) == (400, "link-closed", case["code"])
    handler = harness.acceptor.handlers[-1]
    await harness.changes.until(lambda: handler.closes)
    assert handler.closes[0][0] == case["code"]


@named("bad_openings")
# LP-2-1, LP-2-3
async def test_a_bad_opening_is_refused(harness: LongPollHarness, case: dict[str, Any]) -> None:
    client = await harness.dial(harness.ticket())
    body = bytes.fromhex(case["bytes"])
    async with client.http.post(harness.base, data=body, headers=BINARY) as response:
        assert response.status == case["status"]
    assert len(harness.acceptor.handlers) == 1
