"""A11: clients that send slowly, read slowly or say nothing hold a connection for a deadline, and nobody else up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from netcore.token import TokenGate, TokenKey, seal_token
from signaling.app import create_app
from signaling.server import HttpServer
from signaling.settings import HttpLimits, HttpSettings
from tests.signaling.api import Api
from tests.transports.recorders import Changes, RecordingAcceptor
from transports.websocket import WebSocketConfig, WebSocketTransport

APP_ID = 7
EACH = 50
DEADLINE_S = 0.5
TRUSTED = ("127.0.0.0/8",)
HEAD = b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
UPGRADE = (
    b"GET /link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bmV0cGxheS1iZW5jaC1rZQ==\r\n"
    b"Sec-WebSocket-Protocol: netplay.v1\r\n\r\n"
)


class Served:
    """HTTP and WebSocket on one port, with deadlines of half a second."""

    def __init__(self) -> None:
        limits = HttpLimits(
            header_deadline_s=DEADLINE_S,
            body_grace_s=DEADLINE_S,
            write_stall_s=DEADLINE_S,
            idle_s=1.0,
        )
        self.key = TokenKey(1, os.urandom(32))
        self.acceptor = RecordingAcceptor(Changes())
        self.transport = WebSocketTransport(
            TokenGate([self.key], APP_ID),
            self.acceptor,
            WebSocketConfig(
                token_deadline_s=DEADLINE_S,
                ping_interval_s=0.2,
                idle_timeout_s=DEADLINE_S,
                close_timeout_s=0.2,
            ),
        )
        app = create_app(Api().hub, HttpSettings(trusted_networks=TRUSTED, limits=limits))
        self.server = HttpServer(
            app, self.transport.protocol, "127.0.0.1", 0, limits=limits, trusted_networks=TRUSTED
        )

    def token(self) -> bytes:
        return seal_token(
            self.key, app_id=APP_ID, claims=b"x", expires_unix=int(time.time()) + 30, random=os.urandom
        )[0]


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    made = Served()
    await made.server.start()
    try:
        yield made
    finally:
        await made.server.stop()


class Attacker:
    """One connection that says `first`, then a byte of `drip` now and then, and never reads."""

    def __init__(self, port: int, first: bytes, drip: bytes = b"") -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.waiting = first
        self.drip = drip
        self.said = 0

    def turn(self) -> None:
        with contextlib.suppress(OSError):
            if self.waiting:
                self.waiting = self.waiting[self.socket.send(self.waiting) :]
            elif self.drip:
                self.socket.send(self.drip[self.said % len(self.drip) :][:1])
                self.said += 1


def masked(payload: bytes) -> bytes:
    """A binary WebSocket message under the mask of zeros."""
    return b"\x82\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


ATTACKS: dict[str, Callable[[Served], tuple[bytes, bytes]]] = {
    "nothing at all": lambda served: (b"", b""),
    "slow headers": lambda served: (b"GET /health HTTP/1.1\r\nHost: x\r\n", b"X-a: b\r\n"),
    "slow body": lambda served: (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "slow chunks": lambda served: (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a body for an answer already given": lambda served: (
        b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
        b" ",
    ),
    "a body that never comes": lambda served: (
        b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
        b"",
    ),
    "slow reading": lambda served: (b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 4, b""),
    "an idle connection kept alive": lambda served: (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b""),
    "a slow upgrade": lambda served: (UPGRADE[:-2], b"X-a: b\r\n"),
    "a WebSocket without a token": lambda served: (UPGRADE, b""),
    "a WebSocket with a token that drips": lambda served: (UPGRADE, masked(b"\x01" + bytes(800))),
}


@pytest.mark.parametrize("name", list(ATTACKS))
async def test_fifty_slow_clients_are_let_go_in_time_and_nobody_else_notices(name: str) -> None:
    async with serving() as served:
        server = served.server
        attackers = [Attacker(server.port, *ATTACKS[name](served)) for _ in range(EACH)]
        served_meanwhile = 0
        most = 0
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http, asyncio.timeout(15):
            while served_meanwhile < 5 or server.census.open > 1:
                for attacker in attackers:
                    attacker.turn()
                answer = await http.get("/health")
                assert answer.status_code == 200
                served_meanwhile += 1
                most = max(most, server.census.open)
                await asyncio.sleep(0.03)
        assert most >= EACH  # they were all there at once
        for attacker in attackers:
            attacker.socket.close()


async def test_links_that_fall_silent_are_let_go_and_those_that_answer_stay() -> None:
    """An attached WebSocket that answers no ping, 50 times, beside one that does."""
    async with serving() as served:
        mute = [Attacker(served.server.port, UPGRADE) for _ in range(EACH)]
        for attacker in mute:
            attacker.turn()
        await asyncio.sleep(0.1)
        for attacker in mute:
            attacker.waiting = masked(b"\x01" + served.token())
            attacker.turn()
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(masked(b"\x01" + served.token()))

        async def answer_pings() -> None:
            while True:
                head = await reader.readexactly(2)
                payload = await reader.readexactly(head[1])
                if head[0] == 0x89:
                    writer.write(bytes((0x8A, 0x80 | len(payload))) + bytes(4) + payload)

        answering = asyncio.create_task(answer_pings())
        handlers = served.acceptor.handlers
        async with asyncio.timeout(10):
            while sum(bool(handler.closes) for handler in handlers) < EACH:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert len(handlers) == EACH + 1
        await asyncio.sleep(2 * DEADLINE_S)
        assert sum(not handler.closes for handler in handlers) == 1
        assert not answering.done()
        answering.cancel()
        writer.close()
        for attacker in mute:
            attacker.socket.close()


async def test_two_hundred_at_once_of_all_kinds_leave_nothing_behind() -> None:
    async with serving() as served:
        kinds = list(ATTACKS.values())
        attackers = [Attacker(served.server.port, *kinds[n % len(kinds)](served)) for n in range(200)]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.server.port}") as http:
            async with asyncio.timeout(20):
                answered = 0
                while answered < 5 or served.server.census.open > 1:
                    for attacker in attackers:
                        attacker.turn()
                    assert (await http.get("/health")).status_code == 200
                    answered += 1
                    await asyncio.sleep(0.03)
        assert served.acceptor.handlers == []
        assert not served.transport.protocols
        for attacker in attackers:
            attacker.socket.close()
