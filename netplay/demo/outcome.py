"""What came of a demo match: who won, and what each player's network was like."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from games.airhockey.player import BotPlayer


@dataclass(frozen=True, slots=True)
class PlayerOutcome:
    """One player's match as that player saw it."""

    name: str
    seat: int | None
    transport: str
    rtt_ms: float | None
    delivered: int
    """Snapshots that arrived in time to be of use."""
    lost: int
    """Snapshots that did not."""
    packets_lost: int
    """Packets of this player's that the server never acknowledged."""
    snapshot_age_p50_ms: float
    snapshot_age_p99_ms: float
    interpolation_delay_ms: float
    corrections: int
    largest_correction_cm: float
    bytes_per_s_out: float
    bytes_per_s_in: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A whole demo match."""

    mode: str
    """`sockets` or `virtual`."""
    ended: bool
    """True where the match ended by its rules."""
    reason: str | None
    winner: int | None
    """The team."""
    score: list[int]
    match_s: float
    ticks: int
    state_hash: str | None
    players: list[PlayerOutcome] = field(default_factory=list)
    event_log_hashes: list[str] = field(default_factory=list)
    """Virtual time only: the world's fingerprint of each run."""

    @property
    def succeeded(self) -> bool:
        """The match ended by its rules, and every run of it was the same."""
        return self.ended and len(set(self.event_log_hashes)) <= 1

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return asdict(self) | {"succeeded": self.succeeded}

    def _winner(self) -> str:
        return "a draw" if self.winner is None else f"team {self.winner} won"

    def show(self, console: Console) -> None:
        """The score, and a row for each player."""
        score = " : ".join(map(str, self.score)) or "-"
        console.print(
            f"[bold]{score}[/bold] after {self.match_s:.1f} s ({self.ticks} ticks), "
            + (f"ended by {self.reason}, {self._winner()}" if self.ended else "not ended by its rules")
        )
        table = Table()
        headings = (
            ("player", "name"),
            ("RTT ms", "rtt_ms"),
            ("delivered", "delivered"),
            ("lost", "lost"),
            ("age p50 ms", "snapshot_age_p50_ms"),
            ("age p99 ms", "snapshot_age_p99_ms"),
            ("corrections", "corrections"),
            ("out B/s", "bytes_per_s_out"),
            ("in B/s", "bytes_per_s_in"),
        )
        for heading, name in headings:
            table.add_column(heading, justify="left" if name == "name" else "right")
        for player in self.players:
            table.add_row(*(_cell(getattr(player, name)) for _, name in headings))
        console.print(table)
        for digest in self.event_log_hashes:
            console.print(f"event log {digest}")


def player_outcome(
    name: str,
    player: BotPlayer,
    *,
    transport: str,
    rtt_s: float | None,
    link: Mapping[str, float],
    match_s: float,
) -> PlayerOutcome:
    """What `player` saw, with `link` the counters of its link over `match_s` seconds."""
    report = player.report()
    seconds = max(match_s, 0.001)
    return PlayerOutcome(
        name=name,
        seat=report.seat,
        transport=transport,
        rtt_ms=None if rtt_s is None else round(rtt_s * 1e3, 2),
        delivered=report.snapshots,
        lost=report.lost,
        packets_lost=int(link.get("lost", 0)),
        snapshot_age_p50_ms=round(report.snapshot_age_p50_s * 1e3, 2),
        snapshot_age_p99_ms=round(report.snapshot_age_p99_s * 1e3, 2),
        interpolation_delay_ms=round(report.interpolation_delay_s * 1e3, 2),
        corrections=report.corrections,
        largest_correction_cm=round(report.largest_correction_m * 1e2, 2),
        bytes_per_s_out=round(link.get("bytes_out", 0.0) / seconds, 1),
        bytes_per_s_in=round(link.get("bytes_in", 0.0) / seconds, 1),
    )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if math.fabs(value) >= 100 else f"{value:.1f}"
    return "-" if value is None else str(value)
