"""A12: what is too large has no partial effect, and leaves nothing behind, on every transport."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from messaging.envelope import encode_publication
from netcore.delivery import Delivery
from tests.integration.raw_agents import AGENTS
from tests.integration.raw_room import open_room


@pytest.mark.parametrize("transport", list(AGENTS))
async def test_a_message_too_large_has_no_effect_and_the_session_goes_on(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new type in it is not announced, nothing is stored, the number is used, the next message arrives."""
    async with open_room(transport, tmp_path, monkeypatch, max_message_bytes=1000) as room:
        ada, ben = await room.enter("ada", "ben")
        ada.write_publication(Delivery.ORDERED, encode_publication(0, bytes(1001), persistent=True))
        ada.write_publication(Delivery.ORDERED, encode_publication(0, bytes(1001), to=2))
        ada.write_publication(Delivery.ORDERED, encode_publication(0, b"fits", persistent=True))
        await ben.until(lambda: ben.received)
        ((_, delivered),) = ben.received
        assert (delivered.content, delivered.offset) == (b"fits", 1)
        await ada.until(lambda: ada.acked == 3)
        session = next(s for s in room.server.hub._sessions.values() if s.info.name == "ben")
        assert session.channel.publisher._env.stats.stored == 1
        assert not ada.closes


async def test_a_body_too_large_is_413_and_the_server_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_room("websocket", tmp_path, monkeypatch) as room, aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {room.key}", "Content-Type": "application/json"}
        for body in (b" " * (1 << 20) + b"{}", b'{"agent_name":"' + b"x" * (1 << 20) + b'"}'):
            async with http.post(f"{room.base}/api/v1/sessions", data=body, headers=headers) as response:
                assert response.status == 413
        assert room.server.hub.stats()["sessions"] == 0
        await room.enter("ada")
