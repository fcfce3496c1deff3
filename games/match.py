"""One match in a room: its state, its seats' input buffers, its bots, and its recording."""

from __future__ import annotations

from typing import Any

from games.game import Game, Result
from games.messages import SeatReport, SnapshotFrame
from games.recording import InputTrack, Recording
from statesync.errors import MalformedInput
from statesync.input_buffer import InputBuffer, InputStats


class Match:
    """Steps the rules with what the seats sent for each tick."""

    __slots__ = ("_bots", "_buffers", "_recording", "game", "number", "state", "tick")

    def __init__(self, game: Game[Any], seed: int, number: int, bots: list[int]) -> None:
        """`number` is the match's in its room, from 1; `bots` are the seats played here."""
        self.game = game
        self.number = number
        self.tick = 0
        """Of the last step; ticks count from 1."""
        self.state: Any = game.start(seed)
        self._bots = {seat: game.bot(seat, seed * game.seat_count + seat) for seat in bots}
        self._buffers = [
            InputBuffer(game.neutral, game.tick_hz, first_tick=1) for _ in range(game.seat_count)
        ]
        self._recording = Recording(
            game=game.name,
            game_version=game.version,
            options=game.options,
            seed=seed,
            tick_hz=game.tick_hz,
            tracks=[InputTrack(len(game.neutral)) for _ in range(game.seat_count)],
        )

    def receive_input(self, seat: int, data: bytes, now: float) -> str | None:
        """Take an input message (`match u8`, then `InputSender`'s). Returns why it is of no use, or None."""
        if not data or seat in self._bots:
            return "input"
        if data[0] != self.number & 0xFF:
            return "match"
        try:
            self._buffers[seat].receive(data[1:], now)
        except MalformedInput:
            return "input"
        return None

    def step(self, now: float) -> None:
        """Play the next tick."""
        self.tick += 1
        inputs = [
            bot(self.state) if (bot := self._bots.get(seat)) else buffer.take(self.tick, now)
            for seat, buffer in enumerate(self._buffers)
        ]
        for track, data in zip(self._recording.tracks, inputs, strict=True):
            track.append(data)
        self.state = self.game.step(self.state, inputs)

    def forfeit(self, seat: int) -> None:
        """The agent of `seat` left for good."""
        self.state = self.game.forfeit(self.state, seat)
        self._recording.forfeits.append((self.tick, seat))

    def frame(self, now: float) -> bytes:
        """The snapshot message of the present tick."""
        seats = tuple(SeatReport(buffer.newest or 0, buffer.slack(now)) for buffer in self._buffers)
        return SnapshotFrame(self.number & 0xFF, self.tick, seats, self.game.snapshot(self.state)).encode()

    def news(self) -> list[dict[str, Any]]:
        """What happened in the last step that no client may miss."""
        return self.game.news(self.state)

    def result(self) -> Result | None:
        """How the match ended, None while it goes on."""
        return self.game.result(self.state)

    def state_hash(self) -> str:
        """Hash of the present state."""
        return self.game.state_hash(self.state)

    def input_stats(self) -> list[InputStats]:
        """What came of each seat's inputs."""
        return [buffer.stats for buffer in self._buffers]

    def recording(self) -> Recording:
        """The match so far."""
        self._recording.final_hash = self.state_hash()
        return self._recording
