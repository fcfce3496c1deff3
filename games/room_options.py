"""What two rooms of one game may differ in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """Raises `ValueError` for what is not offered."""

    seed: int
    """Of the first match; each later one adds 1."""
    bots: int = 0
    """Seats that the room plays itself, the last ones."""
    on_leave: str = "forfeit"
    """What becomes of a seat whose agent leaves for good in a match: `forfeit`, or a `bot` plays on."""
    training: bool = False
    """One agent against bots: a pause lasts longer, and there is no limit to how many."""

    def __post_init__(self) -> None:
        if self.on_leave not in ("forfeit", "bot"):
            raise ValueError(f"on_leave is {str(self.on_leave)[:40]!r}, not forfeit or bot")

    def describe(self) -> dict[str, Any]:
        """For the `room` event."""
        return {"bots": self.bots, "on_leave": self.on_leave, "training": self.training}
