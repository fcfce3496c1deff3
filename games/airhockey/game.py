"""Air Hockey as a room runs it: the rules behind `games.game.Game`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from games.airhockey import rules, table, wire
from games.airhockey.bot import Brain, Sight
from games.airhockey.state import NOBODY, Happened, MatchState, Phase, Reason, state_hash
from games.game import Result

NAME: Final = "air-hockey"
OPTIONS: Final = frozenset({"win_score", "time_limit_s"})

_REASONS: Final = {reason: reason.name.lower() for reason in Reason}


class AirHockey:
    """One match's rules. Options: `win_score` (3, 5, 7, 10) and `time_limit_s` (1 to 3600)."""

    __slots__ = ("match_options", "name", "neutral", "options", "seat_count", "tick_hz", "version")

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
        }
        self.name = NAME
        self.version = table.VERSION
        self.tick_hz = table.TICK_HZ
        self.seat_count = 2
        self.neutral = wire.NEUTRAL

    def start(self, seed: int) -> MatchState:
        """The state at tick 0."""
        return rules.start(seed)

    def step(self, state: MatchState, inputs: Sequence[bytes]) -> MatchState:
        """The state one tick later."""
        first, second = inputs
        return rules.step(state, wire.decode_input(first), wire.decode_input(second), self.match_options)

    def forfeit(self, state: MatchState, seat: int) -> MatchState:
        """The state after the agent of `seat` left for good."""
        return rules.forfeit(state, seat)

    def snapshot(self, state: MatchState) -> bytes:
        """The whole state, 36 bytes."""
        return wire.encode_snapshot(state)

    def news(self, state: MatchState) -> list[dict[str, Any]]:
        """Goals."""
        if not state.happened & (Happened.GOAL_0 | Happened.GOAL_1):
            return []
        seat = 0 if state.happened & Happened.GOAL_0 else 1
        return [{"event": "goal", "tick": state.tick, "seat": seat, "score": [state.score0, state.score1]}]

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
    turn = 1.0 if seat == 0 else -1.0
    own, other = state.paddle(seat), state.paddle(1 - seat)
    return Sight(
        tick=state.tick,
        playing=state.phase == Phase.PLAY,
        puck=(turn * state.puck_x, turn * state.puck_y),
        puck_velocity=(turn * state.puck_vx, turn * state.puck_vy),
        own=(turn * own[0], turn * own[1]),
        other=(turn * other[0], turn * other[1]),
    )


def encode_decision(point: tuple[float, float], seat: int) -> bytes:
    """The input that asks for `point`, given in the own frame of `seat`."""
    turn = 1.0 if seat == 0 else -1.0
    return wire.encode_input(wire.target_at(turn * point[0], turn * point[1]))
