"""Reliable and ordered lanes, sending side: repeated by message or part until acknowledged.

docs/protocol/ncp.md, section 9. Packets are never repeated: each transmission is a new frame in a new packet.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from netcore.errors import QueueFull
from netcore.fragments import MESSAGE_COST, PART_BYTES, part_count, part_size
from netcore.frames import message_head
from netcore.lane import REDUNDANT_BYTES, LaneOptions
from netcore.redundancy import Repeats
from netcore.send_lanes import Draft
from netcore.stats import ConnectionStats
from netcore.varint import SHORT_VARINTS

ID_WINDOW: Final = 1024
"""Messages of a lane from the oldest unacknowledged one to the newest."""
MAX_NEW_IN_PACKET: Final = 32
"""New messages of one lane in a packet: with the replay window this keeps 16-bit ids unambiguous."""

_HEAD_LANE: Final = struct.Struct(">BBH").pack
_HEAD_ZERO: Final = struct.Struct(">BH").pack


class ReliableBudget:
    """What all reliable lanes of a connection share: the queue's caps and the remote's receive budget."""

    __slots__ = (
        "_wake",
        "blocked",
        "max_message",
        "queue_bytes",
        "queue_messages",
        "queued_bytes",
        "queued_messages",
        "recv_budget",
        "sent_cost",
    )

    def __init__(
        self,
        *,
        max_message: int,
        recv_budget: int,
        queue_bytes: int,
        queue_messages: int,
        wake: Callable[[], None],
    ) -> None:
        """`max_message` bytes of one message; `recv_budget` is the remote's; `wake()` is called when blocked
        lanes may go on."""
        self._wake = wake
        self.max_message = max_message
        self.recv_budget = recv_budget
        self.queue_bytes = queue_bytes
        self.queue_messages = queue_messages
        self.queued_bytes = 0
        """Bytes put and not acknowledged."""
        self.queued_messages = 0
        self.sent_cost = 0
        """Cost of every message from each lane's oldest unacknowledged one to its newest sent one."""
        self.blocked: list[ReliableSender] = []
        """Lanes with unsent messages that wait for this budget or for their id window."""

    def release(self) -> None:
        """An acknowledgement made room: let every blocked lane try again."""
        for lane in self.blocked:
            lane.make_ready()
        self.blocked.clear()
        self._wake()


class _PartedMessage:
    """A message that travels in parts."""

    __slots__ = ("acked", "data", "last", "size")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = part_size(len(data))
        self.last = part_count(len(data)) - 1
        self.acked = 0  # bit i: part i arrived

    def part(self, index: int) -> bytes:
        return self.data[index * self.size : (index + 1) * self.size]


