"""Counters of the hub: plain integers, read by metrics."""

from __future__ import annotations

from collections import Counter


class HubStats:
    """What has happened since the start. Never labelled with anything a user can choose."""

    __slots__ = (
        "bytes_in",
        "connects",
        "deliveries",
        "dropped_over_budget",
        "early_messages",
        "errors_told",
        "gaps",
        "link_failures",
        "links_attached",
        "messages_in",
        "protocol_errors",
        "rate_limited",
        "refused",
        "replaced_links",
        "replayed",
        "resumes",
        "room_failures",
        "sessions_ended",
        "slow_consumers",
        "stored",
    )

    def __init__(self) -> None:
        self.connects = 0
        """Connects that were answered."""
        self.resumes = 0
        """... of which resumed a session."""
        self.refused: Counter[str] = Counter()
        """Connects and links refused, by error type."""
        self.links_attached = 0
        self.replaced_links = 0
        self.sessions_ended = 0
        self.messages_in = 0
        """Application messages that arrived from links."""
        self.bytes_in = 0
        self.deliveries = 0
        """Application messages handed to links, once for each receiver."""
        self.stored = 0
        """Messages that the log has taken."""
        self.dropped_over_budget = 0
        """Unreliable and sequenced messages above their sender's budget."""
        self.rate_limited = 0
        """Links closed because reliable messages went above the budget."""
        self.slow_consumers = 0
        """Links closed because their receiver did not keep up."""
        self.gaps = 0
        """Resumed streams that had lost messages."""
        self.replayed = 0
        """Stream messages sent again on a new link."""
        self.early_messages = 0
        """Messages dropped because they overtook their link's ATTACH."""
        self.errors_told = 0
        """ERROR notices sent to agents."""
        self.link_failures = 0
        """Messages a link refused to take for another reason than a full queue."""
        self.room_failures = 0
        """Exceptions out of local agents."""
        self.protocol_errors: Counter[str] = Counter()
        """Links closed for bytes that break a rule, by rule."""

    def snapshot(self) -> dict[str, float]:
        """Every counter by name; the grouped ones as `name.group`."""
        result: dict[str, float] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, Counter):
                result.update({f"{name}.{group}": count for group, count in value.items()})
            else:
                result[name] = value
        return result
