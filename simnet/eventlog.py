"""What happened in a world: a running digest, and the events themselves when they are recorded."""

from __future__ import annotations

import enum
import hashlib
import struct
from dataclasses import dataclass
from typing import Any

Address = tuple[Any, ...]

_HEAD = struct.Struct(">QBHHI")


class EventKind(enum.IntEnum):
    """What an event is."""

    ADDED = 1
    """A node came into the world; data is its address in UTF-8."""
    SENT = 2
    """A datagram was handed to the network."""
    ARRIVED = 3
    """A datagram (perhaps a copy, perhaps damaged) reached its node."""
    UNROUTED = 4
    """A datagram was sent to an address nobody has."""
    TIMER = 5
    """A node's timer was handled."""
    CALLED = 6
    """A call scheduled with `call_at` ran."""
    REBOUND = 7
    """A node's address changed; data is the new one in UTF-8."""
    INJECTED = 8
    """A test put a datagram into the world."""


@dataclass(frozen=True, slots=True)
class Event:
    """One recorded event. `source` and `destination` are addresses, () where there is none."""

    at_s: float
    kind: EventKind
    source: Address
    destination: Address
    data: bytes


class EventLog:
    """A digest over time, kind, addresses and bytes of every event: runs are equal where digests are."""

    __slots__ = ("_addresses", "_hash", "count", "events")

    def __init__(self, record: bool) -> None:
        self._hash = hashlib.sha256()
        self._addresses: dict[Address, int] = {(): 0}
        self.count = 0
        self.events: list[Event] | None = [] if record else None

    def add(
        self, now_ns: int, kind: EventKind, source: Address = (), destination: Address = (), data: bytes = b""
    ) -> None:
        """Count, hash and, where wanted, keep one event."""
        head = _HEAD.pack(now_ns, kind, self._number(source), self._number(destination), len(data))
        self._hash.update(head + data)
        self.count += 1
        if self.events is not None:
            self.events.append(Event(now_ns / 1e9, kind, source, destination, data))

    def digest(self) -> str:
        """SHA-256 of all events so far, in hexadecimal."""
        return self._hash.hexdigest()

    def _number(self, address: Address) -> int:
        number = self._addresses.get(address)
        if number is None:
            number = len(self._addresses) & 0xFFFF
            self._addresses[address] = number
            self._hash.update(repr(address).encode())
        return number
