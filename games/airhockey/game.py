"""Air Hockey as a room runs it: the rules behind `games.game.Game`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from games.airhockey import rules, table, wire
from games.airhockey.bot import Brain, Sight
from games.airhockey.state import NOBODY, MatchState, Phase, Reason, state_hash, team_of
from games.airhockey.tally import MatchTally
from games.game import Result

NAME: Final = "air-hockey"
OPTIONS: Final = frozenset({"win_score", "time_limit_s", "players"})
TRAINING_OPTIONS: Final = {"win_score": 0, "time_limit_s": table.MAX_TIME_LIMIT_S}

_REASONS: Final = {reason: reason.name.lower() for reason in Reason}


class AirHockey:
    """One match's rules. Options: `win_score` (0, 3, 5, 7, 10), `time_limit_s` (1 to 3600), `players` (2 to 6)."""

    __slots__ = (
        "match_options",
        "name",
        "neutral",
        "options",
        "replayable",
        "seat_count",
        "tick_hz",
        "version",
    )

    def __init__(self, options: dict[str, Any]) -> None:
        """Raises `ValueError` with one clear sentence for bad options."""
        for name, value in options.items():
            if name not in OPTIONS:
                raise ValueError(f"{NAME} has no option {name[:40]!r}, only {', '.join(sorted(OPTIONS))}")
            if type(value) is not int:
                raise ValueError(f"{NAME}: {name} is {str(value)[:40]!r}, not a whole number")
        self.match_options = rules.MatchOptions(**options)
        self.options: dict[str, Any] = {
            "win_score": self.match_options.win_score,
            "time_limit_s": self.match_options.time_limit_s,
            "players": self.match_options.players,
        }
        self.name = NAME
        self.version = table.VERSION
        self.replayable = table.REPLAYABLE_VERSIONS
        self.tick_hz = table.TICK_HZ
        self.seat_count = self.match_options.players
        self.neutral = wire.NEUTRAL

    def team_of(self, seat: int) -> int:
        """Seats alternate between teams 0 and 1."""
        return team_of(seat)

    def start(self, seed: int) -> MatchState:
        """The state at tick 0."""
        return rules.start(seed, self.seat_count)

    def step(self, state: MatchState, inputs: Sequence[bytes]) -> MatchState:
        """The state one tick later."""
        return rules.step(state, [wire.decode_input(data) for data in inputs], self.match_options)

    def forfeit(self, state: MatchState, seat: int) -> MatchState:
        """The state after the agent of `seat` left for good."""
        return rules.forfeit(state, seat)

    def snapshot(self, state: MatchState) -> bytes:
        """The whole state, 28 bytes and 4 for each player."""
        return wire.encode_snapshot(state)

    def tally(self) -> MatchTally:
        """A new match's tally: who touched the puck, who scored."""
        return MatchTally(self.seat_count)

    def result(self, state: MatchState) -> Result | None:
        """How the match ended, None while it goes on."""
        if state.phase != Phase.OVER:
            return None
        winner = None if state.winner == NOBODY else state.winner
        return Result(winner, _REASONS[Reason(state.reason)], (state.score0, state.score1))

    def state_hash(self, state: MatchState) -> str:
        """SHA-256 over the canonical bytes of the state."""
        return state_hash(state)

    def bot(self, seat: int, seed: int) -> Callable[[MatchState], bytes]:
        """A bot that sees the true state and is as slow and erring as any other."""
        brain = Brain(seed)

        def play(state: MatchState) -> bytes:
            return encode_decision(brain.decide(sight_of(state, seat)), seat)

        return play


def sight_of(state: MatchState, seat: int) -> Sight:
    """`state` as the player of `seat` would see it without any delay."""
    turn = 1.0 if team_of(seat) == 0 else -1.0
    return Sight(
        tick=state.tick,
        playing=state.phase == Phase.PLAY,
        puck=(turn * state.puck_x, turn * state.puck_y),
        puck_velocity=(turn * state.puck_vx, turn * state.puck_vy),
        own=(turn * state.paddles[seat][0], turn * state.paddles[seat][1]),
        place=seat // 2,
        team=tuple((turn * x, turn * y) for x, y in state.paddles[team_of(seat) :: 2]),
    )


def encode_decision(point: tuple[float, float], seat: int) -> bytes:
    """The input that asks for `point`, given in the own frame of `seat`."""
    turn = 1.0 if team_of(seat) == 0 else -1.0
    return wire.encode_input(wire.target_at(turn * point[0], turn * point[1]))
