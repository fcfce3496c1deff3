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
from hub.slots import SLOTS_TO_EVERYONE, SLOTS_TO_SOME, KeySlots
from messaging.envelope import TARGETED
from messaging.lanes import TO_CLIENT, TO_CLIENT_SEQUENCED, TO_CLIENT_UNRELIABLE
from netcore.delivery import Delivery
from netcore.shared import PACKET_ROOM_BYTES, SharedBlock, SharedMessage

Send = Callable[[int, Delivery, bytes, int], None]
SendShared = Callable[[SharedBlock], None]

_SEQUENCED: Final = Delivery.SEQUENCED
_UNRELIABLE: Final = Delivery.UNRELIABLE
_FRAME_BYTES: Final = 7
"""What a message of usual size needs in a packet beside its data."""
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
        "_batch",
        "_batch_bytes",
        "_batch_full",
        "_broadcast_by",
        "_choices",
        "_dirty",
        "_env",
        "_flush_now",
        "_links",
        "_numbers",
        "_sends",
        "_sends_shared",
        "_slots_to_everyone",
        "_slots_to_some",
        "_streams",
        "_tick",
    )

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._slots_to_everyone = KeySlots(0, SLOTS_TO_EVERYONE)
        self._slots_to_some = KeySlots(SLOTS_TO_EVERYONE, SLOTS_TO_SOME)
        self._numbers = [0] * SLOTS_TO_EVERYONE  # of the last message of each slot
        self._links: dict[int, Link] = {}  # by agent index
        self._streams: dict[int, Receiver] = {}
        self._choices: dict[int, Callable[[int], bool]] = {}  # types wanted, by those who do not want all
        # By sender: the ways onto the links of everyone else who wants all types. Emptied on any change.
        self._sends: dict[int, tuple[Send, ...]] = {}
        self._sends_shared: dict[int, SendShared] = {}  # by receiver, of those who want every type
        self._batch: dict[int, tuple[Message, SharedMessage]] = {}  # sequenced, to everyone, by slot
        self._broadcast_by = _NOBODY  # who has sent to everyone since the last flush
        self._dirty: set[int] = set()  # receivers of messages to one
        self._tick: Timer | None = None
        self._flush_now = True
        self._batch_bytes = 0  # broadcast since the last flush
        self._batch_full = False

    # Who receives.

    def add_stream(self, receiver: Receiver) -> None:
        """From now on the receiver gets what goes to everyone, with a link or without one."""
        self._streams[receiver.index] = receiver

    def remove(self, index: int) -> None:
        """The receiver's session has ended."""
        self._streams.pop(index, None)
        self.choose(index, None)
        self.remove_link(index)
        self._slots_to_everyone.forget(index)
        self._slots_to_some.forget(index)

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
        if self._batch:
            self._put_batch()
        self._sends.clear()
        self._sends_shared = {
            index: link.shared_sender(TO_CLIENT_SEQUENCED)
            for index, link in self._links.items()
            if index not in self._choices
        }
        config = self._env.config
        self._flush_now = config.relay_tick_s <= 0.0 or len(self._links) <= config.relay_direct_agents

    def _links_but(self, sender: int) -> Iterable[Link]:
        """The links of everyone else who wants all types."""
        return (link for index, link in self._links.items() if index != sender and index not in self._choices)

    def _sends_of(self, sender: int) -> tuple[Send, ...]:
        sends = self._sends[sender] = tuple(link.send for link in self._links_but(sender))
        return sends

    # Unreliable and sequenced messages.

    def broadcast(self, message: Message) -> None:
        """An unreliable or sequenced message to every link but the sender's."""
        if message.kind == _SEQUENCED:
            self._broadcast_sequenced(message)
        else:
            self._broadcast_unreliable(message)
        if self._choices:
            # One who leaves out messages cannot share their numbers: a gap may become too long to tell old from new.
            self.send_to_several(self._choices, message)
        self._mark_broadcast(message.sender)

    def _broadcast_sequenced(self, message: Message) -> None:
        slot = self._slots_to_everyone.slot(message.sender, message.lane, message.key)
        number = self._numbers[slot] = (self._numbers[slot] + 1) & 0xFFFF
        try:
            shared = SharedMessage(TO_CLIENT_SEQUENCED, slot, number, message.envelope(0), self._numbers)
        except ValueError:  # longer than a sequenced message may be
            self._env.stats.link_failures += 1
            return
        self._batch[slot] = (message, shared)
        self._fill_batch(len(shared.data) + _FRAME_BYTES)

    def _put_batch(self) -> None:
        """Hand the sequenced messages to everyone since the last time to the links, joined."""
        batch = list(self._batch.values())
        self._batch.clear()
        everything = SharedBlock(shared for _, shared in batch)
        senders = {message.sender for message, _ in batch}
        count = 0
        for index, send in self._sends_shared.items():
            block = everything
            if index in senders:
                block = SharedBlock(shared for message, shared in batch if message.sender != index)
            send(block)
            count += len(block.messages)
        self._env.stats.deliveries += count

    def _broadcast_unreliable(self, message: Message) -> None:
        sender = message.sender
        sends = self._sends.get(sender)
        if sends is None:
            sends = self._sends_of(sender)
        envelope = message.envelope(0)
        rest = iter(sends)
        while True:
            try:
                for send in rest:
                    send(TO_CLIENT_UNRELIABLE, _UNRELIABLE, envelope, 0)
                break
            except (QueueFull, ValueError):  # one link's trouble is not the others'
                self._env.stats.link_failures += 1
        self._env.stats.deliveries += len(sends)
        self._fill_batch(len(envelope) + _FRAME_BYTES)

    def _fill_batch(self, size: int) -> None:
        """Another message of `size` bytes waits for the tick. Full packets wait for nothing."""
        self._batch_bytes += size
        self._batch_full = self._batch_bytes + size > PACKET_ROOM_BYTES

    def send_to(self, receiver: int, message: Message) -> None:
        """An unreliable or sequenced message to one; lost where that one has no link."""
        self._send_to_each((receiver,), message, TARGETED)

    def send_to_several(self, receivers: Iterable[int], message: Message) -> None:
        """An unreliable or sequenced message to some, but not to its sender."""
        self._send_to_each((index for index in receivers if index != message.sender), message, 0)

    def _send_to_each(self, receivers: Iterable[int], message: Message, flags: int) -> None:
        lane, slot = TO_CLIENT_UNRELIABLE, 0
        if message.kind == _SEQUENCED:
            lane = TO_CLIENT_SEQUENCED
            slot = self._slots_to_some.slot(message.sender, message.lane, message.key)
        envelope = message.envelope(flags)
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
        """An operation is over: flush now in a small channel; in a large one with the next relay tick, or as soon
        as another message would not fit the packets any more."""
        if self._flush_now or self._batch_full:
            self.flush()
        elif self._tick is None:
            clock = self._env.clock
            self._tick = clock.call_at(clock.now() + self._env.config.relay_tick_s, self._on_tick)

    def _on_tick(self) -> None:
        self._tick = None
        self.flush()

    def flush(self) -> None:
        """Let everything that was put on links go out at the end of the present wake-up."""
        if self._batch:
            self._put_batch()
        self._batch_bytes = 0
        self._batch_full = False
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
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
