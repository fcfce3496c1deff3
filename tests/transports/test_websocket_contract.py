"""The link contract over WebSocket, on real sockets, on both event loops."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.transports.contract import LinkContract
from tests.transports.websocket_harness import WebSocketHarness


class TestWebSocketLink(LinkContract):
    @pytest_asyncio.fixture
    async def harness(self) -> AsyncIterator[WebSocketHarness]:
        made = WebSocketHarness()
        await made.server.start()
        yield made
        await made.server.stop()
