"""Fleets of our own: members of one channel of the real server, over UDP or over WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from bench.fleet import Tally
from bench.members import Member, decoded, open_session
from bench.websocket_stream import WebSocketStream, open_websocket
from messaging.link_frames import encode_frame, iterate_frames
from netcore.delivery import Delivery

_CHANNEL = "fanout"
_SUBPROTOCOL = "netplay.v1"
_TOKEN_FIRST = b"\x01"
_CONNECT_TIMEOUT_S = 10.0


class WebSocketMember(Member):
    """One agent over WebSocket."""

    def __init__(self, payload_bytes: int) -> None:
        """`payload_bytes` of every message."""
        super().__init__(payload_bytes)
        self._websocket: WebSocketStream | None = None

    async def connect(self, port: int, api_key: str, channel: str, name: str) -> None:
        """Join `channel` of the server on this machine. Raises OSError or TimeoutError."""
        answer = await asyncio.to_thread(open_session, port, api_key, channel, name, "websocket")
        link = answer["links"][0]
        self._websocket = await open_websocket(port, link["path"], self._take, self._end, _SUBPROTOCOL)
        self._websocket.send(_TOKEN_FIRST + decoded(link["token"]))
        self.connected(_FramedCarrier(self._websocket))
        await asyncio.wait_for(self.welcomed, _CONNECT_TIMEOUT_S)

    def close(self) -> None:
        """Leave without ceremony."""
        if self._websocket is not None:
            self._websocket.close()

    def _take(self, message: bytes) -> None:
        for lane, kind, key, data in iterate_frames(message):
            self.message_received(lane, kind, key, data)

    def _end(self, why: str) -> None:
        self.ended = why


class _FramedCarrier:
    """Messages as frames in one WebSocket message a flush."""

    def __init__(self, stream: WebSocketStream) -> None:
        self._stream = stream
        self._queued: list[bytes] = []

    def send(self, lane: int, kind: Delivery, data: bytes) -> None:
        self._queued.append(encode_frame(lane, kind, 0, data))

    def flush(self) -> None:
        queued, self._queued = self._queued, []
        self._stream.send(b"".join(queued))


class NetplayFleet:
    """Members over one transport."""

    _kind: type[Member] = Member

    def __init__(self, payload_bytes: int) -> None:
        """`payload_bytes` of every message."""
        self._payload_bytes = payload_bytes
        self._members: list[Member] = []
        self.actions: Sequence[Callable[[float], None]] = ()

    @property
    def tally(self) -> Tally:
        """See `bench.fleet.Fleet`."""
        tally = Tally()
        tally.delivered = sum(member.delivered for member in self._members)
        tally.ages_s = [age for member in self._members for age in member.ages_s]
        return tally

    @property
    def problem(self) -> str | None:
        """See `bench.fleet.Fleet`."""
        return next((member.ended for member in self._members if member.ended is not None), None)

    async def join(self, ready: Any, size: int) -> None:
        """See `bench.fleet.Fleet`."""
        port, api_key = ready
        for number in range(size):
            member = self._kind(self._payload_bytes)
            self._members.append(member)
            await member.connect(port, api_key, _CHANNEL, f"member-{number}")
        self.actions = [member.send for member in self._members]

    def reset(self) -> None:
        """See `bench.fleet.Fleet`."""
        for member in self._members:
            member.delivered, member.ages_s = 0, []

    def close(self) -> None:
        """See `bench.fleet.Fleet`."""
        for member in self._members:
            member.close()


class NetplayWebSocketFleet(NetplayFleet):
    """The same over WebSocket."""

    _kind = WebSocketMember
