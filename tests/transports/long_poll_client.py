"""A long-poll client for the tests, written from the document: aiohttp requests, able to misbehave."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import aiohttp

from messaging.link_frames import encode_frame, iterate_frames
from messaging.poll_bodies import Batch, Close, decode_batch, encode_batch, encode_open, encode_poll
from netcore.delivery import Delivery
from tests.transports.contract import Remote
from tests.transports.recorders import Changes, Recorder

BINARY = {"Content-Type": "application/octet-stream"}


class LongPollClient(Remote):
    """Records what the server sends. Uploads go one after another; polls follow each other."""

    def __init__(self, changes: Changes, base: str) -> None:
        self.changes = changes
        self.recorder = Recorder(changes)
        self.base = base
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        self.secret = ""
        self.opening: tuple[int, Any] | None = None
        self.number = 0
        self.received = 0
        self.waiting: deque[Batch] = deque()
        self.statuses: list[int] = []
        self.go = asyncio.Event()
        self.go.set()
        self.may_upload = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def dial(cls, changes: Changes, base: str, token: bytes) -> LongPollClient:
        client = cls(changes, base)
        async with client.http.post(base, data=encode_open(token), headers=BINARY) as response:
            client.opening = response.status, await response.json()
        status, answer = client.opening
        if status == 201:
            client.secret = answer["secret"]
            client.tasks = [asyncio.create_task(client.polls()), asyncio.create_task(client.uploads())]
        else:
            client.recorder.link_closed(answer["code"], answer["detail"], True)
        return client

    @property
    def headers(self) -> dict[str, str]:
        return {**BINARY, "Authorization": f"Bearer {self.secret}"}

    async def post(self, way: str, body: bytes) -> tuple[int, bytes]:
        """One request of the link."""
        async with self.http.post(f"{self.base}/{way}", data=body, headers=self.headers) as response:
            return response.status, await response.read()

    async def polls(self) -> None:
        while not self.recorder.closes:
            status, body = await self.post("down", encode_poll(self.received))
            await self.go.wait()
            if status == 200:
                self.take(body)
            elif status != 204:
                return

    def take(self, body: bytes) -> None:
        batch = decode_batch(body)
        assert batch.number == self.received + 1
        self.received = batch.number
        if batch.frames:
            for lane, kind, key, data in iterate_frames(batch.frames):
                self.recorder.link_message(lane, kind, key, data)
        if batch.close is not None:
            self.recorder.link_closed(*batch.close, True)

    async def uploads(self) -> None:
        while True:
            await self.may_upload.wait()
            self.may_upload.clear()
            while self.waiting:
                status, _ = await self.post("up", encode_batch(self.waiting.popleft()))
                self.statuses.append(status)

    def upload(self, frames: bytes, close: Close | None = None) -> None:
        """One batch, after those before it."""
        self.number += 1
        self.waiting.append(Batch(self.number, frames, close))
        self.may_upload.set()

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        self.upload(encode_frame(lane, kind, key, data))

    def close(self, code: int, reason: str) -> None:
        self.upload(b"", Close(code, reason))

    def vanish(self) -> None:
        for task in self.tasks:
            task.cancel()

    def stall(self) -> None:
        self.go.clear()

    def go_on(self) -> None:
        self.go.set()

    def send_garbage(self) -> None:
        self.upload(b"\xff\xff\xff\xff\xff")

    async def stop(self) -> None:
        self.vanish()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.http.close()

    @property
    def max_message_bytes(self) -> int:
        return 262_144
