"""Who touched the puck, and whose goal it was."""

from __future__ import annotations

from typing import Any

from games.airhockey.state import HITS, Happened, MatchState, initial_state
from games.airhockey.tally import MatchTally


def after(*, by: int | None = None, happened: int = 0, score: tuple[int, int] = (0, 0)) -> MatchState:
    state = initial_state(1, 4)
    state.happened = happened | (HITS[by] if by is not None else 0)
    state.score0, state.score1 = score
    return state


def goal(tally: MatchTally, team: int) -> dict[str, Any]:
    (news,) = tally.see(after(happened=Happened.GOAL_1 if team else Happened.GOAL_0, score=(1, 0)))
    return news


def test_a_goal_is_the_last_touch_s_of_the_team_that_scored_though_a_defender_touched_after_it() -> None:
    tally = MatchTally(4)
    for seat in (0, 2, 1):
        assert tally.see(after(by=seat)) == []
    news = goal(tally, 0)
    assert (news["team"], news["seat"], news["own_goal"], news["score"]) == (0, 2, False, [1, 0])
    assert [seat["goals"] for seat in tally.seats()] == [0, 0, 1, 0]
    assert [seat["touches"] for seat in tally.seats()] == [1, 1, 1, 0]


def test_a_goal_nobody_of_the_team_touched_for_is_an_own_goal() -> None:
    tally = MatchTally(4)
    tally.see(after(by=3))
    news = goal(tally, 0)
    assert (news["seat"], news["own_goal"]) == (3, True)
    assert [seat["own_goals"] for seat in tally.seats()] == [0, 0, 0, 1]


def test_a_serve_that_goes_straight_in_is_nobody_s() -> None:
    tally = MatchTally(4)
    tally.see(after(by=2))
    tally.see(after(happened=Happened.SERVE))
    news = goal(tally, 0)
    assert (news["seat"], news["own_goal"]) == (None, False)
    assert not any(seat["goals"] or seat["own_goals"] for seat in tally.seats())
