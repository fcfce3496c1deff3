"""Channel: a named group of agents. It coordinates presence, relay, types and log; they hold the rules."""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

from hub.attachment import Attachment
from hub.environment import Environment
from hub.errors import ChannelError, ErrorCode
from hub.local import LocalMember
from hub.ports import Inbound, LocalAgent, StoredMessage
from hub.presence import Announce, Event, Roster, Stay, step
from hub.relay import Relay
from hub.session import Session
from hub.type_names import TypeNames
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
from messaging.envelope import (
    ENCRYPTED,
    FORMAT_MASK,
    MAX_KEY,
    STORED,
    TARGETED,
    Published,
    decode_publication,
    encode_delivery,
    flags_of,
)
from messaging.errors import malformed
from netcore.codes import CloseCode
from netcore.delivery import Delivery

_log = logging.getLogger("netplay.hub")
_RELIABLE: Final = Delivery.RELIABLE
_PLAIN: Final = frozenset({0, 1, 2, ENCRYPTED, ENCRYPTED | 1, ENCRYPTED | 2})
"""Flags of a message with neither target, literal type nor storing: by far the most."""
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
        "_created_anew",
        "_env",
        "_locals",
        "_owner",
        "_types",
        "game",
        "id",
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
        self._types = TypeNames(env.config.types_per_channel, env.config.types_per_agent)
        self._locals: list[LocalMember] = []
        self._created_anew = env.log.position(channel_id)[1] == 0

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
        self.roster.add(session)
        return session

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
            "link attached: channel %s agent %d transport %s generation %d recovered %s",
            self.id,
            session.index,
            attachment.link.transport,
            attachment.generation,
            resumption.recovered,
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
                created=self.created_for(session),
                readable=self.readable,
                game=self.game,
                epoch=epoch,
                offset=offset,
            )
        )

    def created_for(self, session: Session) -> bool:
        """True where the agent found an empty channel: nobody here, nothing stored."""
        return self._created_anew and all(
            isinstance(other, LocalMember) or other is session for other in self.roster
        )

    def _tell_everything(self, session: Session) -> None:
        """Types and presence anew. Not counted towards the outbox: bounded by the channel's own limits."""
        for index, name in self._types.known():
            session.control(TypeName(index, name), counted=False)
        for info in self.roster.visible():
            session.control(_joined(info), counted=False)

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
        _log.info("agent away: channel %s agent %d", self.id, session.index)

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
        _log.info("session ended: channel %s agent %d reason %s", self.id, session.index, reason)
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

    # Messages from agents.

    def publish(
        self, session: Session, kind: Delivery, lane: int, key: int, data: bytes, number: int = 0
    ) -> None:
        """A message from a link. `number` is its stream number, 0 for unreliable and sequenced ones.

        Raises ProtocolError for bytes that break a rule; what the channel refuses is told by an ERROR.
        """
        if len(data) < 2:
            raise malformed("publication_truncated")
        if key > MAX_KEY:
            raise malformed("key_range")
        flags, type_index = data[0], data[1]
        if flags in _PLAIN and type_index < 0x40:
            content, to = data[2:], None
        else:
            published = decode_publication(data)
            try:
                type_index = self._type_index(published.type, session.index)
            except ChannelError as error:
                self._refuse(session, error.code, error.text, number)
                return
            if published.persistent:
                self._store(session, kind, lane, published, type_index, number)
                return
            content, to = published.content, published.to
            flags = flags_of(published.format, published.encrypted)
        if type_index >= len(self._types):
            raise malformed("type_unknown")
        if len(content) > self._env.config.max_message_bytes:
            self._refuse(session, ErrorCode.MESSAGE_TOO_LARGE, "", number)
        elif to is not None:
            if not self._send_to(session, to, kind, lane, key, flags, type_index, content):
                self._refuse(session, ErrorCode.NO_SUCH_AGENT, "", number)
        else:
            self._send_to_all(session, kind, lane, key, flags, type_index, content)
        self.relay.settle()

    def _send_to_all(
        self,
        session: Session,
        kind: Delivery,
        lane: int,
        key: int,
        flags: int,
        type_index: int,
        content: bytes,
    ) -> None:
        if kind < _RELIABLE:
            self.relay.broadcast(session.index, kind, lane, key, flags, type_index, content)
        else:
            envelope = encode_delivery(flags, session.index, type_index, lane, content)
            self.relay.stream_broadcast(session.index, kind, envelope)
        if self._locals:
            inbound = self._inbound(session, kind, lane, key, flags, type_index, content, False)
            for local in tuple(self._locals):
                local.message(inbound)

    def _send_to(
        self,
        sender: Session | LocalMember,
        to: int,
        kind: Delivery,
        lane: int,
        key: int,
        flags: int,
        type_index: int,
        content: bytes,
    ) -> bool:
        """Send to one; False where nobody has this index."""
        member = self.roster.visible_at(to)
        if member is None:
            return False
        if isinstance(member, LocalMember):
            if isinstance(sender, Session):
                member.message(self._inbound(sender, kind, lane, key, flags, type_index, content, True))
        elif kind < _RELIABLE:
            self.relay.send_to(to, sender.index, kind, lane, key, flags, type_index, content)
        else:
            envelope = encode_delivery(flags | TARGETED, sender.index, type_index, lane, content)
            self.relay.stream_to(to, kind, envelope)
        return True

    def _inbound(
        self,
        session: Session,
        kind: Delivery,
        lane: int,
        key: int,
        flags: int,
        type_index: int,
        content: bytes,
        targeted: bool,
    ) -> Inbound:
        return Inbound(
            session.info,
            lane,
            kind,
            key,
            self._types.name(type_index),
            flags & FORMAT_MASK,
            bool(flags & ENCRYPTED),
            content,
            targeted,
        )

    def publish_local(
        self,
        member: LocalMember,
        kind: Delivery,
        type: str,
        content: bytes,
        flags: int,
        lane: int,
        key: int,
        to: str | None,
    ) -> None:
        """A message from a local agent; not flushed. Raises ChannelError for a type that cannot be used."""
        type_index = self._type_index(type, member.index)
        if to is not None:
            receiver = self.roster.named(to)
            if receiver is not None:
                self._send_to(member, receiver.info.index, kind, lane, key, flags, type_index, content)
        elif kind < _RELIABLE:
            self.relay.broadcast(member.index, kind, lane, key, flags, type_index, content)
        else:
            envelope = encode_delivery(flags, member.index, type_index, lane, content)
            self.relay.stream_broadcast(member.index, kind, envelope)

    def _type_index(self, type: int | str, maker: int) -> int:
        if isinstance(type, int):
            return type
        index, new = self._types.intern(type, maker)
        if new:
            self.relay.control_broadcast(*encode_stream_control(TypeName(index, self._types.name(index))))
        return index

    def _refuse(self, session: Session, code: ErrorCode, text: str, number: int) -> None:
        """Tell the sender that its message was not handled."""
        session.error(code, text or ChannelError(code).text, number & 0xFFFF if number else None)
        self.relay.settle()

    # Persistent messages.

    def _store(
        self, session: Session, kind: Delivery, lane: int, published: Published, type_index: int, number: int
    ) -> None:
        """Append to the log; once stored, the message goes to everyone and is acknowledged."""
        if type_index >= len(self._types):
            raise malformed("type_unknown")
        if not number:
            self._refuse(session, ErrorCode.NOT_STORABLE, "only reliable and ordered messages are stored", 0)
            return
        if len(published.content) > self._env.config.max_message_bytes:
            self._refuse(session, ErrorCode.MESSAGE_TOO_LARGE, "", number)
            return
        to = published.to
        receiver = None if to is None else self.roster.visible_at(to)
        if to is not None and not isinstance(receiver, Session):
            self._refuse(session, ErrorCode.NO_SUCH_AGENT, "", number)
            return
        session.inbound.hold(number)

        def stored(message: StoredMessage) -> None:
            session.inbound.release(number)
            self._env.stats.stored += 1
            session.ack_soon()
            self._relay_stored(session, kind, lane, type_index, to, message)

        record = StoredMessage(
            offset=0,
            time_ms=self._env.wall_ms(),
            sender=session.info.name,
            type=self._types.name(type_index),
            format=published.format,
            encrypted=published.encrypted,
            content=published.content,
            to=None if receiver is None else receiver.info.name,
        )
        self._env.log.append(self.id, record, stored)

    def _relay_stored(
        self,
        session: Session,
        kind: Delivery,
        lane: int,
        type_index: int,
        to: int | None,
        message: StoredMessage,
    ) -> None:
        flags = flags_of(message.format, message.encrypted, stored=True, targeted=to is not None)
        envelope = encode_delivery(
            flags,
            session.index,
            type_index,
            lane,
            message.content,
            offset=message.offset,
            time_ms=message.time_ms,
        )
        if to is not None:
            self.relay.stream_to(to, kind, envelope)
        else:
            self.relay.stream_broadcast(session.index, kind, envelope)
            if self._locals:
                flags &= ~STORED
                inbound = self._inbound(session, kind, lane, 0, flags, type_index, message.content, False)
                for local in tuple(self._locals):
                    local.message(inbound)
        self.relay.settle()


def _joined(info: Any, resumed: bool = False) -> Joined:
    return Joined(info.index, info.name, info.joined_at_ms, info.metadata, info.away, info.local, resumed)
