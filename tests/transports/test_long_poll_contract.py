"""The link contract over long poll, on real sockets: asyncio's loop and uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.transports.contract import LinkContract
from tests.transports.long_poll_harness import LongPollHarness


class TestLongPollLink(LinkContract):
    @pytest_asyncio.fixture
    async def harness(self) -> AsyncIterator[LongPollHarness]:
        made = LongPollHarness()
        await made.server.start()
        yield made
        await made.stop()


class TestLongPollLinkOnUvloop(TestLongPollLink):
    async def test_this_is_uvloop(self, harness: LongPollHarness) -> None:
        pytest.importorskip("uvloop")
        assert "uvloop" in type(asyncio.get_running_loop()).__module__
