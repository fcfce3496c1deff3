"""Channel: a named group of agents. It coordinates presence, links and messages; others hold the rules."""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

from hub.attachment import Attachment
from hub.environment import Environment
from hub.errors import ChannelError, ErrorCode
from hub.event_types import EventTypes
from hub.local import LocalMember
from hub.ports import AgentInfo, LocalAgent
from hub.presence import Announce, Event, Roster, Stay, step
from hub.publisher import Publisher
from hub.relay import Relay
from hub.session import Session
from messaging.control import (
    Away,
    Back,
    Joined,
    Left,
    StreamControl,
    TypeName,
    Welcome,
    encode_stream_control,
)
from netcore.codes import CloseCode

_log = logging.getLogger("netplay.hub")
_LEAVE_TIMER: Final = "leave"
_END_TIMER: Final = "end"


class ChannelOwner(Protocol):
    """Who keeps the channel: the hub."""

    def session_ended(self, session: Session) -> None:
        """The session is over; its id means nothing any more."""

    def channel_empty(self, channel: Channel) -> None:
        """The last session has ended."""


class Channel:
    """One channel and everyone in it."""

    __slots__ = (
        "_env",
        "_locals",
        "_owner",
        "_untouched",
        "game",
        "id",
        "publisher",
        "readable",
        "relay",
        "roster",
    )

    def __init__(self, env: Environment, owner: ChannelOwner, channel_id: str) -> None:
        self._env = env
        self._owner = owner
        self.id = channel_id
        self.game: str | None = None
        self.readable = False
        """True where the server can read the messages."""
        self.roster: Roster[Session | LocalMember] = Roster()
        self.relay = Relay(env)
        self._locals: list[LocalMember] = []
        self.publisher = Publisher(env, channel_id, self.roster, self.relay, self._locals)
        self._untouched = env.log.position(channel_id)[1] == 0  # no history when it was made

    # Coming and going.

    def start_game(self, game: str, agent: LocalAgent) -> None:
        """Let `agent` run this channel. Only for a channel that has just been made."""
        self.game = game
        self.readable = True
        member = LocalMember(self._env, self, agent, self.roster.next_index(), game)
        self.roster.add(member)
        self._locals.append(member)
        member.start()

    def admit(self, session_id: bytes, secret: bytes, name: str, metadata: dict[str, Any]) -> Session:
        """A place for a new agent; the others see it when its first link is there.

        Raises ChannelError(NAME_TAKEN, CHANNEL_FULL).
        """
        holder = self.roster.named(name)
        if holder is not None:
            raise ChannelError(ErrorCode.NAME_TAKEN, retry_after_s=self._freed_in(holder))
        if len(self.roster) - len(self._locals) >= self._env.config.agents_per_channel:
            raise ChannelError(
                ErrorCode.CHANNEL_FULL, f"the channel holds {self._env.config.agents_per_channel} agents"
            )
        index = self.roster.next_index()
        session = Session(self._env, self, session_id, secret, index, name, metadata)
        session.created = self._untouched and len(self.roster) == len(self._locals)
        self.roster.add(session)
        return session

    def choose_types(self, session: Session, names: frozenset[str]) -> None:
        """Deliver to the session only messages of these types."""
        self.relay.choose(session.index, EventTypes(names, self.publisher.types).wants)

    def _freed_in(self, holder: Session | LocalMember) -> float | None:
        """Seconds until the name of an agent without a link is free again; None where that is not known."""
        if isinstance(holder, LocalMember) or holder.stay is Stay.HERE:
            return None
        return max(0.0, holder.kept_until - self._env.clock.now())

    def keep(self, session: Session, until: float) -> None:
        """Let a session without a link live at least until then."""
        if session.attachment is None and until > session.kept_until:
            session.kept_until = until
            session.set_timer(_END_TIMER, until, lambda: self.end(session, "timeout"))

    def attached(self, session: Session, attachment: Attachment, received: int) -> None:
        """ATTACH came on a link: from now on it is the session's one link. Raises ProtocolError."""
        if attachment.generation < session.attached_generation:
            attachment.fail(CloseCode.REPLACED, "a newer link is in use")
            return
        resumption = session.resume_streams(received)
        session.waiting.remove(attachment)
        older, session.attachment = session.attachment, attachment
        session.attached_generation = attachment.generation
        if attachment.by_token and attachment.generation == session.generation:
            session.secret.confirm()  # its token came with the newest secret, in one answer
        attachment.active = True
        self.relay.set_link(session.index, attachment.link)
        if older is not None:
            self._env.stats.replaced_links += 1
            older.end(CloseCode.REPLACED, "a newer link is in use")
        for name in (_LEAVE_TIMER, _END_TIMER):
            session.cancel_timer(name)
        session.kept_until = 0.0
        self._env.stats.links_attached += 1
        first = session.stay is Stay.NEW
        self._welcome(session, resumption.recovered, resumption.missed)
        session.stay, announce = step(session.stay, Event.ATTACH)
        session.show_away(False)
        if first or not resumption.recovered:
            self._tell_everything(session)
        else:
            session.replay()
        if first:
            self.relay.add_stream(session)
        if not resumption.recovered:
            self._env.stats.gaps += 1
        self._announce(session, announce, "")
        attachment.link.flush()
        self.relay.settle()
        _log.info(
            "link_attached",
            extra={
                "channel": self.id,
                "agent": session.index,
                "transport": attachment.link.transport,
                "generation": attachment.generation,
                "recovered": resumption.recovered,
            },
        )

    def _welcome(self, session: Session, recovered: bool, missed: int) -> None:
        epoch, offset = self._env.log.position(self.id)
        session.link_control(
            Welcome(
                received=session.inbound.acknowledge(),
                recovered=recovered,
                missed=missed,
                index=session.index,
                agent_name=session.info.name,
                channel_id=self.id,
                created=session.created,
                readable=self.readable,
                game=self.game,
                epoch=epoch,
                offset=offset,
            )
        )

    def _tell_everything(self, session: Session) -> None:
        """Types and presence anew, the agent itself last: so it knows that it has heard of everyone.

        Not counted towards the outbox: bounded by the channel's own limits.
        """
        for index, name in self.publisher.types.known():
            session.control(TypeName(index, name), counted=False)
        for info in self.roster.visible():
            if info.index != session.index:
                session.control(_joined(info), counted=False)
        session.control(_joined(session.info), counted=False)

    def link_gone(self, session: Session, attachment: Attachment) -> None:
        """A link has ended. If it was the one in use, the agent is away from now on."""
        if attachment in session.waiting:
            session.waiting.remove(attachment)
            return
        if session.attachment is attachment:
            session.attachment = None
            self.relay.remove_link(session.index)
        if session.attachment is not None or session.stay is not Stay.HERE:
            return
        session.stay, announce = step(session.stay, Event.LINK_LOST)
        session.show_away(True)
        config, now = self._env.config, self._env.clock.now()
        session.set_timer(_LEAVE_TIMER, now + config.leave_after_s, lambda: self._leave_due(session))
        self.keep(session, now + config.session_kept_s)
        self._announce(session, announce, "")
        self.relay.settle()
        _log.info("agent_away", extra={"channel": self.id, "agent": session.index})

    def _leave_due(self, session: Session) -> None:
        session.stay, announce = step(session.stay, Event.LEAVE_DUE)
        self._announce(session, announce, "timeout")
        self.relay.settle()

    def end(self, session: Session, reason: str, code: int = CloseCode.NORMAL) -> None:
        """The session is over: its links are closed, its place is free, the others see it leave."""
        session.stay, announce = step(session.stay, Event.END)
        session.cancel_timers()
        for attachment in session.all_links():
            attachment.end(code, reason)
        session.attachment = None
        session.waiting.clear()
        self.relay.remove(session.index)
        self.roster.remove(session)
        self._env.stats.sessions_ended += 1
        self._owner.session_ended(session)
        self._announce(session, announce, reason)
        self.relay.settle()
        _log.info("session_ended", extra={"channel": self.id, "agent": session.index, "reason": reason})
        if len(self.roster) == len(self._locals):
            self._owner.channel_empty(self)

    def _announce(self, session: Session, announce: Announce, reason: str) -> None:
        """Tell the others, and the local agents."""
        info = session.info
        message: StreamControl
        if announce is Announce.NOTHING:
            return
        if announce in (Announce.JOINED, Announce.REJOINED):
            message = _joined(info, resumed=announce is Announce.REJOINED)
        elif announce is Announce.AWAY:
            message = Away(session.index)
        elif announce is Announce.BACK:
            message = Back(session.index)
        else:
            message = Left(session.index, reason)
        self.relay.control_broadcast(*encode_stream_control(message), but=session.index)
        for local in tuple(self._locals):
            if announce in (Announce.JOINED, Announce.REJOINED):
                local.joined(info)
            elif announce is Announce.LEFT:
                local.left(info)
            else:
                local.away(info, announce is Announce.AWAY)

    def close(self, code: int, reason: str) -> None:
        """The server ends the channel: links are told `code`, nobody is told that anybody left."""
        for member in self.roster:
            if isinstance(member, Session):
                member.ack_now()
                member.cancel_timers()
                member.stay = Stay.ENDED
                for attachment in member.all_links():
                    attachment.end(code, reason)
                member.attachment = None
                member.waiting.clear()
        self.stop()

    def stop(self) -> None:
        """Stop the local agents and the relay."""
        for local in self._locals:
            local.stop()
        self.relay.close()


def _joined(info: AgentInfo, resumed: bool = False) -> Joined:
    return Joined(info.index, info.name, info.joined_at_ms, info.metadata, info.away, info.local, resumed)
