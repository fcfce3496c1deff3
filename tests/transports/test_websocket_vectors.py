"""The vectors of docs/protocol/websocket.md against the code, and against a reading that shares nothing with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from messaging.link_frames import encode_frame, iterate_frames
from netcore.delivery import Delivery
from tests.transports.websocket_client import WebSocketClient
from tests.transports.websocket_harness import WebSocketHarness
from transports.websocket_codes import clipped_reason, from_websocket

FILE = Path(__file__).resolve().parents[2] / "docs" / "protocol" / "vectors" / "websocket.json"
VECTORS: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8"))


def cases(section: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in VECTORS[section]]


@pytest_asyncio.fixture
async def harness() -> AsyncIterator[WebSocketHarness]:
    made = WebSocketHarness()
    await made.server.start()
    yield made
    await made.server.stop()


def plain_reading(data: bytes) -> list[dict[str, Any]]:
    """Frames read as sections 1 and 4 describe them, with no code of ours."""

    def varint(at: int) -> tuple[int, int]:
        size = 1 << (data[at] >> 6)
        value = int.from_bytes(data[at : at + size], "big") & ((1 << (8 * size - 2)) - 1)
        return value, at + size

    frames, at = [], 0
    while at < len(data):
        head, at, key = data[at], at + 1, 0
        if head >> 6 == 1:
            key, at = varint(at)
        length, at = varint(at)
        frames.append(
            {"lane": head & 63, "kind": head >> 6, "key": key, "data": data[at : at + length].hex()}
        )
        at += length
    return frames


@pytest.mark.parametrize("case", cases("messages"))
# WS-1-1, WS-1-2, WS-4-1, WS-4-5
def test_good_messages_are_read_and_written_alike(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["bytes"])
    assert plain_reading(data) == case["frames"]
    ours = [
        {"lane": frame.lane, "kind": int(frame.kind), "key": frame.key, "data": frame.data.hex()}
        for frame in iterate_frames(data)
    ]
    assert ours == case["frames"]
    written = b"".join(
        encode_frame(frame["lane"], Delivery(frame["kind"]), frame["key"], bytes.fromhex(frame["data"]))
        for frame in case["frames"]
    )
    assert written == data


@pytest.mark.parametrize("case", cases("messages"))
async def test_good_messages_pass_the_server(harness: WebSocketHarness, case: dict[str, Any]) -> None:
    remote, _, handler = await harness.pair()
    assert isinstance(remote, WebSocketClient)
    remote.send_message(bytes.fromhex(case["bytes"]))
    await harness.changes.until(lambda: len(handler.messages) == len(case["frames"]))
    got = [
        {"lane": lane, "kind": int(kind), "key": key, "data": data.hex()}
        for lane, kind, key, data in handler.messages
    ]
    assert got == case["frames"]


@pytest.mark.parametrize("case", cases("bad_messages"))
# WS-1-1, WS-4-2, WS-4-4
async def test_bad_messages_close_with_their_code(harness: WebSocketHarness, case: dict[str, Any]) -> None:
    remote, _, _ = await harness.pair()
    assert isinstance(remote, WebSocketClient)
    remote.send_message(bytes.fromhex(case["bytes"]))
    await closed_with(harness, remote, case)


@pytest.mark.parametrize("case", cases("bad_first_messages"))
# WS-3-1, WS-3-3
async def test_bad_first_messages_close_with_their_code(
    harness: WebSocketHarness, case: dict[str, Any]
) -> None:
    client = await WebSocketClient.dial(harness.changes, harness.server.port)
    client.send_message(bytes.fromhex(case["bytes"]))
    await closed_with(harness, client, case)
    assert not harness.acceptor.claims


@pytest.mark.parametrize("case", cases("bad_streams"))
# WS-7-5
async def test_bad_streams_close_with_their_code(
    harness: WebSocketHarness, case: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    remote, _, handler = await harness.pair()
    assert isinstance(remote, WebSocketClient)
    remote.send_raw(bytes.fromhex(case["bytes"]))
    await closed_with(harness, remote, case)
    await harness.changes.until(lambda: handler.closes)
    assert not handler.messages
    assert not handler.closes[0][2], "the server closed, not the client"
    assert sum(harness.transport.stats.malformed.values()) == 1
    await harness.changes.until(lambda: remote.lost and not harness.transport.protocols)
    assert not caplog.records


async def closed_with(harness: WebSocketHarness, client: WebSocketClient, case: dict[str, Any]) -> None:
    await harness.changes.until(lambda: client.raw_close)
    assert client.raw_close is not None and client.raw_close[0] == case["close"]


# WS-7-1, WS-7-2
def test_close_codes_and_reasons() -> None:
    for case in VECTORS["close_codes"]:
        assert from_websocket(case["websocket"]) == case["code"]
    for case in VECTORS["reasons"]:
        assert clipped_reason(case["reason"]) == case["sent"]
        assert len(case["sent"].encode()) <= 123
