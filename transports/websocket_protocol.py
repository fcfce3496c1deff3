"""One WebSocket connection: from the upgrade request over the connect token to a framed link.

An asyncio protocol around websockets' sans-I/O `ServerProtocol`. Data frames are written straight to the
asyncio transport, and only while it holds nothing back: all else waits in the link's queue, where newer
states replace older ones (docs/protocol/websocket.md).
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from hub.errors import ChannelError
from netcore.codes import CloseCode
from netcore.errors import ProtocolError
from transports.framed_link import FramedLink
from transports.pings import RoundTrip
from transports.websocket_codes import clipped_reason, from_websocket, to_websocket
from transports.websocket_opening import SUBPROTOCOL, answer_opening, problem
from transports.websocket_stream import data_head, hold_back_little

if TYPE_CHECKING:
    from transports.websocket import WebSocketTransport

TOKEN_MESSAGE: Final = 0x01
"""First byte of the first message."""
MAX_UNPROVED_BYTES: Final = 8_192
"""What a client may send before its token is proved."""
MAX_CONTROL_BACKLOG_BYTES: Final = 65_536
"""Unread answers to pings after which a client counts as gone."""

_log: Final = logging.getLogger("transports.websocket")
_core_log: Final = logging.getLogger("transports.websocket.core")
_core_log.setLevel(logging.ERROR)


class _State(enum.Enum):
    OPENING = enum.auto()
    """Waiting for the upgrade request."""
    TOKEN = enum.auto()
    """Upgraded; waiting for the connect token."""
    ATTACHED = enum.auto()
    """The link is the hub's."""
    CLOSING = enum.auto()
    """Refused or closed by either side; only the end of the stream is awaited."""
    LOST = enum.auto()
    """The stream has ended."""


