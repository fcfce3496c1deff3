"""A link over long poll (docs/protocol/long-poll.md): plain HTTP requests, for networks that pass nothing else."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Final

import aiohttp
from yarl import URL

from messaging.link_frames import iterate_frames
from messaging.poll_bodies import (
    MAX_BATCH_BYTES,
    Batch,
    Close,
    decode_batch,
    encode_batch,
    encode_open,
    encode_poll,
)
from messaging_agent.errors import LinkFailed
from messaging_agent.frame_queue import FrameQueue
from messaging_agent.links import LinkHandler
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from netcore.errors import ProtocolError

UPLOAD_BYTES: Final = 64 * 1024
"""How much of what waits goes into one upload."""
DEAD_AFTER_S: Final = 8.0
"""A link on which nothing got through for so long, in spite of repeated requests, has ended."""
REQUEST_TIMEOUT_S: Final = 10.0
"""How long an answer may take, beyond the time that a poll waits on purpose."""
CLOSE_TIMEOUT_S: Final = 1.0
FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 2.0
_BINARY: Final = "application/octet-stream"


class _Ended(Exception):
    """The link is over; `close` says why, `remote` whether the server said so."""

    def __init__(self, code: int, reason: str, *, remote: bool) -> None:
        super().__init__(reason)
        self.close = Close(code, reason)
        self.remote = remote


class LongPollLink:
    """An opened link. Owns two tasks: one asks for batches, one brings them up, each one at a time.

    A request whose answer is lost is repeated as it was: batches have numbers, so nothing is lost or doubled.
    """

    transport = "long-poll"

    def __init__(self, http: aiohttp.ClientSession, url: URL, secret: str, wait_s: float) -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": _BINARY}
        self._wait_s = wait_s
        self._queue = FrameQueue()
        self._wake = asyncio.Event()
        self._closing: Close | None = None
        self._handler: LinkHandler | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._sent = 0
        self._received = 0
        self._contact_at = time.monotonic()
        self._counts = {
            "bytes_in": 0.0,
            "bytes_out": 0.0,
            "packets_in": 0.0,
            "packets_out": 0.0,
            "repeated": 0.0,
        }

    def start(self, handler: LinkHandler) -> None:
        """Begin to ask and to bring; `handler` gets what comes."""
        self._handler = handler
        self._reader = asyncio.create_task(self._run(self._read()), name="long poll reader")
        self._writer = asyncio.create_task(self._run(self._write()), name="long poll writer")

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        """Queue one message; `OutboxFull` for a reliable kind at the cap. Does nothing once closed."""
        if self._closing is None:
            self._queue.add(lane, kind, key, data)

    def flush(self) -> None:
        """Let what waits be brought up."""
        self._wake.set()

    def close(self, code: int, reason: str = "") -> None:
        """Bring up what waits, tell the server `code`, and end."""
        if self._closing is None:
            self._closing = Close(code, reason)
            self._wake.set()
            if self._writer is None:  # never started: the server is told all the same
                self._writer = asyncio.create_task(self._run(self._write()), name="long poll writer")

    def abandon(self, reason: str = "abandoned") -> None:
        """Ask and bring nothing more, and tell nobody: as if the network were gone."""
        for task in (self._reader, self._writer):
            if task is not None:
                task.cancel()
        self._finish(CloseCode.IDLE, reason, remote=False)

    async def finished(self) -> None:
        """Wait until everything is brought up. For a link that was closed or has ended."""
        tasks = [task for task in (self._writer, self._reader) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def rtt_s(self) -> float | None:
        """Not measured here: the session's clock requests tell."""
        return None

    def stats(self) -> dict[str, float]:
        """Counters; a packet is one batch."""
        return {**self._counts, "dropped": float(self._queue.dropped), "queued": float(len(self._queue))}

    # The two tasks.

    async def _run(self, work: object) -> None:
        try:
            await work  # type: ignore[misc]
        except _Ended as ended:
            self._finish(*ended.close, remote=ended.remote)
        except ProtocolError as error:
            self.close(error.code, error.text)
            self._finish(error.code, error.text, remote=False)

    async def _read(self) -> None:
        while True:
            status, body = await self._request("down", encode_poll(self._received), self._wait_s)
            if status == 200:
                self._take(decode_batch(body))
            elif status == 409:  # another poll took this one's place: ours, repeated on the way
                await asyncio.sleep(FIRST_RETRY_S)
            elif status != 204:
                raise _refusal(status, body)

    def _take(self, batch: Batch) -> None:
        if batch.number != self._received + 1:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "batch_number")
        self._received = batch.number
        self._counts["packets_in"] += 1
        if batch.frames:
            for frame in iterate_frames(batch.frames):
                if self._handler is not None:
                    self._handler.link_message(*frame)
        if batch.close is not None:
            raise _Ended(*batch.close, remote=True)

    async def _write(self) -> None:
        while self._closing is None:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._bring(self._queue.take(UPLOAD_BYTES), None)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                frames = self._queue.take(UPLOAD_BYTES)
                while self._queue:
                    await self._bring(frames, None)
                    frames = self._queue.take(UPLOAD_BYTES)
                await self._bring(frames, self._closing)
        except TimeoutError:
            pass
        raise _Ended(*self._closing, remote=False)

    async def _bring(self, frames: bytes, close: Close | None) -> None:
        """One upload, repeated until it is there."""
        self._sent += 1
        status, body = await self._request("up", encode_batch(Batch(self._sent, frames, close)), 0.0)
        self._counts["packets_out"] += 1
        if status == 409 and close is None and self._reader is not None:
            await self._reader  # the server has closed the link: its last batch says why
        elif status != 204:
            raise _refusal(status, body)

    async def _request(self, way: str, body: bytes, wait_s: float) -> tuple[int, bytes]:
        """Status and body of the answer, repeated while there is none. Raises _Ended when it is too long ago."""
        delay_s = FIRST_RETRY_S
        begun = time.monotonic()
        while True:
            try:
                status, answer = await self._post(way, body, wait_s)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                failure = str(error) or type(error).__name__
            else:
                if status < 500 and status not in (408, 429):
                    self._contact_at = time.monotonic()
                    return status, answer
                failure = f"HTTP status {status}"
            if time.monotonic() - max(self._contact_at, begun) > DEAD_AFTER_S:
                raise _Ended(CloseCode.IDLE, failure, remote=False)
            self._counts["repeated"] += 1
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_RETRY_S)

    async def _post(self, way: str, body: bytes, wait_s: float) -> tuple[int, bytes]:
        async with self._http.post(
            self._url / way,
            data=body,
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=wait_s + REQUEST_TIMEOUT_S),
            allow_redirects=False,
        ) as response:
            answer = await _bounded(response)
        self._counts["bytes_out"] += len(body)
        self._counts["bytes_in"] += len(answer)
        return response.status, answer

    def _finish(self, code: int, reason: str, *, remote: bool) -> None:
        handler, self._handler = self._handler, None
        if self._closing is None:
            self._closing = Close(code, reason)
        self._wake.set()
        current = asyncio.current_task()
        if self._reader is not None and self._reader is not current:
            self._reader.cancel()
        if remote and self._writer is not None and self._writer is not current:
            self._writer.cancel()
        if handler is not None:
            handler.link_closed(code, reason, remote)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    pieces = bytearray()
    async for piece in response.content.iter_chunked(65_536):
        pieces += piece
        if len(pieces) > MAX_BATCH_BYTES:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "batch_size")
    return bytes(pieces)


