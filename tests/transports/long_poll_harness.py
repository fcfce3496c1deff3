"""A long-poll transport on a real socket for the tests: the API's own routes and limits, a recording acceptor."""

from __future__ import annotations

import os
import time
from typing import Any

from netcore.codes import CloseCode
from netcore.token import TokenGate, TokenKey, seal_token
from signaling.app import create_app
from signaling.server import HttpServer
from signaling.settings import LINKS_PATH, HttpLimits, HttpSettings
from tests.signaling.api import Api
from tests.transports.contract import Harness, Ticket
from tests.transports.long_poll_client import LongPollClient
from tests.transports.recorders import Changes, RecordingAcceptor
from transports.long_poll import LongPollConfig, LongPollTransport

APP_ID = 7
TRUSTED = ("127.0.0.0/8",)


class LongPollHarness(Harness):
    """Server, gate and acceptor; `dial` makes clients, which `stop` ends."""

    name = "long-poll"
    token_refusal = CloseCode.TOKEN_REFUSED
    vanish_timeout_s = 5

    def __init__(self, limits: HttpLimits | None = None, **config: Any) -> None:
        self.changes = Changes()
        self.acceptor = RecordingAcceptor(self.changes)
        self.key = TokenKey.generate(os.urandom)
        self.gate = TokenGate([self.key], APP_ID)
        config.setdefault("idle_timeout_s", 1.5)
        self.transport = LongPollTransport(self.gate, self.acceptor, LongPollConfig(**config))
        self.api = Api()
        settings = HttpSettings(trusted_networks=TRUSTED, limits=limits or HttpLimits())
        self.server = HttpServer(
            create_app(self.api.hub, settings, long_poll=self.transport),
            None,
            "127.0.0.1",
            0,
            limits=settings.limits,
            trusted_networks=TRUSTED,
        )
        self.clients: list[LongPollClient] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server.port}{LINKS_PATH}"

    def ticket(self, claims: bytes = b"somebody", *, expires_in_s: float = 30) -> Ticket:
        token, psk = seal_token(
            self.key,
            app_id=APP_ID,
            claims=claims,
            expires_unix=int(time.time() + expires_in_s),
            random=os.urandom,
        )
        return Ticket(token, psk)

    async def dial(self, ticket: Ticket) -> LongPollClient:
        client = await LongPollClient.dial(self.changes, self.base, ticket.token)
        self.clients.append(client)
        return client

    async def stop(self) -> None:
        for client in self.clients:
            await client.stop()
        await self.server.stop()
