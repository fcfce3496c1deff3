"""The server: every part made once and joined by hand, started and stopped as one."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
from collections.abc import Callable

import structlog

from hub.config import HubConfig
from hub.hub import Hub
from hub.keys import KeyRing
from netcore.aio import UdpDriver, open_udp
from netcore.codes import CloseCode
from netcore.server import ServerConfig, ServerEndpoint
from netplay.clock import LoopClock, steady_wall
from netplay.config import Config
from netplay.local_addresses import local_addresses
from netplay.loop_lag import LoopWatchdog
from netplay.metric_sources import (
    http_sources,
    hub_source,
    lag_sources,
    long_poll_source,
    tick_source,
    udp_sources,
    websocket_source,
)
from netplay.metrics import Source, metrics_app, metrics_registry
from netplay.mint import TokenMint
from netplay.request_counts import RequestCounts
from netplay.reset_key import reset_key
from netplay.rooms import ServedRooms
from netplay.tls import ServerTls
from signaling.app import create_app
from signaling.server import HttpServer
from signaling.settings import HttpSettings
from stores.memory import MemoryLog
from transports.long_poll import LongPollTransport
from transports.udp import accept_links
from transports.websocket import WebSocketTransport

_PORT_TRIES = 20
"""How often a free port is looked for that TCP and UDP can share."""
_DRAIN_LOOK_S = 0.02
_ANY_HOSTS = {"0.0.0.0": {"ipv6": False}, "::": {"ipv4": False}, None: {}}
"""Hosts that stand for many addresses, and which of the machine's they leave out."""

log = structlog.get_logger("netplay.server")


