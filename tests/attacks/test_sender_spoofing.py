"""A25: sender, time and offset are the server's words, on every transport; nothing that a client sends sets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from messaging.envelope import STORED, encode_delivery, encode_publication
from netcore.delivery import Delivery
from tests.integration.raw_agents import AGENTS, http_connect
from tests.integration.raw_room import open_room


@pytest.mark.parametrize("transport", list(AGENTS))
async def test_an_agent_speaks_as_itself_only(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client sends what a server would: whole deliveries with another's index, offset and time, as each kind."""
    async with open_room(transport, tmp_path, monkeypatch) as room:
        ada, ben, eve = await room.enter("ada", "ben", "eve")
        assert ada.welcome is not None and eve.welcome is not None
        forged = encode_delivery(STORED, ada.welcome.index, 0, 8, b"I am ada", offset=7, time_ms=7)
        for kind in Delivery:
            content = encode_publication(0, forged)
            eve.write_publication(kind, content)
        eve.write_publication(Delivery.ORDERED, encode_publication(0, b"stored", persistent=True))
        await ben.until(lambda: len(ben.received) == 5)
        for lane, delivered in ben.received:
            assert delivered.sender == eve.welcome.index
            if delivered.content == b"stored":
                assert (delivered.offset, delivered.time_ms != 7) == (1, True)
            else:
                assert (delivered.offset, delivered.time_ms) == (None, None)
            assert lane <= 4
        assert not eve.closes


@pytest.mark.parametrize("lane", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("transport", list(AGENTS))
async def test_the_servers_own_lanes_are_closed_to_clients(
    transport: str, lane: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A JOINED, or a delivery as the server sends it, ends the link of whoever sends it, and reaches nobody."""
    async with open_room(transport, tmp_path, monkeypatch) as room:
        ben, eve = await room.enter("ben", "eve")
        before = len(ben.control), len(ben.received), len(ben.joined)
        kind = {1: Delivery.ORDERED, 2: Delivery.RELIABLE, 3: Delivery.SEQUENCED, 4: Delivery.UNRELIABLE}
        if lane == 0:
            eve.write(0, Delivery.ORDERED, b"\x40\x00\x01\x97\x01\xa3ada\x00\x80\xc2\xc2\xc2")
        else:
            eve.write(lane, kind[lane], b"\0\1" + encode_delivery(0, 1, 0, 8, b"I am ben"), 0)
        await eve.until(lambda: eve.closes)
        eve_left = sum(type(news).__name__ in ("Away", "Left") for news in ben.control)
        assert (len(ben.control) - eve_left, len(ben.received), len(ben.joined)) == before


FORGED: list[dict[str, Any]] = [
    {"from": "ada"},
    {"sender": 1},
    {"agent_index": 1},
    {"joined_at_ms": 1},
    {"channel_id": "c" * 24},
    {"developer": "dev-1"},
    {"created": True},
    {"readable": False},
]


@pytest.mark.parametrize("more", FORGED)
async def test_a_connect_cannot_say_what_the_server_decides(
    more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_room("websocket", tmp_path, monkeypatch) as room, aiohttp.ClientSession() as http:
        answer = await http_connect(room.base, room.key, "ada", "websocket")
        body = {"channel_name": "room", "proof": "A" * 43, "agent_name": "eve"} | more
        headers = {"Authorization": f"Bearer {room.key}"}
        async with http.post(f"{room.base}/api/v1/sessions", json=body, headers=headers) as response:
            assert response.status == 400
        assert len(room.server.hub.agents(answer["session_id"])) == 0  # nobody has a link yet, nobody came in
        assert room.server.hub.stats()["sessions"] == 1
