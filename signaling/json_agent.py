"""An agent that takes part by JSON requests: its link ends here, inside the server.

It keeps the client's side of the session (docs/protocol/messaging.md, sections 4 to 6) on behalf of a client that
has none. It is present while requests come and a little longer, then away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from hub.budget import IngressBudget
from hub.config import HubConfig
from hub.errors import ChannelError, ErrorCode
from hub.hub import Hub
from messaging.control import (
    Attach,
    ErrorNotice,
    Joined,
    Left,
    StreamAck,
    TypeName,
    Welcome,
    decode_control,
    encode_link_control,
)
from messaging.envelope import CHAT_TEXT, Delivered, decode_delivery, encode_publication
from messaging.errors import StreamFull
from messaging.lanes import CONTROL, DEFAULT_APPLICATION_LANE
from messaging.link_frames import iterate_frames
from messaging.poll_bodies import Close
from messaging.stream import StreamReceiver, StreamSender
from netcore.codes import CloseCode, may_come_back
from netcore.delivery import Delivery
from signaling.json_content import shown_content
from signaling.json_inbox import JsonInbox, NewMessage
from transports.framed_link import FramedLink
from transports.outgoing import QueueLimits

AWAY_AFTER_S: Final = 10.0
"""So long after the last request the agent is away."""
FORGOTTEN_AFTER_S: Final = 180.0
"""Longer than the hub keeps a session without a link."""
ACKNOWLEDGED_WITHIN_S: Final = 10.0
_ACK_DELAY_S: Final = 0.05
_EVERYTHING: Final = 1 << 24
"""More than a link's queue holds: it is always read to its end, so announcements come before what needs them."""
_FORMAT_NAMES: Final = ("bytes", "text", "json")

Wakeup = asyncio.Future[None]


class LinkLost(Exception):
    """The agent's link was closed by the hub while a request waited."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.reason)
        self.close = close


class RequestReplaced(Exception):
    """A newer request waits for messages: this one gets none."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One message to be sent."""

    content: bytes
    format: int
    type: str = CHAT_TEXT
    delivery: Delivery = Delivery.ORDERED
    key: int = 0
    to: str | None = None
    filter: str | None = None
    ephemeral: bool | None = None
    """None: what is reliable or ordered and has no filter is stored."""
    encrypted: bool = False


