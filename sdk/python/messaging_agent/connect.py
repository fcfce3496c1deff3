"""Connecting: from a channel's name and password to a `Channel` in use."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import random
import ssl
import time
from collections import OrderedDict
from collections.abc import Generator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from messaging.names import check_name
from messaging.secrets import ChannelSecret, derive
from messaging_agent.channel import Channel
from messaging_agent.errors import MessagingError, ServerReadsAlong
from messaging_agent.grants import LinkGrant, SessionGrant
from messaging_agent.ladder import FALLBACK_AFTER_S, Ladder, OpenedLink, Opener
from messaging_agent.long_poll_link import open_long_poll_link
from messaging_agent.reconnect import UPGRADE_AFTER_S, LinkKeeper
from messaging_agent.session_core import ClientSession
from messaging_agent.session_timer import SessionTimer
from messaging_agent.signaling_client import SignalingClient
from messaging_agent.udp_link import open_udp_link
from messaging_agent.websocket_link import open_websocket_link
from netcore.codes import CloseCode

TRANSPORTS: Final = ("udp", "websocket", "long-poll")
"""What this client speaks, best first."""
INBOX_LIMIT: Final = 10_000
_CACHED_SECRETS: Final = 64

_secrets: OrderedDict[tuple[str, str, str], ChannelSecret] = OrderedDict()


def connect(
    api_url: str,
    api_key: str,
    channel: str,
    agent_name: str,
    password: str,
    *,
    scope: str = "private",
    game: str | None = None,
    game_options: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    transports: Sequence[str] = TRANSPORTS,
    session_id: str | None = None,
    poll_source: str = "AUTO",
    custom_event_type: str | Sequence[str] | None = None,
    encrypt: bool = True,
    accept_plain: bool = False,
    inbox_limit: int = INBOX_LIMIT,
    ssl_context: ssl.SSLContext | None = None,
    certificate_sha256: str | None = None,
    http_timeout_s: float = 10.0,
    fallback_after_s: float = FALLBACK_AFTER_S,
    upgrade_after_s: float = UPGRADE_AFTER_S,
) -> Connecting:
    """Join a channel: `async with connect(...) as channel`, or `channel = await connect(...)`.

    `channel` and `password` together name the channel: another password is another, empty channel
    (`channel.created` tells). The password stays here; the server gets a proof derived from it, which takes
    some tenths of a second the first time. `scope` is `private` (the channel belongs to the developer behind
    the key) or `public`. `game` asks for a game run by the server, with `game_options`. `metadata` is a JSON
    object that the others see. `transports` names what may be used, best first: when the first stays silent
    for `fallback_after_s` seconds the next is tried beside it, and once on a lesser one, the better one is
    tried again after `upgrade_after_s` and ever less often. `session_id` resumes an earlier session.
    `custom_event_type` names the only message types that are delivered to this agent (1 to 32, a list or a text
    with commas). Content is encrypted end to end, but where the server has to read it (`channel.readable`): there
    `game` or `encrypt=False` says that you know. `encrypt=False` sends plain content. `accept_plain=True` also shows
    plain messages in an encrypted channel, which the server could have written. `ssl_context` or
    `certificate_sha256` (the SHA-256 of the one certificate to accept, as the server prints it) is for a server
    whose certificate this machine does not know.

    Raises `ValueError` for a wrong argument, `ServerUnreachable`, a `RequestRefused` (bad key, name taken,
    ...), `ServerReadsAlong` (nothing was sent yet), `NoTransport`, or a `ChannelClosed`.
    """
    unknown = [name for name in transports if name not in TRANSPORTS]
    if unknown or not transports:
        raise ValueError(f"transports has to name some of {', '.join(TRANSPORTS)}, not {list(transports)}")
    agent_name = check_name(agent_name, "agent name")
    signaling = SignalingClient(
        api_url,
        api_key,
        ssl_context=ssl_context,
        certificate_sha256=certificate_sha256,
        timeout_s=http_timeout_s,
    )
    return Connecting(
        signaling,
        password=password,
        encrypt=encrypt,
        accept_plain=accept_plain,
        inbox_limit=inbox_limit,
        fallback_after_s=fallback_after_s,
        upgrade_after_s=upgrade_after_s,
        request={
            "channel_name": channel,
            "agent_name": agent_name,
            "scope": scope,
            "transports": list(dict.fromkeys(transports)),
            "poll_source": poll_source,
            "custom_event_type": custom_event_type,
            "session_id": session_id,
            "metadata": metadata,
            "game": game,
            "game_options": game_options,
        },
    )


class Connecting:
    """A connect that has not begun: await it, or enter it. Good once."""

    def __init__(
        self,
        signaling: SignalingClient,
        *,
        password: str,
        encrypt: bool,
        accept_plain: bool,
        inbox_limit: int,
        fallback_after_s: float,
        upgrade_after_s: float,
        request: dict[str, Any],
    ) -> None:
        self._signaling = signaling
        self._password = password
        self._encrypt = encrypt
        self._accept_plain = accept_plain
        self._inbox_limit = inbox_limit
        self._fallback_after_s = fallback_after_s
        self._upgrade_after_s = upgrade_after_s
        self._request = request
        self._channel: Channel | None = None

    def __await__(self) -> Generator[Any, None, Channel]:
        return self._connect().__await__()

    async def __aenter__(self) -> Channel:
        self._channel = await self._connect()
        return self._channel

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def _connect(self) -> Channel:
        try:
            request = self._request
            secret = await channel_secret(self._password, request["channel_name"], request["scope"])
            grant = await self._signaling.connect(proof=secret.proof, **request)
            if self._encrypt and grant.readable and request["game"] is None:
                await self._leave(grant)
                raise ServerReadsAlong(request["channel_name"], grant.game)
            channel = self._assemble(grant, secret)
            try:
                await self._first_link(channel, grant)
            except BaseException:
                channel.session.end(CloseCode.NORMAL, "gave up")
                await self._leave(grant)
                await channel.links_finished()
                raise
        except BaseException:
            await self._signaling.close()
            raise
        channel.keeper.start()
        return channel

    def _assemble(self, grant: SessionGrant, secret: ChannelSecret) -> Channel:
        """Put the parts together; nothing moves yet."""
        loop = asyncio.get_running_loop()
        channel = Channel(
            self._request["channel_name"], grant, self._signaling, inbox_limit=self._inbox_limit
        )
        session = channel.session = ClientSession(
            channel,
            clock=time.monotonic,
            message_key=secret.message_key if self._encrypt else None,
            random=os.urandom,
            readable=grant.readable,
            accept_plain=self._accept_plain,
        )
        SessionTimer(
            session,
            time.monotonic,
            lambda when, callback: loop.call_later(max(0.0, when - time.monotonic()), callback),
        )
        ladder = Ladder(
            session, channel.watch, self._openers(channel), fallback_after_s=self._fallback_after_s
        )
        channel.ladder = ladder
        offered = {link.transport for link in grant.links}
        channel.keeper = LinkKeeper(
            session,
            self._signaling,
            ladder,
            grant.session_id,
            [name for name in self._request["transports"] if name in offered],
            fraction=random.random,
            upgrade_after_s=self._upgrade_after_s,
        )
        return channel

    async def _first_link(self, channel: Channel, grant: SessionGrant) -> None:
        offered = {link.transport: link for link in grant.links}
        wanted = [offered[name] for name in self._request["transports"] if name in offered]
        await channel.ladder.climb(wanted)
        await channel.wait_ready()

    async def _leave(self, grant: SessionGrant) -> None:
        """Do not leave a session behind that nobody uses."""
        with contextlib.suppress(MessagingError):
            await self._signaling.leave(grant.session_id)

    def _openers(self, channel: Channel) -> dict[str, Opener]:
        signaling = self._signaling

        async def udp(grant: LinkGrant) -> OpenedLink:
            link = await open_udp_link(grant, await signaling.server_address())
            channel.finish_at_close(link)
            return link

        async def websocket(grant: LinkGrant) -> OpenedLink:
            url = signaling.websocket_url(grant.port, grant.path)
            link = await open_websocket_link(await signaling.http(), url, grant.token)
            channel.finish_at_close(link)
            return link

        async def long_poll(grant: LinkGrant) -> OpenedLink:
            url = signaling.long_poll_url(grant.port, grant.path)
            link = await open_long_poll_link(await signaling.http(), url, grant.token)
            channel.finish_at_close(link)
            return link

        return {"udp": udp, "websocket": websocket, "long-poll": long_poll}


async def channel_secret(password: str, channel_name: str, scope: str) -> ChannelSecret:
    """`messaging.secrets.derive`, off the loop, remembered in memory. Raises `ValueError` for a bad name."""
    wanted = (password, channel_name, scope)
    secret = _secrets.get(wanted)
    if secret is None:
        work = functools.partial(derive, password, channel_name, scope)
        secret = await asyncio.get_running_loop().run_in_executor(None, work)
        _secrets[wanted] = secret
        while len(_secrets) > _CACHED_SECRETS:
            _secrets.popitem(last=False)
    return secret
