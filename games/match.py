"""One match in a room: its state, whose inputs its seats play, its tally, and its recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from games.game import Game, Result
from games.messages import SnapshotFrame
from games.recording import AGENT, BOT, InputTrack, Recording
from games.seat_input import SeatInput
from statesync.errors import MalformedInput
from statesync.input_buffer import InputStats


class Match:
    """Steps the rules with what the seats' agents sent for each tick, or their bots decide."""

    __slots__ = ("_recording", "_seats", "_tally", "game", "news", "number", "state", "tick")

    def __init__(self, game: Game[Any], seed: int, number: int, held: Sequence[bool]) -> None:
        """`number` is the match's in its room, from 1; `held` says of each seat whether an agent has it."""
        self.game = game
        self.number = number
        self.tick = 0
        """Of the last step; ticks count from 1."""
        self.state: Any = game.start(seed)
        self.news: list[dict[str, Any]] = []
        """What happened in the last step that no client may miss."""
        self._tally = game.tally()
        self._seats = [
            SeatInput(game, seat, seed * game.seat_count + seat, held=agent)
            for seat, agent in enumerate(held)
        ]
        self._recording = Recording(
            game=game.name,
            game_version=game.version,
            options=game.options,
            seed=seed,
            tick_hz=game.tick_hz,
            tracks=[InputTrack(len(game.neutral)) for _ in range(game.seat_count)],
            holders=[(1, seat, AGENT if agent else BOT) for seat, agent in enumerate(held)],
        )

    def receive_input(self, seat: int, data: bytes, now: float) -> str | None:
        """Take an input message (`match u8`, then `InputSender`'s). Returns why it is of no use, or None."""
        if not data:
            return "input"
        if data[0] != self.number & 0xFF:
            return "match"
        try:
            self._seats[seat].receive(data[1:], now)
        except MalformedInput:
            return "input"
        return None

    def step(self, now: float) -> bool:
        """Play the next tick. True where a bot took a seat over or gave one back."""
        self.tick += 1
        inputs = []
        changed = False
        for number, (seat, track) in enumerate(zip(self._seats, self._recording.tracks, strict=True)):
            before = seat.by_bot
            data = seat.take(self.tick, now, self.state)
            track.append(data)
            inputs.append(data)
            if seat.by_bot is not before:
                changed = True
                self._recording.hold(self.tick, number, BOT if seat.by_bot else AGENT)
        self.state = self.game.step(self.state, inputs)
        self.news = self._tally.see(self.state)
        return changed

    def hold(self, seat: int) -> None:
        """An agent takes the seat from the bot that played it."""
        self._seats[seat].hold(self.tick + 1)

    def release(self, seat: int) -> None:
        """The agent of `seat` left; a bot plays it from now on."""
        self._seats[seat].release()

    def show_away(self, seat: int, away: bool) -> None:
        """The agent of `seat` lost its link, or has one again."""
        self._seats[seat].show_away(away)

    def by_bot(self, seat: int) -> bool:
        """Whether a bot played the last tick of `seat`."""
        return self._seats[seat].by_bot

    def forfeit(self, seat: int) -> None:
        """The agent of `seat` left for good, and its team has lost."""
        self.state = self.game.forfeit(self.state, seat)
        self._recording.forfeits.append((self.tick, seat))

    def frame(self, now: float) -> bytes:
        """The snapshot message of the present tick."""
        reports = tuple(seat.report(now) for seat in self._seats)
        return SnapshotFrame(self.number & 0xFF, self.tick, reports, self.game.snapshot(self.state)).encode()

    def result(self) -> Result | None:
        """How the match ended, None while it goes on."""
        return self.game.result(self.state)

    def results(self) -> list[dict[str, Any]]:
        """Of each seat what it did, and for how many ticks a bot played it."""
        return [
            {**tally, "bot_ticks": seat.bot_ticks}
            for tally, seat in zip(self._tally.seats(), self._seats, strict=True)
        ]

    def state_hash(self) -> str:
        """Hash of the present state."""
        return self.game.state_hash(self.state)

    def input_stats(self) -> list[InputStats]:
        """What came of each seat's inputs."""
        return [seat.stats for seat in self._seats]

    def recording(self) -> Recording:
        """The match so far."""
        self._recording.final_hash = self.state_hash()
        return self._recording
