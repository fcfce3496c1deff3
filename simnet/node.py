"""What lives in a world: the shape of a node, and what the world notes about each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

_NS = 1_000_000_000
_MAX_TIMERS_AT_ONE_INSTANT = 16


class StuckNode(RuntimeError):
    """A node's timer does not move, or it wakes up without end: the world would never get on."""


class Node(Protocol):
    """The shape of a datagram endpoint: what `World` drives, and a real driver in the same order."""

    wake: Callable[[], None]
    """Set by the world; called by the node when it has something to send outside the two calls below."""

    def receive_datagram(self, data: bytes, addr: tuple[Any, ...], now: float) -> None:
        """One datagram arrived."""

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, tuple[Any, ...]]]:
        """What goes out now; asked once at the end of a wake-up."""

    def next_timer(self) -> float | None:
        """When `handle_timer` is due."""

    def handle_timer(self, now: float) -> None:
        """`next_timer()` has come."""


class Host:
    """A node in its world: address, place in the order, own clock, armed timer."""

    __slots__ = (
        "_offset_s",
        "_rate",
        "_second",
        "_timers",
        "_timers_at",
        "_timers_at_ns",
        "address",
        "armed_ns",
        "gone",
        "node",
        "number",
        "timers",
    )

    def __init__(
        self, node: Node, address: tuple[Any, ...], number: int, offset_s: float, rate: float
    ) -> None:
        if not 0.5 <= rate <= 2.0:
            raise ValueError(f"clock_rate must be within 0.5 and 2, got {rate}")
        self.node = node
        self.address = address
        self.number = number
        self.gone = False
        self.armed_ns: int | None = None
        self.timers = 0
        """How often the node's timer was handled."""
        self._offset_s = offset_s
        self._rate = rate
        self._second = -1
        self._timers = 0
        self._timers_at_ns = -1
        self._timers_at = 0

    def local(self, world_ns: int) -> float:
        """What the node's own clock shows."""
        if self._rate == 1.0 and self._offset_s == 0.0:
            return world_ns / _NS
        return self._offset_s + self._rate * (world_ns / _NS)

    def world_ns(self, local_s: float) -> int:
        """The first nanosecond at which the node's clock shows at least `local_s`."""
        if not math.isfinite(local_s):
            raise StuckNode(f"the timer of the node at {self.address} is {local_s}")
        ns = round((local_s - self._offset_s) / self._rate * _NS)
        while self.local(ns) < local_s:
            ns += 1
        return ns

    def count_timer(self, now_ns: int, max_per_s: int) -> None:
        """Note that the timer is handled at `now_ns`. Raises `StuckNode` where that happens without end."""
        self.timers += 1
        if now_ns != self._timers_at_ns:
            self._timers_at_ns, self._timers_at = now_ns, 0
        self._timers_at += 1
        if self._timers_at > _MAX_TIMERS_AT_ONE_INSTANT:
            raise StuckNode(
                f"the timer of the node at {self.address} ({type(self.node).__name__}) does not move: at "
                f"{self.local(now_ns):.9f} s of its clock handle_timer ran {self._timers_at} times and "
                f"next_timer() still says {self.node.next_timer()}"
            )
        second = now_ns // _NS
        if second != self._second:
            self._second, self._timers = second, 0
        self._timers += 1
        if self._timers > max_per_s:
            raise StuckNode(
                f"the timer of the node at {self.address} ({type(self.node).__name__}) fired more than "
                f"{max_per_s} times in one virtual second"
            )
