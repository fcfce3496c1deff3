"""Sequenced lanes that remember what they sent: the last word always arrives (docs/protocol/ncp.md, section 9).

What was lost goes again, with the id it had, if it is still the newest of its key; what a newer one has replaced
is forgotten. Messages that other connections share are followed by the packet, not one by one: while nothing is
lost a receiver costs one small record a packet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netcore.fragments import PART_BYTES
from netcore.lane import REDUNDANT_BYTES, LaneOptions
from netcore.redundancy import Repeats
from netcore.send_lanes import Cut, Draft
from netcore.sequenced_lane import SequencedSender
from netcore.shared import SharedMessage
from netcore.stats import ConnectionStats
from netcore.varint import encode_varint


class SettledSender(SequencedSender):
    """A sequenced lane with `settle`, `redundancy` or both."""

    __slots__ = ("_again", "_newest", "_now", "_settle", "_stats", "repeats")

    follows = True

    def __init__(
        self, lane: int, ready_lanes: list[Any], options: LaneOptions, stats: ConnectionStats
    ) -> None:
        """`options` of a sequenced lane."""
        super().__init__(lane, ready_lanes)
        self._settle = options.settle
        self._stats = stats
        self.repeats = Repeats(self, options.redundancy, stats) if options.redundancy else None
        """What goes again before it is known to be lost. Shared messages do not."""
        self._newest: dict[int, tuple[int, bytes]] = {}  # by key: sent last and not acknowledged
        self._again: dict[int, None] = {}  # keys whose message was lost, in the order of their loss
        self._now = 0.0

    def fill(self, draft: Draft, now: float) -> bool:
        """Write what fits into `draft`, what was lost first. False where the packet is full and more is left."""
        self._now = now
        if self._again:
            if self._cut is not None:
                if not self._cut.fill(draft):
                    return False
                self._cut = None
            if not self._fill_again(draft):
                return False
        return super().fill(draft, now)

    def _fill_again(self, draft: Draft) -> bool:
        for key in list(self._again):
            entry = self._newest.get(key)
            if entry is not None and key not in self._pending:
                number, data = entry
                if len(data) > PART_BYTES:
                    del self._again[key]
                    self._stats.retransmitted += 1
                    if not self._cut_again(draft, key, data):
                        return False
                    continue
                if not self._write(draft, key, number, data):
                    return False
                draft.note((self, key, number))
                self._stats.retransmitted += 1
            del self._again[key]
        return True

    def _cut_again(self, draft: Draft, key: int, data: bytes) -> bool:
        """All parts again, under an id of their own: the receiver may have given up on the former set."""
        number = self._ids[key] = (self._ids[key] + 1) & 0xFFFF
        self._cut = self._cut_own(key, number, data)
        if not self._cut.fill(draft):
            return False
        self._cut = None
        return True

    # What goes out.

    def _sent(self, draft: Draft, key: int, number: int, data: bytes) -> None:
        self._newest[key] = (number, data)
        draft.note((self, key, number))
        if self.repeats is not None and len(data) <= REDUNDANT_BYTES:
            self.repeats.add(key, number, self._now)

    def _sent_shared(self, draft: Draft, messages: Sequence[SharedMessage]) -> None:
        if self._settle:
            draft.note((_SentShared(self, messages), 0, -1))

    def _cut_own(self, key: int, number: int, data: bytes) -> Cut:
        if not self._settle:
            self._newest.pop(key, None)
            return super()._cut_own(key, number, data)
        self._newest[key] = (number, data)
        return _OwnCut(self, self._slot, key, number, data)

    def _cut_shared(self, message: SharedMessage) -> Cut:
        return _SharedCut(self, self._slot, message) if self._settle else super()._cut_shared(message)

    # What became of it (recovery.ReliableLane; number is the key and index the id).

    def acked(self, number: int, index: int) -> None:
        """Message `index` of key `number` arrived."""
        entry = self._newest.get(number)
        if entry is not None and entry[0] == index:
            del self._newest[number]

    def lost(self, number: int, index: int) -> None:
        """It seems not to have arrived: it goes again if nothing newer does."""
        if not self.is_unacked(number, index):
            return
        if self._settle:
            self._again[number] = None
            self._make_ready()
        else:
            del self._newest[number]

    def is_unacked(self, number: int, index: int) -> bool:
        """True while it is the newest message of its key, sent or unsent, and not acknowledged."""
        entry = self._newest.get(number)
        return entry is not None and entry[0] == index and number not in self._pending

    def repeat(self, draft: Draft, number: int, index: int) -> bool:
        """Send it again, if it still matters. False where it does not fit."""
        if self.is_unacked(number, index):
            if not self._write(draft, number, index, self._newest[number][1]):
                return False
            draft.note((self, number, index))
        return True

    def shared_lost(self, messages: Sequence[SharedMessage]) -> None:
        """These seem not to have arrived: what is still the newest of its key goes again."""
        for message in messages:
            key = message.key
            if message.is_newest() and key not in self._shared and key not in self._shared_large:
                self._stats.retransmitted += 1
                if message.frame is None:
                    self._shared_large[key] = message
                else:
                    self._shared[key] = (message.frame, message)
                self._make_ready()

    def _make_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self._ready_lanes.append(self)

    @property
    def outstanding(self) -> bool:
        """True while a message of the connection's own is unsent or not known to have arrived."""
        return self._settle and bool(self._pending or self._newest or self._cut)


