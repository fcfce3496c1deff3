"""The hub: the use cases of channels, agents and sessions. It coordinates; the parts hold the rules."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from hub.access import Access
from hub.attachment import Attachment
from hub.channel import Channel
from hub.config import POLL_SOURCES, HubConfig
from hub.environment import Environment
from hub.errors import ChannelError, ErrorCode
from hub.event_types import parse_event_types
from hub.identity import SECRET_BYTES, parse_session_text, session_text
from hub.keys import KeyRecord, KeyRing
from hub.ports import (
    AgentInfo,
    Clock,
    Link,
    LinkHandler,
    LogPage,
    MessageLog,
    RoomFactory,
    StoredMessage,
    Timer,
)
from hub.requests import ConnectAnswer, ConnectRequest, LinkMint, LinkOffer, LinksAnswer
from hub.session import MAX_WAITING_LINKS, Session
from hub.statistics import HubStats
from messaging.claims import SESSION_ID_BYTES, Claims, decode_claims, encode_claims
from messaging.control import check_metadata
from messaging.errors import ProtocolError
from messaging.names import check_name
from netcore.codes import CloseCode

_log = logging.getLogger("netplay.hub")
MAX_PAGE: Final = 1000
"""Messages in one answer of `receive`."""


class Hub:
    """All that one server knows of its channels. Synchronous and pure; only `receive` waits, for the log."""

    def __init__(
        self,
        config: HubConfig,
        *,
        clock: Clock,
        random: Callable[[int], bytes],
        keys: KeyRing,
        log: MessageLog,
        mint: LinkMint,
        rooms: RoomFactory | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._random = random
        self._mint = mint
        self._rooms = rooms
        self._log = log
        self._stats = HubStats()
        self._env = Environment(config, clock, log, self._stats)
        self._access = Access(config, keys, config.channel_secret or random(32))
        self._channels: dict[str, Channel] = {}
        self._sessions: dict[bytes, Session] = {}
        self._forgetting: dict[str, Timer] = {}  # channels that are gone and whose log is kept for a while
        self._draining = False

    @property
    def config(self) -> HubConfig:
        """The numbers it works with."""
        return self._config

    @property
    def ready(self) -> bool:
        """True while connects are taken; False once `shutdown` has begun."""
        return not self._draining

    # Connect.

    def connect(self, request: ConnectRequest) -> ConnectAnswer:
        """Bring an agent into a channel, or resume its session.

        A `session_id` that has ended opens a new session (`resumed` is False); one with a wrong secret, or of
        another channel, is refused. Raises ChannelError.
        """
        try:
            return self._connect(request)
        except ChannelError as error:
            self._stats.refused[error.type] += 1
            raise

    def _connect(self, request: ConnectRequest) -> ConnectAnswer:
        self._check_ready()
        key = self._access.key(request.api_key)
        request = _checked(request, self._config)
        types = None if request.custom_event_type is None else parse_event_types(request.custom_event_type)
        channel_name = request.channel_name
        session = self._session_to_resume(request.session_id)
        if session is None:
            self._access.check_pace(key, request.remote_address, self._clock.now())
        channel_id = self._access.channel_id(key, request.scope, channel_name, request.proof)
        transports = self._transports(request.transports)
        if session is not None:
            if session.channel.id != channel_id:
                raise ChannelError(ErrorCode.SESSION_REFUSED, "the session belongs to another channel")
            _check_game(session.channel, request.game)
            secret = session.secret.rotate(self._random)
            self._stats.resumes += 1
        else:
            session, secret = self._enter(request, key, channel_id)
        if types is not None:
            session.channel.choose_types(session, types)
        self._stats.connects += 1
        return self._answer(session, secret, transports, request)

    def _session_to_resume(self, text: str | None) -> Session | None:
        if text is None:
            return None
        try:
            return self._session(text)
        except ChannelError as error:
            if error.code is ErrorCode.SESSION_UNKNOWN:
                return None
            raise

    def _enter(self, request: ConnectRequest, key: KeyRecord, channel_id: str) -> tuple[Session, bytes]:
        """A new session in the channel, which is made where there is none."""
        channel = self._channels.get(channel_id)
        created = channel is None
        if channel is None:
            channel = self._create(request, key, channel_id)
        else:
            _check_game(channel, request.game)
        session_id, secret = self._random(SESSION_ID_BYTES), self._random(SECRET_BYTES)
        try:
            session = channel.admit(session_id, secret, request.agent_name, dict(request.metadata))
        except ChannelError:
            if created:  # the agent wanted the name of the game that it asked for
                self.channel_empty(channel)
            raise
        self._sessions[session_id] = session
        return session, secret

    def _create(self, request: ConnectRequest, key: KeyRecord, channel_id: str) -> Channel:
        if len(self._channels) >= self._config.max_channels:
            raise ChannelError(ErrorCode.BUSY)
        agent = None
        if request.game is not None:
            if self._rooms is None:
                raise ChannelError(ErrorCode.GAME_REFUSED, "this server has no games")
            try:
                agent = self._rooms(request.game, request.game_options or {})
            except ValueError as error:
                raise ChannelError(ErrorCode.GAME_REFUSED, str(error)) from None
        self._access.note_create(key, request.remote_address, self._clock.now())
        forgetting = self._forgetting.pop(channel_id, None)
        if forgetting is not None:
            forgetting.cancel()
        channel = Channel(self._env, self, channel_id)
        self._channels[channel_id] = channel
        if request.game is not None and agent is not None:
            channel.start_game(request.game, agent)
        _log.info("channel_created", extra={"channel": channel_id, "game": request.game})
        return channel

    def _answer(
        self, session: Session, secret: bytes, transports: list[str], request: ConnectRequest
    ) -> ConnectAnswer:
        channel = session.channel
        epoch, offset = self._log.position(channel.id)
        resumed = session.generation > 0
        return ConnectAnswer(
            session_id=session_text(session.id, secret),
            channel_id=channel.id,
            agent_name=session.info.name,
            agent_index=session.index,
            created=session.created and not resumed,
            resumed=resumed,
            readable=channel.readable,
            game=channel.game,
            epoch=epoch,
            offset=offset,
            poll_source=request.poll_source,
            served_by="memory",
            links=self._mint_generation(session, transports),
        )

    # Links.

    def mint_links(self, session_id: str, transports: Sequence[str] = ()) -> LinksAnswer:
        """Fresh tokens of the next link generation; rotates the session's secret. Raises ChannelError."""
        self._check_ready()
        wanted = self._transports(transports)
        session = self._session(session_id)
        secret = session.secret.rotate(self._random)
        return LinksAnswer(session_text(session.id, secret), self._mint_generation(session, wanted))

    def _mint_generation(self, session: Session, transports: list[str]) -> list[LinkOffer]:
        session.generation += 1
        session.channel.keep(session, self._clock.now() + self._config.attach_window_s)
        return [
            self._mint.mint(transport, encode_claims(Claims(session.id, session.generation, transport)))
            for transport in transports
        ]

    def _transports(self, wanted: Sequence[str]) -> list[str]:
        offered = self._config.transports
        chosen = [name for name in dict.fromkeys(wanted) if name in offered] if wanted else list(offered)
        if not chosen:
            raise ChannelError(ErrorCode.REQUEST_INVALID, f"this server offers {', '.join(offered)}")
        return chosen

    def attach(self, claims: bytes, link: Link) -> LinkHandler:
        """`hub.ports.LinkAcceptor`: the handler for a link whose token was proved. Raises ChannelError.

        The link takes part once its ATTACH is there.
        """
        try:
            return self._attach(claims, link)
        except ChannelError as error:
            self._stats.refused[error.type] += 1
            raise

    def _attach(self, data: bytes, link: Link) -> LinkHandler:
        self._check_ready()
        try:
            claims = decode_claims(data)
        except ProtocolError:
            raise ChannelError(ErrorCode.LINK_REFUSED) from None
        session = self._sessions.get(claims.session_id)
        if session is None:
            raise ChannelError(ErrorCode.SESSION_UNKNOWN)
        if claims.transport != link.transport:
            raise ChannelError(ErrorCode.LINK_REFUSED, "the token is for another transport")
        if not session.attached_generation <= claims.generation <= session.generation:
            raise ChannelError(ErrorCode.LINK_REFUSED)
        return self._wait_for_attach(Attachment(self._env, session, link, claims.generation))

    def attach_here(self, session_id: str, link: Link) -> LinkHandler:
        """The handler for a link inside this process, by the session id instead of a token. Raises ChannelError.

        It ranks like a link by the newest token: it takes the place of the one in use once its ATTACH is there.
        """
        self._check_ready()
        session = self._session(session_id)
        attachment = Attachment(self._env, session, link, session.generation, by_token=False)
        return self._wait_for_attach(attachment)

    def session_key(self, session_id: str) -> bytes:
        """What stays the same of a session whose secret changes, once the id is proved. Raises ChannelError."""
        return self._session(session_id).id

    def _wait_for_attach(self, attachment: Attachment) -> Attachment:
        session = attachment.session
        session.waiting.append(attachment)
        if len(session.waiting) > MAX_WAITING_LINKS:
            session.waiting[0].fail(CloseCode.REPLACED, "too many links without ATTACH")
        self._clock.call_at(self._clock.now() + self._config.attach_timeout_s, attachment.attach_due)
        return attachment

    # A session's other calls.

    def disconnect(self, session_id: str) -> None:
        """End the session: the agent leaves at once. Raises ChannelError where it is unknown."""
        session = self._session(session_id)
        session.ack_now()
        session.channel.end(session, "left")

    def agents(self, session_id: str) -> list[AgentInfo]:
        """Everyone in the session's channel, in order of index. Raises ChannelError."""
        return self._session(session_id).channel.roster.visible()

    async def receive(
        self, session_id: str, after: int | None = None, limit: int = 100, poll_source: str = "AUTO"
    ) -> LogPage:
        """A page of the channel's persistent messages, oldest first; `after` None: from the oldest kept.

        Messages sent to one agent are only shown to that agent and to their sender. Raises ChannelError.
        """
        session = self._session(session_id)
        _check_poll_source(poll_source)
        if not 1 <= limit <= MAX_PAGE:
            raise ChannelError(ErrorCode.REQUEST_INVALID, f"limit is {limit}, must be 1 to {MAX_PAGE}")
        if after is not None and after < 0:
            raise ChannelError(ErrorCode.REQUEST_INVALID, f"after is {after}, must not be negative")
        name, channel_id, position = session.info.name, session.channel.id, after or 0
        mine: list[StoredMessage] = []
        while True:
            page = await self._log.read(channel_id, position, limit)
            mine += [m for m in page.messages if m.to is None or name in (m.to, m.sender)]
            if len(mine) >= limit or not page.messages:
                return replace(page, messages=tuple(mine[:limit]))
            position = page.messages[-1].offset

    def _session(self, text: str) -> Session:
        """The session that `text` proves. Raises ChannelError."""
        parsed = parse_session_text(text)
        session = self._sessions.get(parsed[0]) if parsed is not None else None
        if parsed is None or session is None:
            raise ChannelError(ErrorCode.SESSION_UNKNOWN)
        if not session.secret.proves(parsed[1]):
            raise ChannelError(ErrorCode.SESSION_REFUSED)
        return session

    # ChannelOwner.

    def session_ended(self, session: Session) -> None:
        """The session's id means nothing any more."""
        self._sessions.pop(session.id, None)

    def channel_empty(self, channel: Channel) -> None:
        """The last session has ended: the channel ends; its log stays for a while."""
        if self._channels.pop(channel.id, None) is None:
            return
        channel.stop()
        _log.info("channel_ended", extra={"channel": channel.id})
        if self._log.position(channel.id)[1] == 0:
            self._log.forget(channel.id)
        else:
            when = self._clock.now() + self._config.history_kept_s
            self._forgetting[channel.id] = self._clock.call_at(when, lambda: self._forget(channel.id))

    def _forget(self, channel_id: str) -> None:
        del self._forgetting[channel_id]
        self._log.forget(channel_id)

    # Life of the hub.

    def _check_ready(self) -> None:
        if self._draining:
            raise ChannelError(ErrorCode.DRAINING, retry_after_s=2.0)

    def shutdown(
        self, code: int = CloseCode.SERVER_SHUTDOWN, reason: str = "the server is shutting down"
    ) -> None:
        """Close every link with `code`, stop the rooms, and take no connects any more."""
        self._draining = True
        for channel in tuple(self._channels.values()):
            channel.close(code, reason)
        self._channels.clear()
        self._sessions.clear()

    def stats(self) -> dict[str, float]:
        """Counters and gauges of the whole hub."""
        result = self._stats.snapshot()
        result["channels"] = len(self._channels)
        result["sessions"] = len(self._sessions)
        result["links"] = sum(session.attachment is not None for session in self._sessions.values())
        return result


def _checked(request: ConnectRequest, config: HubConfig) -> ConnectRequest:
    """`request` with its names in their normal form. Raises ChannelError."""
    try:
        channel_name = check_name(request.channel_name, "channel name")
        agent_name = check_name(request.agent_name, "agent name")
    except ValueError as error:
        raise ChannelError(ErrorCode.NAME_INVALID, str(error)) from None
    try:
        check_metadata(request.metadata, config.max_metadata_bytes)
    except ValueError as error:
        raise ChannelError(ErrorCode.REQUEST_INVALID, str(error)) from None
    _check_poll_source(request.poll_source)
    return replace(request, channel_name=channel_name, agent_name=agent_name)


def _check_poll_source(poll_source: str) -> None:
    if poll_source not in POLL_SOURCES:
        raise ChannelError(ErrorCode.REQUEST_INVALID, f"poll_source must be one of {', '.join(POLL_SOURCES)}")


def _check_game(channel: Channel, game: str | None) -> None:
    if game is not None and game != channel.game:
        running = f"the game {channel.game}" if channel.game else "no game"
        raise ChannelError(ErrorCode.GAME_CONFLICT, f"the channel runs {running}")
