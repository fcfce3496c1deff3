"""A bot as a client: the player's view, a brain, and the messages between them and the room.

Sans-I/O: `send(kind, type, content, key)` is whatever brings a message to the channel, so one player runs
over a real link, a client core in virtual time, or a test's fake. Its owner calls `receive` and, at
`next_timer`, `handle_timer`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from games.airhockey.bot import Brain, Skill
from games.airhockey.client import PlayerView, ViewStats
from games.airhockey.rules import MatchOptions
from games.airhockey.table import MAX_PLAYERS
from games.messages import (
    COMMAND,
    EVENT,
    INPUT,
    SNAPSHOT,
    MessageError,
    SnapshotFrame,
    decode_event,
    encode_command,
)
from netcore.delivery import Delivery
from statesync.percentile import nearest_rank

Send = Callable[[Delivery, str, bytes, int], None]
"""kind, type, content, key"""


@dataclass(frozen=True, slots=True)
class PlayerReport:
    """What a player saw of a match."""

    seat: int | None
    snapshots: int
    lost: int
    corrections: int
    paddle_corrections: int
    puck_corrections: int
    largest_correction_m: float
    inputs: int
    snapshot_age_p50_s: float
    snapshot_age_p99_s: float
    interpolation_delay_s: float
    malformed: int


class BotPlayer:
    """Sits down, says ready, plays every match of the room, and says ready again if `rematch`.

    It also joins a match that is on where it gets a seat in it, and goes on after a pause.
    """

    __slots__ = (
        "_brain",
        "_index",
        "_options",
        "_playing",
        "_ready_for",
        "_rematch",
        "_seat",
        "_seed",
        "_send",
        "_skill",
        "malformed",
        "matches",
        "next_timer",
        "over",
        "rtt_s",
        "view",
    )

    def __init__(
        self,
        send: Send,
        *,
        index: int,
        seed: int,
        skill: Skill | None = None,
        rematch: bool = False,
    ) -> None:
        """`index` is the own agent's in the channel."""
        self._send = send
        self._index = index
        self._seed = seed
        self._skill = skill
        self._rematch = rematch
        self._seat: int | None = None
        self._playing: int | None = None
        """The match that is on here."""
        self._ready_for = 0
        """The match that this player said ready for."""
        self._options: MatchOptions | None = None
        self._brain = Brain(seed, skill)
        self.rtt_s: float | None = None
        """The link's round trip: set it whenever it is known."""
        self.view: PlayerView | None = None
        self.over: dict[str, Any] | None = None
        """The `over` event of the last match."""
        self.matches = 0
        """How many ended."""
        self.malformed = 0
        self.next_timer: float | None = None
        """When to call `handle_timer`; None: nothing to do before the next message."""

    def receive(self, type: str, content: bytes, now: float) -> None:
        """A message from the game's agent (the caller checks the sender: `local` in the channel's roster)."""
        try:
            if type == SNAPSHOT:
                self._receive_snapshot(SnapshotFrame.decode(content), now)
            elif type == EVENT:
                self._receive_event(decode_event(content))
        except MessageError:
            self.malformed += 1

    def handle_timer(self, now: float) -> None:
        """Play what is due."""
        view = self.view
        if view is None or view.state is None or view.state.is_over or view.paused:
            self.next_timer = None
            return
        message = view.advance(now, self.rtt_s, self._brain.decide)
        if message is not None:
            self._send(Delivery.UNRELIABLE, INPUT, message, 0)
        self.next_timer = view.next_tick(now)

    def report(self) -> PlayerReport:
        """Figures of the last match, or of the one that is on."""
        stats = self.view.stats if self.view is not None else ViewStats()
        ages = list(stats.ages_s) or [0.0]
        return PlayerReport(
            seat=self._seat,
            snapshots=stats.snapshots,
            lost=stats.lost,
            corrections=stats.corrections,
            paddle_corrections=stats.paddle_corrections,
            puck_corrections=stats.puck_corrections,
            largest_correction_m=stats.largest_correction_m,
            inputs=stats.inputs,
            snapshot_age_p50_s=nearest_rank(ages, 50),
            snapshot_age_p99_s=nearest_rank(ages, 99),
            interpolation_delay_s=self.view.added_delay_s if self.view is not None else 0.0,
            malformed=self.malformed + stats.malformed,
        )

    def _receive_snapshot(self, frame: SnapshotFrame, now: float) -> None:
        if self.view is None or frame.match != self.view.match & 0xFF:
            return
        self.view.receive_snapshot(frame, now)
        if self.next_timer is None and self.view.state is not None:
            self.next_timer = now

    def _receive_event(self, event: dict[str, Any]) -> None:
        match event:
            case {
                "event": "room",
                "seats": list(seats),
                "options": dict(options),
                "phase": str(phase),
                "match": int(match),
            }:
                self._learn_room(seats, options)
                self._take_part(phase, match)
            case {"event": "start", "match": int(match)}:
                self._start(match)
            case {"event": "pause" | "resume"}:
                self._pause()
            case {"event": "over"}:
                self.over = event
                self.matches += 1
                self._playing = None

    def _learn_room(self, seats: list[Any], options: dict[str, Any]) -> None:
        seat = None
        for number, one in enumerate(seats[:MAX_PLAYERS]):
            if isinstance(one, dict) and one.get("agent") == self._index:
                seat = number
        if seat != self._seat:
            self._seat = seat
            self._playing = None
            self._ready_for = 0
        try:
            self._options = MatchOptions(
                options.get("win_score", -1), options.get("time_limit_s", 0), options.get("players", 0)
            )
        except (ValueError, TypeError) as error:
            raise MessageError("options that no match has") from error

    def _take_part(self, phase: str, match: int) -> None:
        """Say ready before a match, step into one that is on."""
        if self._seat is None:
            self.next_timer = None
        elif phase in ("playing", "paused"):
            if self._playing != match:
                self._start(match)
        elif self._ready_for <= match and (self.matches == 0 or self._rematch):
            self._ready_for = match + 1
            self._send(Delivery.ORDERED, COMMAND, encode_command("ready"), 0)

    def _pause(self) -> None:
        if self.view is not None:
            self.view.pause()
        self.next_timer = None

    def _start(self, match: int) -> None:
        if self._seat is None or self._options is None:
            return
        self._brain = Brain(self._seed + match, self._skill)
        self.view = PlayerView(seat=self._seat, match=match, options=self._options)
        self.over = None
        self.next_timer = None
        self._playing = match
