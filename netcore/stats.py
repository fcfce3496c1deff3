"""Statistics of one connection: plain numbers, read at any time (docs/protocol/ncp.md, section 14)."""

from __future__ import annotations

from collections.abc import Callable


class ConnectionStats:
    """Counters since the connection began; `snapshot` adds gauges of the moment."""

    __slots__ = (
        "_gauges",
        "ack_only_packets",
        "bytes_in",
        "bytes_out",
        "close_code",
        "dropped_queue",
        "dropped_stale",
        "dropped_ttl",
        "messages_in",
        "messages_out",
        "other_address",
        "packets_in",
        "packets_out",
        "probes",
        "repeated_ahead",
        "repeated_messages",
        "retransmitted",
    )

    def __init__(self, gauges: Callable[[], dict[str, float]]) -> None:
        """`gauges` gives what other parts of the connection count or measure themselves."""
        self._gauges = gauges
        self.packets_in = 0
        self.packets_out = 0
        self.bytes_in = 0
        """Bytes of UDP payload."""
        self.bytes_out = 0
        self.messages_in = 0
        """Messages delivered."""
        self.messages_out = 0
        """Messages sent, each once however often it was repeated."""
        self.retransmitted = 0
        """Messages or parts sent again because they seemed lost."""
        self.repeated_ahead = 0
        """Messages sent again before anyone knew whether they were lost (redundancy)."""
        self.probes = 0
        """Probe timeouts."""
        self.ack_only_packets = 0
        self.dropped_queue = 0
        """Unreliable messages dropped unsent at the byte cap."""
        self.dropped_ttl = 0
        """Unreliable messages dropped unsent because their time was up."""
        self.dropped_stale = 0
        """Sequenced messages that arrived behind a newer one."""
        self.repeated_messages = 0
        """Reliable messages that arrived again."""
        self.other_address = 0
        """Packets from another address than the connection's."""
        self.close_code = -1
        """Why it ended; -1 while it lives."""

    def snapshot(self) -> dict[str, float]:
        """Every counter and gauge by name. Times are seconds, rates bytes per second."""
        values: dict[str, float] = {
            name: getattr(self, name) for name in self.__slots__ if not name.startswith("_")
        }
        values.update(self._gauges())
        return values
