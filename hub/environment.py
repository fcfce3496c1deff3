"""What every part of one hub shares: configuration, clock, log, counters."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.config import HubConfig
from hub.name_filter import NameFilters
from hub.ports import Clock, MessageLog
from hub.statistics import HubStats


@dataclass(frozen=True, slots=True)
class Environment:
    """Passed down by the hub; nothing in it belongs to one channel."""

    config: HubConfig
    clock: Clock
    log: MessageLog
    stats: HubStats
    filters: NameFilters = field(default_factory=NameFilters)

    def wall_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return int(self.clock.wall() * 1000)
