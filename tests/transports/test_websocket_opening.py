"""The opening of a WebSocket link: who is let in, and what the others are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.transports.websocket_client import WebSocketClient
from tests.transports.websocket_harness import WebSocketHarness
from transports.websocket import WebSocketConfig

UPGRADE = {
    "Host": "127.0.0.1",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "netplay.v1",
}


@pytest_asyncio.fixture
async def harness() -> AsyncIterator[WebSocketHarness]:
    made = WebSocketHarness()
    await made.server.start()
    yield made
    await made.server.stop()


async def ask(
    port: int, start: str, headers: dict[str, str], tail: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to a hand-written request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [start, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    writer.write("\r\n".join(lines).encode("latin-1") + tail)
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode().split("\r\n")
    found = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name
    }
    body = b""
    if "content-length" in found:
        body = await asyncio.wait_for(reader.readexactly(int(found["content-length"])), 5)
    writer.close()
    return int(head[0].split()[1]), found, body


# WS-2-2
async def test_a_good_upgrade_is_taken(harness: WebSocketHarness) -> None:
    status, headers, _ = await ask(harness.server.port, "GET /link HTTP/1.1", UPGRADE)
    assert status == 101
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert headers["sec-websocket-protocol"] == "netplay.v1"
    assert "set-cookie" not in headers


# WS-2-4
async def test_compression_is_not_agreed_on(harness: WebSocketHarness) -> None:
    asked = UPGRADE | {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    status, headers, _ = await ask(harness.server.port, "GET /link HTTP/1.1", asked)
    assert status == 101
    assert "sec-websocket-extensions" not in headers


@pytest.mark.parametrize(
    ("start", "changes", "status", "word"),
    [
        ("GET /other HTTP/1.1", {}, 404, "/link"),
        ("GET /link/ HTTP/1.1", {}, 404, "/link"),
        ("GET //link HTTP/1.1", {}, 404, "/link"),
        ("GET /link?token=abc HTTP/1.1", {}, 400, "first message"),
        ("POST /link HTTP/1.1", {"Content-Length": "0"}, 405, "GET"),
        ("GET /link HTTP/1.1", {"Sec-WebSocket-Protocol": "chat"}, 400, "netplay.v1"),
        ("GET /link HTTP/1.1", {"Sec-WebSocket-Protocol": ""}, 400, "netplay.v1"),
        ("GET /link HTTP/1.1", {"Sec-WebSocket-Version": "8"}, 400, "RFC 6455"),
        ("GET /link HTTP/1.1", {"Sec-WebSocket-Key": "short"}, 400, "RFC 6455"),
        ("GET /link HTTP/1.1", {"Sec-WebSocket-Key": "!"}, 400, "RFC 6455"),
        ("GET /link HTTP/1.1", {"Content-Length": "5"}, 400, ""),
        ("GET /link HTTP/1.1", {"Transfer-Encoding": "chunked"}, 400, ""),
    ],
)
# WS-2-3, WS-2-6, WS-2-7
async def test_a_bad_upgrade_gets_a_problem_document(
    harness: WebSocketHarness, start: str, changes: dict[str, str], status: int, word: str
) -> None:
    got, headers, body = await ask(harness.server.port, start, UPGRADE | changes)
    assert got == status
    assert headers["content-type"] == "application/problem+json"
    problem = json.loads(body)
    assert problem["status"] == status
    assert word in problem["detail"]
    assert not harness.acceptor.claims


# WS-2-7
async def test_a_wrong_version_is_told_the_right_one(harness: WebSocketHarness) -> None:
    _, headers, _ = await ask(
        harness.server.port, "GET /link HTTP/1.1", UPGRADE | {"Sec-WebSocket-Version": "8"}
    )
    assert headers["sec-websocket-version"] == "13"


# WS-2-5
async def test_bytes_sent_before_the_answer_are_refused(harness: WebSocketHarness) -> None:
    status, _, body = await ask(harness.server.port, "GET /link HTTP/1.1", UPGRADE, b"\x82\x80abcd")
    assert status == 400
    assert "before it was answered" in json.loads(body)["detail"]


async def test_an_upgrade_in_pieces_is_taken(harness: WebSocketHarness) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.server.port)
    text = "\r\n".join(["GET /link HTTP/1.1", *(f"{n}: {v}" for n, v in UPGRADE.items()), "", ""])
    for at in range(0, len(text), 7):
        writer.write(text[at : at + 7].encode())
        await writer.drain()
        await asyncio.sleep(0)
    assert b" 101 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


class TestOrigins:
    @pytest_asyncio.fixture
    async def fenced(self) -> AsyncIterator[WebSocketHarness]:
        made = WebSocketHarness(WebSocketConfig(allowed_origins=frozenset({"https://game.example"})))
        await made.server.start()
        yield made
        await made.server.stop()

    async def test_a_foreign_page_is_refused(self, fenced: WebSocketHarness) -> None:
        asked = UPGRADE | {"Origin": "https://evil.example"}
        status, _, body = await ask(fenced.server.port, "GET /link HTTP/1.1", asked)
        assert status == 403
        assert json.loads(body)["type"] == "origin-refused"

    @pytest.mark.parametrize("origin", [{"Origin": "https://game.example"}, {}])
    async def test_our_page_and_programs_are_let_in(
        self, fenced: WebSocketHarness, origin: dict[str, str]
    ) -> None:
        status, _, _ = await ask(fenced.server.port, "GET /link HTTP/1.1", UPGRADE | origin)
        assert status == 101

    async def test_without_a_list_every_origin_may_come_and_still_needs_a_token(
        self, harness: WebSocketHarness
    ) -> None:
        client = await WebSocketClient.dial(
            harness.changes, harness.server.port, headers={"Origin": "https://evil.example", "Cookie": "a=b"}
        )
        client.send_message(b"\x01" + bytes(100))
        await harness.changes.until(lambda: client.recorder.closes)
        assert not harness.acceptor.claims
