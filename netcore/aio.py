"""The one file of the core with an event loop: moves datagrams between a socket and an endpoint.

Its own non-blocking socket, read up to 64 datagrams a wake-up with the clock read once, and one flush at the
end: asyncio's datagram transport reads a single datagram a wake-up into a fresh 256 KiB buffer and costs
several times as much (`bench` scenario udp_echo). Loops without `add_reader` (Windows) still get that one.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from netcore.address import Address
from netcore.endpoint import DatagramEndpoint

_log: Final = logging.getLogger("netcore.aio")

READS_PER_WAKE_UP: Final = 64
RECEIVE_BYTES: Final = 2048
"""More than any datagram of ours; a longer one arrives cut and is dropped for its length."""
SOCKET_BUFFER_BYTES: Final = 4 << 20
_AT_ONCE_S: Final = 0.00002
UNSENT_CAP: Final = 1024
"""Datagrams kept while the socket takes none; beyond them the oldest go, as in a full router."""
_STOOD_STILL_S: Final = 0.25
"""A timer that is so late was held up together with everything else."""
_CATCH_UP_READS: Final = 10_000
"""More datagrams than a socket's buffer holds."""
_TIMER_GRAIN_S: Final = 0.001
"""uvloop's timers have steps of 1 ms; asking for less would spin."""

# Linux names that Python does not export everywhere.
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_PROBE: Final = 3


class DriverStats:
    """Counters of a driver; plain ints."""

    __slots__ = ("receive_errors", "send_errors", "unsent_dropped", "wake_ups")

    def __init__(self) -> None:
        """All zero."""
        self.wake_ups = 0
        self.receive_errors = 0
        """Errors the system reported for the socket, mostly that an earlier datagram found no listener."""
        self.send_errors = 0
        """Datagrams the system refused: too long for the path, no route, not permitted."""
        self.unsent_dropped = 0
        """Datagrams dropped because the socket took none for too long."""