class JsonAgent:
    """One session's client side. Also the `Carrier` of its own link: what the hub sends ends up in the inbox."""

    def __init__(self, hub: Hub, forget: Callable[[], object]) -> None:
        """`forget()` is called when nothing is worth keeping any more."""
        self._hub = hub
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._budget = _budget(hub.config, self._loop.time())
        self._link: FramedLink | None = None
        self._closed = Close(CloseCode.IDLE, "")
        self._welcomed = False
        self._received = StreamReceiver()
        self._sent = StreamSender()
        self._receipts: dict[int, Wakeup] = {}
        self._refusal: ErrorNotice | None = None
        self._names: dict[int, str] = {}
        self._gone: list[int] = []
        self._types: dict[int, str] = {0: CHAT_TEXT}
        self._wakeup: Wakeup | None = None
        self._awake = False
        self._ack_timer: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.inbox = JsonInbox()

    # Requests.

    async def send(self, session_id: str, posting: Posting) -> int | None:
        """Send one message. Its stream number once the server has it; None at once for kinds without one.

        Raises ChannelError where the hub refuses it, LinkLost where it closed the link.
        """
        self._appear(session_id)
        body = self._published(posting)
        kind, lane = posting.delivery, DEFAULT_APPLICATION_LANE[posting.delivery]
        if not self._budget.admit(len(body) + 2, self._loop.time()):
            raise ChannelError(ErrorCode.THROTTLED, "This agent sends more than an agent may.", 1.0)
        if not kind.is_reliable:
            self._refusal = None
            self._say(lane, kind, body, posting.key)
            if self._refusal is not None:
                raise _refused(self._refusal)
            return None
        try:
            wire = self._sent.push(self._loop.time(), lane, kind, body)
        except StreamFull:
            raise ChannelError(
                ErrorCode.THROTTLED, "Too many messages wait for their acknowledgement.", 1.0
            ) from None
        number = self._sent.last
        receipt = self._receipts[number] = self._loop.create_future()
        try:
            self._say(lane, kind, wire)
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
                await receipt
        finally:
            self._receipts.pop(number, None)
            self._watch()
        return number

    def expect(self, session_id: str, received: int | None) -> Wakeup:
        """A future that ends as soon as there is something above `received` to `take`; never by itself.

        A request that waits already ends with RequestReplaced.
        """
        self._appear(session_id)
        self._replace()
        wakeup = self._loop.create_future()
        if received is not None:
            self.inbox.forget(received)
        if len(self.inbox) or self.inbox.missed:
            wakeup.set_result(None)
            return wakeup
        self._wakeup = wakeup
        wakeup.add_done_callback(self._wait_over)
        self._watch()
        return wakeup

    def take(self, received: int | None, limit: int) -> list[NewMessage]:
        """What waits, oldest first. Without `received` it counts as arrived."""
        messages = self.inbox.after(received or 0, limit)
        if received is None and messages:
            self.inbox.forget(messages[-1].number)
        return messages

    def _replace(self) -> None:
        wakeup, self._wakeup = self._wakeup, None
        if wakeup is not None and not wakeup.done():
            wakeup.set_exception(RequestReplaced())

    def _wait_over(self, wakeup: Wakeup) -> None:
        if not wakeup.cancelled():
            wakeup.exception()  # the request may be gone: then nobody else looks at it
        if self._wakeup is wakeup:
            self._wakeup = None
        self._watch()

    # The link.

    def _appear(self, session_id: str) -> None:
        """Have a link. Raises ChannelError, LinkLost."""
        self._watch()
        if self._link is None:
            link = FramedLink("json", self, QueueLimits())
            link.handler = self._hub.attach_here(session_id, link)
            self._link = link
            self._say(CONTROL, Delivery.ORDERED, encode_link_control(Attach(self._received.cumulative)))

    def _say(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        """Hand one message to the hub, and take in what it says to that at once."""
        link = self._link
        if link is not None and link.handler is not None:
            link.handler.link_message(lane, kind, key, data)
            self._read()
        if self._link is None:
            raise LinkLost(self._closed)

    def _watch(self) -> None:
        """Somebody asked just now. Once nobody does, the agent is away, and later forgotten."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._wakeup is None and not self._receipts:
            self._timer = self._loop.call_later(AWAY_AFTER_S, self._nobody_asks)

    def _nobody_asks(self) -> None:
        link, self._link = self._link, None
        self._closed = Close(CloseCode.IDLE, "nobody asks")
        if link is not None:
            link.ended(CloseCode.IDLE, "nobody asks", False)
        self._timer = self._loop.call_later(FORGOTTEN_AFTER_S, self._forget)

    # Carrier: what the hub's end of the link calls.

    rtt_s: float | None = None

    def wake(self) -> None:
        """Read the link at the end of the present wake-up."""
        if not self._awake:
            self._awake = True
            self._loop.call_soon(self._woken)

    def drain(self) -> None:
        """Nothing can be read now: the hub is in the middle of something."""

    def finish(self, code: int, reason: str) -> None:
        """The hub closed the link."""
        link, self._link = self._link, None
        self._closed = Close(code, reason)
        if link is not None:
            self._read_from(link)
            self._loop.call_soon(link.ended, code, reason, False)
        self._loop.call_soon(self._lost)

    def counters(self) -> dict[str, float]:
        """There are no bytes here."""
        return {}

    def _lost(self) -> None:
        lost = LinkLost(self._closed)
        for receipt in self._receipts.values():
            if not receipt.done():
                receipt.set_exception(lost)
        wakeup = self._wakeup
        if wakeup is not None and not wakeup.done():
            if len(self.inbox):
                wakeup.set_result(None)
            else:
                wakeup.set_exception(lost)
        if not may_come_back(self._closed.code):
            self._forget()  # the session is over, or goes on over another link, with other numbers

    def _woken(self) -> None:
        self._awake = False
        self._read()

    def _read(self) -> None:
        if self._link is not None:
            self._read_from(self._link)
        if self._received.ack_urgent:
            self._acknowledge()
        elif self._received.ack_needed and self._ack_timer is None:
            self._ack_timer = self._loop.call_later(_ACK_DELAY_S, self._acknowledge)

    def _acknowledge(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        link = self._link
        if link is not None and link.handler is not None:
            ack = encode_link_control(StreamAck(self._received.acknowledge()))
            link.handler.link_message(CONTROL, Delivery.ORDERED, 0, ack)

    def _read_from(self, link: FramedLink) -> None:
        while frames := link.take(_EVERYTHING):
            for lane, kind, _, data in iterate_frames(frames):
                if lane == CONTROL:
                    self._control(data)
                else:
                    self._application(lane, kind, data)
        for index in self._gone:
            self._names.pop(index, None)
        self._gone.clear()
        wakeup = self._wakeup
        if wakeup is not None and not wakeup.done() and (len(self.inbox) or self.inbox.missed):
            wakeup.set_result(None)

    # What the hub says.

    def _control(self, data: bytes) -> None:
        message, number = decode_control(data)
        if number is not None and not self._received.accept(number, len(data)):
            return
        if isinstance(message, Welcome):
            self._welcome(message)
        elif isinstance(message, StreamAck):
            self._acknowledged(self._sent.acknowledged(message.received))
        elif isinstance(message, Joined):
            self._names[message.index] = message.name
        elif isinstance(message, Left):
            self._gone.append(message.index)
        elif isinstance(message, TypeName):
            self._types[message.index] = message.name
        elif isinstance(message, ErrorNotice):
            self._told(message)

    def _welcome(self, welcome: Welcome) -> None:
        if not self._welcomed:
            self._welcomed = True
            self._sent.start_after(welcome.received)
        else:
            self._acknowledged(range(1, welcome.received + 1))
            self._sent.resume(welcome.received)
        if not welcome.recovered:
            self._received.skip(welcome.missed)
            self.inbox.missed += welcome.missed
            self._names.clear()
        link = self._link
        for kept in self._sent.replay(self._loop.time()):
            if link is not None and link.handler is not None:
                link.handler.link_message(kept.lane, kept.kind, 0, kept.wire())

    def _acknowledged(self, numbers: range) -> None:
        for number in [number for number in self._receipts if number in numbers]:
            if not self._receipts[number].done():
                self._receipts[number].set_result(None)

    def _told(self, notice: ErrorNotice) -> None:
        if notice.about is None:
            self._refusal = notice
            return
        number = self._sent.last - ((self._sent.last - notice.about) & 0xFFFF)
        receipt = self._receipts.get(number)
        if receipt is not None and not receipt.done():
            receipt.set_exception(_refused(notice))

    def _application(self, lane: int, kind: Delivery, data: bytes) -> None:
        if kind.is_reliable:
            if not self._received.accept(int.from_bytes(data[:2], "big"), len(data)):
                return
            data = data[2:]
        envelope = decode_delivery(data, lane)
        sender = self._names.get(envelope.sender)
        type = self._types.get(envelope.type_index)
        if sender is not None and type is not None:
            slot = None if envelope.key is None else (sender, envelope.lane, envelope.key)
            fields = _shown(envelope, kind, sender, type)
            self.inbox.put(fields, len(data), slot=slot, reliable=kind.is_reliable)

    # What the agent says.

    def _published(self, posting: Posting) -> bytes:
        """Raises ChannelError for what the hub would not take."""
        to = None
        if posting.to is not None:
            to = next((index for index, name in self._names.items() if name == posting.to), None)
            if to is None:
                raise ChannelError(ErrorCode.NO_SUCH_AGENT, "Nobody here has that name.")
        known = next((index for index, name in self._types.items() if name == posting.type), None)
        persistent = posting.delivery.is_reliable and posting.filter is None
        if posting.ephemeral is not None:
            persistent = not posting.ephemeral
        try:
            return encode_publication(
                posting.type if known is None else known,
                posting.content,
                format=posting.format,
                encrypted=posting.encrypted,
                persistent=persistent,
                to=to,
                filter=posting.filter,
            )
        except ValueError as error:
            raise ChannelError(ErrorCode.REQUEST_INVALID, str(error)) from None


def _budget(config: HubConfig, now: float) -> IngressBudget:
    """A little less than the hub allows, so that the hub never has to close the link for it."""
    less = {
        name: getattr(config, name) * 0.9
        for name in (
            "ingress_messages_per_s",
            "ingress_messages_burst",
            "ingress_bytes_per_s",
            "ingress_bytes_burst",
        )
    }
    return IngressBudget(replace(config, **less), now)


def _refused(notice: ErrorNotice) -> ChannelError:
    try:
        return ChannelError(ErrorCode(notice.code), notice.text)
    except ValueError:
        return ChannelError(ErrorCode.REQUEST_INVALID, notice.text)


def _shown(envelope: Delivered, kind: Delivery, sender: str, type: str) -> dict[str, Any]:
    content, content_base64 = shown_content(envelope.content, envelope.format, envelope.encrypted)
    return {
        "from": sender,
        "type": type,
        "delivery": kind.name.lower(),
        "key": envelope.key,
        "to_me": envelope.targeted,
        "format": _FORMAT_NAMES[envelope.format],
        "encrypted": envelope.encrypted,
        "offset": envelope.offset,
        "time_ms": envelope.time_ms,
        "content": content,
        "content_base64": content_base64,
    }