class _SentShared:
    """Shared messages that went out in one packet."""

    __slots__ = ("_lane", "_messages")

    def __init__(self, lane: SettledSender, messages: Sequence[SharedMessage]) -> None:
        self._lane = lane
        self._messages = messages

    def acked(self, number: int, index: int) -> None:
        """Nothing is kept beyond the record of the packet, which goes now."""

    def lost(self, number: int, index: int) -> None:
        messages, self._messages = self._messages, ()
        self._lane.shared_lost(messages)

    def is_unacked(self, number: int, index: int) -> bool:
        return any(message.is_newest() for message in self._messages)

    def repeat(self, draft: Draft, number: int, index: int) -> bool:
        written = []
        for message in self._messages:
            frame = message.frame
            if frame is not None and message.is_newest() and len(frame) <= draft.room:
                draft.parts.append(frame)
                draft.room -= len(frame)
                written.append(message)
        if written:
            draft.whole = len(draft.parts)
            draft.note((_SentShared(self._lane, written), 0, -1))
        return bool(written) or not self.is_unacked(number, index)


class _FollowedCut(Cut):
    """A message in parts that goes again as a whole where one of them was lost."""

    __slots__ = ("_missing",)

    follows = True

    def __init__(self, data: bytes, slot: int, number: int, key: int) -> None:
        super().__init__(data, slot, number, encode_varint(key))
        self._missing = (2 << self._last) - 1  # bit i: part i is not acknowledged; 0 also once given up

    def sent(self, draft: Draft, index: int) -> None:
        draft.note((self, 0, index))

    def acked(self, number: int, index: int) -> None:
        if self._missing:
            self._missing &= ~(1 << index)
            if not self._missing:
                self._arrived()

    def lost(self, number: int, index: int) -> None:
        if self._missing >> index & 1:
            self._missing = 0
            self._failed()

    def is_unacked(self, number: int, index: int) -> bool:
        return bool(self._missing >> index & 1) and self._matters()

    def repeat(self, draft: Draft, number: int, index: int) -> bool:
        return not self.is_unacked(number, index) or self.write(draft, index)

    def _arrived(self) -> None:
        raise NotImplementedError

    def _failed(self) -> None:
        raise NotImplementedError

    def _matters(self) -> bool:
        raise NotImplementedError


class _OwnCut(_FollowedCut):
    """A message of one connection."""

    __slots__ = ("_key", "_lane", "_number")

    def __init__(self, lane: SettledSender, slot: int, key: int, number: int, data: bytes) -> None:
        super().__init__(data, slot, number, key)
        self._lane = lane
        self._key = key
        self._number = number

    def _arrived(self) -> None:
        self._lane.acked(self._key, self._number)

    def _failed(self) -> None:
        self._lane.lost(self._key, self._number)

    def _matters(self) -> bool:
        return self._lane.is_unacked(self._key, self._number)


class _SharedCut(_FollowedCut):
    """A shared message. Its id is everyone's, so it goes again under the same one."""

    __slots__ = ("_lane", "_message")

    def __init__(self, lane: SettledSender, slot: int, message: SharedMessage) -> None:
        super().__init__(message.data, slot, message.number, message.key)
        self._lane = lane
        self._message = message

    def _arrived(self) -> None:
        """Nothing was kept for it."""

    def _failed(self) -> None:
        self._lane.shared_lost((self._message,))

    def _matters(self) -> bool:
        return self._message.is_newest()
