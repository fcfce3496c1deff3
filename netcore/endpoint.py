"""What a driver sees: the datagram endpoint, with its four calls and its counters.

A driver (`netcore.aio`, or a world in virtual time) owns sockets and clock. In each wake-up it hands over the
datagrams that arrived, lets due timers act, and then, once, takes everything there is to send.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from netcore.address import Address
from netcore.delivery import Delivery


class DatagramEndpoint(Protocol):
    """A sans-I/O endpoint of datagrams. `now` is monotonic seconds and never goes back."""

    wake: Callable[[], None]
    """Set by the driver. Called when there is something to send outside a wake-up of the driver's own."""

    def receive_datagram(self, data: bytes, addr: Address, now: float) -> None:
        """One datagram arrived. Raises nothing for any bytes; only a handler's own defect comes through."""

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """Everything to send now. Called once at the end of each wake-up, also when nothing is expected."""

    def next_timer(self) -> float | None:
        """When `handle_timer` must be called at the latest; None where nothing waits."""

    def handle_timer(self, now: float) -> None:
        """Let everything due act. Calling it early is harmless."""


class EndpointStats:
    """Counters of an endpoint; plain ints, read at any time."""

    __slots__ = (
        "accepts",
        "bytes_in",
        "bytes_out",
        "connections",
        "datagrams_in",
        "datagrams_out",
        "dropped",
        "ended",
        "established",
        "half_open",
        "hellos",
        "refused",
        "resets",
        "retries",
        "tokens_refused",
        "versions",
    )

    def __init__(self) -> None:
        """All zero."""
        self.datagrams_in = 0
        self.datagrams_out = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.hellos = 0
        """HELLOs received (server) or sent (client)."""
        self.retries = 0
        """RETRYs sent (server) or followed (client)."""
        self.accepts = 0
        """ACCEPTs sent (server) or taken (client)."""
        self.versions = 0
        self.resets = 0
        self.tokens_refused = 0
        self.half_open = 0
        """Handshakes that wait for the client's first DATA, now."""
        self.connections = 0
        """Connections, now."""
        self.established = 0
        """Connections there ever were."""
        self.refused = 0
        """Of them those the application refused."""
        self.ended = 0
        self.dropped: dict[str, int] = {}
        """Datagrams dropped, by reason. The reasons are constants of this package, so the dict is bounded."""

    def drop(self, reason: str) -> None:
        """Count one dropped datagram."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def snapshot(self) -> dict[str, float]:
        """Every counter by name, with `dropped_<reason>` for each reason and `dropped` for their sum."""
        values: dict[str, float] = {name: getattr(self, name) for name in self.__slots__ if name != "dropped"}
        values["dropped"] = sum(self.dropped.values())
        for reason, count in sorted(self.dropped.items()):
            values[f"dropped_{reason}"] = count
        return values


def stay_asleep() -> None:
    """The `wake` of an endpoint that no driver has taken yet."""


class _Deaf:
    """A connection handler that listens to nothing."""

    __slots__ = ()

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        pass

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        pass


DEAF: Final = _Deaf()
"""The handler of a connection nobody is interested in: refused by the application, or ended by a RESET."""
