"""Which packets arrived, and when the remote must be told (docs/protocol/ncp.md, section 10)."""

from __future__ import annotations

from typing import Final

from netcore.frames import (
    ACK,
    ACK_DELAY_UNIT_S,
    CARRIES_RELIABLE,
    ELICITING,
    MAX_ACK_DELAY_FIELD,
    MAX_GAPS,
    SHORT_ACK,
    URGENT,
    ack_frame,
)

MAX_RANGES: Final = 64
_DELAY_UNITS_PER_S: Final = 1 / ACK_DELAY_UNIT_S


class ReceivedPackets:
    """Ranges of received packet numbers and the acknowledgement that is owed for them.

    The newest range is `_low` to `largest`; `_older` holds the others as [low, high], newest first.
    Packets in order therefore only move `largest`.
    """

    __slots__ = (
        "_deadline_grid_s",
        "_gap",
        "_largest_at",
        "_low",
        "_max_ack_delay_s",
        "_older",
        "_reliable",
        "deadline",
        "due",
        "largest",
        "pending",
    )

    def __init__(self, max_ack_delay_s: float) -> None:
        """`max_ack_delay_s` is the longest an acknowledgement waits for a packet to ride on."""
        self._max_ack_delay_s = max_ack_delay_s
        self._deadline_grid_s = max_ack_delay_s / 5
        self.largest = -1
        self._low = 0
        self._largest_at = 0.0
        self._older: list[list[int]] = []
        self._reliable = 0
        self._gap = False  # one appeared or filled, and no acknowledgement has told so
        self.pending = False
        """Something arrived that no acknowledgement has told yet."""
        self.due = False
        """The acknowledgement must go now, alone if need be."""
        self.deadline: float | None = None
        """When it becomes due by itself."""

    def record(self, pn: int, what: int, now: float) -> None:
        """Packet `pn`, not seen before, was handled; `what` is `frames.parse`'s result. May set `due`."""
        if pn == self.largest + 1:
            self.largest = pn
            self._largest_at = now
        else:
            self._record_out_of_order(pn, now)
            self._gap = True
        if what & ELICITING:
            self.pending = True
            if what & CARRIES_RELIABLE:
                self._reliable += 1
            if self._gap or what & URGENT or self._reliable >= 2:
                self.due = True
            elif self.deadline is None:
                # Onto a grid, up to a fifth early and never late: the connections of a server come due together, in
                # one wake-up, and still after the packet that a game at 60 Hz sends anyway.
                grid = self._deadline_grid_s
                self.deadline = (now + self._max_ack_delay_s) // grid * grid
        elif self._gap:
            self.pending = True  # alone it would be an acknowledgement of an acknowledgement

    def _record_out_of_order(self, pn: int, now: float) -> None:
        if pn > self.largest:
            if self.largest >= self._low:
                self._older.insert(0, [self._low, self.largest])
                del self._older[MAX_RANGES - 1 :]
            self._low = self.largest = pn
            self._largest_at = now
        elif pn == self._low - 1:
            self._low = pn
            if self._older and self._older[0][1] == pn - 1:
                self._low = self._older.pop(0)[0]
        else:
            self._fill(pn)

    def _fill(self, pn: int) -> None:
        """Put `pn`, which lies below the newest range and does not touch it, into the older ones."""
        older = self._older
        at = 0
        while at < len(older) and older[at][0] > pn:
            at += 1
        # older[at] is the first range that starts below pn, older[at - 1] the last one above it.
        joins_above = at > 0 and older[at - 1][0] == pn + 1
        joins_below = at < len(older) and older[at][1] == pn - 1
        if joins_above and joins_below:
            older[at - 1][0] = older.pop(at)[0]
        elif joins_above:
            older[at - 1][0] = pn
        elif joins_below:
            older[at][1] = pn
        else:
            older.insert(at, [pn, pn])
            del older[MAX_RANGES - 1 :]

    def expire(self, now: float) -> bool:
        """True where the acknowledgement has become due by its deadline."""
        if self.deadline is None or self.deadline > now:
            return False
        self.deadline = None
        self.due = True
        return True

    def take(self, now: float) -> bytes:
        """ACK or ACK_GAPS for everything received. It must go out: nothing is owed from here on."""
        self.pending = self.due = False
        self.deadline = None
        self._reliable = 0
        self._gap = False
        delay = int((now - self._largest_at) * _DELAY_UNITS_PER_S)
        if not 0 <= delay <= MAX_ACK_DELAY_FIELD:
            delay = 0 if delay < 0 else MAX_ACK_DELAY_FIELD
        low = self._low
        if self._older:
            gaps: list[tuple[int, int]] = []
            for low_older, high in self._older[:MAX_GAPS]:
                gaps.append((low - high - 2, high - low_older))
                low = low_older
            return ack_frame(self.largest, delay, self.largest - self._low, gaps)
        first = self.largest - low
        if first < 0x40:
            return SHORT_ACK(ACK, self.largest & 0xFFFF, delay, first)
        return ack_frame(self.largest, delay, first, ())

    def forget_up_to(self, pn: int) -> None:
        """An acknowledgement with largest `pn` was itself acknowledged: ranges up to it are done with."""
        if pn >= self._low:
            low = pn + 1
            self._low = low if low < self.largest else self.largest
            if self._older:
                self._older.clear()
            return
        older = self._older
        while older and older[-1][1] <= pn:
            older.pop()
        if older and older[-1][0] <= pn:
            older[-1][0] = pn + 1

    def ranges(self) -> list[tuple[int, int]]:
        """(low, high) of every range still told of, newest first."""
        if self.largest < 0:
            return []
        return [(self._low, self.largest), *((low, high) for low, high in self._older)]
