"""Relay: hands one message to many links. Encoded once; what differs between receivers is a prefix.

docs/protocol/messaging.md, section 4. This is the hot path of the server: no task, no queue, no object for
each receiver. Unreliable and sequenced messages go straight into the links; reliable and ordered ones through
each receiver's session stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from hub.environment import Environment
from hub.message import Message
from hub.ports import Link, QueueFull, Timer
from hub.slots import KeySlots
from messaging.envelope import TARGETED
from messaging.lanes import TO_CLIENT, TO_CLIENT_SEQUENCED, TO_CLIENT_UNRELIABLE
from netcore.delivery import Delivery

Send = Callable[[int, Delivery, bytes, int], None]

_SEQUENCED: Final = Delivery.SEQUENCED
_NOBODY: Final = -1
_SEVERAL: Final = -2


class Receiver(Protocol):
    """A session, as the relay sees it."""

    @property
    def index(self) -> int:
        """Agent index."""

    def deliver(
        self, now: float, lane: int, kind: Delivery, body: bytes, *, head: bytes = b"", counted: bool = True
    ) -> None:
        """Put one message into the session stream, and onto the link where there is one."""


class Relay:
    """The receivers of one channel, and the moment at which their links are flushed."""

    __slots__ = (
        "_broadcast_by",
        "_choices",
        "_dirty",
        "_env",
        "_flush_now",
        "_links",
        "_sends",
        "_slots",
        "_streams",
        "_tick",
    )

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._slots = KeySlots()
        self._links: dict[int, Link] = {}  # by agent index
        self._streams: dict[int, Receiver] = {}
        self._choices: dict[int, Callable[[int], bool]] = {}  # types wanted, by those who do not want all
        self._sends: dict[
            int, tuple[Send, ...]
        ] = {}  # by sender: everyone else's link.send; emptied on any change
        self._broadcast_by = _NOBODY  # who has sent to everyone since the last flush
        self._dirty: set[int] = set()  # receivers of messages to one
        self._tick: Timer | None = None
        self._flush_now = True

    # Who receives.

    def add_stream(self, receiver: Receiver) -> None:
        """From now on the receiver gets what goes to everyone, with a link or without one."""
        self._streams[receiver.index] = receiver

    def remove(self, index: int) -> None:
        """The receiver's session has ended."""
        self._streams.pop(index, None)
        self.choose(index, None)
        self.remove_link(index)
        self._slots.forget(index)

    def set_link(self, index: int, link: Link) -> None:
        """The receiver's link from now on."""
        self._links[index] = link
        self._changed()

    def remove_link(self, index: int) -> None:
        """The receiver has no link."""
        if self._links.pop(index, None) is not None:
            self._changed()

    def choose(self, index: int, types: Callable[[int], bool] | None) -> None:
        """Deliver to this receiver only messages whose type index `types` is true for; None: all."""
        if types is not None:
            self._choices[index] = types
            self._changed()
        elif self._choices.pop(index, None) is not None:
            self._changed()

    def _wants(self, index: int, type_index: int) -> bool:
        chosen = self._choices.get(index)
        return chosen is None or chosen(type_index)

    def _changed(self) -> None:
        self._sends.clear()
        config = self._env.config
        self._flush_now = config.relay_tick_s <= 0.0 or len(self._links) <= config.relay_direct_agents

    def _sends_of(self, sender: int) -> tuple[Send, ...]:
        sends = self._sends[sender] = tuple(
            link.send for index, link in self._links.items() if index != sender and index not in self._choices
        )
        return sends

    # Unreliable and sequenced messages.

    def broadcast(self, message: Message) -> None:
        """An unreliable or sequenced message to every link but the sender's."""
        sender, kind = message.sender, message.kind
        sends = self._sends.get(sender)
        if sends is None:
            sends = self._sends_of(sender)
        lane, slot, envelope = self._on_link(message, 0)
        rest = iter(sends)
        while True:
            try:
                for send in rest:
                    send(lane, kind, envelope, slot)
                break
            except (QueueFull, ValueError):  # one link's trouble is not the others'
                self._env.stats.link_failures += 1
        self._env.stats.deliveries += len(sends)
        if self._choices:
            self.send_to_several(self._choices, message)
        self._mark_broadcast(sender)

    def send_to(self, receiver: int, message: Message) -> None:
        """An unreliable or sequenced message to one; lost where that one has no link."""
        self._send_to_each((receiver,), message, TARGETED)

    def send_to_several(self, receivers: Iterable[int], message: Message) -> None:
        """An unreliable or sequenced message to some, but not to its sender."""
        self._send_to_each((index for index in receivers if index != message.sender), message, 0)

    def _send_to_each(self, receivers: Iterable[int], message: Message, flags: int) -> None:
        lane, slot, envelope = self._on_link(message, flags)
        for receiver in receivers:
            link = self._links.get(receiver)
            if link is None or not self._wants(receiver, message.type_index):
                continue
            try:
                link.send(lane, message.kind, envelope, slot)
            except (QueueFull, ValueError):
                self._env.stats.link_failures += 1
                continue
            self._env.stats.deliveries += 1
            self._dirty.add(receiver)

    def _on_link(self, message: Message, flags: int) -> tuple[int, int, bytes]:
        """(lane, key, data) as every receiver's link gets them."""
        if message.kind == _SEQUENCED:
            slot = self._slots.slot(message.sender, message.lane, message.key)
            return TO_CLIENT_SEQUENCED, slot, message.envelope(flags)
        return TO_CLIENT_UNRELIABLE, 0, message.envelope(flags)

    # Messages in the session streams.

    def stream_broadcast(self, message: Message, envelope: bytes) -> None:
        """A reliable or ordered message to every session but the sender's."""
        sender, kind, type_index = message.sender, message.kind, message.type_index
        now, lane = self._env.clock.now(), TO_CLIENT[kind]
        choices = self._choices
        count = 0
        for receiver in tuple(self._streams.values()):
            index = receiver.index
            if index != sender and (not choices or self._wants(index, type_index)):
                receiver.deliver(now, lane, kind, envelope)
                count += 1
        self._env.stats.deliveries += count
        self._mark_broadcast(sender)

    def stream_to(self, receiver: int, message: Message, envelope: bytes) -> None:
        """A reliable or ordered message to one session, be it the sender's own."""
        session = self._streams.get(receiver)
        if session is not None and self._wants(receiver, message.type_index):
            kind = message.kind
            session.deliver(self._env.clock.now(), TO_CLIENT[kind], kind, envelope)
            self._env.stats.deliveries += 1
            self._dirty.add(receiver)

    def stream_to_several(self, receivers: Iterable[int], message: Message, envelope: bytes) -> None:
        """A reliable or ordered message to some sessions, but not to the sender's."""
        for receiver in receivers:
            if receiver != message.sender:
                self.stream_to(receiver, message, envelope)

    def control_broadcast(self, head: bytes, body: bytes, but: int = 0) -> None:
        """A control message to every session but one."""
        now = self._env.clock.now()
        for receiver in tuple(self._streams.values()):
            if receiver.index != but:
                receiver.deliver(now, 0, Delivery.ORDERED, body, head=head)
        self._mark_broadcast(but)

    def _mark_broadcast(self, sender: int) -> None:
        by = self._broadcast_by
        self._broadcast_by = sender if by in (_NOBODY, sender) else _SEVERAL

    # Flushing.

    def touch(self, index: int) -> None:
        """Something was put on this receiver's link."""
        self._dirty.add(index)

    def settle(self) -> None:
        """An operation is over: flush now in a small channel, with the next relay tick in a large one."""
        if self._flush_now:
            self.flush()
        elif self._tick is None:
            clock = self._env.clock
            self._tick = clock.call_at(clock.now() + self._env.config.relay_tick_s, self._on_tick)

    def _on_tick(self) -> None:
        self._tick = None
        self.flush()

    def flush(self) -> None:
        """Let everything that was put on links go out at the end of the present wake-up."""
        by = self._broadcast_by
        if by != _NOBODY:
            self._broadcast_by = _NOBODY
            for index, link in tuple(self._links.items()):
                if index != by or index in self._dirty:
                    link.flush()
        elif self._dirty:
            for index in self._dirty:
                dirty_link = self._links.get(index)
                if dirty_link is not None:
                    dirty_link.flush()
        self._dirty.clear()

    def close(self) -> None:
        """The channel ends."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        self._links.clear()
        self._streams.clear()
        self._sends.clear()
