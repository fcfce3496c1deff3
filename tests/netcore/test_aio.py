"""The driver on real sockets: asyncio, uvloop, asyncio's own datagram transport, IPv6."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from netcore import aio
from netcore.address import Address
from netcore.aio import UdpDriver, open_udp, resolve_udp
from netcore.client import ClientEndpoint
from netcore.codes import CloseCode
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.server import ServerConfig, ServerEndpoint
from netcore.token import Credentials, TokenGate, TokenKey, seal_token
from tests.netcore.endpoints import Recorder

APP_ID = 5
KEY = TokenKey(1, bytes(32))


def credentials() -> Credentials:
    token, psk = seal_token(
        KEY, app_id=APP_ID, claims=b"", expires_unix=int(time.time()) + 30, random=os.urandom
    )
    return Credentials(token, psk, APP_ID)


class Echo(Recorder):
    """Sends back what it gets."""

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        super().message_received(lane, kind, key, data)
        assert self.connection is not None
        self.connection.send(lane, kind, data, key)
        self.connection.flush()


class Caller(Recorder):
    """Sends one message of each kind as soon as it may, and waits for all of them and then the end."""

    def __init__(self) -> None:
        super().__init__()
        self.done = asyncio.get_running_loop().create_future()

    def connected(self, connection: Connection) -> None:
        super().connected(connection)
        for kind in Delivery:
            connection.send(8 + kind, kind, b"m%d" % kind)
        connection.flush()

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        super().message_received(lane, kind, key, data)
        if len(self.messages) == len(Delivery):
            assert self.connection is not None
            self.connection.close(7, "thanks")

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        super().connection_closed(code, reason, remote)
        self.done.set_result(code)


def server_endpoint(accepted: list[Recorder]) -> ServerEndpoint:
    def accept(connection: Connection) -> Echo:
        echo = Echo()
        echo.connection = connection
        accepted.append(echo)
        return echo

    config = ServerConfig(trusted_networks=("127.0.0.0/8", "::1/128"))
    return ServerEndpoint(config, TokenGate([KEY], APP_ID), accept, random=os.urandom, wall=time.time)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the endpoints are synchronous: nobody sets an event
            await asyncio.sleep(0)


async def there_and_back(host: str, **options: Any) -> None:
    accepted: list[Recorder] = []
    endpoint = server_endpoint(accepted)
    server = await open_udp(endpoint, host, 0, **options)
    address, bind = await resolve_udp(host, server.address[1])
    caller = Caller()
    client = await open_udp(
        ClientEndpoint(credentials(), address, caller, random=os.urandom, now=time.monotonic()),
        bind,
        0,
        **options,
    )
    try:
        assert await asyncio.wait_for(caller.done, 5) == 7
        assert sorted(caller.texts) == [b"m0", b"m1", b"m2", b"m3"]
        await eventually(lambda: bool(accepted[0].closed))
        assert accepted[0].closed == [(7, "thanks", True)]
    finally:
        client.close()
        server.close()
        server.close()
    assert server.is_closed
    # Closed means silent: neither a timer nor a wake of the endpoint touches the socket again.
    endpoint.wake()
    await asyncio.sleep(0.01)


def run(main: Callable[[], Any], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_messages_over_real_sockets() -> None:
    run(lambda: there_and_back("127.0.0.1"))


@pytest.mark.needs("uvloop")
def test_the_same_on_uvloop() -> None:
    assert aio.event_loop_factory() is not None
    run(lambda: there_and_back("127.0.0.1"), aio.event_loop_factory())


def test_the_same_through_asyncios_datagram_transport() -> None:
    run(lambda: there_and_back("127.0.0.1", own_reader=False))


def test_the_same_where_a_loop_cannot_watch_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        added = loop.add_reader

        def add_reader(sock: Any, *arguments: Any) -> None:
            # What a Windows proactor loop says to a program; asyncio's own transport has another way.
            raise NotImplementedError

        monkeypatch.setattr(loop, "add_reader", add_reader)
        try:
            await there_and_back("127.0.0.1")
        finally:
            monkeypatch.setattr(loop, "add_reader", added)

    run(main)


@pytest.mark.needs("ipv6")
def test_the_same_over_ipv6() -> None:
    run(lambda: there_and_back("::1"))


class Puppet:
    """An endpoint that does as a test says."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self.received: list[tuple[bytes, Address, float]] = []
        self.out: list[tuple[bytes, Address]] = []
        self.flushes: list[int] = []
        self.timers: list[float] = []
        self.when: float | None = None

    def receive_datagram(self, data: bytes, addr: Address, now: float) -> None:
        self.received.append((data, addr, now))
        if data == b"defect":
            raise RuntimeError("a handler's own defect")

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        self.flushes.append(len(self.received))
        out, self.out = self.out, []
        return out

    def next_timer(self) -> float | None:
        return self.when

    def handle_timer(self, now: float) -> None:
        assert self.when is not None
        self.timers.append(now - self.when)
        self.when = None


async def puppet_driver() -> tuple[Puppet, UdpDriver, socket.socket]:
    puppet = Puppet()
    driver = await open_udp(puppet, "127.0.0.1", 0)
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(("127.0.0.1", 0))
    peer.settimeout(2)
    await asyncio.sleep(0)
    return puppet, driver, peer


def test_a_busy_socket_is_read_64_datagrams_a_wake_up_with_one_clock_and_one_flush() -> None:
    async def main() -> None:
        puppet, driver, peer = await puppet_driver()
        for index in range(100):
            peer.sendto(b"%d" % index, driver.address)
        puppet.flushes.clear()
        await eventually(lambda: len(puppet.received) >= 100)
        assert puppet.flushes == [1, 65, 100]  # the first tells that there is more
        assert [int(data) for data, _, _ in puppet.received] == list(range(100))
        assert len({now for _, _, now in puppet.received}) == 3
        driver.close()
        peer.close()

    run(main)


