"""Opening a link over UDP: the protocol's client endpoint on a socket of the running loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import Final

from messaging_agent.datagram_link import DatagramLink
from messaging_agent.errors import LinkFailed
from messaging_agent.grants import LinkGrant
from netcore.aio import UdpDriver, open_udp, resolve_udp
from netcore.client import ClientEndpoint
from netcore.codes import CloseCode
from netcore.token import Credentials

DRAIN_S: Final = 1.5
"""How long the socket stays after the end, so that the last datagrams and their repetitions get out."""


class UdpLink(DatagramLink):
    """A datagram link with a socket of its own, which goes when the link has gone."""

    def __init__(self, opened: asyncio.Future[None]) -> None:
        super().__init__(lambda link: _settle(opened), lambda code, reason: _fail(opened, code, reason))
        self._driver: UdpDriver | None = None
        self._ended = asyncio.Event()

    def drive(self, driver: UdpDriver) -> None:
        """The socket is there."""
        self._driver = driver

    def abandon(self) -> None:
        """Give the attempt up, or drop everything at once."""
        self._ended.set()
        if self._driver is not None:
            self._driver.close()

    async def finished(self) -> None:
        """Wait until everything is acknowledged or `DRAIN_S` is over, and close the socket.

        For a link that was closed or has ended.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._ended.wait()
                await asyncio.sleep(0)  # the wake-up that ended it sends its last datagram
        self.abandon()

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        """The connection ended, or never came about."""
        super().connection_closed(code, reason, remote)
        self._ended.set()
        self._release_later()

    def close(self, code: int, reason: str = "") -> None:
        """Send what is queued, tell the server, and end."""
        super().close(code, reason)
        self._release_later()

    def _release_later(self) -> None:
        driver = self._driver
        if driver is not None and not driver.is_closed:
            asyncio.get_running_loop().call_later(DRAIN_S, driver.close)


async def open_udp_link(grant: LinkGrant, host: str, *, timeout_s: float = 5.0) -> UdpLink:
    """Shake hands with the server at `host`. Raises `LinkFailed` where it refuses or stays silent."""
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[None] = loop.create_future()
    link = UdpLink(opened)
    try:
        address, bind_to = await resolve_udp(host, grant.port)
        credentials = Credentials(grant.token, grant.psk, grant.app_id, grant.steer)
        endpoint = ClientEndpoint(credentials, address, link, random=os.urandom, now=time.monotonic())
        link.drive(await open_udp(endpoint, bind_to, 0, remote=address))
        async with asyncio.timeout(timeout_s):
            await opened
    except TimeoutError:
        link.abandon()
        raise LinkFailed("udp", CloseCode.IDLE, f"no answer within {timeout_s:g} s") from None
    except (OSError, ValueError) as error:
        link.abandon()
        raise LinkFailed("udp", CloseCode.IDLE, str(error)) from error
    except BaseException:
        link.abandon()
        raise
    return link


def _settle(opened: asyncio.Future[None]) -> None:
    if not opened.done():
        opened.set_result(None)


def _fail(opened: asyncio.Future[None], code: int, reason: str) -> None:
    if not opened.done():
        opened.set_exception(LinkFailed("udp", code, reason))
