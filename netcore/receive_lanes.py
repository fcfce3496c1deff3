"""Lanes, receiving side: what is delivered and when (docs/protocol/ncp.md, section 9).

`Inbox` finds the lane of a message; each lane delivers by the rules of its kind and refuses what a sender
that keeps the rules could never send.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netcore.codes import CloseCode
from netcore.delivery import Delivery
from netcore.errors import ProtocolError
from netcore.fragments import MAX_RELIABLE_PARTS, MESSAGE_COST, PartialMessage, Reassembly
from netcore.frames import MAX_LANE, SLOTS, FrameLane
from netcore.reliable_lane import ID_WINDOW
from netcore.sequenced_lane import MAX_KEYS
from netcore.stats import ConnectionStats

OLD_ID_DISTANCE: Final = 0x7C00
"""An id this far ahead of the window (modulo 2**16) is one from behind it: a repetition."""

Deliver = Callable[[int, Delivery, int, bytes], None]
"""(lane, kind, key, data)"""


def _discard(lane: int, kind: Delivery, key: int, data: bytes) -> None:
    """Nobody listens (any more)."""


class Inbox:
    """The receiving lanes of a connection and the limits they share."""

    __slots__ = (
        "_kinds",
        "deliver",
        "held_cost",
        "lanes",
        "max_message",
        "now",
        "reassembly",
        "recv_budget",
        "stats",
    )

    def __init__(
        self, *, max_message: int, recv_budget: int, reassembly_bytes: int, stats: ConnectionStats
    ) -> None:
        """`max_message` and `recv_budget` are what the remote was told."""
        self.lanes: list[FrameLane | None] = [None] * SLOTS
        """The lanes by slot; see `frames.FrameSink`."""
        self._kinds: dict[int, int] = {}
        self.deliver: Deliver = _discard
        self.max_message = max_message
        self.recv_budget = recv_budget
        self.held_cost = 0
        """Cost of reliable messages that are here but not delivered yet."""
        self.reassembly = Reassembly(reassembly_bytes)
        self.stats = stats
        self.now = 0.0
        """Time of the packet being handled."""

    def discard(self) -> None:
        """Deliver nothing from now on."""
        self.deliver = _discard

    def open_lane(self, slot: int) -> FrameLane:
        """The lane of `slot`, from its first message on. Raises where the lane has another kind already."""
        number = slot & MAX_LANE
        if number in self._kinds:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "lane_kind")
        kind = Delivery(slot >> 6)
        self._kinds[number] = kind
        lane: FrameLane
        if kind is Delivery.UNRELIABLE:
            lane = _UnreliableReceiver(self, number)
        elif kind is Delivery.SEQUENCED:
            lane = _SequencedReceiver(self, number)
        elif kind is Delivery.RELIABLE:
            lane = _ReliableReceiver(self, number)
        else:
            lane = _OrderedReceiver(self, number)
        self.lanes[slot] = lane
        return lane

    def hold(self, cost: int) -> None:
        """Count `cost` for something kept. Raises where the remote has sent more than the budget it was
        told."""
        self.held_cost += cost
        if self.held_cost > self.recv_budget:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "recv_budget")


class _UnreliableReceiver:
    __slots__ = ("_inbox", "_lane")

    def __init__(self, inbox: Inbox, lane: int) -> None:
        self._inbox = inbox
        self._lane = lane

    def message(self, number: int, key: int, data: bytes) -> None:
        inbox = self._inbox
        if len(data) > inbox.max_message:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "message_size")
        inbox.stats.messages_in += 1
        inbox.deliver(self._lane, Delivery.UNRELIABLE, 0, data)

    def fragment(self, number: int, key: int, index: int, last: int, data: bytes) -> None:
        inbox = self._inbox
        whole = inbox.reassembly.add(self._lane, number, 0, index, last, data, inbox.now)
        if whole is not None:
            self.message(number, 0, whole)


class _SequencedReceiver:
    """Delivers what is newer than the last one of its key. Ids count for each key, modulo 2**16."""

    __slots__ = ("_inbox", "_lane", "_newest")

    def __init__(self, inbox: Inbox, lane: int) -> None:
        self._inbox = inbox
        self._lane = lane
        self._newest: dict[int, int] = {}

    def message(self, number: int, key: int, data: bytes) -> None:
        inbox = self._inbox
        if len(data) > inbox.max_message:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "message_size")
        newest = self._newest.get(key)
        if newest is None:
            self._admit()
        elif not 0 < (number - newest) & 0xFFFF < 0x8000:
            inbox.stats.dropped_stale += 1
            return
        self._newest[key] = number
        inbox.stats.messages_in += 1
        inbox.deliver(self._lane, Delivery.SEQUENCED, key, data)

    def _admit(self) -> None:
        if len(self._newest) >= MAX_KEYS:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "lane_keys")

    def fragment(self, number: int, key: int, index: int, last: int, data: bytes) -> None:
        newest = self._newest.get(key)
        if newest is None:
            self._admit()
        elif not 0 < (number - newest) & 0xFFFF < 0x8000:
            self._inbox.stats.dropped_stale += index == 0
            return
        inbox = self._inbox
        slot = Delivery.SEQUENCED << 6 | self._lane
        whole = inbox.reassembly.add(slot, number, key, index, last, data, inbox.now)
        if whole is not None:
            self.message(number, key, whole)


class _WindowedReceiver:
    """What reliable and ordered lanes share: the id window and messages that are still in parts."""

    __slots__ = ("_inbox", "_lane", "_next", "_partials")

    def __init__(self, inbox: Inbox, lane: int) -> None:
        self._inbox = inbox
        self._lane = lane
        self._next = 0  # the lowest id not received
        self._partials: dict[int, PartialMessage] = {}

    def _distance(self, number: int) -> int:
        """How far `number` lies ahead of the lowest id not received; -1 for one from before it."""
        distance = (number - self._next) & 0xFFFF
        if distance < ID_WINDOW:
            return distance
        if distance >= OLD_ID_DISTANCE:
            self._inbox.stats.repeated_messages += 1
            return -1
        raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "id_window")

    def _has(self, full: int) -> bool:
        raise NotImplementedError

    def message(self, number: int, key: int, data: bytes) -> None:
        raise NotImplementedError

    def fragment(self, number: int, key: int, index: int, last: int, data: bytes) -> None:
        if last >= MAX_RELIABLE_PARTS:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "fragment_parts")
        distance = self._distance(number)
        if distance < 0:
            return
        full = self._next + distance
        inbox = self._inbox
        if self._has(full):
            inbox.stats.repeated_messages += 1
            return
        partial = self._partials.get(full)
        if partial is None:
            partial = self._partials[full] = PartialMessage(last, inbox.now)
            inbox.hold(MESSAGE_COST)
        inbox.hold(partial.add(index, last, data))
        if partial.size > inbox.max_message:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "message_size")
        whole = partial.joined()
        if whole is not None:
            del self._partials[full]
            inbox.held_cost -= partial.size + MESSAGE_COST
            self.message(number, 0, whole)


class _ReliableReceiver(_WindowedReceiver):
    """Delivers on arrival, each id once."""

    __slots__ = ("_mask",)

    def __init__(self, inbox: Inbox, lane: int) -> None:
        super().__init__(inbox, lane)
        self._mask = 0  # bit i: id _next + i was received; bit 0 is never set

    def _has(self, full: int) -> bool:
        return bool(self._mask >> (full - self._next) & 1)

    def message(self, number: int, key: int, data: bytes) -> None:
        inbox = self._inbox
        if len(data) > inbox.max_message:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "message_size")
        distance = self._distance(number)
        if distance < 0:
            return
        if self._mask:
            if self._mask >> distance & 1:
                inbox.stats.repeated_messages += 1
                return
            self._mask |= 1 << distance
            while self._mask & 1:
                self._mask >>= 1
                self._next += 1
        elif distance:
            self._mask = 1 << distance
        else:
            self._next += 1
        inbox.stats.messages_in += 1
        inbox.deliver(self._lane, Delivery.RELIABLE, 0, data)


class _OrderedReceiver(_WindowedReceiver):
    """Delivers in the order of ids; keeps what came too early."""

    __slots__ = ("_early",)

    def __init__(self, inbox: Inbox, lane: int) -> None:
        super().__init__(inbox, lane)
        self._early: dict[int, bytes] = {}

    def _has(self, full: int) -> bool:
        return full in self._early

    def message(self, number: int, key: int, data: bytes) -> None:
        inbox = self._inbox
        if len(data) > inbox.max_message:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "message_size")
        distance = self._distance(number)
        if distance < 0:
            return
        early = self._early
        if distance:
            full = self._next + distance
            if full in early:
                inbox.stats.repeated_messages += 1
                return
            inbox.hold(len(data) + MESSAGE_COST)
            early[full] = data
            return
        self._next += 1
        inbox.stats.messages_in += 1
        inbox.deliver(self._lane, Delivery.ORDERED, 0, data)
        while early:
            held = early.pop(self._next, None)
            if held is None:
                return
            inbox.held_cost -= len(held) + MESSAGE_COST
            self._next += 1
            inbox.stats.messages_in += 1
            inbox.deliver(self._lane, Delivery.ORDERED, 0, held)