def test_the_timer_fires_at_its_time_and_follows_an_earlier_one() -> None:
    async def main() -> None:
        puppet, driver, peer = await puppet_driver()
        now = time.monotonic()
        puppet.when = now + 30
        driver._arm(now)
        far = driver._timer
        puppet.when = now + 40
        driver._arm(now)
        assert far is not None and driver._timer is far  # later: it fires early once, and is not armed anew
        puppet.when = now + 0.02
        puppet.wake()
        await asyncio.sleep(0.2)
        assert far.cancelled()
        assert len(puppet.timers) == 1
        assert -0.001 <= puppet.timers[0] < 0.15
        driver.close()
        peer.close()

    run(main)


def test_a_handlers_defect_reaches_the_loop_and_stops_nothing() -> None:
    async def main() -> None:
        puppet, driver, peer = await puppet_driver()
        reported: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: reported.append(str(context.get("exception")))
        )
        puppet.out = [(b"answer", peer.getsockname())]
        peer.sendto(b"defect", driver.address)
        peer.sendto(b"after", driver.address)
        await eventually(lambda: len(puppet.received) >= 2)
        assert reported == ["a handler's own defect"]
        assert peer.recv(100) == b"answer"
        driver.close()
        peer.close()

    run(main)


class FullSocket:
    """A socket whose buffer is full until a test empties it, or that refuses some datagrams."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.full = True
        self.sent: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def sendto(self, data: bytes, addr: Address) -> int:
        if self.full:
            raise BlockingIOError
        if data == b"too long":
            raise OSError(90, "Message too long")
        self.sent.append(data)
        return len(data)


def test_a_full_socket_keeps_order_and_drops_the_oldest_beyond_its_cap() -> None:
    async def main() -> None:
        puppet, driver, peer = await puppet_driver()
        full = FullSocket(driver._socket)
        driver._socket = full  # type: ignore[assignment]
        to = peer.getsockname()
        watched: list[object] = []
        loop = asyncio.get_running_loop()
        loop.add_writer = lambda sock, callback: watched.append(callback)  # type: ignore[method-assign, assignment, misc]
        loop.remove_writer = lambda sock: watched.pop() is not None  # type: ignore[method-assign, assignment]
        for start in (0, 600):
            puppet.out = [(b"%d" % index, to) for index in range(start, start + 600)]
            puppet.wake()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert len(watched) == 1
        assert driver.stats.unsent_dropped == 1200 - aio.UNSENT_CAP
        full.full = False
        driver._write()
        assert [int(data) for data in full.sent] == list(range(1200 - aio.UNSENT_CAP, 1200))
        assert watched == []
        puppet.out = [(b"too long", to), (b"fits", to)]
        puppet.wake()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert full.sent[-1] == b"fits"
        assert driver.stats.send_errors == 1
        driver.close()
        peer.close()

    run(main)


def test_nobody_listening_does_not_break_the_driver() -> None:
    """The system reports ICMP's port unreachable as an error of the socket."""

    async def main() -> None:
        nobody = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        nobody.bind(("127.0.0.1", 0))
        address = nobody.getsockname()
        nobody.close()
        handler = Recorder()
        endpoint = ClientEndpoint(credentials(), address, handler, random=os.urandom, now=time.monotonic())
        driver = await open_udp(endpoint, "127.0.0.1", 0)
        await asyncio.sleep(0.3)
        assert endpoint.stats.hellos == 2
        endpoint.close(CloseCode.NORMAL)
        assert handler.closed == [(CloseCode.NORMAL, "", False)]
        driver.close()

    run(main)


def test_a_port_in_use_is_an_error_of_the_system() -> None:
    async def main() -> None:
        _, driver, peer = await puppet_driver()
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
            await open_udp(Puppet(), "127.0.0.1", driver.address[1])
        driver.close()
        peer.close()

    run(main)


def test_importing_the_core_loads_no_event_loop() -> None:
    code = (
        "import netcore.server, netcore.client, sys;"
        "sys.exit('asyncio' in sys.modules or 'socket' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("own_reader", [True, False], ids=["reader", "transport"])
def test_a_client_on_a_connected_socket_talks_to_its_server_and_hears_nobody_else(own_reader: bool) -> None:
    async def main() -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
        ):
            server.bind(("127.0.0.1", 0))
            server.setblocking(False)
            stranger.bind(("127.0.0.1", 0))
            remote = server.getsockname()
            puppet = Puppet()
            driver = await open_udp(puppet, "127.0.0.1", 0, remote=remote, own_reader=own_reader)
            puppet.out = [(b"up", remote)]
            puppet.wake()
            data, _ = await asyncio.get_running_loop().sock_recvfrom(server, 100)
            assert data == b"up"
            stranger.sendto(b"psst", driver.address)
            server.sendto(b"down", driver.address)
            await eventually(lambda: puppet.received)
            assert [(data, addr) for data, addr, _ in puppet.received] == [(b"down", remote)]
            driver.close()

    run(main)


# NCP-3-4
@pytest.mark.skipif(sys.platform != "linux", reason="the option is Linux's")
async def test_datagrams_are_never_fragmented() -> None:
    driver = await open_udp(server_endpoint([]), "127.0.0.1", 0)
    try:
        probe = 3  # IP_PMTUDISC_PROBE: Don't Fragment, whatever the kernel believes of the path
        assert driver._socket.getsockopt(socket.IPPROTO_IP, 10) == probe
    finally:
        driver.close()
