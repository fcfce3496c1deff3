"""The impaired link: a proxy that loses and delays, and is honest otherwise."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from netplay.impairment import UdpImpairment
from simnet.link import LinkModel


def udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


async def receive(end: socket.socket, timeout_s: float = 2.0) -> tuple[bytes, tuple[str, int]]:
    async with asyncio.timeout(timeout_s):
        return await asyncio.get_running_loop().sock_recvfrom(end, 2048)


@pytest.fixture
async def ends():
    """(client, server, proxy factory)."""
    with udp() as client, udp() as server:
        proxies: list[UdpImpairment] = []

        async def through(**quality: float) -> tuple[str, int]:
            proxy = UdpImpairment(lambda number: LinkModel(number, **quality))
            await proxy.start("127.0.0.1")
            proxy.target = server.getsockname()
            proxies.append(proxy)
            return ("127.0.0.1", proxy.port)

        yield client, server, through
        for proxy in proxies:
            proxy.close()


async def test_datagrams_pass_both_ways_and_are_delayed_both_ways(ends) -> None:
    client, server, through = ends
    way = await through(delay_s=0.05)
    started = time.monotonic()
    client.sendto(b"there", way)
    data, proxy_address = await receive(server)
    assert data == b"there"
    assert time.monotonic() - started >= 0.045
    server.sendto(b"back", proxy_address)
    assert (await receive(client))[0] == b"back"
    assert time.monotonic() - started >= 0.09


async def test_everything_is_lost_where_the_model_says_so(ends) -> None:
    client, server, through = ends
    way = await through(loss=1.0)
    client.sendto(b"gone", way)
    with pytest.raises(TimeoutError):
        await receive(server, 0.2)


async def test_two_clients_are_told_apart(ends) -> None:
    client, server, through = ends
    way = await through()
    with udp() as other:
        client.sendto(b"one", way)
        _, first = await receive(server)
        other.sendto(b"two", way)
        _, second = await receive(server)
        assert first != second
        server.sendto(b"for two", second)
        assert (await receive(other))[0] == b"for two"
        with pytest.raises(TimeoutError):
            await receive(client, 0.05)


async def test_nothing_happens_before_there_is_a_target_or_after_the_end() -> None:
    proxy = UdpImpairment(LinkModel)
    with pytest.raises(RuntimeError, match="before start"):
        _ = proxy.port
    await proxy.start("127.0.0.1")
    with udp() as client:
        client.sendto(b"early", ("127.0.0.1", proxy.port))
        await asyncio.sleep(0.02)
    proxy.close()
    proxy.close()


async def test_counters_outlive_the_clients(ends) -> None:
    client, server, _ = ends
    proxy = UdpImpairment(lambda number: LinkModel(number, loss=float(number % 2)))
    await proxy.start("127.0.0.1")
    proxy.target = server.getsockname()
    client.sendto(b"there", ("127.0.0.1", proxy.port))
    _, address = await receive(server)
    server.sendto(b"lost on the way back", address)
    async with asyncio.timeout(2):
        while not proxy.totals()[1].offered:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    proxy.close()
    there, back = proxy.totals()
    assert (there.offered, there.arrived, back.offered, back.lost) == (1, 1, 1, 1)
    assert proxy.clients_seen == 1


async def test_a_client_that_fell_silent_makes_room(ends, monkeypatch: pytest.MonkeyPatch) -> None:
    client, server, _ = ends
    monkeypatch.setattr("netplay.impairment._MAX_CLIENTS", 1)
    proxy = UdpImpairment(LinkModel, idle_s=0.05)
    await proxy.start("127.0.0.1")
    proxy.target = server.getsockname()
    with udp() as other:
        client.sendto(b"one", ("127.0.0.1", proxy.port))
        await receive(server)
        other.sendto(b"too many", ("127.0.0.1", proxy.port))
        with pytest.raises(TimeoutError):
            await receive(server, 0.1)
        assert proxy.clients_refused == 1
        other.sendto(b"two", ("127.0.0.1", proxy.port))
        assert (await receive(server))[0] == b"two"
    proxy.close()
