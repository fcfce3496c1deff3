"""Publisher: takes an application message from a link or a local agent, and decides where it goes.

docs/protocol/messaging.md, section 4.
"""

from __future__ import annotations

from typing import Final

from hub.audience import Audience
from hub.environment import Environment
from hub.errors import ChannelError, ErrorCode
from hub.local import LocalMember
from hub.message import Message
from hub.ports import Inbound, StoredMessage
from hub.presence import Roster
from hub.relay import Relay
from hub.session import Session
from hub.type_names import TypeNames
from messaging.compression import pack
from messaging.control import TypeName, encode_stream_control
from messaging.envelope import (
    COMPRESSED,
    ENCRYPTED,
    FORMAT_MASK,
    MAX_KEY,
    STORED,
    TARGETED,
    Published,
    decode_publication,
    flags_of,
)
from messaging.errors import ProtocolError, malformed
from netcore.codes import CloseCode
from netcore.delivery import Delivery

_RELIABLE: Final = Delivery.RELIABLE
_PLAIN: Final = frozenset({0, 1, 2, ENCRYPTED, ENCRYPTED | 1, ENCRYPTED | 2})
"""Flags of a message with neither target, literal type nor storing: by far the most."""


class Publisher:
    """One channel's way of messages: to the relay, to local agents, to the log."""

    __slots__ = ("_audience", "_channel_id", "_env", "_locals", "_max_bytes", "_relay", "_roster", "types")

    def __init__(
        self,
        env: Environment,
        channel_id: str,
        roster: Roster[Session | LocalMember],
        relay: Relay,
        locals: list[LocalMember],
    ) -> None:
        self._env = env
        self._channel_id = channel_id
        self._roster = roster
        self._relay = relay
        self._locals = locals
        self._audience = Audience(env.filters, roster)
        self._max_bytes = env.config.max_message_bytes
        self.types = TypeNames(env.config.types_per_channel, env.config.types_per_agent)

    # From links.

    def publish(
        self, session: Session, kind: Delivery, lane: int, key: int, data: bytes, number: int = 0
    ) -> None:
        """A message from a link. `number` is its stream number, 0 for unreliable and sequenced ones.

        Raises ProtocolError for bytes that break a rule; what the channel refuses is told by an ERROR.
        """
        if len(data) < 2:
            raise malformed("publication_truncated")
        if key > MAX_KEY:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "key_range")
        flags, type_index = data[0], data[1]
        if flags in _PLAIN and type_index < 0x40:
            if type_index >= len(self.types):
                raise malformed("type_unknown")
            message = Message(session.index, kind, lane, key, flags, type_index, data[2:])
            if len(message.content) <= self._max_bytes:
                self._to_all(session, message)
            else:
                self._refuse(session, ErrorCode.MESSAGE_TOO_LARGE, number)
        else:
            if flags & COMPRESSED and kind < _RELIABLE:
                raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "compressed")
            published = decode_publication(data)
            try:
                self._publish_decoded(session, kind, lane, key, published, number)
            except ChannelError as error:
                self._refuse(session, error.code, number, error.text)
        self._relay.settle()

    def _publish_decoded(
        self, session: Session, kind: Delivery, lane: int, key: int, published: Published, number: int
    ) -> None:
        type_index = self._type_index(published.type, session.index)
        if type_index >= len(self.types):
            raise malformed("type_unknown")
        if len(published.content) > self._max_bytes:
            raise ChannelError(ErrorCode.MESSAGE_TOO_LARGE)
        flags, content = flags_of(published.format, published.encrypted), published.content
        if published.packed is not None:
            flags, content = flags | COMPRESSED, published.packed
        message = Message(session.index, kind, lane, key, flags, type_index, content)
        if published.persistent:
            if published.filter is not None:
                raise ChannelError(ErrorCode.NOT_STORABLE, "a message with a filter is not stored")
            self._store(session, message, published.to, number)
        elif published.filter is not None:
            self._to_matching(session, published.filter, message)
        elif published.to is None:
            self._to_all(session, message)
        elif not self._to_one(session, published.to, message):
            raise ChannelError(ErrorCode.NO_SUCH_AGENT)

    def _refuse(self, session: Session, code: ErrorCode, number: int, text: str = "") -> None:
        session.error(code, text or ChannelError(code).text, number & 0xFFFF if number else None)

    def _type_index(self, type: int | str, maker: int) -> int:
        """The index of a type, which everyone is told where it is new. Raises ChannelError(TYPE_REFUSED)."""
        if isinstance(type, int):
            return type
        index, new = self.types.intern(type, maker)
        if new:
            self._relay.control_broadcast(*encode_stream_control(TypeName(index, self.types.name(index))))
        return index

    # To whom.

    def _to_all(self, session: Session, message: Message) -> None:
        if message.kind < _RELIABLE:
            self._relay.broadcast(message)
        else:
            self._relay.stream_broadcast(message, message.envelope())
        if self._locals:
            self._to_locals(session, message, self._locals)

    def _to_matching(self, session: Session, filter: str, message: Message) -> None:
        """To everyone but the sender whose name matches. Raises ChannelError."""
        chosen = self._audience.matching(filter, session.filter_budget, self._env.clock.now())
        if message.kind < _RELIABLE:
            self._relay.send_to_several(chosen, message)
        else:
            self._relay.stream_to_several(chosen, message, message.envelope())
        locals = [local for local in self._locals if local.index in chosen]
        if locals:
            self._to_locals(session, message, locals)

    def _to_locals(self, session: Session, message: Message, locals: list[LocalMember]) -> None:
        inbound = self._inbound(session, message, False)
        for local in tuple(locals):
            local.message(inbound)

    def _to_one(self, sender: Session | LocalMember, to: int, message: Message) -> bool:
        """Send to one; False where nobody has this index."""
        member = self._roster.visible_at(to)
        if member is None:
            return False
        if isinstance(member, LocalMember):
            if isinstance(sender, Session):
                member.message(self._inbound(sender, message, True))
        elif message.kind < _RELIABLE:
            self._relay.send_to(to, message)
        else:
            self._relay.stream_to(to, message, message.envelope(TARGETED))
        return True

    def _inbound(self, session: Session, message: Message, targeted: bool) -> Inbound:
        return Inbound(
            session.info,
            message.lane,
            message.kind,
            message.key,
            self.types.name(message.type_index),
            message.flags & FORMAT_MASK,
            bool(message.flags & ENCRYPTED),
            message.plain(),
            targeted,
        )

    # From local agents.

    def publish_local(
        self,
        member: LocalMember,
        kind: Delivery,
        type: str,
        content: bytes,
        *,
        flags: int,
        lane: int,
        key: int,
        to: str | None,
    ) -> None:
        """A message from a local agent; not flushed. Raises ChannelError for a type that cannot be used.

        What everyone gets is compressed where that is worth it; what one gets may hold that one's secrets.
        """
        type_index = self._type_index(type, member.index)
        packed = pack(content) if to is None else None
        if packed is not None:
            flags, content = flags | COMPRESSED, packed
        message = Message(member.index, kind, lane, key, flags, type_index, content)
        if to is not None:
            receiver = self._roster.named(to)
            if receiver is not None:
                self._to_one(member, receiver.info.index, message)
        elif kind < _RELIABLE:
            self._relay.broadcast(message)
        else:
            self._relay.stream_broadcast(message, message.envelope())

    # Persistent messages.

    def _store(self, session: Session, message: Message, to: int | None, number: int) -> None:
        """Append to the log; once stored, the message goes to everyone and is acknowledged.

        Raises ChannelError where it cannot be stored.
        """
        if not number:
            raise ChannelError(ErrorCode.NOT_STORABLE, "only reliable and ordered messages are stored")
        receiver = None if to is None else self._roster.visible_at(to)
        if to is not None and receiver is None:
            raise ChannelError(ErrorCode.NO_SUCH_AGENT)
        if isinstance(receiver, LocalMember):
            raise ChannelError(ErrorCode.NOT_STORABLE, "a message to a local agent is not stored")
        session.inbound.hold(number)

        def stored(record: StoredMessage) -> None:
            self._env.stats.stored += 1
            session.inbound.release(number)
            session.ack_soon()
            self._relay_stored(session, message, to, record)

        record = StoredMessage(
            offset=0,
            time_ms=self._env.wall_ms(),
            sender=session.info.name,
            type=self.types.name(message.type_index),
            format=message.flags & FORMAT_MASK,
            encrypted=bool(message.flags & ENCRYPTED),
            content=message.plain(),
            to=None if receiver is None else receiver.info.name,
        )
        self._env.log.append(self._channel_id, record, stored)

    def _relay_stored(
        self, session: Session, message: Message, to: int | None, record: StoredMessage
    ) -> None:
        flags = STORED if to is None else STORED | TARGETED
        envelope = message.envelope(flags, record.offset, record.time_ms)
        if to is not None:
            self._relay.stream_to(to, message, envelope)
        else:
            self._relay.stream_broadcast(message, envelope)
            if self._locals:
                self._to_locals(session, message, self._locals)
        self._relay.settle()
