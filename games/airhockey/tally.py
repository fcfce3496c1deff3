"""What a match's players did, read off its states: touches and goals. No part of the rules.

docs/protocol/games/air-hockey.md, section "Events".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from games.airhockey.state import HITS, Happened, MatchState, team_of


@dataclass(slots=True)
class SeatTally:
    """One seat's part in a match."""

    touches: int = 0
    """Ticks in which the paddle hit the puck."""
    goals: int = 0
    own_goals: int = 0


class MatchTally:
    """Fed with every state of a match, in order.

    A goal belongs to whoever of the scoring team touched the puck last since the serve; where nobody of it did,
    it is an own goal of whoever did.
    """

    __slots__ = ("_last", "_seats")

    def __init__(self, players: int) -> None:
        self._seats = [SeatTally() for _ in range(players)]
        self._last: list[int | None] = [None, None]
        """Of each team the seat that touched the puck last since it was served."""

    def see(self, state: MatchState) -> list[dict[str, Any]]:
        """Note what happened in the tick that led to `state`. Returns the news: goals."""
        happened = state.happened
        if not happened:
            return []
        for seat, tally in enumerate(self._seats):
            if happened & HITS[seat]:
                tally.touches += 1
                self._last[team_of(seat)] = seat
        news = []
        if happened & (Happened.GOAL_0 | Happened.GOAL_1):
            news.append(self._goal(state, 0 if happened & Happened.GOAL_0 else 1))
        if happened & Happened.SERVE:
            self._last = [None, None]
        return news

    def seats(self) -> list[dict[str, Any]]:
        """For each seat what it did, as JSON objects."""
        return [asdict(tally) for tally in self._seats]

    def _goal(self, state: MatchState, team: int) -> dict[str, Any]:
        seat = self._last[team]
        own = seat is None
        if seat is not None:
            self._seats[seat].goals += 1
        else:
            seat = self._last[1 - team]
            if seat is not None:
                self._seats[seat].own_goals += 1
        return {
            "event": "goal",
            "tick": state.tick,
            "team": team,
            "seat": seat,
            "own_goal": own and seat is not None,
            "score": [state.score0, state.score1],
        }
