"""The server: every part made once and joined by hand, started and stopped as one."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
import time

from hub.config import HubConfig
from hub.hub import Hub
from hub.keys import KeyRing
from netcore.aio import UdpDriver, open_udp
from netcore.codes import CloseCode
from netcore.server import ServerConfig, ServerEndpoint
from netplay.clock import LoopClock
from netplay.config import Config
from netplay.mint import TokenMint
from netplay.reset_key import reset_key
from netplay.rooms import ServedRooms
from signaling.app import create_app
from signaling.server import HttpServer
from signaling.settings import HttpSettings
from stores.memory import MemoryLog
from transports.udp import accept_links
from transports.websocket import WebSocketTransport

_PORT_TRIES = 20
"""How often a free port is looked for that TCP and UDP can share."""
_DRAIN_LOOK_S = 0.02


class NetplayServer:
    """One serving process. `start` binds the ports; `stop` tells the agents and lets the queues run dry."""

    def __init__(self, config: Config, keys: KeyRing, version: str = "0") -> None:
        """Nothing happens before `start`. `keys` are the developer keys that are accepted."""
        self._config = config
        self._keys = keys
        self._version = version
        self._http: HttpServer | None = None
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

    async def start(self) -> None:
        """Bind TCP and UDP on one number and serve. Raises OSError where the address cannot be had."""
        config = self._config
        clock = LoopClock(asyncio.get_running_loop())
        mint = TokenMint(os.urandom, time.time)
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
                await self._bind(mint)
                return
            except OSError as error:
                await self._release()
                if config.port or attempt == _PORT_TRIES - 1 or error.errno != errno.EADDRINUSE:
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

    async def _bind(self, mint: TokenMint) -> None:
        """UDP first: its port, free or asked for, is the one that HTTP then takes and tells."""
        config = self._config
        found = await asyncio.get_running_loop().getaddrinfo(
            config.host, config.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )
        port = config.port
        for address in dict.fromkeys(entry[4][0] for entry in found):
            endpoint = ServerEndpoint(
                ServerConfig(
                    retry=config.retry,
                    trusted_networks=self._trusted,
                    reset_key=reset_key(config.state_dir, os.urandom),
                ),
                mint.gate,
                accept_links(self.hub),
                random=os.urandom,
                wall=time.time,
            )
            driver = await open_udp(endpoint, str(address), port)
            self._udp.append((endpoint, driver))
            port = driver.address[1]
        settings = HttpSettings(
            version=self._version,
            udp_port=config.advertise_udp_port or port,
            trusted_networks=self._trusted,
        )
        self._http = HttpServer(
            create_app(self.hub, settings),
            WebSocketTransport(mint.gate, self.hub).protocol,
            config.host,
            port,
            trusted_networks=self._trusted,
        )
        await self._http.start()

    async def _release(self) -> None:
        for _endpoint, driver in self._udp:
            driver.close()
        self._udp.clear()
        if self._http is not None:
            await self._http.stop()

    @property
    def _trusted(self) -> tuple[str, ...]:
        return tuple(str(network) for network in self._config.trusted_networks)


def hub_config(config: Config) -> HubConfig:
    """The hub's share of the configuration."""
    limits = config.limits
    return HubConfig(
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
