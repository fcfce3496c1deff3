"""What a demo match can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from games.airhockey.game import NAME as AIR_HOCKEY
from games.airhockey.rules import MatchOptions
from simnet.link import LinkModel

NAMES: Final = ("ada", "ben", "cleo", "dan", "eve", "finn")
MAX_TEAM: Final = len(NAMES) // 2


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """One demo match. Times in seconds, `loss` as a share of datagrams, each way."""

    game: str = "air-hockey"
    teams: int = 1
    """Players a side, 1 to 3."""
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

    def __post_init__(self) -> None:
        """Raises `ValueError` with one clear sentence for options that no match has."""
        if self.game != AIR_HOCKEY:
            raise ValueError(f"no demo plays {self.game!r}; there is {AIR_HOCKEY}")
        if not 1 <= self.teams <= MAX_TEAM:
            raise ValueError(f"teams is {self.teams}, not 1 to {MAX_TEAM} players a side")
        MatchOptions(self.goals, int(self.time_limit_s), 2 * self.teams)

    @property
    def names(self) -> tuple[str, ...]:
        """The players, by seat."""
        return NAMES[: 2 * self.teams]

    @property
    def game_options(self) -> dict[str, Any]:
        """What the channel is opened with."""
        return {
            "win_score": self.goals,
            "time_limit_s": int(self.time_limit_s),
            "players": 2 * self.teams,
            "seed": self.seed,
        }

    def bot_seed(self, number: int) -> int:
        """Every bot of every match is another."""
        return self.seed * len(self.names) + number

    def link(self, number: int) -> LinkModel:
        """A link of this quality; every number has its own losses."""
        return LinkModel(
            self.seed * 1000 + number, delay_s=self.delay_s, jitter_s=self.jitter_s, loss=self.loss
        )
