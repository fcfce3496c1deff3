"""Key slots: which of the 256 link keys of the sequenced lane stands for which sender's lane and key.

docs/protocol/messaging.md, section 4.5. A receiver keeps at most 256 keys for its one sequenced lane; a
channel may have more pairs of sender and key than that, so the least recently used ones share.

What goes to everyone and what goes to some have slots of their own: messages to everyone are framed once and
counted once for all receivers (`netcore.shared`), the others for each connection, and one link key must not
be counted in two ways.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

SLOTS: Final = 256
SLOTS_TO_EVERYONE: Final = 192
SLOTS_TO_SOME: Final = SLOTS - SLOTS_TO_EVERYONE
_LANE_BITS = 6
_KEY_BITS = 30


class KeySlots:
    """Interns (sender, lane, key) into `count` numbers from `first`."""

    __slots__ = ("_count", "_counts", "_free", "_slots")

    def __init__(self, first: int = 0, count: int = SLOTS) -> None:
        self._count = count
        self._slots: OrderedDict[int, int] = OrderedDict()  # sender, lane and key in one int → slot
        self._free = list(range(first + count - 1, first - 1, -1))
        self._counts: dict[int, int] = {}  # slots held by each sender

    def slot(self, sender: int, lane: int, key: int) -> int:
        """The slot of this key; kept for as long as it is used."""
        name = (sender << _LANE_BITS | lane) << _KEY_BITS | key
        slot = self._slots.get(name)
        if slot is None:
            slot = self._free.pop() if self._free else self._reuse(sender)
            self._slots[name] = slot
            self._counts[sender] = self._counts.get(sender, 0) + 1
        else:
            self._slots.move_to_end(name)
        return slot

    def _reuse(self, sender: int) -> int:
        """Free the least recently used slot: the sender's own where it holds more than its share.

        So one member with very many keys wears out its own slots, not the others'.
        """
        share = self._count // (len(self._counts) + 1)
        own = self._counts.get(sender, 0) > share
        for name in self._slots:
            holder = name >> _LANE_BITS + _KEY_BITS
            if not own or holder == sender:
                self._drop_count(holder)
                return self._slots.pop(name)
        raise AssertionError("no slot is held, yet none is free")

    def forget(self, sender: int) -> None:
        """The sender is gone: its slots are free."""
        if self._counts.pop(sender, 0):
            for name in [name for name in self._slots if name >> _LANE_BITS + _KEY_BITS == sender]:
                self._free.append(self._slots.pop(name))

    def _drop_count(self, holder: int) -> None:
        left = self._counts[holder] - 1
        if left:
            self._counts[holder] = left
        else:
            del self._counts[holder]
