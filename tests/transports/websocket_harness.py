"""A WebSocket transport on a real socket for the tests, inside the real HTTP server."""

from __future__ import annotations

import os
import ssl
import time
from typing import Any

from netcore.codes import CloseCode
from netcore.token import TokenGate, TokenKey, seal_token
from signaling.server import HttpServer
from signaling.settings import HttpLimits
from tests.transports.contract import Harness, Ticket
from tests.transports.recorders import Changes, RecordingAcceptor
from tests.transports.websocket_client import WebSocketClient
from transports.websocket import WebSocketConfig, WebSocketTransport

APP_ID = 7


async def not_found(scope: Any, receive: Any, send: Any) -> None:
    """An application that has nothing."""
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class WebSocketHarness(Harness):
    """Server, gate and acceptor; `dial` makes clients."""

    name = "websocket"
    token_refusal = CloseCode.TOKEN_REFUSED
    vanish_timeout_s = 5

    def __init__(
        self,
        config: WebSocketConfig | None = None,
        *,
        limits: HttpLimits | None = None,
        trusted: tuple[str, ...] = ("127.0.0.0/8",),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.changes = Changes()
        self.acceptor = RecordingAcceptor(self.changes)
        self.key = TokenKey.generate(os.urandom)
        self.gate = TokenGate([self.key], APP_ID)
        self.transport = WebSocketTransport(self.gate, self.acceptor, config)
        self.server = HttpServer(
            not_found,
            self.transport.protocol,
            "127.0.0.1",
            0,
            limits=limits,
            trusted_networks=trusted,
            ssl_context=tls,
        )

    def ticket(self, claims: bytes = b"somebody", *, expires_in_s: float = 30) -> Ticket:
        token, psk = seal_token(
            self.key,
            app_id=APP_ID,
            claims=claims,
            expires_unix=int(time.time() + expires_in_s),
            random=os.urandom,
        )
        return Ticket(token, psk)

    async def dial(self, ticket: Ticket) -> WebSocketClient:
        client = await WebSocketClient.dial(self.changes, self.server.port)
        assert client.response is not None and client.response.status_code == 101
        client.send_message(b"\x01" + ticket.token)
        return client
