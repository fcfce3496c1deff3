"""Agents written from the protocol documents: HTTP connect, ATTACH, stream numbers, envelopes; no client library."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from abc import ABC, abstractmethod
from typing import Any

import aiohttp

from messaging.control import Attach, Joined, StreamAck, Welcome, decode_control, encode_link_control
from messaging.envelope import Delivered, decode_delivery, encode_publication
from messaging.lanes import CONTROL, DEFAULT_APPLICATION_LANE, TIME
from messaging.link_frames import encode_frame, iterate_frames
from messaging.timecode import decode_time, encode_time_request
from netcore.aio import UdpDriver, open_udp
from netcore.client import ClientEndpoint
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.token import Credentials
from netcore.varint import decode_varint, encode_varint

PROOF = bytes(range(32))


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def http_connect(base: str, key: str, name: str, transport: str, **more: Any) -> dict[str, Any]:
    """The answer of `POST /api/v1/sessions`."""
    body = {
        "channel_name": "room",
        "proof": base64.urlsafe_b64encode(PROOF).decode(),
        "agent_name": name,
        "transports": [transport],
        **more,
    }
    async with aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {key}"}
        async with http.post(f"{base}/api/v1/sessions", json=body, headers=headers) as response:
            assert response.status == 201, await response.text()
            answer: dict[str, Any] = await response.json()
            return answer


class RawAgent(ABC):
    """One agent on one link. Everything that arrives is in the lists below."""

    def __init__(self) -> None:
        self.welcome: Welcome | None = None
        self.joined: list[Joined] = []
        self.control: list[Any] = []
        self.received: list[tuple[int, Delivered]] = []
        self.times: list[Any] = []
        self.acked = 0
        self.closes: list[tuple[int, str, bool]] = []
        self.server_numbers: list[int] = []
        self._number = 0
        self._changed = asyncio.Event()

    @abstractmethod
    def write(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        """Send one message on the link."""

    def write_unchecked(self, lane: int, kind: Delivery, data: bytes, key: int) -> None:
        """`write` past the checks of this side, where the link has any."""
        self.write(lane, kind, data, key)

    @abstractmethod
    async def stop(self) -> None:
        """Be gone."""

    def attach(self) -> None:
        self.write(CONTROL, Delivery.ORDERED, encode_link_control(Attach(len(self.server_numbers))))

    def publish(self, kind: Delivery, content: bytes, *, key: int = 0, to: int | None = None) -> None:
        envelope = encode_publication("chat-text" if to else 0, content, format=1, to=to)
        self.write_publication(kind, envelope, key=key)

    def write_publication(self, kind: Delivery, envelope: bytes, *, key: int = 0) -> None:
        """An envelope on the default lane of its kind, numbered where it is in the stream."""
        if kind.is_reliable:
            self._number += 1
            envelope = (self._number & 0xFFFF).to_bytes(2, "big") + envelope
        self.write(DEFAULT_APPLICATION_LANE[kind], kind, envelope, key)

    def ask_time(self) -> None:
        self.write(TIME, Delivery.UNRELIABLE, encode_time_request(int(time.monotonic() * 1e6)))

    def arrived(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        if lane == CONTROL:
            message, number = decode_control(data)
            if number is not None:
                self.server_numbers.append(number)
            if isinstance(message, Welcome):
                self.welcome = message
            elif isinstance(message, StreamAck):
                self.acked = message.received
            elif isinstance(message, Joined):
                self.joined.append(message)
            else:
                self.control.append(message)
        elif lane == TIME:
            self.times.append(decode_time(data))
        else:
            if kind >= Delivery.RELIABLE:
                self.server_numbers.append(int.from_bytes(data[:2], "big"))
                data = data[2:]
            self.received.append((lane, decode_delivery(data, lane)))
        self._changed.set()

    def ended(self, code: int, reason: str, remote: bool) -> None:
        self.closes.append((code, reason, remote))
        self._changed.set()

    async def until(self, condition: Any, timeout_s: float = 5.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def texts(self) -> list[str]:
        return [delivered.content.decode() for _, delivered in self.received]


class UdpAgent(RawAgent):
    """An agent over UDP; the handler of its own client endpoint."""

    def __init__(self) -> None:
        super().__init__()
        self._connection: Connection | None = None
        self._driver: UdpDriver

    @classmethod
    async def open(cls, answer: dict[str, Any]) -> UdpAgent:
        (link,) = answer["links"]
        agent = cls()
        credentials = Credentials(
            unpadded(link["token"]), unpadded(link["psk"]), int(link["app_id"], 16), link["steer"]
        )
        endpoint = ClientEndpoint(
            credentials, ("127.0.0.1", link["port"]), agent, random=os.urandom, now=time.monotonic()
        )
        agent._driver = await open_udp(endpoint, "127.0.0.1", 0)
        await agent.until(lambda: agent._connection is not None or agent.closes)
        return agent

    def connected(self, connection: Connection) -> None:
        self._connection = connection
        self._changed.set()

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        self.arrived(lane, kind, key, data)

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        self.ended(code, reason, remote)

    def write(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        assert self._connection is not None
        self._connection.send(lane, kind, data, key)
        self._connection.flush()

    async def stop(self) -> None:
        self._driver.close()


class WebSocketAgent(RawAgent):
    """An agent over aiohttp's WebSocket client."""

    def __init__(self) -> None:
        super().__init__()
        self._http = aiohttp.ClientSession()
        self._socket: aiohttp.ClientWebSocketResponse
        self._reader: asyncio.Task[None]
        self._writes: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, answer: dict[str, Any]) -> WebSocketAgent:
        (link,) = answer["links"]
        agent = cls()
        url = f"ws://127.0.0.1:{link['port']}{link['path']}"
        agent._socket = await agent._http.ws_connect(url, protocols=("netplay.v1",), compress=0)
        assert agent._socket.protocol == "netplay.v1"
        await agent._socket.send_bytes(b"\x01" + unpadded(link["token"]))
        agent._reader = asyncio.create_task(agent._read())
        return agent

    async def _read(self) -> None:
        async for message in self._socket:
            assert message.type is aiohttp.WSMsgType.BINARY
            for frame in iterate_frames(message.data):
                self.arrived(*frame)
        assert self._socket.close_code is not None
        self.ended(self._socket.close_code - 4000, "", True)

    def write(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        self._write_frame(encode_frame(lane, kind, key, data))

    def write_unchecked(self, lane: int, kind: Delivery, data: bytes, key: int) -> None:
        head = bytes((kind << 6 | lane,)) + (encode_varint(key) if kind is Delivery.SEQUENCED else b"")
        self._write_frame(head + encode_varint(len(data)) + data)

    def _write_frame(self, frame: bytes) -> None:
        task = asyncio.ensure_future(self._socket.send_bytes(frame))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def stop(self) -> None:
        self._reader.cancel()
        await self._http.close()


class LongPollAgent(RawAgent):
    """An agent over plain HTTP requests: one that asks, and one that brings."""

    def __init__(self) -> None:
        super().__init__()
        self._http = aiohttp.ClientSession()
        self._base = ""
        self._headers = {"Content-Type": "application/octet-stream"}
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, answer: dict[str, Any]) -> LongPollAgent:
        (link,) = answer["links"]
        agent = cls()
        agent._base = f"http://127.0.0.1:{link['port']}{link['path']}"
        status, opened = await agent._post("", b"\x01" + unpadded(link["token"]))
        assert status == 201, opened
        agent._headers["Authorization"] = f"Bearer {json.loads(opened)['secret']}"
        agent._tasks = [asyncio.create_task(agent._ask()), asyncio.create_task(agent._bring())]
        return agent

    async def _post(self, way: str, body: bytes) -> tuple[int, bytes]:
        async with self._http.post(self._base + way, data=body, headers=self._headers) as response:
            return response.status, await response.read()

    async def _ask(self) -> None:
        received = 0
        while not self.closes:
            status, body = await self._post("/down", b"\x04" + encode_varint(received))
            if status == 204:
                continue
            assert status == 200, body
            number, at = decode_varint(body, 1)
            assert number == received + 1
            received = number
            end = None
            if body[0] == 3:
                end = int.from_bytes(body[at : at + 2], "big")
                at += 3 + body[at + 2]
            if at < len(body):
                for frame in iterate_frames(body[at:]):
                    self.arrived(*frame)
            if end is not None:
                self.ended(end, "", True)

    async def _bring(self) -> None:
        number = 0
        while True:
            frames = await self._waiting.get()
            while not self._waiting.empty() and len(frames) < 65_536:
                frames += self._waiting.get_nowait()
            number += 1
            await self._post("/up", b"\x02" + encode_varint(number) + frames)

    def write(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        self._waiting.put_nowait(encode_frame(lane, kind, key, data))

    def write_unchecked(self, lane: int, kind: Delivery, data: bytes, key: int) -> None:
        head = bytes((kind << 6 | lane,)) + (encode_varint(key) if kind is Delivery.SEQUENCED else b"")
        self._waiting.put_nowait(head + encode_varint(len(data)) + data)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()


AGENTS: dict[str, type[UdpAgent] | type[WebSocketAgent] | type[LongPollAgent]] = {
    "udp": UdpAgent,
    "websocket": WebSocketAgent,
    "long-poll": LongPollAgent,
}
