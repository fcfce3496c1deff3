"""The link contract over WebSocket, on real sockets: asyncio's loop, uvloop, and TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.transports.certificates import client_context, server_context
from tests.transports.contract import LinkContract, Ticket
from tests.transports.websocket_client import WebSocketClient
from tests.transports.websocket_harness import WebSocketHarness


class TestWebSocketLink(LinkContract):
    @pytest_asyncio.fixture
    async def harness(self) -> AsyncIterator[WebSocketHarness]:
        made = WebSocketHarness()
        await made.server.start()
        yield made
        await made.server.stop()


class TestWebSocketLinkOnUvloop(TestWebSocketLink):
    async def test_this_is_uvloop(self, harness: WebSocketHarness) -> None:
        pytest.importorskip("uvloop")
        assert "uvloop" in type(asyncio.get_running_loop()).__module__


class TlsHarness(WebSocketHarness):
    client_tls: ssl.SSLContext

    async def dial(self, ticket: Ticket) -> WebSocketClient:
        client = await WebSocketClient.dial(self.changes, self.server.port, tls=self.client_tls)
        assert client.response is not None and client.response.status_code == 101
        client.send_message(b"\x01" + ticket.token)
        return client


class TestWebSocketLinkOverTls:
    """What the encryption in between could spoil."""

    test_ordered = LinkContract.test_ordered_messages_arrive_in_order_both_ways
    test_largest = LinkContract.test_the_largest_message_passes_both_ways
    test_latest_state = LinkContract.test_a_slow_receiver_gets_the_latest_state_not_every_state
    test_queue_full = LinkContract.test_a_slow_receiver_fills_the_reliable_queue
    test_queued_before_close = LinkContract.test_what_was_queued_arrives_before_the_close
    test_client_closes = LinkContract.test_the_client_closes_with_code_and_reason
    test_garbage = LinkContract.test_garbage_ends_the_link_with_frame_encoding

    @pytest_asyncio.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[WebSocketHarness]:
        made = TlsHarness(tls=server_context(tmp_path))
        made.client_tls = client_context(tmp_path)
        await made.server.start()
        yield made
        await made.server.stop()