class NetplayServer:
    """One serving process. `start` binds the ports; `stop` tells the agents and lets the queues run dry."""

    def __init__(
        self, config: Config, keys: KeyRing, version: str = "0", tls: ServerTls | None = None
    ) -> None:
        """Nothing happens before `start`. `keys` are the developer keys that are accepted; `tls`: HTTPS."""
        self._config = config
        self._keys = keys
        self._version = version
        self._tls = tls
        self._http: HttpServer | None = None
        self._metrics: HttpServer | None = None
        self._sources: list[Source] = []
        self._watchdog = LoopWatchdog()
        self._udp: list[tuple[ServerEndpoint, UdpDriver]] = []
        self._hub: Hub | None = None
        self._rooms = ServedRooms(config.games, config.replays_dir)

    @property
    def hub(self) -> Hub:
        """The hub of a started server. Raises RuntimeError before `start`."""
        if self._hub is None:
            raise RuntimeError("the server has no hub before start()")
        return self._hub

    @property
    def http_port(self) -> int:
        """The TCP port: HTTP and WebSocket. Raises RuntimeError before `start`."""
        if self._http is None:
            raise RuntimeError("the server has no ports before start()")
        return self._http.port

    @property
    def udp_port(self) -> int:
        """The UDP port; the same number. Raises RuntimeError before `start`."""
        return self.http_port

    @property
    def metrics_port(self) -> int | None:
        """The TCP port of `/metrics`; None where there are none."""
        return None if self._metrics is None else self._metrics.port

    @property
    def udp_addresses(self) -> list[str]:
        """The addresses that have a UDP socket."""
        return [driver.address[0] for _endpoint, driver in self._udp]

    async def start(self) -> None:
        """Bind TCP and UDP on one number and serve. Raises OSError where the address cannot be had."""
        config = self._config
        clock = LoopClock(asyncio.get_running_loop())
        wall = steady_wall()
        mint = TokenMint(os.urandom, wall)
        self._hub = Hub(
            hub_config(config),
            clock=clock,
            random=os.urandom,
            keys=self._keys,
            log=MemoryLog(os.urandom),
            mint=mint,
            rooms=self._rooms,
        )
        for attempt in range(_PORT_TRIES):
            try:
                await self._bind(mint, wall)
                break
            except OSError as error:
                await self._release()
                if config.port or attempt == _PORT_TRIES - 1 or error.errno != errno.EADDRINUSE:
                    raise
        self._watchdog.start()
        if self._tls is not None:
            self._tls.start()
        try:
            await self._start_metrics()
        except OSError:
            await self._release()
            raise

    async def stop(self) -> None:
        """Close every link with SERVER_SHUTDOWN, wait for what is queued, free the ports.

        Waits at most `shutdown_s`.
        """
        self.hub.shutdown(CloseCode.SERVER_SHUTDOWN, "the server is stopping")
        looks = math.ceil(self._config.shutdown_s / _DRAIN_LOOK_S)
        for endpoint, _driver in self._udp:
            endpoint.close_all(CloseCode.SERVER_SHUTDOWN, "the server is stopping", self._config.shutdown_s)
        for _ in range(looks):
            if not any(endpoint.connections for endpoint, _driver in self._udp):
                break
            await asyncio.sleep(_DRAIN_LOOK_S)
        await self._release()
        await self._rooms.written()

    async def _bind(self, mint: TokenMint, wall: Callable[[], float]) -> None:
        """UDP first: its port, free or asked for, is the one that HTTP then takes and tells."""
        config = self._config
        port = config.port
        for address in await _udp_hosts(config.bind_host):
            endpoint = ServerEndpoint(
                ServerConfig(
                    retry=config.retry,
                    trusted_networks=self._trusted,
                    reset_key=reset_key(config.state_dir, os.urandom),
                ),
                mint.gate,
                accept_links(self.hub),
                random=os.urandom,
                wall=wall,
            )
            try:
                driver = await open_udp(endpoint, address, port)
            except OSError as error:
                if config.bind_host not in _ANY_HOSTS or error.errno != errno.EADDRNOTAVAIL:
                    raise
                log.warning("address_left_out", address=address, reason=error.strerror)
                continue
            self._udp.append((endpoint, driver))
            port = driver.address[1]
        if not self._udp:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        settings = HttpSettings(
            version=self._version,
            udp_port=config.advertise_udp_port or port,
            tcp_port=config.advertise_tcp_port,
            trusted_networks=self._trusted,
        )
        long_poll = LongPollTransport(mint.gate, self.hub, wall=wall)
        requests = RequestCounts(create_app(self.hub, settings, long_poll=long_poll))
        websockets = WebSocketTransport(mint.gate, self.hub, wall=wall)
        self._http = HttpServer(
            requests,
            websockets.protocol,
            config.bind_host,
            port,
            trusted_networks=self._trusted,
            ssl_context=self._tls.context if self._tls is not None else None,
        )
        await self._http.start()
        self._sources = [
            hub_source(self.hub),
            *udp_sources(lambda: self._udp),
            websocket_source(websockets),
            long_poll_source(long_poll),
            *http_sources(self._http.census, requests),
            tick_source(self._rooms.tick_totals),
            *lag_sources(self._watchdog.stats),
        ]

    async def _start_metrics(self) -> None:
        """Serve `/metrics`. Under `auto` a number that is taken is no reason not to start."""
        config = self._config
        if config.metrics_port == "off":
            return
        automatic = config.metrics_port == "auto"
        port = self.http_port + 1 if config.metrics_port == "auto" else config.metrics_port
        app = metrics_app(metrics_registry(self._version, self._sources))
        metrics = HttpServer(app, None, config.metrics_host, port)
        try:
            await metrics.start()
        except OSError as error:
            if not automatic:
                raise
            log.warning("no_metrics", port=port, reason=error.strerror)
            return
        self._metrics = metrics

    async def _release(self) -> None:
        for _endpoint, driver in self._udp:
            driver.close()
        self._udp.clear()
        self._watchdog.stop()
        if self._tls is not None:
            await self._tls.stop()
        for http in (self._http, self._metrics):
            if http is not None:
                await http.stop()

    @property
    def _trusted(self) -> tuple[str, ...]:
        return tuple(str(network) for network in self._config.trusted_networks)


async def _udp_hosts(host: str | None) -> list[str]:
    """The addresses to give UDP sockets: one each, for an answer has to leave from where its question came to.

    Raises OSError for a name that has none.
    """
    if host in _ANY_HOSTS:
        listed = local_addresses(**_ANY_HOSTS[host])
        return listed or [host or "0.0.0.0"]
    found = await asyncio.get_running_loop().getaddrinfo(
        host, None, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
    )
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def hub_config(config: Config) -> HubConfig:
    """The hub's share of the configuration."""
    limits = config.limits
    return HubConfig(
        transports=("udp", "websocket", "long-poll"),
        agents_per_channel=limits.agents_per_channel,
        max_channels=limits.channels,
        max_message_bytes=limits.message_bytes,
        relay_tick_s=config.relay_tick_ms / 1000,
        ingress_messages_per_s=limits.messages_per_s,
        ingress_messages_burst=limits.messages_burst,
        ingress_bytes_per_s=limits.bytes_per_s,
        ingress_bytes_burst=limits.bytes_burst,
        creates_per_s=limits.creating_connects_per_s,
        creates_burst=limits.creating_connects_burst,
        trusted_networks=tuple(str(network) for network in config.trusted_networks),
    )