class ReliableSender:
    """One reliable or ordered lane. Ids rise by one from 0; 16 bits of them travel."""

    __slots__ = (
        "_budget",
        "_costs",
        "_head",
        "_lane",
        "_lost",
        "_max_queue",
        "_next_id",
        "_next_part",
        "_oldest",
        "_part_head",
        "_queue",
        "_queued_bytes",
        "_ready",
        "_ready_lanes",
        "_stats",
        "_unacked",
        "kind",
        "repeats",
    )

    def __init__(
        self,
        lane: int,
        options: LaneOptions,
        budget: ReliableBudget,
        ready_lanes: list[Any],
        stats: ConnectionStats,
    ) -> None:
        """`options` of a reliable or ordered lane."""
        self.kind = kind = options.kind
        self.repeats = Repeats(self, options.redundancy, stats) if options.redundancy else None
        """What goes again before it is known to be lost."""
        self._max_queue = options.max_queue_bytes or budget.queue_bytes
        self._queued_bytes = 0  # put and not acknowledged
        self._lane = lane
        self._head = message_head(kind << 6 | lane)[0]
        self._part_head = message_head(kind << 6 | lane, fragment=True)[0]
        self._budget = budget
        self._stats = stats
        self._queue: deque[bytes] = deque()
        self._unacked: dict[int, bytes | _PartedMessage] = {}
        self._lost: dict[tuple[int, int], None] = {}  # in the order of their loss
        self._costs: dict[int, int] = {}  # of messages _oldest.._next_id - 1; a deque takes 600 bytes
        self._oldest = 0
        self._next_id = 0
        self._next_part = -1  # of message _next_id - 1, where that is being sent in parts; -1: none is
        self._ready = False
        self._ready_lanes = ready_lanes

    def put(self, data: bytes, key: int, ttl_s: float | None) -> None:
        """Queue a message. `QueueFull` at the connection's cap or the lane's."""
        size = len(data)
        budget = self._budget
        if size > budget.max_message:
            raise ValueError(f"message of {size} bytes; the limit is {budget.max_message}")
        if key or ttl_s is not None:
            raise ValueError("a key or ttl on a reliable lane; only sequenced and unreliable lanes have them")
        if budget.queued_bytes + size > budget.queue_bytes or budget.queued_messages >= budget.queue_messages:
            raise QueueFull(
                f"{budget.queued_messages} messages of {budget.queued_bytes} bytes wait for acknowledgement"
            )
        if self._queued_bytes + size > self._max_queue:
            raise QueueFull(f"{self._queued_bytes} bytes of lane {self._lane} wait for acknowledgement")
        self._queued_bytes += size
        budget.queued_bytes += size
        budget.queued_messages += 1
        self._queue.append(data)
        if not self._ready:
            self.make_ready()

    def make_ready(self) -> None:
        """There is something to send."""
        if not self._ready:
            self._ready = True
            self._ready_lanes.append(self)

    def stamp(self, now: float) -> None:
        """A flush could not send everything; reliable messages simply wait."""

    def fill(self, draft: Draft, now: float) -> bool:
        """Write what fits into `draft`: lost parts first. False where the packet is full and more is left."""
        if self._lost and not self._fill_lost(draft):
            return False
        if self._next_part >= 0 and not self._fill_parts(draft):
            return False
        queue, budget, unacked = self._queue, self._budget, self._unacked
        new = 0
        while queue:
            data = queue[0]
            size = len(data)
            cost = size + MESSAGE_COST
            if self._next_id - self._oldest >= ID_WINDOW or budget.sent_cost + cost > budget.recv_budget:
                budget.blocked.append(self)  # until an acknowledgement makes room
                break
            if new == MAX_NEW_IN_PACKET:
                return False
            number = self._next_id
            if size > PART_BYTES:
                unacked[number] = _PartedMessage(data)
                self._next_part = 0
            elif self._write(draft, number, -1, data):
                unacked[number] = data
                if self.repeats is not None and size <= REDUNDANT_BYTES:
                    self.repeats.add(number, -1, now)
            else:
                return False
            queue.popleft()
            self._next_id = number + 1
            self._costs[number] = cost
            budget.sent_cost += cost
            draft.messages += 1
            new += 1
            if size > PART_BYTES and not self._fill_parts(draft):
                return False
        self._ready = False
        return True

    def _fill_parts(self, draft: Draft) -> bool:
        """Go on with the message that is being sent in parts."""
        number = self._next_id - 1
        message = self._unacked.get(number)
        if isinstance(message, _PartedMessage):
            while self._next_part <= message.last:
                if not self._write(draft, number, self._next_part, message):
                    return False
                self._next_part += 1
        self._next_part = -1
        return True

    def _fill_lost(self, draft: Draft) -> bool:
        for number, index in list(self._lost):
            if self.is_unacked(number, index):
                if not self._write(draft, number, index, self._unacked[number]):
                    return False
                self._stats.retransmitted += 1
            self._lost.pop((number, index), None)
        return True

    def repeat(self, draft: Draft, number: int, index: int) -> bool:
        """Send a part again, if it still matters. False where it does not fit."""
        return not self.is_unacked(number, index) or self._write(draft, number, index, self._unacked[number])

    def _write(self, draft: Draft, number: int, index: int, message: bytes | _PartedMessage) -> bool:
        first = self._head if index < 0 else self._part_head
        lane = self._lane
        head = _HEAD_LANE(first, lane, number & 0xFFFF) if lane else _HEAD_ZERO(first, number & 0xFFFF)
        if isinstance(message, _PartedMessage):
            head += SHORT_VARINTS[index] + SHORT_VARINTS[message.last]
            data = message.part(index)
        else:
            data = message
        size = len(head) + len(data)
        if size > draft.room:
            return False
        length = SHORT_VARINTS[len(data)]
        draft.parts += (head, length, data)
        draft.room -= size + len(length)
        draft.note((self, number, index))
        return True

    def acked(self, number: int, index: int) -> None:
        """Part `index` (-1: the whole message) of message `number` arrived."""
        message = self._unacked.get(number)
        if message is None:
            return
        if isinstance(message, _PartedMessage):
            message.acked |= 1 << index
            if message.acked != (2 << message.last) - 1:
                return
            size = len(message.data)
        else:
            size = len(message)
        del self._unacked[number]
        self._queued_bytes -= size
        budget = self._budget
        budget.queued_bytes -= size
        budget.queued_messages -= 1
        if number == self._oldest:
            unacked, oldest, newest = self._unacked, number, self._next_id
            while oldest < newest and oldest not in unacked:
                budget.sent_cost -= self._costs.pop(oldest)
                oldest += 1
            self._oldest = oldest
            if budget.blocked:
                budget.release()

    def lost(self, number: int, index: int) -> None:
        """It seems not to have arrived: send it again."""
        if self.is_unacked(number, index):
            self._lost[number, index] = None
            self.make_ready()

    def is_unacked(self, number: int, index: int) -> bool:
        """True while part `index` of message `number` was sent and not acknowledged."""
        message = self._unacked.get(number)
        if isinstance(message, _PartedMessage):
            return not message.acked >> index & 1
        return message is not None

    @property
    def outstanding(self) -> bool:
        """True while anything is unsent or unacknowledged."""
        return bool(self._queue or self._unacked)

    def queued_bytes(self) -> int:
        """Unsent bytes."""
        return sum(map(len, self._queue))
