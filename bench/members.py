"""Members of a channel for load: real links and a real session, but nothing done with what arrives except counting."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
import urllib.request
from typing import Any, Protocol

from messaging import control, lanes
from messaging.envelope import CHAT_TEXT, encode_publication
from messaging.stream import StreamReceiver
from netcore.aio import UdpDriver, open_udp
from netcore.client import ClientEndpoint
from netcore.delivery import Delivery
from netcore.token import Credentials

_STAMP_BYTES = 8
_CONNECT_TIMEOUT_S = 10.0


class Carrier(Protocol):
    """What a member sends through: a connection, or anything that takes messages as one does."""

    def send(self, lane: int, kind: Delivery, data: bytes) -> None:
        """Queue one message."""

    def flush(self) -> None:
        """Let what is queued go."""


class Member:
    """One agent over UDP. Its messages carry the time they were meant to be sent at."""

    def __init__(self, payload_bytes: int) -> None:
        self.delivered = 0
        self.ages_s: list[float] = []
        self.ended: str | None = None
        self.welcomed = asyncio.get_running_loop().create_future()
        self._payload_bytes = payload_bytes
        self._filler = bytes(payload_bytes - _STAMP_BYTES)
        self._stream = StreamReceiver()
        self._connection: Carrier | None = None
        self._driver: UdpDriver | None = None

    async def connect(self, port: int, api_key: str, channel: str, name: str) -> None:
        """Join `channel` of the server on this machine. Raises OSError or TimeoutError."""
        answer = await asyncio.to_thread(open_session, port, api_key, channel, name, "udp")
        link = answer["links"][0]
        credentials = Credentials(
            decoded(link["token"]), decoded(link["psk"]), int(link["app_id"], 16), int(link["steer"])
        )
        endpoint = ClientEndpoint(
            credentials, ("127.0.0.1", link["port"]), self, random=os.urandom, now=time.monotonic()
        )
        self._driver = await open_udp(endpoint, "127.0.0.1", 0)
        await asyncio.wait_for(self.welcomed, _CONNECT_TIMEOUT_S)

    def send(self, intended: float) -> None:
        """One sequenced message that was meant to leave at `intended` (perf_counter seconds)."""
        assert self._connection is not None
        stamp = int(intended * 1e9).to_bytes(_STAMP_BYTES, "big")
        body = encode_publication(CHAT_TEXT, stamp + self._filler)
        self._connection.send(lanes.DEFAULT_APPLICATION_LANE[Delivery.SEQUENCED], Delivery.SEQUENCED, body)
        self._connection.flush()

    def close(self) -> None:
        """Leave without ceremony."""
        if self._driver is not None:
            self._driver.close()

    def connected(self, connection: Carrier) -> None:
        """The handshake is complete: say which stream messages are here already (none)."""
        self._connection = connection
        connection.send(lanes.CONTROL, Delivery.ORDERED, control.encode_link_control(control.Attach(0)))
        connection.flush()

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        """Count what members said; acknowledge what the server's control lane says."""
        if lane == lanes.TO_CLIENT_SEQUENCED:
            self.delivered += 1
            stamp = data[-self._payload_bytes : _STAMP_BYTES - self._payload_bytes]
            self.ages_s.append(time.perf_counter() - int.from_bytes(stamp, "big") / 1e9)
        elif lane == lanes.CONTROL:
            self._control(data)

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        """A member that loses its link spoils the measurement: remember why."""
        self.ended = f"code {code}: {reason}"

    def _control(self, data: bytes) -> None:
        message, low16 = control.decode_control(data)
        if isinstance(message, control.Welcome) and not self.welcomed.done():
            self.welcomed.set_result(None)
        if low16 is None or self._connection is None:
            return
        self._stream.accept(low16)
        acknowledgement = control.StreamAck(self._stream.acknowledge())
        self._connection.send(lanes.CONTROL, Delivery.ORDERED, control.encode_link_control(acknowledgement))
        self._connection.flush()


def open_session(port: int, api_key: str, channel: str, name: str, transport: str) -> Any:
    """The server's answer to a connect that asks for one transport. Raises OSError."""
    body = {
        "channel_name": channel,
        "proof": base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode(),
        "scope": "private",
        "agent_name": name,
        "transports": [transport],
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/sessions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=_CONNECT_TIMEOUT_S) as response:
        return json.load(response)


def decoded(text: str) -> bytes:
    """Base64url without padding, as the HTTP interface has it."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
