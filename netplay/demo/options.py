"""What a demo match can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simnet.link import LinkModel


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """One demo match. Times in seconds, `loss` as a share of datagrams, each way."""

    game: str = "air-hockey"
    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    goals: int = 3
    seed: int = 1
    virtual: bool = False
    time_limit_s: float = 120.0
    """The match's own time limit; a demo that lasts much longer has failed."""
    record: Path | None = None
    as_json: bool = False

    @property
    def game_options(self) -> dict[str, Any]:
        """What the channel is opened with."""
        return {"win_score": self.goals, "time_limit_s": int(self.time_limit_s), "seed": self.seed}

    def link(self, number: int) -> LinkModel:
        """A link of this quality; every number has its own losses."""
        return LinkModel(
            self.seed * 1000 + number, delay_s=self.delay_s, jitter_s=self.jitter_s, loss=self.loss
        )
