"""The least WebSocket client: binary messages over a stream, cheap enough to stand for a whole room.

RFC 6455 as far as our servers use it towards a client: unfragmented binary messages, ping, close.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_BINARY, _CLOSE, _PING, _PONG = 0x82, 0x88, 0x89, 0x8A
_MASKED = 0x80
_ZERO_MASK = bytes(4)
"""A masking key must be sent; this one changes nothing, and its bytes cost nothing."""
_KEY = "bmV0cGxheS1iZW5jaC1rZQ=="
_OPEN_TIMEOUT_S = 10.0


def encode_message(data: bytes, first: int = _BINARY) -> bytes:
    """One masked frame of a client, unfragmented; at most 65,535 bytes. Raises OverflowError for more."""
    size = len(data)
    if size < 126:
        return bytes((first, _MASKED | size)) + _ZERO_MASK + data
    return bytes((first, _MASKED | 126)) + size.to_bytes(2, "big") + _ZERO_MASK + data


def take_frame(buffer: bytes, at: int) -> tuple[int, bytes, int] | None:
    """(first byte, payload, where the next begins) of the unmasked frame at `at`; None where it is not whole."""
    if len(buffer) < at + 2:
        return None
    size, start = buffer[at + 1], at + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size, start = int.from_bytes(buffer[start : start + width], "big"), start + width
    end = start + size
    return None if end > len(buffer) else (buffer[at], buffer[start:end], end)


class WebSocketStream(asyncio.Protocol):
    """One client. `received` gets each binary message, `ended` why it is over."""

    def __init__(self, received: Callable[[bytes], None], ended: Callable[[str], None]) -> None:
        """Use `open_websocket`."""
        self._received = received
        self._ended = ended
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The stream is there."""
        self._transport = transport  # type: ignore[assignment]  # a stream's, which uvloop's does not say

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def send(self, data: bytes) -> None:
        """One binary message."""
        self.write(encode_message(data))

    def data_received(self, data: bytes) -> None:
        """Frames, after the answer to the upgrade."""
        buffer = self._buffer + data if self._buffer else data
        at = 0
        if not self.opened.done():
            head, separator, buffer = buffer.partition(b"\r\n\r\n")
            if not separator:
                self._buffer = head
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.opened.set_exception(OSError(f"no upgrade: {head[:80]!r}"))
                return
            self.opened.set_result(None)
        while (frame := take_frame(buffer, at)) is not None:
            first, payload, at = frame
            if first == _BINARY:
                self._received(payload)
            elif first == _PING:
                self.write(encode_message(payload, _PONG))
            elif first == _CLOSE:
                self._ended(f"close code {int.from_bytes(payload[:2], 'big')}")
        self._buffer = buffer[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream is gone."""
        self._ended(f"stream lost: {exc}")

    def close(self) -> None:
        """Cut the stream."""
        self._ended = lambda _why: None
        if self._transport is not None:
            self._transport.abort()


async def open_websocket(
    port: int,
    path: str,
    received: Callable[[bytes], None],
    ended: Callable[[str], None],
    subprotocol: str | None = None,
) -> WebSocketStream:
    """A client of the server on this machine. Raises OSError or TimeoutError."""
    _transport, stream = await asyncio.get_running_loop().create_connection(
        lambda: WebSocketStream(received, ended), "127.0.0.1", port
    )
    offer = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    stream.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\n{offer}\r\n".encode()
    )
    await asyncio.wait_for(stream.opened, _OPEN_TIMEOUT_S)
    return stream
