"""A link over WebSocket (docs/protocol/websocket.md): the way through networks that let no UDP pass."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp
from yarl import URL

from messaging.link_frames import iterate_frames
from messaging_agent.errors import LinkFailed
from messaging_agent.frame_queue import FrameQueue
from messaging_agent.links import LinkHandler
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from netcore.errors import ProtocolError

SUBPROTOCOL: Final = "netplay.v1"
MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""The largest WebSocket message that is read."""
WRITE_BYTES: Final = 64 * 1024
"""How much of what waits goes into one WebSocket message."""
HEARTBEAT_S: Final = 5.0
"""A ping this often; half of it without an answer, and the link counts as dead."""
CLOSE_TIMEOUT_S: Final = 1.0

_FIRST_CLOSE: Final = 4000
_STANDARD_CLOSES: Final = {
    aiohttp.WSCloseCode.OK: CloseCode.NORMAL,
    aiohttp.WSCloseCode.GOING_AWAY: CloseCode.SERVER_SHUTDOWN,
    aiohttp.WSCloseCode.MESSAGE_TOO_BIG: CloseCode.LIMIT_EXCEEDED,
    aiohttp.WSCloseCode.SERVICE_RESTART: CloseCode.SERVER_SHUTDOWN,
}
"""Close codes below 4000, as a proxy or a WebSocket library sends them by itself."""


class WebSocketLink:
    """An open WebSocket that has shown its token. Owns two tasks: one reads, one writes.

    `start(handler)` begins reading. The end is told once, by `link_closed`.
    """

    transport = "websocket"

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._queue = FrameQueue()
        self._wake = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._handler: LinkHandler | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._counts = {"bytes_in": 0.0, "bytes_out": 0.0, "packets_in": 0.0, "packets_out": 0.0}

    def start(self, handler: LinkHandler) -> None:
        """Begin to read and write; `handler` gets what comes."""
        self._handler = handler
        self._tasks = [
            asyncio.create_task(self._read(), name="websocket link reader"),
            asyncio.create_task(self._write(), name="websocket link writer"),
        ]

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        """Queue one message; `OutboxFull` for a reliable kind at the cap. Does nothing once closed."""
        if self._closing is None:
            self._queue.add(lane, kind, key, data)

    def flush(self) -> None:
        """Let what waits be written."""
        self._wake.set()

    def close(self, code: int, reason: str = "") -> None:
        """Write what waits, close with 4000 + `code`, and end."""
        if self._closing is None:
            self._closing = (code, reason)
            self._wake.set()
            if not self._tasks:  # never started: only the socket is there to be closed
                self._tasks = [asyncio.create_task(self._write(), name="websocket link writer")]

    async def finished(self) -> None:
        """Wait until everything is written and the socket is closed. For a link that was closed or has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def rtt_s(self) -> float | None:
        """Not measured here: the session's clock requests tell."""
        return None

    def stats(self) -> dict[str, float]:
        """Counters; a packet is one WebSocket message."""
        return {**self._counts, "dropped": float(self._queue.dropped), "queued": float(len(self._queue))}

    async def _read(self) -> None:
        handler, counts = self._handler, self._counts
        assert handler is not None  # start() sets it
        try:
            while True:
                message = await self._socket.receive()
                if message.type is not aiohttp.WSMsgType.BINARY:
                    break
                data: bytes = message.data
                counts["bytes_in"] += len(data)
                counts["packets_in"] += 1
                for frame in iterate_frames(data):
                    handler.link_message(*frame)
            self._ended_by(message)
        except ProtocolError as error:
            self.close(error.code, error.text)
            self._finish(error.code, error.text, remote=False)
        except (aiohttp.ClientError, OSError) as error:
            self._finish(CloseCode.IDLE, str(error), remote=False)

    async def _write(self) -> None:
        socket, queue, counts = self._socket, self._queue, self._counts
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while queue:
                    data = queue.take(WRITE_BYTES)
                    await socket.send_bytes(data)
                    counts["bytes_out"] += len(data)
                    counts["packets_out"] += 1
                if self._closing is not None:
                    break
            code, reason = self._closing
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await socket.close(code=_FIRST_CLOSE + code, message=reason.encode()[:120])
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass  # the reader sees the same end and tells it

    def _ended_by(self, message: aiohttp.WSMessage) -> None:
        """Tell the end that `message`, no binary message, stands for."""
        if self._closing is not None:
            self._finish(*self._closing, remote=False)
        elif message.type is aiohttp.WSMsgType.TEXT:
            self.close(CloseCode.PROTOCOL_VIOLATION, "websocket_text")
            self._finish(CloseCode.PROTOCOL_VIOLATION, "websocket_text", remote=False)
        elif message.type is not aiohttp.WSMsgType.CLOSE:
            self._finish(CloseCode.IDLE, "the WebSocket broke", remote=False)
        elif message.data >= _FIRST_CLOSE:
            self._finish(message.data - _FIRST_CLOSE, str(message.extra or ""), remote=True)
        else:
            code = _STANDARD_CLOSES.get(message.data, CloseCode.INTERNAL)
            self._finish(code, str(message.extra or ""), remote=True)

    def _finish(self, code: int, reason: str, *, remote: bool) -> None:
        handler, self._handler = self._handler, None
        if self._closing is None:
            self._closing = (code, reason)
        self._wake.set()
        if handler is not None:
            handler.link_closed(code, reason, remote)


async def open_websocket_link(
    http: aiohttp.ClientSession, url: URL, token: bytes, *, timeout_s: float = 5.0
) -> WebSocketLink:
    """Connect, show the token, and hand out the link (not reading yet). Raises `LinkFailed`."""
    try:
        async with asyncio.timeout(timeout_s):
            socket = await http.ws_connect(
                url,
                protocols=(SUBPROTOCOL,),
                heartbeat=HEARTBEAT_S,
                max_msg_size=MAX_MESSAGE_BYTES,
                compress=0,
            )
            await socket.send_bytes(b"\x01" + token)
    except TimeoutError:
        raise LinkFailed("websocket", CloseCode.IDLE, f"no answer within {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise LinkFailed("websocket", CloseCode.IDLE, str(error) or type(error).__name__) from error
    return WebSocketLink(socket)
