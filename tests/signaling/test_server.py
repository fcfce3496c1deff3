"""The server on a real socket: what hand-written requests get, deadlines, caps, start and stop."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio

from signaling.server import HttpServer
from signaling.settings import HttpLimits
from tests.signaling.api import Api

TRUSTED = ("127.0.0.0/8",)


@asynccontextmanager
async def serving(
    limits: HttpLimits | None = None, trusted: tuple[str, ...] = TRUSTED
) -> AsyncIterator[HttpServer]:
    server = HttpServer(Api().app, None, "127.0.0.1", 0, limits=limits, trusted_networks=trusted)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[HttpServer]:
    async with serving() as made:
        yield made


async def exchange(port: int, *parts: bytes, eof: bool = False) -> bytes:
    """Everything the server answers until it closes, or until it has been silent for a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    if eof:
        writer.write_eof()
    got = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(65_536), 0.3 if b"\r\n\r\n" in got else 3):
            got += chunk
    except TimeoutError:
        pass
    except ConnectionResetError:
        pass
    finally:
        writer.close()
    return got


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, for 3 s at most."""
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("waited in vain")


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


HOST = b"Host: x\r\n"
POST = b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer k\r\n"
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

# name: (request, the one status that may come back; None: the connection just ends or stays silent)
RAW: dict[str, tuple[bytes, int | None]] = {
    "binary": (bytes(range(256)), 400),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n", 400),
    "no version": (b"GET /health\r\n\r\n", 400),
    "old version": (b"GET /health HTTP/0.9\r\n\r\n", 505),
    "unknown version": (b"GET /health HTTP/3.0\r\nHost: x\r\n\r\n", 505),
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "space in the target": (b"GET /he alth HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "control character in the target": (b"GET /he\x01alth HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "raw UTF-8 in the target": ("GET /ü HTTP/1.1\r\nHost: x\r\n\r\n".encode(), 400),
    "bad escape in the target": (b"GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    "escape that is no UTF-8": (b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    "absolute target": (b"GET http://x/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    "no target": (b"GET  HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "strange method": (b"B@D /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "unknown method": (b"BREW /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    "connect method": (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    "header without a colon": (b"GET /health HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n", 400),
    "space before the colon": (b"GET /health HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400),
    "header without a name": (b"GET /health HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400),
    "NUL in a value": (b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", 400),
    "carriage return in a value": (b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\rX: c\r\n\r\n", 400),
    "first header folded": (b"GET /health HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    "length and chunks": (
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        400,
    ),
    "chunks and length": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" + SMUGGLED,
        400,
    ),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + SMUGGLED, 400),
    "two lengths in one": (POST + b"Content-Length: 2, 3\r\n\r\n{}" + SMUGGLED, 400),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED, 400),
    "length with a sign": (POST + b"Content-Length: +2\r\n\r\n{}" + SMUGGLED, 400),
    "length in hexadecimal": (POST + b"Content-Length: 0x2\r\n\r\n{}" + SMUGGLED, 400),
    "length that is no number": (POST + b"Content-Length: two\r\n\r\n{}" + SMUGGLED, 400),
    "length with a gap": (POST + b"Content-Length: 1 0\r\n\r\n{}" + SMUGGLED, 400),
    "absurd length": (POST + b"Content-Length: 9999999999999999999\r\n\r\n{}", 413),
    "very long length": (POST + b"Content-Length: " + b"9" * 200 + b"\r\n\r\n{}", 400),
    "unknown encoding": (POST + b"Transfer-Encoding: gzip\r\n\r\n" + SMUGGLED, 501),
    "two encodings": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 501),
    "encoding with a tab": (POST + b"Transfer-Encoding: \tchunked\x0b\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunk size that is no number": (POST + b"Transfer-Encoding: chunked\r\n\r\nxx\r\n{}\r\n0\r\n\r\n", 400),
    "negative chunk size": (POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", 400),
    "chunk without its end": (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}X\r\n0\r\n\r\n", 400),
    "endless chunk size": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 30 + b"\r\n", 400),
    "headers too large": (b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    "target too long": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
    "headers without end": (b"GET /health HTTP/1.1\r\n" + b"A: b\r\n" * 5000, 431),
    "too many headers": (
        b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"A: b\r\n" * 80 + b"\r\n",
        431,
    ),
    "lines end in LF alone": (b"GET /health HTTP/1.1\nHost: x\nConnection: close\n\n", 200),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "upgrade to HTTP/2": (
        b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
        200,
    ),
    "websocket where there is none": (
        b"GET /link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n",
        426,
    ),
    "nothing": (b"", None),
    "only line ends": (b"\r\n\r\n\r\n", 400),
    "half a request": (b"GET /hea", None),
}


@pytest.mark.parametrize("name", RAW)
@pytest.mark.asyncio(loop_scope="module")
# HTTP-3-2
async def test_a_raw_request_gets_one_answer_and_no_traceback(
    server: HttpServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    request, status = RAW[name]
    answer = await exchange(server.port, request, eof=status is None)
    assert statuses(answer) == ([] if status is None else [status]), answer
    if status is not None and status >= 400:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"application/problem+json" in head
        problem = json.loads(body)
        assert problem["status"] == status and problem["detail"]
    assert not caplog.records


@pytest.mark.asyncio(loop_scope="module")
async def test_the_server_lives_on_after_all_that(server: HttpServer) -> None:
    answer = await exchange(server.port, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(answer) == [200]
    assert b"\r\nserver:" not in answer.lower()


@pytest.mark.asyncio(loop_scope="module")
async def test_one_byte_at_a_time_is_a_request_too(server: HttpServer) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await exchange(server.port, *(request[at : at + 1] for at in range(len(request))))
    assert statuses(answer) == [200]


@pytest.mark.asyncio(loop_scope="module")
async def test_requests_behind_each_other_are_answered_in_order(server: HttpServer) -> None:
    more = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await exchange(server.port, more + more + last)
    assert statuses(answer) == [200, 200, 404]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_above_the_limit_costs_the_answer_alone(server: HttpServer) -> None:
    size = 1_048_577
    answer = await exchange(server.port, POST + b"Content-Length: %d\r\n\r\n" % size, bytes(size), SMUGGLED)
    assert statuses(answer)[0] == 413


async def test_headers_that_come_too_slowly_end_the_connection() -> None:
    async with serving(HttpLimits(header_deadline_s=0.1)) as server:
        for start in (b"", b"GET /health HTTP/1.1\r\nHost"):
            answer = await exchange(server.port, start)
            assert statuses(answer) == [408]


async def test_a_second_request_has_a_deadline_as_well() -> None:
    async with serving(HttpLimits(header_deadline_s=0.1)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert statuses(await reader.readuntil(b"}")) == [200]
        await asyncio.sleep(0.15)
        assert not reader.at_eof()
        writer.write(b"GET /he")
        assert statuses(await asyncio.wait_for(reader.read(), 2)) == [408]
        writer.close()


class Upgraded(asyncio.Protocol):
    """Takes an upgraded connection over, answers the upgrade, then stays silent."""

    def __init__(self, **_given: object) -> None:
        """uvicorn passes its own objects; none is needed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")


