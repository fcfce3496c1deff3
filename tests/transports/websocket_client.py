"""A WebSocket client for the tests: websockets' sans-I/O client on a raw stream, able to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import cast

from websockets.client import ClientProtocol
from websockets.frames import CloseCode as WsCode
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from messaging.link_frames import encode_frame, iterate_frames
from netcore.delivery import Delivery
from tests.transports.contract import Remote
from tests.transports.recorders import Changes, Recorder
from transports.websocket_codes import from_websocket


class WebSocketClient(asyncio.Protocol, Remote):
    """Records what the server sends. `response` is the answer to the upgrade."""

    def __init__(self, changes: Changes, url: str, subprotocols: tuple[str, ...] = ("netplay.v1",)) -> None:
        self.changes = changes
        self.recorder = Recorder(changes)
        self.core = ClientProtocol(
            parse_uri(url), subprotocols=[Subprotocol(name) for name in subprotocols] or None, max_size=2**20
        )
        self.response: Response | None = None
        self.stream: asyncio.Transport
        self.websocket_messages: list[bytes] = []
        self.pings: list[bytes] = []
        self.raw_close: tuple[int, str] | None = None
        self.lost = False
        self.answer_pings = True

    @classmethod
    async def dial(
        cls,
        changes: Changes,
        port: int,
        path: str = "/link",
        *,
        subprotocols: tuple[str, ...] = ("netplay.v1",),
        headers: dict[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> WebSocketClient:
        """Connect and wait for the answer to the upgrade."""
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # Small, so that a client that does not read stops the server early.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", port))
        scheme = "wss" if tls else "ws"
        client = cls(changes, f"{scheme}://127.0.0.1:{port}{path}", subprotocols)
        await loop.create_connection(
            lambda: client, sock=raw, ssl=tls, server_hostname="127.0.0.1" if tls else None
        )
        request = client.core.connect()
        for name, value in (headers or {}).items():
            request.headers[name] = value
        client.core.send_request(request)
        client.write()
        await changes.until(lambda: client.response is not None or client.lost)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.stream = cast(asyncio.Transport, transport)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        self.core.receive_data(data)
        for event in self.core.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame):
                self.frame(event)
        if not self.answer_pings:
            self.core.data_to_send()
        self.write()
        self.changes.notify()

    def frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            message = bytes(frame.data)
            self.websocket_messages.append(message)
            for lane, kind, key, data in iterate_frames(message):
                self.recorder.link_message(lane, kind, key, data)
        elif frame.opcode is Opcode.PING:
            self.pings.append(bytes(frame.data))
        elif frame.opcode is Opcode.CLOSE and self.core.close_rcvd is not None:
            received = self.core.close_rcvd
            self.raw_close = (received.code, received.reason)
            if self.core.close_rcvd_then_sent:
                self.recorder.link_closed(from_websocket(received.code), received.reason, True)

    def eof_received(self) -> bool:
        self.core.receive_eof()
        self.write()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.recorder.closes:
            self.recorder.link_closed(from_websocket(1006), "", False)
        self.changes.notify()

    def write(self) -> None:
        for chunk in self.core.data_to_send():
            if self.stream.is_closing():
                return
            if chunk:
                self.stream.write(chunk)
            elif self.stream.can_write_eof():
                self.stream.write_eof()
            else:
                self.stream.close()

    def send_message(self, data: bytes) -> None:
        """One binary WebSocket message."""
        self.core.send_binary(data)
        self.write()

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        with contextlib.suppress(Exception):
            self.send_message(encode_frame(lane, kind, key, data))

    def send_raw(self, data: bytes) -> None:
        """Bytes past the WebSocket client."""
        self.stream.write(data)

    def close(self, code: int, reason: str) -> None:
        with contextlib.suppress(Exception):
            self.core.send_close(WsCode.NORMAL_CLOSURE if code == 0 else 4000 + code, reason)
            self.write()

    def vanish(self) -> None:
        self.stream.abort()

    def stall(self) -> None:
        self.stream.pause_reading()

    def go_on(self) -> None:
        self.stream.resume_reading()

    def send_garbage(self) -> None:
        self.send_message(b"\xff\xff\xff\xff\xff")

    @property
    def max_message_bytes(self) -> int:
        return 262_144