def _refusal(status: int, body: bytes) -> _Ended:
    code, detail = _problem(status, body)
    return _Ended(code, detail, remote=True)


def _problem(status: int, body: bytes) -> tuple[int, str]:
    """(code, text) of a refusal; a proxy may have written anything into it."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return CloseCode.IDLE, f"HTTP status {status}"
    code = fields.get("code")
    known = isinstance(code, int) and not isinstance(code, bool) and 0 <= code < 1000
    return (code if known else CloseCode.IDLE), str(fields.get("detail", ""))[:300]  # type: ignore[return-value]


async def open_long_poll_link(
    http: aiohttp.ClientSession, url: URL, token: bytes, *, timeout_s: float = 5.0
) -> LongPollLink:
    """Show the token at `url` and hand out the link (nothing is asked for yet). Raises `LinkFailed`."""
    try:
        async with http.post(
            url,
            data=encode_open(token),
            headers={"Content-Type": _BINARY},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            allow_redirects=False,
        ) as response:
            body = await _bounded(response)
    except TimeoutError:
        raise LinkFailed("long-poll", CloseCode.IDLE, f"no answer within {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError, ProtocolError) as error:
        raise LinkFailed("long-poll", CloseCode.IDLE, str(error) or type(error).__name__) from error
    if response.status != 201:
        raise LinkFailed("long-poll", *_problem(response.status, body))
    try:
        fields = json.loads(body)
        secret, wait_s = fields["secret"], float(fields["wait_s"])
    except (ValueError, RecursionError, KeyError, TypeError):
        raise LinkFailed(
            "long-poll", CloseCode.FRAME_ENCODING, "the answer is not a netplay server's"
        ) from None
    if (
        not isinstance(secret, str)
        or not secret.isascii()
        or not secret.isprintable()
        or not 0 < wait_s <= 120
    ):
        raise LinkFailed("long-poll", CloseCode.FRAME_ENCODING, "the answer is not a netplay server's")
    return LongPollLink(http, url, secret, wait_s)