class WebSocketProtocol(asyncio.Protocol):
    """Turns one accepted TCP or TLS stream into a link, as whose `Carrier` it goes on."""

    __slots__ = (
        "_awake",
        "_connections",
        "_control_backlog",
        "_core",
        "_last_received",
        "_link",
        "_message",
        "_paused",
        "_round_trip",
        "_service",
        "_state",
        "_stream",
        "_timer",
        "_unproved_bytes",
        "bytes_in",
        "bytes_out",
        "on_lost",
        "remote_address",
    )

    def __init__(self, service: WebSocketTransport, connections: set[Any]) -> None:
        """`connections` is the HTTP server's set of open connections, told to shut down when it stops."""
        self._service = service
        self._connections = connections
        self._core = ServerProtocol(
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            max_size=service.config.max_websocket_message_bytes,
            logger=_core_log,
        )
        self._stream: asyncio.Transport | None = None
        self._state = _State.OPENING
        self._link: FramedLink | None = None
        self._message: bytearray | None = None
        self._paused = False
        self._control_backlog = 0
        self._awake = False
        self._timer: asyncio.TimerHandle | None = None
        self._last_received = 0.0
        self._unproved_bytes = 0
        self._round_trip = RoundTrip()
        self.remote_address = ""
        self.bytes_in = 0
        self.bytes_out = 0
        self.on_lost: Callable[[], None] | None = None
        """Called when the stream has ended; set by the HTTP server that counts connections."""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The HTTP server hands over its stream; the upgrade request follows as the first data."""
        stream = cast(asyncio.Transport, transport)  # uvloop's is one without saying so
        self._stream = stream
        self._connections.add(self)
        self._service.protocols.add(self)
        peer = stream.get_extra_info("peername")
        self.remote_address = str(peer[0]) if isinstance(peer, (tuple, list)) and peer else ""
        hold_back_little(stream, self._service.config.unsent_bytes)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client, already cut as the stream pleased."""
        self._last_received = self._service.clock()
        self.bytes_in += len(data)
        core = self._core
        try:
            core.receive_data(data)
            for event in core.events_received():
                self._handle(event)
        except EOFError:
            return
        except ProtocolError as error:
            self._fail(error.code, error.text)
        except Exception:
            _log.exception("a WebSocket message could not be handled")
            self._fail(CloseCode.INTERNAL, "internal error")
        self._after_data(len(data))

    def _after_data(self, size: int) -> None:
        core = self._core
        if self._state is _State.OPENING and core.handshake_exc is not None:
            # websockets could not even read the request, and has ended its side without an answer.
            self._write(problem(400, "bad-upgrade", "An upgrade request has no body.").serialize())
            self._state = _State.CLOSING
            self._service.stats.openings_refused += 1
            self._set_timer(self._service.config.close_timeout_s)
        if core.parser_exc is not None and self._state in (_State.TOKEN, _State.ATTACHED):
            # websockets refused the bytes and has its close frame (1002, 1007, 1009) ready.
            sent = core.close_sent
            self._service.stats.count_malformed(sent.code if sent else 1006)
            self._end(from_websocket(sent.code if sent else 1006), sent.reason if sent else "", remote=False)
        self._write_core()
        if self._state is _State.TOKEN:
            self._unproved_bytes += size
            if self._unproved_bytes > MAX_UNPROVED_BYTES:
                self._fail(CloseCode.LIMIT_EXCEEDED, "too much before the connect token")

    def eof_received(self) -> bool:
        """The client sends no more: so ends the link."""
        self._core.receive_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream ended, by whoever's doing."""
        self._connections.discard(self)
        self._service.protocols.discard(self)
        self._set_timer(None)
        self._end(CloseCode.IDLE, "connection lost", remote=False)
        self._state = _State.LOST
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        """The stream holds bytes that the client does not take yet; what follows waits in the queue."""
        self._paused = True

    def resume_writing(self) -> None:
        """The stream took everything."""
        self._paused = False
        self._control_backlog = 0
        self._pump()

    def shutdown(self) -> None:
        """The HTTP server stops. Called by uvicorn."""
        if self._state is _State.OPENING:
            self._refuse_opening(problem(503, "shutting-down", "The server is stopping.", retry_after_s=2.0))
        else:
            self._close(CloseCode.SERVER_SHUTDOWN, "the server is stopping")

    # Received events.

    def _handle(self, event: Request | Frame | Any) -> None:
        if isinstance(event, Frame):
            if self._state is _State.TOKEN or self._state is _State.ATTACHED:
                self._handle_frame(event)
        elif isinstance(event, Request):
            self._open(event)

    def _handle_frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.BINARY:
            if frame.fin:
                self._handle_message(bytes(frame.data))
            else:
                self._message = bytearray(frame.data)
        elif opcode is Opcode.CONT:
            if self._message is not None:
                self._message += frame.data
                if frame.fin:
                    message, self._message = self._message, None
                    self._handle_message(bytes(message))
        elif opcode is Opcode.PONG:
            self._round_trip.pong(bytes(frame.data), self._last_received)
        elif opcode is Opcode.CLOSE:
            received = self._core.close_rcvd
            if received is not None:
                self._end(from_websocket(received.code), received.reason, remote=True)
        elif opcode is Opcode.TEXT:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "text_message")

    def _open(self, request: Request) -> None:
        config = self._service.config
        response = answer_opening(self._core, request, config.path, config.allowed_origins)
        if response.status_code != 101:
            self._refuse_opening(response)
            return
        self._core.send_response(response)
        self._service.stats.opened += 1
        self._state = _State.TOKEN
        self._set_timer(config.token_deadline_s)

    def _refuse_opening(self, response: Any) -> None:
        self._service.stats.openings_refused += 1
        self._state = _State.CLOSING
        self._core.send_response(response)
        self._write_core()
        self._set_timer(self._service.config.close_timeout_s)

    def _handle_message(self, message: bytes) -> None:
        if self._link is not None:
            self._link.receive(message)
        else:
            self._attach(message)

    def _attach(self, message: bytes) -> None:
        service = self._service
        if not message or message[0] != TOKEN_MESSAGE:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "token_expected")
        opened = service.gate.redeem(message[1:], service.wall())
        link = FramedLink("websocket", self, service.config.queue, service.config.max_message_bytes)
        try:
            handler = service.acceptor.attach(opened.claims, link)
        except ChannelError as error:
            service.stats.attach_refused += 1
            self._close(error.close_code, error.text)
            return
        link.handler = handler
        self._link = link
        if self._state is not _State.TOKEN:
            return
        self._state = _State.ATTACHED
        service.stats.attached += 1
        self._ping()
        self._set_timer(service.config.ping_interval_s)

    # Keepalive and round trip.

    def _ping(self) -> None:
        # Into a stuck stream a ping would only queue behind what is stuck, and measure that.
        if self._paused or self._core.state is not OPEN:
            return
        self._core.send_ping(self._round_trip.ping(self._service.clock()))
        self._write_core()

    def _set_timer(self, delay_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if delay_s is None else self._service.loop.call_later(delay_s, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        config = self._service.config
        if self._state is _State.TOKEN:
            self._service.stats.token_timeouts += 1
            self._close(CloseCode.TOKEN_REFUSED, f"no connect token within {config.token_deadline_s:g} s")
        elif self._state is _State.ATTACHED:
            if self._service.clock() - self._last_received >= config.idle_timeout_s:
                self._end(CloseCode.IDLE, "nothing received", remote=False)
                self._abort()
            else:
                self._ping()
                self._set_timer(config.ping_interval_s)
        else:
            self._abort()

    # Sending: what the link calls.

    @property
    def rtt_s(self) -> float | None:
        """Smoothed round trip in seconds, None before the first pong."""
        return self._round_trip.smoothed_s

    def wake(self) -> None:
        """Pump at the end of the present wake-up."""
        if not self._awake and not self._paused:
            self._awake = True
            self._service.wake(self)

    def drain(self) -> None:
        """Pump now."""
        self._pump()

    def finish(self, code: int, reason: str) -> None:
        """The link closed: send what it holds, the close frame, and wait shortly for the client's."""
        if self._core.state is OPEN:
            self._pump(even_if_paused=True)
            self._send_close(code, reason)
        self._state = _State.CLOSING
        self._set_timer(self._service.config.close_timeout_s)
        if self._link is not None:
            self._service.loop.call_soon(self._link.ended, code, reason, False)

    def counters(self) -> dict[str, float]:
        """Bytes of the stream, WebSocket heads included, TLS and TCP not."""
        return {"bytes_in": self.bytes_in, "bytes_out": self.bytes_out}

    # Sending: inside.

    def woken(self) -> None:
        """The end of the wake-up that `wake` asked for."""
        self._awake = False
        self._pump()

    def _pump(self, even_if_paused: bool = False) -> None:
        link = self._link
        if link is None or self._core.state is not OPEN:
            return
        budget = self._service.config.write_budget_bytes
        while even_if_paused or not self._paused:
            payload = link.take(budget)
            if not payload:
                return
            self._write(data_head(len(payload)) + payload)

    def _write(self, data: bytes) -> None:
        stream = self._stream
        if stream is not None and not stream.is_closing():
            self.bytes_out += len(data)
            stream.write(data)

    def _write_core(self) -> None:
        stream = self._stream
        if stream is None:
            return
        for chunk in self._core.data_to_send():
            if chunk:
                self._write(chunk)
                self._control_backlog += len(chunk)
            elif not stream.is_closing():
                self._half_close(stream)
        if not self._paused:
            self._control_backlog = 0
        elif self._control_backlog > MAX_CONTROL_BACKLOG_BYTES:
            self._end(CloseCode.SLOW_CONSUMER, "answers to pings are not read", remote=False)
            self._abort()

    def _half_close(self, stream: asyncio.Transport) -> None:
        # Closing at once would reset the connection where the client still sends, and the reset could
        # overtake the close frame. So: no more from us, and the rest is read away for a moment.
        if stream.can_write_eof():
            stream.write_eof()
            self._set_timer(self._service.config.close_timeout_s)
        else:
            stream.close()
            self._set_timer(self._service.config.close_timeout_s)

    def _send_close(self, code: int, reason: str) -> None:
        try:
            websocket_code = to_websocket(code)
        except ValueError:
            _log.error("close code %d does not fit a WebSocket", code)
            websocket_code = to_websocket(CloseCode.INTERNAL)
        self._core.send_close(websocket_code, clipped_reason(reason))
        self._write_core()

    # Ending.

    def _fail(self, code: CloseCode, reason: str) -> None:
        """The client broke a rule, or we did: close with `code`."""
        self._service.stats.count_malformed(code)
        self._close(code, reason)

    def _close(self, code: int, reason: str) -> None:
        if self._state not in (_State.TOKEN, _State.ATTACHED):
            return
        if self._link is not None:
            self._link.close(code, reason)
        else:
            self.finish(code, reason)

    def _end(self, code: int, reason: str, *, remote: bool) -> None:
        """The stream, or the other side, ended the link: tell its handler."""
        if self._state in (_State.TOKEN, _State.ATTACHED):
            self._state = _State.CLOSING
            self._set_timer(self._service.config.close_timeout_s)
        if self._link is not None:
            self._link.ended(code, reason, remote)

    def _abort(self) -> None:
        if self._stream is not None:
            self._stream.abort()
