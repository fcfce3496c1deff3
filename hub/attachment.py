"""Attachment: one link of a session. It reads what the remote sends; no bad byte goes further.

docs/protocol/messaging.md, sections 2 and 6.
"""

from __future__ import annotations

from typing import Final

from hub.environment import Environment
from hub.ports import Link
from hub.session import Session
from messaging.control import Attach, Leave, StreamAck, decode_control
from messaging.errors import ProtocolError
from messaging.lanes import APPLICATION_FIRST, APPLICATION_LAST, CONTROL, TIME
from messaging.timecode import TimeRequest, decode_time, encode_time_answer
from netcore.codes import CloseCode
from netcore.delivery import Delivery

_RELIABLE: Final = Delivery.RELIABLE


class Attachment:
    """`hub.ports.LinkHandler` for one link: waiting for ATTACH, then in use, then ended.

    Nothing that a remote sends raises out of `link_message`: the link is closed with a code, and counted.
    """

    __slots__ = ("_env", "active", "by_token", "ended", "generation", "link", "session")

    def __init__(
        self, env: Environment, session: Session, link: Link, generation: int, *, by_token: bool = True
    ) -> None:
        self._env = env
        self.session = session
        self.link = link
        self.generation = generation
        self.by_token = by_token
        """Opened by a token, which came in one answer with the session's secret of its time."""
        self.active = False
        """In use: ATTACH was accepted, and nothing has replaced or ended the link since."""
        self.ended = False

    # LinkHandler.

    def link_message(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        """One whole message arrived."""
        if self.ended:
            return
        try:
            if self.active and APPLICATION_FIRST <= lane <= APPLICATION_LAST:
                self._application(lane, kind, key, data)
            elif self.active and lane == TIME:
                self._time(data)
            elif lane == CONTROL:
                self._control(kind, data)
            elif not self.active and kind < _RELIABLE:
                self._env.stats.early_messages += 1  # it overtook the ATTACH
            else:
                raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "lane")
        except ProtocolError as error:
            self._env.stats.protocol_errors[error.text] += 1
            self.fail(error.code, error.text)

    def link_closed(self, code: int, reason: str, remote: bool) -> None:
        """The link ended by itself or by the remote's wish."""
        if not self.ended:
            self.ended = True
            self._gone()

    def attach_due(self) -> None:
        """The time for ATTACH is over."""
        if not self.active and not self.ended:
            self._env.stats.protocol_errors["attach_timeout"] += 1
            self.fail(CloseCode.PROTOCOL_VIOLATION, "no ATTACH")

    # Ends.

    def end(self, code: int, reason: str = "") -> None:
        """Close the link. The session learns nothing: for whoever has already dealt with that."""
        if not self.ended:
            self.ended = True
            self.active = False
            self.link.close(code, reason)

    def fail(self, code: int, reason: str) -> None:
        """Close the link because of what happened on it; the session goes on without it."""
        if not self.ended:
            if self.active:
                self.session.ack_now()
            self.ended = True
            self.link.close(code, reason)
            self._gone()

    def fail_later(self, code: int, reason: str) -> None:
        """`fail`, but not now: the caller is in the middle of sending to many.

        From now on nothing more is sent on this link nor taken from it.
        """
        if not self.ended:
            self.ended = True
            if code == CloseCode.SLOW_CONSUMER:
                self._env.stats.slow_consumers += 1
            session = self.session
            if session.attachment is self:
                session.attachment = None
                session.channel.relay.remove_link(session.index)
            clock = self._env.clock
            clock.call_at(clock.now(), lambda: self._close_failed(code, reason))

    def _close_failed(self, code: int, reason: str) -> None:
        self.link.close(code, reason)
        self._gone()

    def _gone(self) -> None:
        self.active = False
        self.session.channel.link_gone(self.session, self)

    # What arrives.

    def _application(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        session = self.session
        env = self._env
        now = env.clock.now()
        env.stats.messages_in += 1
        env.stats.bytes_in += len(data)
        if not session.budget.admit(len(data), now):
            if kind >= _RELIABLE:
                env.stats.rate_limited += 1
                raise ProtocolError(CloseCode.RATE_LIMIT, "rate_limit")
            env.stats.dropped_over_budget += 1
            return
        if kind < _RELIABLE:
            session.channel.publisher.publish(session, kind, lane, key, data)
            return
        if len(data) < 2:
            raise ProtocolError(CloseCode.FRAME_ENCODING, "stream_number_truncated")
        number = session.inbound.accept(data[0] << 8 | data[1], len(data))
        if number:
            session.channel.publisher.publish(session, kind, lane, key, data[2:], number)
        session.ack_soon()

    def _time(self, data: bytes) -> None:
        now = self._env.clock.now()
        if not self.session.budget.admit(len(data), now):
            self._env.stats.dropped_over_budget += 1
            return
        request = decode_time(data)
        if not isinstance(request, TimeRequest):
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "time_direction")
        received_us = int(now * 1e6)
        answer = encode_time_answer(request.sent_us, received_us, int(self._env.clock.now() * 1e6))
        self.link.send(TIME, Delivery.UNRELIABLE, answer, 0)
        self.link.flush()

    def _control(self, kind: Delivery, data: bytes) -> None:
        session = self.session
        if kind != Delivery.ORDERED:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "control_kind")
        if not session.budget.admit(len(data), self._env.clock.now()):
            self._env.stats.rate_limited += 1
            raise ProtocolError(CloseCode.RATE_LIMIT, "rate_limit")
        message, number = decode_control(data)
        if isinstance(message, Attach) and not self.active:
            session.channel.attached(session, self, message.received)
        elif isinstance(message, StreamAck) and self.active:
            session.acknowledged(message.received)
        elif isinstance(message, Leave) and self.active and number is not None:
            if session.inbound.accept(number, len(data)):
                session.ack_now()
                session.channel.end(session, "left")
        else:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "control_unexpected")