class UdpDriver:
    """Drives one endpoint on one socket. Made by `open_udp`; everything runs in the loop's thread."""

    def __init__(
        self,
        endpoint: DatagramEndpoint,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        remote: Address | None = None,
    ) -> None:
        """Takes the socket over, which is connected to `remote` if that is given. Call `start` (or use `open_udp`)."""
        self.stats = DriverStats()
        self._endpoint = endpoint
        self._socket = sock
        self._loop = loop
        self._clock = clock
        self._remote = remote
        self._address: Address = sock.getsockname()
        self._transport: asyncio.DatagramTransport | None = None
        self._reads = False
        self._unsent: deque[tuple[bytes, Address]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._flush_waits = False
        self._closed = False
        self._done_at = 0.0  # when the last wake-up for reading ended

    @property
    def address(self) -> Address:
        """The socket's own address; its port is the one that was bound."""
        return self._address

    @property
    def is_closed(self) -> bool:
        """True once `close` was called."""
        return self._closed

    async def start(self, *, own_reader: bool = True) -> None:
        """Begin to read. `own_reader=False` takes asyncio's datagram transport at once."""
        self._endpoint.wake = self._flush_soon
        if own_reader:
            try:
                self._loop.add_reader(self._socket, self._read)
                self._reads = True
            except NotImplementedError:
                own_reader = False
        if not own_reader:
            self._transport, _ = await self._loop.create_datagram_endpoint(
                lambda: _Protocol(self), sock=self._socket
            )
            if hasattr(self._transport, "max_size"):
                # asyncio allocates this much for every datagram: 256 KiB unless told.
                self._transport.max_size = RECEIVE_BYTES
        self._flush_soon()

    def close(self) -> None:
        """Stop at once; what the endpoint still had to send is lost. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._endpoint.wake = _stay_asleep
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
            return
        if self._reads:
            self._loop.remove_reader(self._socket)
        if self._unsent:
            self._loop.remove_writer(self._socket)
        self._socket.close()

    # Wake-ups

    def _read(self, reads: int = 0) -> None:
        """The socket has datagrams; read at most `reads`, 0: as many as seem to be there."""
        now = self._clock()
        receive, receive_from = self._socket.recv, self._socket.recvfrom
        take, remote = self._endpoint.receive_datagram, self._remote
        # A socket that is readable again at once had more to give: read on until it is empty. Otherwise one datagram
        # is most likely all there is, and asking for another costs as much as a tenth of handling it.
        reads = reads or (READS_PER_WAKE_UP if now - self._done_at < _AT_ONCE_S else 1)
        try:
            for _ in range(reads):
                try:
                    if remote is not None:
                        data, addr = receive(RECEIVE_BYTES), remote
                    else:
                        data, addr = receive_from(RECEIVE_BYTES)
                except (BlockingIOError, InterruptedError):
                    break
                except OSError:
                    # ICMP answers to what was sent earlier; the next read gives the next datagram.
                    self.stats.receive_errors += 1
                    continue
                take(data, addr, now)
                if self._closed:
                    return
        finally:
            self._flush(now)
            self._done_at = self._clock()

    def _timer_due(self) -> None:
        self._timer = None
        now = self._clock()
        if self._reads and now - self._timer_at > _STOOD_STILL_S:
            # The process stood still, not its peers: what they sent meanwhile counts before their silence does.
            self._read(_CATCH_UP_READS)
            if self._closed:
                return
        try:
            self._endpoint.handle_timer(now)
        finally:
            self._flush(now)

    def _flush_soon(self) -> None:
        """The endpoint has something to send outside a wake-up."""
        if not self._flush_waits and not self._closed:
            self._flush_waits = True
            self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flush_waits = False
        self._flush(self._clock())

    def _flush(self, now: float) -> None:
        """The end of every wake-up: send everything, arm the timer."""
        if self._closed:
            return
        self.stats.wake_ups += 1
        datagrams = self._endpoint.datagrams_to_send(now)
        if self._closed:
            return
        if datagrams:
            if self._transport is not None:
                for data, addr in datagrams:
                    self._transport.sendto(data, addr if self._remote is None else None)
            elif self._unsent:
                self._keep(datagrams)
            else:
                self._send(datagrams)
        self._arm(now)

    # Sending

    def _send(self, datagrams: Sequence[tuple[bytes, Address]]) -> None:
        send, send_to, connected = self._socket.send, self._socket.sendto, self._remote is not None
        for index, (data, addr) in enumerate(datagrams):
            try:
                if connected:
                    send(data)
                else:
                    send_to(data, addr)
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._socket, self._write)
                self._keep(datagrams[index:])
                return
            except OSError:
                self.stats.send_errors += 1

    def _keep(self, datagrams: Sequence[tuple[bytes, Address]]) -> None:
        self._unsent.extend(datagrams)
        while len(self._unsent) > UNSENT_CAP:
            self._unsent.popleft()
            self.stats.unsent_dropped += 1

    def _write(self) -> None:
        """The socket takes datagrams again."""
        unsent = self._unsent
        while unsent:
            try:
                data, addr = unsent[0]
                if self._remote is None:
                    self._socket.sendto(data, addr)
                else:
                    self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.stats.send_errors += 1
            unsent.popleft()
        self._loop.remove_writer(self._socket)

    # The timer

    def _arm(self, now: float) -> None:
        """See that `_timer_due` runs when the endpoint's next deadline comes.

        A deadline that moved later leaves the timer: it fires early once, which is cheaper than arming anew
        for every packet.
        """
        when = self._endpoint.next_timer()
        if when is None:
            return
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        # At least a grain, also where it is due: an endpoint whose timer stood still would spin the loop otherwise.
        self._timer = self._loop.call_later(max(when - now, _TIMER_GRAIN_S), self._timer_due)


class _Protocol(asyncio.DatagramProtocol):
    """asyncio's datagram callbacks, where a loop cannot watch a socket of ours."""

    def __init__(self, driver: UdpDriver) -> None:
        self._driver = driver

    def datagram_received(self, data: bytes, addr: Any) -> None:
        driver = self._driver
        if not driver._closed:
            # The flush waits until the datagrams of this turn of the loop are all in.
            driver._flush_soon()
            driver._endpoint.receive_datagram(data, addr, driver._clock())

    def error_received(self, exc: Exception) -> None:
        self._driver.stats.receive_errors += 1


async def open_udp(
    endpoint: DatagramEndpoint,
    host: str,
    port: int,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    clock: Callable[[], float] = time.monotonic,
    reuse_port: bool = False,
    own_reader: bool = True,
    remote: Address | None = None,
) -> UdpDriver:
    """Bind a UDP socket and drive `endpoint` on it. Port 0 takes a free one, see `UdpDriver.address`.

    `host` is numeric or a name; `::` takes IPv4 too, where the system can. `clock` gives monotonic seconds;
    it is not the loop's, whose steps may be 1 ms (uvloop). `own_reader=False` forces asyncio's transport.
    `remote` is the one address a client talks to: the socket is connected to it, and the kernel drops the rest.
    Raises `OSError` where the address cannot be bound. Close the driver when done.
    """
    loop = loop or asyncio.get_running_loop()
    family, bind_to = await _resolve(loop, host, port, socket.AI_PASSIVE)
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        _set_options(sock, family, reuse_port)
        sock.bind(bind_to)
        if remote is not None:
            sock.connect(remote)
        driver = UdpDriver(endpoint, sock, loop, clock, remote)
        await driver.start(own_reader=own_reader)
    except BaseException:
        sock.close()
        raise
    return driver


async def resolve_udp(
    host: str, port: int, *, loop: asyncio.AbstractEventLoop | None = None
) -> tuple[Address, str]:
    """(numeric address of a server, host to bind a client to). Raises `OSError` where the name is unknown."""
    family, address = await _resolve(loop or asyncio.get_running_loop(), host, port, 0)
    return address, "0.0.0.0" if family == socket.AF_INET else "::"


def event_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, else None, asyncio's own; for `asyncio.Runner(loop_factory=...)`."""
    if sys.platform == "win32" or importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


async def _resolve(
    loop: asyncio.AbstractEventLoop, host: str, port: int, flags: int
) -> tuple[socket.AddressFamily, Address]:
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)
    family, _, _, _, address = found[0]
    return socket.AddressFamily(family), address


def _set_options(sock: socket.socket, family: socket.AddressFamily, reuse_port: bool) -> None:
    sock.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        _try_option(sock, socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        _try_option(sock, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    if sys.platform == "linux":
        # Never fragment, and let path MTU probes decide rather than the kernel's cache.
        _try_option(sock, socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
        if family == socket.AF_INET6:
            _try_option(sock, socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)


def _try_option(sock: socket.socket, level: int, option: int, value: int) -> None:
    try:
        sock.setsockopt(level, option, value)
    except OSError as error:
        _log.debug("socket option %d/%d not set: %s", level, option, error)


def _stay_asleep() -> None:
    """The `wake` of an endpoint whose driver is closed."""
