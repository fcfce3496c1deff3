"""The four delivery kinds, the same on every transport."""

from __future__ import annotations

import enum


class Delivery(enum.IntEnum):
    """How a lane delivers its messages. The value is the wire value (docs/protocol/ncp.md, MSG frame)."""

    UNRELIABLE = 0
    """Delivered on arrival, perhaps not at all."""
    SEQUENCED = 1
    """Latest wins: delivered only if newer than the last one of the same (lane, key)."""
    RELIABLE = 2
    """Delivered once, on arrival, in any order."""
    ORDERED = 3
    """Delivered once, in the order of sending."""

    @property
    def is_reliable(self) -> bool:
        """True for the kinds that are repeated until acknowledged."""
        return self >= Delivery.RELIABLE
