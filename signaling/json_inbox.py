"""What an agent that speaks JSON has not fetched yet: numbered, bounded, with the latest states only."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, NamedTuple

MAX_MESSAGES: Final = 1000
MAX_BYTES: Final = 1_048_576
MESSAGE_OVERHEAD_BYTES: Final = 256
"""What a message counts beside its content."""

Slot = tuple[str, int, int]
"""Sender, the sender's lane and key: where a newer sequenced message replaces an older one."""


class NewMessage(NamedTuple):
    """A message that waits, as it will be shown."""

    number: int
    """Its place among all that this agent received, from 1; rises, with gaps where states were replaced."""
    fields: dict[str, Any]
    size: int
    slot: Slot | None
    reliable: bool


class JsonInbox:
    """Messages in the order of their arrival. At a cap the oldest go, and reliable ones are counted as missed."""

    __slots__ = ("_bytes", "_latest", "_messages", "last", "missed")

    def __init__(self) -> None:
        self._messages: OrderedDict[int, NewMessage] = OrderedDict()
        self._latest: dict[Slot, int] = {}
        self._bytes = 0
        self.last = 0
        """Number of the newest message; 0 before the first."""
        self.missed = 0
        """Reliable and ordered messages lost since the last `take_missed`."""

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, fields: dict[str, Any], size: int, *, slot: Slot | None = None, reliable: bool) -> None:
        """One more message; `slot` for a sequenced one."""
        if slot is not None:
            older = self._latest.get(slot)
            if older is not None:
                self._remove(older)
        self.last += 1
        message = NewMessage(self.last, fields, size + MESSAGE_OVERHEAD_BYTES, slot, reliable)
        self._messages[self.last] = message
        self._bytes += message.size
        if slot is not None:
            self._latest[slot] = self.last
        while len(self._messages) > MAX_MESSAGES or (self._bytes > MAX_BYTES and len(self._messages) > 1):
            oldest = next(iter(self._messages))
            self.missed += self._messages[oldest].reliable
            self._remove(oldest)

    def after(self, number: int, limit: int) -> list[NewMessage]:
        """Up to `limit` messages with a higher number, oldest first. They stay."""
        found = []
        for message in self._messages.values():
            if message.number > number:
                found.append(message)
                if len(found) == limit:
                    break
        return found

    def forget(self, number: int) -> None:
        """Everything up to `number` has arrived."""
        while self._messages and next(iter(self._messages)) <= number:
            self._remove(next(iter(self._messages)))

    def take_missed(self) -> int:
        """How many messages were lost since the last call."""
        missed, self.missed = self.missed, 0
        return missed

    def _remove(self, number: int) -> None:
        message = self._messages.pop(number)
        self._bytes -= message.size
        if message.slot is not None and self._latest.get(message.slot) == number:
            del self._latest[message.slot]
