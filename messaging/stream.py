"""The session stream: numbers, acknowledgement, replay and dedupe of messages across links.

docs/protocol/messaging.md, section 5. A session has two streams, one for each direction; both ends use
these two classes. In the stream are reliable and ordered application messages and in-stream control messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

from messaging.errors import ProtocolError, StreamFull
from netcore.codes import CloseCode
from netcore.delivery import Delivery

MAX_MESSAGES: Final = 1000
"""Unacknowledged messages that a sender keeps."""
MAX_BYTES: Final = 1024 * 1024
"""Bytes of unacknowledged messages that a sender keeps."""
MAX_AGE_S: Final = 120.0
"""Seconds that a sender keeps an unacknowledged message."""
ACK_DELAY_S: Final = 0.05
"""How long a receiver lets an acknowledgement wait for company; never above 0.25."""
ACK_EVERY_MESSAGES: Final = 64
"""So many messages are acknowledged at once, ..."""
ACK_EVERY_BYTES: Final = 128 * 1024
"""... and so many bytes."""
WINDOW: Final = 16_384
"""How far from the next number a receiver accepts others: more than any sender can have under way."""

pack_number = Struct(">H").pack
"""Two bytes from the low 16 bits of a stream number."""


class StreamMessage(NamedTuple):
    """One message that is kept until it is acknowledged. Its parts are shared between receivers."""

    number: int
    lane: int
    kind: Delivery
    head: bytes
    """What stands before the number: the op of a control message, else nothing."""
    body: bytes
    sent_at: float
    counted: bool
    """Whether it counts towards the caps."""

    def wire(self) -> bytes:
        """The message as it travels on the link."""
        return self.head + pack_number(self.number & 0xFFFF) + self.body


@dataclass(frozen=True, slots=True)
class Resumption:
    """How a stream goes on after a new link: everything there, or a gap of known size."""

    recovered: bool
    missed: int
    """Messages that are lost to the receiver; 0 where recovered."""


class StreamSender:
    """Numbers what it sends and keeps it until the other side has acknowledged it."""

    __slots__ = (
        "_base",
        "_bytes",
        "_counted",
        "_kept",
        "discarding",
        "last",
        "max_age_s",
        "max_bytes",
        "max_messages",
    )

    def __init__(
        self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES, max_age_s: float = MAX_AGE_S
    ) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.max_age_s = max_age_s
        self.last = 0
        """Number of the newest message; 0 before the first."""
        self.discarding = False
        """True after `discard`, until the next `resume`: messages are counted, not kept."""
        self._base = 0  # everything up to here is acknowledged or discarded
        self._kept: deque[StreamMessage] = deque()
        self._bytes = 0
        self._counted = 0

    @property
    def unacknowledged(self) -> int:
        """How many messages are kept."""
        return len(self._kept)

    @property
    def unacknowledged_bytes(self) -> int:
        """Bytes of the kept messages that count."""
        return self._bytes

    def push(
        self, now: float, lane: int, kind: Delivery, body: bytes, *, head: bytes = b"", counted: bool = True
    ) -> bytes:
        """Take one message; returns it as it travels on the link. Its number is `last` afterwards.

        Raises StreamFull (and takes nothing) at a cap. `counted=False`: for messages bounded otherwise.
        """
        size = len(body)
        if self.discarding:
            self.last = self._base = self.last + 1
            return head + pack_number(self.last & 0xFFFF) + body
        if counted:
            kept = self._kept
            if (
                self._counted >= self.max_messages
                or self._bytes + size > self.max_bytes
                or (kept and now - kept[0].sent_at > self.max_age_s)
            ):
                raise StreamFull
            self._counted += 1
            self._bytes += size
        number = self.last = self.last + 1
        self._kept.append(StreamMessage(number, lane, kind, head, body, now, counted))
        return head + pack_number(number & 0xFFFF) + body

    def acknowledged(self, received: int) -> range:
        """The other side has everything up to `received`. Returns the numbers that this newly completes.

        Raises ProtocolError where `received` was never sent.
        """
        if received > self.last:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "stream_ack_of_unsent")
        first = self._base + 1
        if received < first:
            return range(0)
        kept = self._kept
        while kept and kept[0].number <= received:
            message = kept.popleft()
            if message.counted:
                self._counted -= 1
                self._bytes -= len(message.body)
        self._base = received
        return range(first, received + 1)

    def resume(self, received: int) -> Resumption:
        """A new link is there, and the other side has everything up to `received`.

        Recovered: `replay` gives what is to be sent again. Not recovered: something it needs is not kept any
        more, so everything kept is given up too, and the stream goes on with new messages. ProtocolError
        where `received` was never sent.
        """
        recovered = received >= self._base
        self.acknowledged(received)
        if not recovered:
            self.discard()
        self.discarding = False
        return Resumption(recovered, 0 if recovered else self.last - received)

    def replay(self, now: float) -> Iterator[StreamMessage]:
        """`renew`, then every kept message, in order."""
        self.renew(now)
        return iter(self.kept())

    def renew(self, now: float) -> None:
        """Let the age of every kept message start anew: a new link gets its full time."""
        self._kept = deque(message._replace(sent_at=now) for message in self._kept)

    def kept(self) -> tuple[StreamMessage, ...]:
        """Every kept message, in order; their age goes on."""
        return tuple(self._kept)

    def discard(self) -> None:
        """Give up everything kept and keep nothing until `resume`, which then tells how many were missed."""
        self._kept.clear()
        self._bytes = self._counted = 0
        self._base = self.last
        self.discarding = True

    def start_after(self, number: int) -> None:
        """Continue another life's stream: the next message gets `number` + 1.

        For a client that lost its state and resumes its session. ValueError where something was sent already.
        """
        if self.last:
            raise ValueError("the stream has begun")
        self.last = self._base = number


class StreamReceiver:
    """Accepts each number once, in any order within a window, and tells what to acknowledge."""

    __slots__ = (
        "_ahead",
        "_held",
        "_told",
        "cumulative",
        "duplicates",
        "pending_bytes",
        "pending_messages",
        "window",
    )

    def __init__(self, window: int = WINDOW) -> None:
        """`window` bounds the memory that a hostile sender can take; below 32,768."""
        self.window = window
        self.cumulative = 0
        """Everything up to this number has arrived."""
        self.duplicates = 0
        self.pending_messages = 0
        """Accepted since `acknowledge` was last called."""
        self.pending_bytes = 0
        self._ahead: set[int] = set()
        self._held: set[int] = set()
        self._told = 0

    def accept(self, low16: int, size: int = 0) -> int:
        """The full number of a message that is new, or 0 for one that has been here.

        Raises ProtocolError where it lies outside the window. `size` is for `ack_urgent`.
        """
        self.pending_messages += 1
        self.pending_bytes += size
        expected = self.cumulative + 1
        distance = (low16 - expected) & 0xFFFF
        if distance == 0:
            self.cumulative = expected
            if self._ahead:
                self._advance()
            return expected
        if distance >= 0x8000:
            if 0x10000 - distance >= expected or 0x10000 - distance > self.window:
                raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "stream_number")
            self.duplicates += 1
            return 0
        if distance >= self.window:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "stream_window")
        number = expected + distance
        if number in self._ahead:
            self.duplicates += 1
            return 0
        self._ahead.add(number)
        return number

    def _advance(self) -> None:
        ahead, number = self._ahead, self.cumulative + 1
        while number in ahead:
            ahead.remove(number)
            number += 1
        self.cumulative = number - 1

    @property
    def received(self) -> int:
        """The number to acknowledge: everything up to it has arrived, and nothing of it is held."""
        return min(self.cumulative, min(self._held) - 1) if self._held else self.cumulative

    def hold(self, number: int) -> None:
        """Do not acknowledge `number` before `release`: its effect is still to come (being stored, say)."""
        self._held.add(number)

    def release(self, number: int) -> None:
        """The effect of a held message is there."""
        self._held.discard(number)

    @property
    def ack_needed(self) -> bool:
        """True where an acknowledgement would tell something new, or answer a repetition."""
        return self.pending_messages > 0 or self.received > self._told

    @property
    def ack_urgent(self) -> bool:
        """True where so much has arrived that the acknowledgement must not wait."""
        return self.pending_messages >= ACK_EVERY_MESSAGES or self.pending_bytes >= ACK_EVERY_BYTES

    def acknowledge(self) -> int:
        """The number to put into an acknowledgement that is sent now."""
        self.pending_messages = self.pending_bytes = 0
        self._told = self.received
        return self._told

    def skip(self, missed: int) -> None:
        """The other side cannot send the next `missed` numbers: go on behind them."""
        target = self.cumulative + missed
        self._ahead = {number for number in self._ahead if number > target}
        self.cumulative = target
        self._advance()
