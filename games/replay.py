"""Replays: simulate a recorded match again, bit for bit, and compare the final state's hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from games.game import Game, Result
from games.recording import Recording, RecordingError
from games.registry import make_game


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay came to."""

    game: str
    ticks: int
    seconds: float
    """Game time."""
    recorded_hash: str
    replayed_hash: str
    result: Result | None

    @property
    def matches(self) -> bool:
        """True where the replay led to the recorded state, bit for bit."""
        return self.recorded_hash == self.replayed_hash


def replay(path: str | Path) -> ReplayReport:
    """Replay the recording in the file `path`. Raises `RecordingError` or `OSError`."""
    return replay_recording(Recording.load(path))


def replay_recording(recording: Recording) -> ReplayReport:
    """Replay `recording`. Raises `RecordingError` where this version cannot."""
    game = _game_of(recording)
    state = game.start(recording.seed)
    for inputs in zip(*(track.inputs() for track in recording.tracks), strict=True):
        state = game.step(state, inputs)
    for _, seat in recording.forfeits:
        state = game.forfeit(state, seat)
    return ReplayReport(
        game=game.name,
        ticks=recording.ticks,
        seconds=recording.ticks / game.tick_hz,
        recorded_hash=recording.final_hash,
        replayed_hash=game.state_hash(state),
        result=game.result(state),
    )


def _game_of(recording: Recording) -> Game[Any]:
    try:
        game = make_game(recording.game, recording.options)
    except ValueError as error:
        raise RecordingError(str(error)) from error
    if recording.game_version not in game.replayable:
        versions = ", ".join(map(str, sorted(game.replayable)))
        raise RecordingError(
            f"a match of {game.name} version {recording.game_version}; this server replays {versions}"
        )
    if (game.tick_hz, game.seat_count) != (recording.tick_hz, len(recording.tracks)):
        raise RecordingError(f"tick rate or seats are not those of {game.name}")
    if recording.tracks[0].input_bytes != len(game.neutral):
        raise RecordingError(f"inputs are not those of {game.name}")
    return game
