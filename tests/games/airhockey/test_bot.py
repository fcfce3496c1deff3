"""The brain without any network: it plays matches to their end, like a person, the same way twice."""

from __future__ import annotations

from math import hypot

import pytest

from games.airhockey import rules, table, wire
from games.airhockey.bot import Brain, Sight, Skill
from games.airhockey.game import AirHockey, encode_decision, sight_of
from games.airhockey.rules import MatchOptions
from games.airhockey.state import Happened, MatchState, Phase

OPTIONS = MatchOptions(win_score=3, time_limit_s=300)


def headless(seed: int, skills: tuple[Skill | None, Skill | None] = (None, None)) -> tuple[MatchState, int]:
    """The end of a match between two bots that see the truth, and how often the puck was hit."""
    brains = [Brain(seed * 2 + seat, skills[seat]) for seat in (0, 1)]
    state, hits = rules.start(seed), 0
    while not state.is_over:
        inputs = [
            wire.decode_input(encode_decision(brain.decide(sight_of(state, seat)), seat))
            for seat, brain in enumerate(brains)
        ]
        state = rules.step(state, [inputs[0], inputs[1]], OPTIONS)
        hits += bool(state.happened & (Happened.HIT_0 | Happened.HIT_1))
    return state, hits


def test_twenty_matches_end_with_goals_in_a_time_that_is_fun_to_watch() -> None:
    lengths, winners = [], []
    for seed in range(20):
        state, hits = headless(seed)
        seconds = state.tick / table.TICK_HZ
        lengths.append(seconds)
        winners.append(state.winner)
        assert max(state.score0, state.score1) == 3
        assert hits / seconds > 0.5, "they hardly play"
    assert 15 < sorted(lengths)[10] < 70
    assert 3 < winners.count(0) < 17


def test_the_same_seed_plays_the_same_match() -> None:
    assert headless(4)[0] == headless(4)[0]


def test_a_better_bot_wins_more() -> None:
    good = Skill(reaction_ticks=4, speed=3.0, catch_error_m=0.01)
    bad = Skill(reaction_ticks=20, speed=1.0, catch_error_m=0.3)
    wins = 0
    for seed in range(8):
        winner = headless(seed, (good, bad) if seed % 2 else (bad, good))[0].winner
        wins += winner == (0 if seed % 2 else 1)
    assert wins >= 6


@pytest.mark.parametrize("seat", [0, 1])
def test_the_own_frame_is_turned_so_that_the_own_goal_is_below(seat: int) -> None:
    state = rules.start(1)
    sight = sight_of(state, seat)
    assert sight.own == (0.0, -table.HOME_Y)
    assert (sight.place, sight.team) == (0, (sight.own,))


def test_a_brain_never_moves_faster_than_its_skill() -> None:
    brain, skill = Brain(3), Skill()
    state = rules.start(3)
    for _ in range(1500):
        sight = sight_of(state, 0)
        x, y = brain.decide(sight)
        limit = max(skill.speed, skill.strike_speed) / table.TICK_HZ
        assert hypot(x - sight.own[0], y - sight.own[1]) <= limit + 1e-9
        state = rules.step(state, [wire.target_at(x, y), None], OPTIONS)


def sees(
    puck: tuple[float, float], velocity: tuple[float, float], own: tuple[float, float], tick: int
) -> Sight:
    return Sight(tick, True, puck, velocity, own)


def test_it_goes_to_meet_a_coming_puck() -> None:
    brain = Brain(1, Skill(catch_error_m=0.0))
    own = (0.0, -0.78)
    for tick in range(30):
        y = 0.6 - tick * 2.0 / 60
        own = brain.decide(sees((0.15, y), (0.0, -2.0), own, tick))
    assert own[0] == pytest.approx(0.15, abs=0.01)


def test_what_happens_is_noticed_only_after_the_reaction_time() -> None:
    brains = [Brain(1, Skill(reaction_ticks=12)) for _ in range(2)]
    own = [(0.0, -0.78)] * 2
    for tick in range(40):
        y = 0.8 - tick * 1.5 / 60
        kicked = (-2.0, -1.5) if tick >= 20 else (0.0, -1.5)
        x = -2.0 * (tick - 20) / 60 if tick >= 20 else 0.0
        own[0] = brains[0].decide(sees((0.0, y), (0.0, -1.5), own[0], tick))
        own[1] = brains[1].decide(sees((x, y), kicked, own[1], tick))
        assert (own[0] == own[1]) == (tick < 32)


def test_a_coming_puck_is_misjudged_by_the_catch_error() -> None:
    stops = set()
    for seed in range(6):
        brain, own = Brain(seed, Skill(catch_error_m=0.15)), (0.0, -0.78)
        for tick in range(30):
            own = brain.decide(sees((0.0, 0.6 - tick * 2.0 / 60), (0.0, -2.0), own, tick))
        stops.add(round(own[0], 3))
    assert len(stops) == 6


def test_between_serves_it_goes_home() -> None:
    brain, own = Brain(1), (0.3, -0.2)
    for tick in range(120):
        own = brain.decide(Sight(tick, False, (0.0, 0.0), (0.0, 0.0), own))
    assert own == (0.0, -table.HOME_Y)


def test_the_bot_of_a_room_plays_from_the_state_alone() -> None:
    game = AirHockey({"win_score": 3})
    bots = [game.bot(0, 1), game.bot(1, 2)]
    state = game.start(1)
    while game.result(state) is None:
        state = game.step(state, [bot(state) for bot in bots])
    result = game.result(state)
    assert result is not None and result.reason == "goals"
    assert state.phase == Phase.OVER


@pytest.mark.parametrize("players", [3, 4, 6])
def test_teams_play_matches_that_end_with_goals_in_a_time_that_is_fun_to_watch(players: int) -> None:
    game = AirHockey({"win_score": 3, "players": players})
    lengths = []
    for seed in range(9):
        bots = [game.bot(seat, seed * players + seat) for seat in range(players)]
        state, tally = game.start(seed), game.tally()
        while game.result(state) is None:
            state = game.step(state, [bot(state) for bot in bots])
            tally.see(state)
        assert max(state.score0, state.score1) == 3
        lengths.append(state.tick / table.TICK_HZ)
        seats = tally.seats()
        assert sum(seat["goals"] + seat["own_goals"] for seat in seats) <= state.score0 + state.score1
        assert all(seat["touches"] for seat in seats[:2]), "a keeper that never saves anything"
    assert 15 < sorted(lengths)[4] < 90
    assert max(lengths) < 150


def test_the_nearest_attacker_plays_the_puck_and_the_others_keep_their_places() -> None:
    team = ((0.0, -0.78), (-0.25, -0.375), (0.25, -0.375))
    wants = []
    for place in range(3):
        brain, own = Brain(1), team[place]
        for tick in range(40):
            mates = (*team[:place], own, *team[place + 1 :])
            own = brain.decide(Sight(tick, True, (-0.2, -0.2), (0.0, 0.0), own, place, mates))
        wants.append(hypot(own[0] - team[place][0], own[1] - team[place][1]))
    assert wants[1] > 0.15
    assert wants[0] < 0.15 and wants[2] < 0.15


def test_a_fast_shot_is_the_keeper_s() -> None:
    brain, own = Brain(1, Skill(catch_error_m=0.0)), (0.0, -0.78)
    for tick in range(30):
        y = 0.4 - tick * 2.2 / 60
        team = (own, (-0.25, -0.375), (0.25, -0.375))
        own = brain.decide(Sight(tick, True, (0.15, y), (0.0, -2.2), own, 0, team))
    assert own[0] == pytest.approx(0.15, abs=0.01)
