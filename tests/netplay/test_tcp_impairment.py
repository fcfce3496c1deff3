"""The impaired TCP link: late and slow, whole and in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from netplay.tcp_impairment import TcpImpairment
from simnet.link import LinkProfile


@contextlib.asynccontextmanager
async def through(there: LinkProfile, back: LinkProfile | None = None) -> AsyncIterator[TcpImpairment]:
    """A proxy in front of a server that sends everything back and ends when its client does."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = TcpImpairment(there, back or there)
    await proxy.start("127.0.0.1")
    proxy.target = server.sockets[0].getsockname()
    try:
        yield proxy
    finally:
        await proxy.close()
        server.close()


async def exchange(proxy: TcpImpairment, data: bytes) -> tuple[bytes, float]:
    """(what came back until the end, seconds)."""
    started = time.monotonic()
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(data)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
    return answer, time.monotonic() - started


async def test_bytes_pass_both_ways_each_with_the_delay() -> None:
    async with through(LinkProfile(delay_s=0.05)) as proxy:
        answer, took_s = await exchange(proxy, b"hello")
        assert answer == b"hello"
        assert took_s >= 0.095
        assert (proxy.counts.connections, proxy.counts.bytes_there, proxy.counts.bytes_back) == (1, 5, 5)


async def test_a_rate_holds_for_the_whole_and_nothing_is_lost_or_mixed_up() -> None:
    data = bytes(range(256)) * 400
    async with through(LinkProfile(rate_bytes_per_s=400_000), LinkProfile()) as proxy:
        answer, took_s = await exchange(proxy, data)
        assert answer == data
        assert took_s >= len(data) / 400_000 * 0.9


async def test_a_server_that_does_not_answer_ends_the_connection() -> None:
    async with through(LinkProfile()) as proxy:
        proxy.target = ("127.0.0.1", 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                assert await reader.read() == b""
        writer.close()
        assert proxy.counts.refused == 1


async def test_the_end_of_the_proxy_ends_its_connections() -> None:
    async with through(LinkProfile(delay_s=60)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"under way")
        await asyncio.sleep(0.05)
        await proxy.close()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                assert await reader.read() == b""
        writer.close()
    with pytest.raises(RuntimeError, match="before start"):
        _ = TcpImpairment(LinkProfile(), LinkProfile()).port
