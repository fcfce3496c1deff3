"""Lane options: what a sending lane may cost, and whose messages go first (docs/protocol/ncp.md, section 9).

All of it is the sender's own affair: nothing of it is on the wire, and the remote need not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netcore.delivery import Delivery

MIN_PRIORITY: Final = -8
MAX_PRIORITY: Final = 7
MAX_REDUNDANCY: Final = 8
REDUNDANT_BYTES: Final = 256
"""Larger messages are not repeated ahead of a loss: they would fill packets, not spare room."""


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """How one lane sends, set with `Connection.configure_lane`."""

    kind: Delivery
    """What the lane carries, for the life of the connection."""
    priority: int = 0
    """-8 to 7. A lane goes before every lane of lower priority; lanes of equal priority take turns, packet by
    packet. There is no rule against starvation: what has low priority gets what is left."""
    redundancy: int = 0
    """A message of at most 256 bytes is repeated in the spare room of up to so many later packets (0 to 8) that
    carry messages anyway, until it is acknowledged. Not for unreliable lanes, where each copy would be delivered."""
    settle: bool = False
    """Sequenced lanes: the newest message of each key is kept until acknowledged, and sent again where it was lost
    and is still the newest. So the last word always arrives."""
    ttl_s: float | None = None
    """Unreliable lanes: the time to live of messages that are sent without one of their own, in seconds."""
    max_queue_bytes: int | None = None
    """Unreliable lanes: bytes unsent, above which the oldest messages are dropped. Reliable and ordered lanes: bytes
    not acknowledged, above which `QueueFull` is raised; the connection's own cap holds besides. None: the
    connection's configuration decides."""

    def __post_init__(self) -> None:
        """Raises `ValueError` naming the option, its value and what is allowed."""
        kind = Delivery(self.kind)
        object.__setattr__(self, "kind", kind)
        name = kind.name.lower()
        if not MIN_PRIORITY <= self.priority <= MAX_PRIORITY:
            raise ValueError(f"priority is {self.priority}, must be {MIN_PRIORITY} to {MAX_PRIORITY}")
        if not 0 <= self.redundancy <= MAX_REDUNDANCY:
            raise ValueError(f"redundancy is {self.redundancy}, must be 0 to {MAX_REDUNDANCY}")
        if self.redundancy and kind is Delivery.UNRELIABLE:
            raise ValueError("redundancy on an unreliable lane, where every copy would be delivered")
        if self.settle and kind is not Delivery.SEQUENCED:
            raise ValueError(f"settle on a lane that is {name}; only sequenced lanes settle")
        if self.ttl_s is not None and (kind is not Delivery.UNRELIABLE or not self.ttl_s >= 0):
            raise ValueError(
                f"ttl_s is {self.ttl_s} on a lane that is {name}; unreliable ones take 0 or more"
            )
        if self.max_queue_bytes is not None and (kind is Delivery.SEQUENCED or not self.max_queue_bytes > 0):
            raise ValueError(
                f"max_queue_bytes is {self.max_queue_bytes} on a lane that is {name}; "
                "must be above 0, and a sequenced lane queues one message a key"
            )


PLAIN_LANES: Final = {kind: LaneOptions(kind) for kind in Delivery}
"""The options of lanes that nobody configured."""
