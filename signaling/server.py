"""The one TCP port: uvicorn with our HTTP and WebSocket protocols, started and stopped from inside a loop."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from netcore.address import TrustedNetworks
from signaling.http_protocol import ConnectionCensus, HttpProtocol
from signaling.settings import HttpLimits

_NO_SUCH_FAMILY: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors of a machine that has no IPv6, or no IPv4."""


class HttpServer:
    """Serves an ASGI application, and links over WebSocket beside it, on one port.

    `start` binds and returns once connections are taken; `stop` ends it. Both from the same running loop.
    """

    def __init__(
        self,
        app: ASGIApp,
        ws_factory: Callable[..., asyncio.Protocol] | None,
        host: str | None,
        port: int,
        *,
        limits: HttpLimits | None = None,
        trusted_networks: Iterable[str] = (),
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """`ws_factory` is `transports.websocket.WebSocketTransport.protocol`; None: no WebSocket. `host` None
        is every address of the machine, `port` 0 any free one. `ssl_context`: speak TLS."""
        self._app = app
        self._ws_factory = ws_factory
        self._host = host
        self._asked_port = port
        self._limits = limits or HttpLimits()
        self._ssl_context = ssl_context
        self._server: uvicorn.Server | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._sockets: list[socket.socket] = []
        self.census = ConnectionCensus(self._limits, TrustedNetworks(trusted_networks))

    @property
    def port(self) -> int:
        """The bound port; the asked one before `start`."""
        return self.addresses[0][1] if self._sockets else self._asked_port

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """(address, port) of every listening socket."""
        return [listening.getsockname()[:2] for listening in self._sockets]

    async def start(self) -> None:
        """Bind and serve. Raises `OSError`, with the address in its text, where that is not possible."""
        self._sockets = await self._bind()
        server = uvicorn.Server(self._config())
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup(sockets=self._sockets)
        self._server = server
        self._ticking = asyncio.create_task(server.main_loop(), name="http server")

    async def stop(self) -> None:
        """Take no more connections, close every link with SERVER_SHUTDOWN, let running requests end."""
        server, self._server = self._server, None
        if server is None or self._ticking is None:
            return
        self._ticking.cancel()
        await server.shutdown(sockets=self._sockets)

    def _config(self) -> uvicorn.Config:
        limits = self._limits
        context = self._ssl_context
        return uvicorn.Config(
            self._app,
            http=self._http_protocol,  # type: ignore[arg-type]
            ws=self._ws_factory or "none",  # type: ignore[arg-type]
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=limits.header_bytes,
            timeout_keep_alive=math.ceil(limits.idle_s),
            timeout_graceful_shutdown=math.ceil(limits.stop_grace_s),
            ssl_context_factory=None if context is None else lambda config, default: context,
        )

    def _http_protocol(self, **arguments: Any) -> HttpProtocol:
        return HttpProtocol(**arguments, limits=self._limits, census=self.census)

    async def _bind(self) -> list[socket.socket]:
        """Listening sockets, one for each address that the host name stands for, all with one port."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                self._host, self._asked_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except OSError as error:
            raise OSError(
                error.errno, f"{self._host!r} is no address to listen on: {error.strerror}"
            ) from None
        bound: list[socket.socket] = []
        port = self._asked_port
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                try:
                    bound.append(_listening(family, (address[0], port, *address[2:])))
                except OSError as error:
                    if self._host is None and error.errno in _NO_SUCH_FAMILY:
                        continue
                    raise
                port = bound[0].getsockname()[1]
            if not bound:
                raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        except OSError as error:
            for listening in bound:
                listening.close()
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(
                error.errno or errno.EINVAL,
                f"cannot listen on {self._host or 'any address'} port {port}: {reason}",
            ) from None
        return bound


def _listening(family: int, address: tuple[Any, ...]) -> socket.socket:
    # asyncio turns Nagle off only where the socket says that it is TCP.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
