"""Session: one agent's stay in a channel. It owns both session streams and survives its links.

docs/protocol/messaging.md, sections 2 and 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from hub.budget import IngressBudget, WorkBudget
from hub.environment import Environment
from hub.identity import RotatingSecret
from hub.ports import AgentInfo, QueueFull, Timer
from hub.presence import Stay
from messaging.control import (
    ErrorNotice,
    LinkMessage,
    StreamAck,
    StreamControl,
    encode_link_control,
    encode_stream_control,
)
from messaging.errors import StreamFull
from messaging.lanes import CONTROL
from messaging.stream import Resumption, StreamReceiver, StreamSender
from netcore.codes import CloseCode
from netcore.delivery import Delivery

if TYPE_CHECKING:
    from hub.attachment import Attachment
    from hub.channel import Channel

MAX_WAITING_LINKS: Final = 4
"""Links of one session that have proved their token and not yet sent ATTACH."""
ERROR_PAUSE_S: Final = 0.25
"""Between two ERROR notices about messages without a stream number."""
REPLAY_BYTES: Final = 512 * 1024
"""Unacknowledged bytes on a new link until the replay is over; above the largest message."""
_RECEIVE_WINDOW: Final = 2048


class Session:
    """State of one agent. The channel decides what happens to it; links come and go as `Attachment`s."""

    __slots__ = (
        "_ack_timer",
        "_env",
        "_fed",
        "_next_error_at",
        "_timers",
        "attached_generation",
        "attachment",
        "budget",
        "channel",
        "created",
        "filter_budget",
        "generation",
        "id",
        "inbound",
        "index",
        "info",
        "kept_until",
        "outbound",
        "secret",
        "stay",
        "waiting",
    )

    def __init__(
        self,
        env: Environment,
        channel: Channel,
        session_id: bytes,
        secret: bytes,
        index: int,
        name: str,
        metadata: dict[str, Any],
    ) -> None:
        config = env.config
        self._env = env
        self.channel = channel
        self.id = session_id
        self.secret = RotatingSecret(secret)
        self.index = index
        self.info = AgentInfo(index, name, env.wall_ms(), metadata, away=False, local=False)
        self.stay = Stay.NEW
        self.created = False
        """True where the agent found an empty channel: nobody here, nothing stored."""
        self.generation = 0
        """The newest link generation for which tokens were minted."""
        self.attached_generation = 0
        self.attachment: Attachment | None = None
        """The link in use; None while away."""
        self.waiting: list[Attachment] = []
        """Links that have not sent ATTACH yet, oldest first."""
        # What is older can only be on a link whose receiver has stopped acknowledging.
        kept_s = config.session_kept_s + config.attach_window_s
        self.outbound = StreamSender(config.outbox_messages, config.outbox_bytes, kept_s)
        self._fed = 0  # number of the newest message that the link in use has got
        self.inbound = StreamReceiver(_RECEIVE_WINDOW)
        now = env.clock.now()
        self.budget = IngressBudget(config, now)
        self.filter_budget = WorkBudget(config.filter_steps_per_s, config.filter_steps_burst, now)
        self.kept_until = 0.0
        self._timers: dict[str, Timer] = {}
        self._ack_timer: Timer | None = None
        self._next_error_at = 0.0

    @property
    def visible(self) -> bool:
        """Whether the others know of it: here or away."""
        return self.stay is Stay.HERE or self.stay is Stay.AWAY

    def show_away(self, away: bool) -> None:
        """Change what the others see."""
        info = self.info
        self.info = AgentInfo(info.index, info.name, info.joined_at_ms, info.metadata, away, info.local)

    # What goes to the agent.

    def deliver(
        self, now: float, lane: int, kind: Delivery, body: bytes, *, head: bytes = b"", counted: bool = True
    ) -> None:
        """Put one message into the stream, and onto the link where there is one.

        Overflow: a live link is closed SLOW_CONSUMER (the session stays, and this message with it); without
        one the outbox is given up, and the next WELCOME tells how much was missed.
        """
        attachment = self.attachment
        caught_up = self._fed == self.outbound.last
        try:
            wire = self.outbound.push(now, lane, kind, body, head=head, counted=counted)
        except StreamFull:
            if attachment is None:
                self.outbound.discard()
                self.outbound.push(now, lane, kind, body, head=head)
            else:
                self.outbound.push(now, lane, kind, body, head=head, counted=False)
                attachment.fail_later(CloseCode.SLOW_CONSUMER, "the receiver does not keep up")
            return
        if attachment is not None and caught_up:
            self._fed = self.outbound.last
            self._put_on_link(attachment, lane, kind, wire)

    def _put_on_link(self, attachment: Attachment, lane: int, kind: Delivery, wire: bytes) -> None:
        try:
            attachment.link.send(lane, kind, wire, 0)
        except QueueFull:
            attachment.fail_later(CloseCode.SLOW_CONSUMER, "the receiver does not keep up")
        except ValueError:  # the link cannot carry it at all
            self._env.stats.link_failures += 1
            attachment.fail_later(CloseCode.INTERNAL, "the link refused a message")

    def control(self, message: StreamControl, counted: bool = True) -> None:
        """An in-stream control message to this agent alone. Goes out with the next flush."""
        head, body = encode_stream_control(message)
        self.deliver(self._env.clock.now(), CONTROL, Delivery.ORDERED, body, head=head, counted=counted)

    def error(self, code: int, text: str, about: int | None) -> None:
        """Tell the agent that one of its messages could not be handled.

        Of messages without a stream number only a few a second are answered: their sender may not know better
        yet, and must not fill its own outbox with errors.
        """
        now = self._env.clock.now()
        if about is None:
            if now < self._next_error_at:
                return
            self._next_error_at = now + ERROR_PAUSE_S
        self._env.stats.errors_told += 1
        self.control(ErrorNotice(int(code), text, about))
        self.channel.relay.touch(self.index)

    def link_control(self, message: LinkMessage) -> None:
        """A link-scoped control message on the link in use, if there is one."""
        if self.attachment is not None:
            self._put_on_link(self.attachment, CONTROL, Delivery.ORDERED, encode_link_control(message))

    # A new link.

    def resume_streams(self, received: int) -> Resumption:
        """The agent has everything up to `received`. Raises ProtocolError where that was never sent."""
        resumption = self.outbound.resume(received)
        self._fed = self.outbound.last - self.outbound.unacknowledged
        return resumption

    def replay(self) -> None:
        """Begin to send everything unacknowledged again, in stream order; `feed` goes on with it."""
        self.outbound.renew(self._env.clock.now())
        self.feed()

    def feed(self) -> None:
        """Put on the link what waits for it, as much as may be under way at once.

        A full outbox is larger than a link's own queue may be: so a replay goes out in portions, each when the one
        before is acknowledged, and what is new waits behind it.
        """
        attachment = self.attachment
        if attachment is None or self._fed == self.outbound.last:
            return
        under_way = 0
        for message in self.outbound.kept():
            under_way += len(message.body)
            if message.number <= self._fed:
                continue
            if under_way > REPLAY_BYTES:
                break
            if attachment is not self.attachment:
                return  # the link has failed on the way; the next one starts anew
            self._fed = message.number
            self._env.stats.replayed += 1
            self._put_on_link(attachment, message.lane, message.kind, message.wire())
        attachment.link.flush()

    def acknowledged(self, received: int) -> None:
        """The agent has everything up to `received`. Raises ProtocolError where that was never sent."""
        self.outbound.acknowledged(received)
        self.feed()

    # Acknowledgement of what the agent sends.

    def ack_soon(self) -> None:
        """Something of the agent's stream has arrived: acknowledge it within the configured delay."""
        if self.inbound.ack_urgent:
            self.ack_now()
        elif self._ack_timer is None:
            clock = self._env.clock
            self._ack_timer = clock.call_at(clock.now() + self._env.config.ack_delay_s, self._ack_due)

    def _ack_due(self) -> None:
        self._ack_timer = None
        if self.inbound.ack_needed:
            self.ack_now()

    def ack_now(self) -> None:
        """Acknowledge everything that can be."""
        attachment = self.attachment
        if attachment is not None:
            self.link_control(StreamAck(self.inbound.acknowledge()))
            attachment.link.flush()

    # Timers.

    def set_timer(self, name: str, when: float, callback: Callable[[], None]) -> None:
        """Call `callback` at `when` instead of what `name` stood for before."""
        self.cancel_timer(name)
        self._timers[name] = self._env.clock.call_at(when, callback)

    def cancel_timer(self, name: str) -> None:
        """Forget the timer; harmless where there is none."""
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def cancel_timers(self) -> None:
        """The session ends."""
        for name in tuple(self._timers):
            self.cancel_timer(name)
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None

    def all_links(self) -> list[Attachment]:
        """Every link there is, in use or waiting."""
        return [*self.waiting, *([self.attachment] if self.attachment is not None else [])]
