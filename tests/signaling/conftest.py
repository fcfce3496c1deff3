"""The API that the tests of this folder talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.signaling.api import Api


@pytest.fixture
def api() -> Api:
    """A fresh hub and its API."""
    return Api()


@pytest_asyncio.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A client on the same machine."""
    async with api.client() as made:
        yield made
