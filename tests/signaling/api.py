"""The API over a real hub for the tests: keys, a clock that stands still, a client without sockets."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any

import httpx
from starlette.types import ASGIApp

from hub.config import HubConfig
from hub.hub import Hub
from hub.keys import KeyRing
from hub.ports import LocalAgent, MessageLog, StoredMessage
from netplay.mint import TokenMint
from signaling.app import create_app
from signaling.settings import HttpSettings
from stores.memory import MemoryLog

PROOF = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()
WALL = 1_800_000_000.0


class StandingClock:
    """Time that moves only when told. Timers never fire."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return WALL + self.time

    def call_at(self, when: float, callback: Callable[[], None]) -> StandingClock:
        return self

    def cancel(self) -> None:
        pass


def _no_rooms(game: str, options: dict[str, Any]) -> LocalAgent:
    raise ValueError(f"there is no game {game}")


class Api:
    """A hub, its API, and a developer's key."""

    def __init__(self, settings: HttpSettings | None = None) -> None:
        self.clock = StandingClock()
        self.keys = KeyRing()
        self.key = self.keys.issue("somebody", os.urandom)
        self.log: MessageLog = MemoryLog(os.urandom)
        self.mint = TokenMint(os.urandom, self.clock.wall)
        self.hub = Hub(
            HubConfig(trusted_networks=("127.0.0.0/8",)),
            clock=self.clock,
            random=os.urandom,
            keys=self.keys,
            log=self.log,
            mint=self.mint,
            rooms=_no_rooms,
        )
        self.settings = settings or HttpSettings(
            version="1.2.3", udp_port=7777, trusted_networks=("127.0.0.0/8",)
        )
        self.app: ASGIApp = create_app(self.hub, self.settings, clock=self.clock.now)

    def client(self, address: str = "127.0.0.1", scheme: str = "http") -> httpx.AsyncClient:
        """A client at `address`."""
        transport = httpx.ASGITransport(self.app, client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://127.0.0.1:7777")

    def body(self, **changes: Any) -> dict[str, Any]:
        """A good connect body; None takes a field away."""
        body = {"channel_name": "lobby", "proof": PROOF, "agent_name": "ada", **changes}
        return {name: value for name, value in body.items() if value is not None}

    def bearer(self, credential: str | None = None) -> dict[str, str]:
        """The header for the API key, or for a session id."""
        return {"Authorization": f"Bearer {credential or self.key}"}

    async def connect(self, client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
        """A connect that has to succeed."""
        response = await client.post("/api/v1/sessions", json=self.body(**changes), headers=self.bearer())
        assert response.status_code == 201, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def store(self, channel_id: str, content: bytes, *, format: int = 1, to: str | None = None) -> None:
        """Put a message into a channel's log."""
        message = StoredMessage(0, int(WALL * 1000), "ada", "chat-text", format, False, content, to)
        self.log.append(channel_id, message, lambda _: None)


def assert_problem(response: httpx.Response, status: int, type: str | None = None) -> dict[str, Any]:
    """The response is a complete problem document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "code", "come_back", "retry_after_s"} <= problem.keys()
    assert problem["status"] == status
    assert problem["detail"].strip() and "Traceback" not in response.text
    if type is not None:
        assert problem["type"] == type
    return problem