async def test_an_upgraded_connection_outlives_the_deadline_of_requests() -> None:
    limits = HttpLimits(header_deadline_s=0.05)
    server = HttpServer(Api().app, Upgraded, "127.0.0.1", 0, limits=limits, trusted_networks=TRUSTED)
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET /link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bmV0cGxheS1iZW5jaC1rZQ==\r\n\r\n"
        )
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        writer.close()
    finally:
        await server.stop()


async def test_an_address_has_only_so_many_connections() -> None:
    async with serving(HttpLimits(connections_per_address=3), trusted=()) as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        await until(lambda: server.census.open == 3)
        answer = await exchange(server.port, b"")
        assert statuses(answer) == [503]
        assert server.census.refused == 1
        held[0][1].close()
        await until(lambda: server.census.open == 2)
        answer = await exchange(server.port, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert statuses(answer) == [200]
        for _, writer in held:
            writer.close()


async def test_an_answer_that_nobody_reads_is_given_up() -> None:
    begun = asyncio.Event()

    async def large(scope: object, receive: object, send: object) -> None:
        begun.set()
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        for _ in range(1000):
            await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})  # type: ignore[operator]

    server = HttpServer(large, None, "127.0.0.1", 0, limits=HttpLimits(write_stall_s=0.1))  # type: ignore[arg-type]
    await server.start()
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await begun.wait()
    await until(lambda: server.census.open == 0)
    raw.close()
    await server.stop()


async def test_stop_lets_a_running_request_end_and_frees_the_port() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def slow(scope: object, receive: object, send: object) -> None:
        started.set()
        await release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"ok"})  # type: ignore[operator]

    server = HttpServer(slow, None, "127.0.0.1", 0)  # type: ignore[arg-type]
    await server.start()
    port = server.port
    async with httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/"))
        await started.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.05)
        release.set()
        assert (await request).text == "ok"
        await asyncio.wait_for(stopping, 3)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await server.stop()


async def test_a_port_in_use_is_told_with_its_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = HttpServer(Api().app, None, "127.0.0.1", port)
        with pytest.raises(OSError, match=f"127.0.0.1 port {port}"):
            await server.start()
        await server.stop()


async def test_a_host_that_does_not_exist_is_told() -> None:
    server = HttpServer(Api().app, None, "no.such.host.invalid", 0)
    with pytest.raises(OSError, match=r"no\.such\.host\.invalid"):
        await server.start()


async def test_localhost_is_served_on_every_address_under_one_port() -> None:
    server = HttpServer(Api().app, None, "localhost", 0)
    await server.start()
    assert len({port for _, port in server.addresses}) == 1
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://localhost:{server.port}/health")).status_code == 200
    await server.stop()
