"""The session core: an agent's side of a session, without loop, socket or clock of its own.

Drives the wire of docs/protocol/messaging.md over any link: ATTACH and WELCOME, the session stream both
ways, presence, type numbers, receipts, clock requests, leaving. The asyncio layer and virtual worlds run the
same code.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final

from messaging import control
from messaging.envelope import CHAT_TEXT
from messaging.errors import ProtocolError
from messaging.lanes import CONTROL, TIME
from messaging.sealed_content import ContentOpener, ContentSealer
from messaging.stream import ACK_DELAY_S
from messaging.timecode import TimeAnswer, decode_time, encode_time_request
from messaging_agent.attachment import Attachment
from messaging_agent.errors import ChannelClosed, NotConnected, channel_closed
from messaging_agent.history import Sealed
from messaging_agent.incoming import KIND_OF_LANE, Incoming
from messaging_agent.link_feed import LinkFeed
from messaging_agent.links import Link
from messaging_agent.messages import Message, encode_content
from messaging_agent.outgoing import Outgoing
from messaging_agent.presence import Presence
from messaging_agent.roster import Roster
from messaging_agent.session_handler import SessionHandler, Welcome
from netcore.codes import CloseCode, may_come_back
from netcore.delivery import Delivery
from statesync.clock import ClockSync

LEAVE_TIMEOUT_S: Final = 1.0
"""How long a leaving session waits for the server to have everything, and then for the answer to LEAVE."""


class SessionState(enum.Enum):
    """Where a session stands."""

    NEW = "new"
    """Never welcomed yet."""
    LIVE = "live"
    """A welcomed link carries it."""
    AWAY = "away"
    """It has no link and waits for one: what is sent reliably is kept."""
    LEAVING = "leaving"
    """It said LEAVE and waits for the last acknowledgements."""
    ENDED = "ended"


class ClientSession:
    """An agent's session. Not thread-safe: all calls come from one place.

    `clock()` gives monotonic seconds. Whoever drives the session calls `handle_timer` at `next_timer()`;
    `wake` is called whenever that may have become earlier. Links are made outside and handed in by
    `attach_link`, the first one as well as every later one. A link may also replace a living one (a better
    transport is there): the session moves over when the server has welcomed it on the new link, and nothing
    is lost or doubled.
    """

    def __init__(
        self,
        handler: SessionHandler,
        *,
        clock: Callable[[], float],
        wake: Callable[[], None] | None = None,
        ack_delay_s: float = ACK_DELAY_S,
        message_key: bytes | None = None,
        random: Callable[[int], bytes] | None = None,
        readable: bool | None = None,
        accept_plain: bool = True,
    ) -> None:
        """`message_key` encrypts content end to end, but where the server reads along. `readable` says whether it
        does, as the program was told before; a server that then says otherwise is not spoken to (None: believe it).
        `accept_plain=False` drops plain messages where it does not read along.
        """
        if message_key is not None and random is None:
            raise ValueError("a message_key needs random= too")
        self.handler = handler
        self.wake: Callable[[], None] = wake or _nothing
        self.welcome: Welcome | None = None
        """The server's last welcome; None before the first."""
        self.state = SessionState.NEW
        self.clock = ClockSync(clock())
        """The server's clock as estimated here: `session.clock.remote_time(now)`."""
        self._now = clock
        self._ack_delay_s = ack_delay_s
        self._presence = Presence(handler)
        self._incoming = Incoming(self.roster, self._hand_on)
        self._outgoing = Outgoing(self.roster)
        self._feed = LinkFeed(clock())
        self._message_key = message_key
        self._random = random
        self._readable = readable
        self._accept_plain = accept_plain
        self._live: Attachment | None = None
        self._pending: Attachment | None = None
        self._newest: Attachment | None = None  # the last that sent ATTACH, whatever became of it
        self._retold = False
        self._ready = False
        self._ack_at: float | None = None
        self._leave_at: float | None = None
        self._leave_number = 0
        self._closed: ChannelClosed | None = None
        self._counts = dict.fromkeys(("messages_out", "unsent", "links", "missed", "bad_messages"), 0)

    # What a program asks

    @property
    def roster(self) -> Roster:
        """Who is in the channel, and the known types."""
        return self._presence.roster

    @property
    def index(self) -> int:
        """This agent's number in the channel; 0 before the first welcome."""
        return self.welcome.index if self.welcome is not None else 0

    @property
    def link(self) -> Link | None:
        """The link that carries the session now; None while there is none."""
        return self._live.link if self._live is not None else None

    @property
    def rtt_s(self) -> float | None:
        """Round trip to the server in seconds: the link's own figure, else that of the clock requests."""
        if self._live is None:
            return None
        rtt_s = self._live.link.rtt_s
        return rtt_s if rtt_s is not None else self.clock.rtt_s

    @property
    def ready(self) -> bool:
        """True once the session is in its channel and knows who else is."""
        return self._ready

    @property
    def closed(self) -> ChannelClosed | None:
        """Why the session ended; None while it goes on."""
        return self._closed

    @property
    def unacknowledged(self) -> int:
        """Stream messages that the server has not acknowledged yet."""
        return self._outgoing.stream.unacknowledged

    def stats(self) -> dict[str, float]:
        """Plain counters of the session, and of its present link as `link_...`."""
        counts: dict[str, float] = dict(self._counts)
        counts["unacknowledged"] = self.unacknowledged
        counts["messages_in"] = self._incoming.messages
        counts["duplicates"] = self._incoming.stream.duplicates
        counts["parked"] = self._incoming.parked
        counts["unopened"] = self._incoming.unopened
        counts["plain_refused"] = self._incoming.plain_refused
        if self._live is not None:
            counts.update({f"link_{name}": value for name, value in self._live.link.stats().items()})
        return counts

    # What a program does

    def send(
        self,
        content: object,
        *,
        type: str = CHAT_TEXT,
        to: str | None = None,
        delivery: Delivery = Delivery.ORDERED,
        key: int = 0,
        lane: int | None = None,
        ephemeral: bool | None = None,
        filter: str | None = None,
        flush: bool = True,
    ) -> int:
        """Send `content` (str, bytes or a JSON value) to everyone, or to the agent named `to`, or to all those whose
        whole names match `filter` (a regular expression as RE2 understands it, up to 256 characters).

        Returns the message's number in the session stream, which `SessionHandler.acknowledged` tells when
        the server has it, or 0 for unreliable and sequenced messages, which nobody acknowledges. While the
        session is away stream messages wait (1,000, 1 MiB, 120 s), of sequenced ones the newest of each key,
        and unreliable ones are dropped.

        `key` (0 to 2**30 - 1) tells sequenced messages apart: the latest of each key wins. `lane` (8-63)
        gives an independent queue; each lane keeps the delivery kind of its first use. `ephemeral` messages
        are not stored; None means: reliable and ordered ones are stored, the others never are. `flush=False`
        lets the message wait for the next flush, so that several leave together.

        Raises `ValueError` for a wrong argument, `UnknownAgent`, `OutboxFull`, `NotConnected` before the
        first welcome, and a `ChannelClosed` after the end.
        """
        format, raw = encode_content(content)
        return self.send_encoded(
            raw,
            format,
            type=type,
            to=to,
            delivery=delivery,
            key=key,
            lane=lane,
            ephemeral=ephemeral,
            filter=filter,
            flush=flush,
        )

    def send_encoded(
        self,
        raw: bytes,
        format: int = 0,
        *,
        type: str = CHAT_TEXT,
        to: str | None = None,
        delivery: Delivery = Delivery.ORDERED,
        key: int = 0,
        lane: int | None = None,
        ephemeral: bool | None = None,
        filter: str | None = None,
        flush: bool = True,
    ) -> int:
        """`send` for content that is bytes already; `format` is the envelope's (0 bytes, 1 text, 2 JSON)."""
        self._check_open()
        lane, body = self._outgoing.encode(
            raw,
            format,
            type=type,
            to=to,
            delivery=delivery,
            key=key,
            lane=lane,
            ephemeral=ephemeral,
            filter=filter,
        )
        number = 0
        if delivery.is_reliable:
            now = self._now()
            wire = self._outgoing.push(now, lane, delivery, body)
            number = self._outgoing.stream.last
            self._feed.stream_message(lane, delivery, wire, now)
            self.wake()
        else:
            self._send_ephemeral(lane, delivery, key, body)
        self._counts["messages_out"] += 1
        if flush:
            self._feed.flush()
        return number

    def flush(self) -> None:
        """Let what was sent with `flush=False` go out."""
        self._feed.flush()

    def open_stored(self, stored: Sealed) -> tuple[Any, bytes, bool]:
        """(content, its bytes, authentic) of a message of the channel's log."""
        return self._incoming.open_stored(stored)

    def leave(self) -> None:
        """End the session gracefully: what was sent arrives first, for up to a second.

        `session_ended` follows, at once where there is no link to say it over. Harmless when repeated.
        """
        if self.state in (SessionState.ENDED, SessionState.LEAVING):
            return
        if self._live is None:
            self.end(CloseCode.NORMAL, "left")
            return
        self.state = SessionState.LEAVING
        self._leave_at = self._now() + LEAVE_TIMEOUT_S
        if not self._outgoing.stream.unacknowledged:
            self._say_leave()
        self.wake()

    def end(self, code: int = CloseCode.NORMAL, reason: str = "", *, remote: bool = False) -> None:
        """End the session here and now; its links are closed with `code`. Harmless when repeated."""
        if self.state is SessionState.ENDED:
            return
        self.state = SessionState.ENDED
        self._closed = channel_closed(code, reason, remote=remote)
        self._ack_at = self._leave_at = None
        self._feed.use(None)
        attachments, self._live, self._pending = (self._live, self._pending), None, None
        for attachment in attachments:
            if attachment is not None:
                attachment.close(code, reason)
        self.handler.session_ended(code, reason, remote=remote)

    # What drives the session

    def attach_link(self, link: Link) -> Attachment:
        """Start the session, or go on with it, over an open link. Returns the handler for `link` to tell.

        A link attached earlier that was not welcomed yet is given up. Raises `ChannelClosed` after the end.
        """
        if self._closed is not None:
            raise self._closed
        if self._pending is not None:
            self._pending.close(CloseCode.NORMAL, "a newer link took its place")
        attachment = self._pending = self._newest = Attachment(self, link, self._incoming.stream.received)
        message = control.encode_link_control(control.Attach(attachment.received))
        link.send(CONTROL, Delivery.ORDERED, message)
        link.flush()
        return attachment

    def give_up_link(self, link: Link, reason: str = "no welcome in time") -> None:
        """Forget a link that was attached and never welcomed, and close it."""
        pending = self._pending
        if pending is not None and pending.link is link:
            self._pending = None
            pending.close(CloseCode.NORMAL, reason)

    def next_timer(self) -> float | None:
        """When `handle_timer` is due, in the clock's seconds; None: not before something happens."""
        due = [when for when in (self._ack_at, self._leave_at) if when is not None]
        if self._live is not None:
            due.append(self.clock.next_timer())
            feed_at = self._feed.next_timer(self._now())
            if feed_at is not None:
                due.append(feed_at)
        return min(due, default=None)

    def handle_timer(self, now: float) -> None:
        """Do what is due: acknowledge, ask for the server's clock, stop waiting."""
        if self._ack_at is not None and now >= self._ack_at:
            self._acknowledge()
        if self._live is not None:
            asked_at_us = self.clock.request(now)
            if asked_at_us is not None:
                self._feed.control(TIME, Delivery.UNRELIABLE, encode_time_request(asked_at_us), now)
            if self._feed.drain(now) or asked_at_us is not None:
                self._feed.flush()
        if self._leave_at is not None and now >= self._leave_at:
            if self._leave_number:
                self.end(CloseCode.NORMAL, "left")
            else:
                self._say_leave()

    # Calls of the attachments

    def link_received(self, attachment: Attachment, lane: int, kind: Delivery, data: bytes) -> None:
        """A message arrived on one of the session's links. Bad bytes end the link and the session."""
        try:
            if attachment.welcomed:
                self._dispatch(lane, kind, data)
            elif lane == CONTROL and data[:1] == _WELCOME:
                self._welcomed(attachment, data)
            else:
                attachment.keep_early(lane, kind, data)
        except ProtocolError as error:
            self._counts["bad_messages"] += 1
            if attachment.is_open:
                attachment.close(error.code, error.text)
                self.link_ended(attachment, error.code, error.text, remote=False)

    def link_ended(self, attachment: Attachment, code: int, reason: str, *, remote: bool) -> None:
        """One of the session's links ended: the session ends with it, or waits for another."""
        was_live = attachment is self._live
        if was_live:
            self._live = None
            self._feed.use(None)
            self._ack_at = None
        elif attachment is self._pending:
            self._pending = None
        else:
            return
        stranded = self._live is None and self._pending is None
        # The link that took this one's place may be this session's own, lost before its welcome. If it was another
        # client's, the session id that is held here no longer opens anything.
        by_ourselves = code == CloseCode.REPLACED and attachment is not self._newest
        if self.state is SessionState.LEAVING:
            self.end(CloseCode.NORMAL, "left")
        elif stranded and not by_ourselves and not _session_survives(code, remote=remote):
            self.end(code, reason, remote=remote)
        else:
            if stranded and self.state is SessionState.LIVE:
                self.state = SessionState.AWAY
            self.handler.link_gone(attachment.link, code, reason, stranded=stranded)

    # The start of a link

    def _welcomed(self, attachment: Attachment, data: bytes) -> None:
        message, _ = control.decode_control(data)
        if not isinstance(message, control.Welcome) or attachment is not self._pending:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "welcome")
        self._check_identity(message)
        first = self.welcome is None
        stream = self._outgoing.stream
        if first and message.received and not stream.last:
            stream.start_after(message.received)  # the session lived before, in a client that is no more
        acknowledged = stream.acknowledged(message.received)
        missed = self._skip_lost(attachment, message)
        previous, self._live, self._pending = self._live, attachment, None
        was_away = self.state is SessionState.AWAY
        if self.state is not SessionState.LEAVING:
            self.state = SessionState.LIVE
        self.welcome = _welcome_facts(message)
        attachment.welcomed = True
        if first:
            self._take_key(message.channel_id, message.agent_name, message.readable)
        self._counts["links"] += 1
        if previous is not None:
            previous.close(CloseCode.NORMAL, "moved to another link")
        self._replay(attachment.link)
        self.wake()
        if acknowledged:
            self.handler.acknowledged(message.received)
        self.handler.link_live(attachment.link)
        if was_away or missed:
            self.handler.session_resumed(missed)
        early, attachment.early = attachment.early, []
        for lane, kind, early_data in early:
            if attachment.is_open:
                self._dispatch(lane, kind, early_data)

    def _check_identity(self, message: control.Welcome) -> None:
        """What content is sealed for stays what it was at first (E2E-2-5). Raises ProtocolError."""
        known = self.welcome
        if self._readable not in (None, message.readable):
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "readable_changed")
        if known is not None and (known.channel_id, known.agent_name, known.readable) != (
            message.channel_id,
            message.agent_name,
            message.readable,
        ):
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "welcome_changed")

    def _take_key(self, channel_id: str, agent_name: str, readable: bool) -> None:
        """Open what is sealed from now on, and seal what is sent where the server need not read it."""
        self._incoming.agent_name = agent_name
        if self._message_key is not None and self._random is not None:
            self._incoming.opener = ContentOpener(self._message_key, channel_id)
            if not readable:
                self._incoming.sealed_only = not self._accept_plain
                self._outgoing.sealer = ContentSealer(self._message_key, channel_id, agent_name, self._random)

    def _skip_lost(self, attachment: Attachment, message: control.Welcome) -> int:
        """Go on behind what the server no longer has; returns how many messages are lost to this agent.

        The server counts from what ATTACH said. More may have arrived over the old link since.
        """
        if message.recovered:
            return 0
        missed = max(0, attachment.received + message.missed - self._incoming.stream.cumulative)
        self._incoming.stream.skip(missed)
        self._counts["missed"] += missed
        self._retold = False
        self._presence.restart()
        return missed if self.welcome is not None else 0

    def _replay(self, link: Link) -> None:
        now = self._now()
        self._feed.use(link, self._outgoing.stream.replay(now))
        self._feed.drain(now)
        for lane, key, body in self._outgoing.take_latest():
            self._feed.ephemeral(lane, Delivery.SEQUENCED, body, key, now)
        self._feed.flush()

    # Sending

    def _check_open(self) -> None:
        if self._closed is not None:
            raise self._closed
        if self.state is SessionState.LEAVING:
            raise channel_closed(CloseCode.NORMAL, "left", remote=False)
        if self.welcome is None:
            raise NotConnected("Nothing can be sent before the server's welcome.")

    def _send_ephemeral(self, lane: int, delivery: Delivery, key: int, body: bytes) -> None:
        if self._live is not None:
            self._feed.ephemeral(lane, delivery, body, key, self._now())
        elif delivery is Delivery.SEQUENCED:
            self._outgoing.keep_latest(lane, key, body)
        else:
            self._counts["unsent"] += 1

    def _say_leave(self) -> None:
        """Send LEAVE, now that everything before it has arrived: the server ends the session at once."""
        now = self._now()
        head, body = control.encode_stream_control(control.Leave())
        stream = self._outgoing.stream
        wire = stream.push(now, CONTROL, Delivery.ORDERED, body, head=head, counted=False)
        self._leave_number = stream.last
        self._leave_at = now + LEAVE_TIMEOUT_S
        self._feed.stream_message(CONTROL, Delivery.ORDERED, wire, now)
        self._feed.flush()

    # Receiving

    def _dispatch(self, lane: int, kind: Delivery, data: bytes) -> None:
        if KIND_OF_LANE.get(lane) is kind:
            self._incoming.take(lane, kind, data)
            if kind.is_reliable:
                self._ack_soon()
        elif lane == CONTROL and kind is Delivery.ORDERED:
            self._control(data)
        elif lane == TIME and kind is Delivery.UNRELIABLE:
            self._time(data)
        else:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "lane_kind")

    def _time(self, data: bytes) -> None:
        answer = decode_time(data)
        if not isinstance(answer, TimeAnswer):
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "time_direction")
        self.clock.answer(answer.sent_us, answer.received_us, answer.answered_us, self._now())

    def _ack_soon(self) -> None:
        """A stream message arrived, new or again: acknowledge it in a moment, or now where many wait."""
        if self._incoming.stream.ack_urgent:
            self._acknowledge()
        elif self._ack_at is None:
            self._ack_at = self._now() + self._ack_delay_s
            self.wake()

    def _acknowledge(self) -> None:
        self._ack_at = None
        if self._live is None:
            return
        now = self._now()
        message = control.StreamAck(self._incoming.stream.acknowledge())
        if self._feed.control(CONTROL, Delivery.ORDERED, control.encode_link_control(message), now):
            self._feed.flush()
        else:
            self._ack_at = now + self._ack_delay_s

    def _hand_on(self, message: Message) -> None:
        if self._closed is None:
            self.handler.message(message)

    # Control messages

    def _control(self, data: bytes) -> None:
        message, low16 = control.decode_control(data)
        if isinstance(message, control.StreamAck):
            self._stream_acknowledged(message.received)
        elif low16 is None or isinstance(message, control.Attach | control.Welcome | control.Leave):
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "control_direction")
        else:
            new = self._incoming.stream.accept(low16, len(data))
            self._ack_soon()
            if new:
                self._stream_control(message)

    def _stream_control(self, message: control.StreamControl) -> None:
        if isinstance(message, control.ErrorNotice):
            about = message.about
            number = None if about is None else self._outgoing.full_number(about)
            self.handler.message_refused(message.code, message.text, number)
            return
        self._presence.apply(message)
        self._incoming.release()
        if not self._retold and isinstance(message, control.Joined) and message.index == self.index:
            self._presence_complete()

    def _presence_complete(self) -> None:
        """The server has told who is there: its list ends with this agent itself."""
        self._retold = True
        self._presence.confirm()
        if not self._ready and self.welcome is not None:
            self._ready = True
            self.handler.session_ready(self.welcome)

    def _stream_acknowledged(self, received: int) -> None:
        if not self._outgoing.stream.acknowledged(received):
            return
        self.handler.acknowledged(received)
        if self.state is not SessionState.LEAVING:
            return
        if self._leave_number == 0 and not self._outgoing.stream.unacknowledged:
            self._say_leave()
        elif self._leave_number and received >= self._leave_number:
            self.end(CloseCode.NORMAL, "left")


_WELCOME: Final = bytes((control.Op.WELCOME,))


def _session_survives(code: int, *, remote: bool) -> bool:
    """Whether a session goes on after a link ended with `code`.

    It does where the code says so, and where a link was merely closed by this side.
    """
    return may_come_back(code) or (code == CloseCode.NORMAL and not remote)


def _welcome_facts(message: control.Welcome) -> Welcome:
    return Welcome(
        index=message.index,
        agent_name=message.agent_name,
        channel_id=message.channel_id,
        created=message.created,
        readable=message.readable,
        game=message.game,
        epoch=message.epoch,
        offset=message.offset,
    )


def _nothing() -> None:
    """The wake of a session that nobody drives yet."""
