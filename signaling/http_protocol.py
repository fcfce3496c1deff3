"""One HTTP connection: uvicorn's h11 protocol with deadlines, caps and readable refusals.

h11 and not httptools, because h11 bounds the headers and is strict about where a request ends; the hot path
never goes through HTTP.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections import Counter
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from netcore.address import TrustedNetworks, pack_ip, rate_group
from signaling.settings import HttpLimits

# uvicorn logs one line for every malformed request; whoever sends them should not write our log.
_log: Final = logging.getLogger("signaling.http")
_log.setLevel(logging.ERROR)


_MALFORMED: Final = {
    400: "These bytes are not a valid HTTP/1.1 request.",
    413: "The request is too large.",
    431: "The request's headers are too large or too many.",
    501: "This transfer encoding is not known here.",
}


class ConnectionCensus:
    """How many connections there are, in all and by address."""

    def __init__(self, limits: HttpLimits, trusted: TrustedNetworks) -> None:
        self._limits = limits
        self._trusted = trusted
        self._groups: Counter[bytes] = Counter()
        self.open = 0
        self.refused = 0

    def enter(self, address: str) -> bytes | None:
        """Count one more connection; the group to leave with, or None where it is one too many."""
        packed = pack_ip(address)
        group = rate_group(packed)
        crowded = self._groups[group] >= self._limits.connections_per_address
        if self.open >= self._limits.connections or (crowded and packed not in self._trusted):
            self.refused += 1
            return None
        self.open += 1
        self._groups[group] += 1
        return group

    def leave(self, group: bytes) -> None:
        """A connection of `group` ended."""
        self.open -= 1
        self._groups[group] -= 1
        if self._groups[group] <= 0:
            del self._groups[group]


class HttpProtocol(H11Protocol):
    """Adds what uvicorn's protocol lacks: deadlines for headers and unread answers, caps, problems."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: HttpLimits,
        census: ConnectionCensus,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _log
        self._limits = limits
        self._census = census
        self._group: bytes | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected."""
        super().connection_made(transport)
        self._group = self._census.enter(self.client[0] if self.client else "")
        if self._group is None:
            self._refuse(503, "Too many connections.")
            return
        self._arm_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended."""
        self._disarm_deadline()
        self._disarm_stall()
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        if self._group is None or self.transport.is_closing():
            return
        super().data_received(data)
        if self.transport.get_protocol() is not self:
            return  # upgraded: the connection is no longer one of requests, and has no deadline of theirs
        if self.cycle is not None and not self.cycle.response_complete:
            self._disarm_deadline()
        elif self._deadline is None and not self.transport.is_closing():
            self._arm_deadline()

    def on_response_complete(self) -> None:
        """An answer is out; the next request may come, within the idle time."""
        super().on_response_complete()
        self._disarm_deadline()

    def pause_writing(self) -> None:
        """The client does not read its answer."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self._limits.write_stall_s, self._abort)

    def resume_writing(self) -> None:
        """It does again."""
        self._disarm_stall()
        super().resume_writing()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection to the WebSocket protocol, which counts as the same connection."""
        self._disarm_deadline()
        early, _ = self.conn.trailing_data
        if early:
            # RFC 6455 section 4.1: the client has to wait for the answer. These bytes would be lost.
            self._refuse(400, "Bytes after the upgrade request, before it was answered.")
            return
        super().handle_websocket_upgrade(event)
        protocol = self.transport.get_protocol()
        if hasattr(protocol, "on_lost"):
            protocol.on_lost = self._leave
        else:
            self._leave()

    def send_400_response(self, msg: str) -> None:
        """The bytes are no HTTP request: say so and end. Called while h11's error is being handled."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self._refuse(status, _MALFORMED.get(status, _MALFORMED[400]))

    def _refuse(self, status: int, detail: str) -> None:
        self._disarm_deadline()
        started = self.cycle is not None and self.cycle.response_started
        if not started or self.cycle.response_complete:
            self.transport.write(_refusal(status, detail))
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.close()

    def _arm_deadline(self) -> None:
        self._deadline = self.loop.call_later(self._limits.header_deadline_s, self._too_slow)

    def _disarm_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _disarm_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _too_slow(self) -> None:
        self._deadline = None
        self._refuse(408, "The request did not arrive in time.")

    def _abort(self) -> None:
        self._stall = None
        self.transport.abort()

    def _leave(self) -> None:
        if self._group is not None:
            self._census.leave(self._group)
            self._group = None


def _refusal(status: int, detail: str) -> bytes:
    """A whole HTTP answer with a problem document, for requests that never reached the application."""
    phrase = HTTPStatus(status).phrase
    body = json.dumps(
        {
            "type": phrase.lower().replace(" ", "-"),
            "title": phrase,
            "status": status,
            "detail": detail[:300],
            "code": None,
            "come_back": status == 503,
            "retry_after_s": None,
        }
    ).encode()
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/problem+json\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
