"""The rules of Air Hockey: what must hold whatever the players do."""

from __future__ import annotations

import random
from math import cos, hypot, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games.airhockey import rules, table
from games.airhockey.rules import MatchOptions
from games.airhockey.spacing import Target
from games.airhockey.state import (
    NOBODY,
    Happened,
    MatchState,
    Phase,
    Reason,
    canonical_bytes,
    initial_state,
    state_hash,
    team_of,
)

OPTIONS = MatchOptions(win_score=3, time_limit_s=300)
targets = st.one_of(st.none(), st.tuples(st.integers(-32768, 32767), st.integers(-32768, 32767)))
xs = st.floats(-table.PUCK_X, table.PUCK_X)
ys = st.floats(-table.PUCK_Y, table.PUCK_Y)


def playing(
    puck: tuple[float, float] = (0.0, 0.0),
    velocity: tuple[float, float] = (0.0, 0.0),
    paddle0: tuple[float, float] = (0.0, -table.HOME_Y),
    paddle1: tuple[float, float] = (0.0, table.HOME_Y),
) -> MatchState:
    state = initial_state(1)
    state.phase, state.phase_ticks = int(Phase.PLAY), 0
    state.puck_x, state.puck_y = puck
    state.puck_vx, state.puck_vy = velocity
    state.paddles = (paddle0, paddle1)
    return state


def at(x: float, y: float) -> Target:
    return round(x * table.PADDLE_GRID), round(y * table.PADDLE_GRID)


def check_invariants(state: MatchState) -> None:
    assert abs(state.puck_x) <= table.PUCK_X
    if abs(state.puck_x) >= table.GOAL_HALF:
        assert abs(state.puck_y) <= table.PUCK_Y
    assert abs(state.puck_y) <= table.HALF_LENGTH
    if state.phase == Phase.PLAY:
        assert abs(state.puck_y) < table.HALF_LENGTH
    assert hypot(state.puck_vx, state.puck_vy) <= table.PUCK_MAX_SPEED + 2 / table.PUCK_GRID
    for seat, (x, y) in enumerate(state.paddles):
        side = -1.0 if team_of(seat) == 0 else 1.0
        assert abs(x) <= table.PADDLE_X
        assert table.PADDLE_NEAR <= side * y <= table.PADDLE_FAR
    assert 0 <= state.possession_ticks < table.POSSESSION_TICKS
    assert 1 <= state.random <= 2**31 - 2


class Chaos:
    """Paddles that jump about and often chase the puck: more contact than any play."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.targets: list[Target | None] = [None, None]

    def inputs(self, state: MatchState) -> tuple[Target | None, Target | None]:
        for seat in (0, 1):
            roll = self.random.random()
            if roll < 0.1:
                self.targets[seat] = (self.random.randint(-32768, 32767), self.random.randint(-32768, 32767))
            elif roll < 0.5:
                self.targets[seat] = at(state.puck_x, state.puck_y)
            elif roll < 0.52:
                self.targets[seat] = None
        return self.targets[0], self.targets[1]


@pytest.mark.parametrize("seed", range(8))
def test_a_chaotic_match_keeps_every_bound_and_ends(seed: int) -> None:
    state, chaos = rules.start(seed), Chaos(seed)
    score = (0, 0)
    for _ in range(OPTIONS.time_limit_ticks + table.SUDDEN_DEATH_TICKS + 1):
        state = rules.step(state, chaos.inputs(state), OPTIONS)
        check_invariants(state)
        assert state.score0 >= score[0] and state.score1 >= score[1]
        assert state.score0 + state.score1 <= score[0] + score[1] + 1
        score = (state.score0, state.score1)
        if state.is_over:
            break
    assert state.is_over
    assert state.reason != Reason.NONE


@settings(max_examples=150, deadline=None)
@given(xs, ys, st.floats(0, 7), st.lists(st.tuples(targets, targets), min_size=1, max_size=20))
def test_from_any_place_at_full_speed_puck_and_paddles_stay_inside(
    x: float, y: float, angle: float, inputs: list[tuple[Target | None, Target | None]]
) -> None:
    state = playing((x, y), (cos(angle) * table.PUCK_MAX_SPEED, sin(angle) * table.PUCK_MAX_SPEED))
    for input0, input1 in inputs:
        state = rules.step(state, [input0, input1], OPTIONS)
        check_invariants(state)


@settings(max_examples=100, deadline=None)
@given(st.floats(-0.09, 0.09), st.floats(0.0, 1.0), st.booleans(), st.sampled_from([-1, 1]))
def test_a_puck_never_passes_through_a_paddle(offset: float, start: float, moving: bool, side: int) -> None:
    """Both at full speed, almost up to a graze, from every sub-tick position."""
    y = side * 0.5
    paddles = {"paddle0": (0.0, -0.5)} if side < 0 else {"paddle1": (0.0, 0.5)}
    distance = table.CONTACT + 0.02 + start * (table.PUCK_MAX_SPEED + table.PADDLE_MAX_SPEED) / table.TICK_HZ
    state = playing((offset, y - side * distance), (0.0, side * table.PUCK_MAX_SPEED), **paddles)
    target = at(0.0, y - side * 0.4) if moving else None
    hit = Happened.HIT_0 if side < 0 else Happened.HIT_1
    for _ in range(12):
        first, second = (target, None) if side < 0 else (None, target)
        state = rules.step(state, [first, second], OPTIONS)
        if state.happened & hit:
            return
        behind = side * (state.puck_y - state.paddle(0 if side < 0 else 1)[1])
        assert behind < table.CONTACT, "the puck is behind the paddle and never touched it"
    pytest.fail("they should have met")


def test_substeps_are_short_against_the_distance_of_contact() -> None:
    relative = (table.PUCK_MAX_SPEED + table.PADDLE_MAX_SPEED) / (table.TICK_HZ * table.SUBSTEPS)
    assert relative < table.CONTACT / 4
    assert table.PUCK_MAX_SPEED / (table.TICK_HZ * table.SUBSTEPS) < table.PUCK_RADIUS / 2


def test_the_same_inputs_give_the_same_hash_and_old_states_stay_as_they_were() -> None:
    runs = []
    for _ in range(2):
        state, chaos = rules.start(7), Chaos(7)
        for _ in range(2000):
            before = canonical_bytes(state)
            new = rules.step(state, chaos.inputs(state), OPTIONS)
            assert canonical_bytes(state) == before
            state = new
        runs.append(state_hash(state))
    assert runs[0] == runs[1]


def test_another_seed_is_another_match() -> None:
    ends = set()
    for seed in range(5):
        state = rules.start(seed)
        for _ in range(400):
            state = rules.step(state, [None, None], OPTIONS)
        ends.add(state_hash(state))
    assert len(ends) == 5


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 2**32))
def test_a_half_turn_of_the_table_is_the_same_match_with_the_seats_swapped(
    seed: int, chaos_seed: int
) -> None:
    """No seat is favoured: mirrored inputs on the mirrored state give the mirrored state."""
    chaos = Chaos(chaos_seed)
    state = playing((0.1, 0.3), (1.0, -2.0))
    turned = playing((-0.1, -0.3), (-1.0, 2.0))
    for _ in range(60):
        inputs = chaos.inputs(state)
        mirrored = [None if i is None else (-i[0], -i[1]) for i in inputs]
        state = rules.step(state, inputs, OPTIONS)
        turned = rules.step(turned, [mirrored[1], mirrored[0]], OPTIONS)
        if state.phase != Phase.PLAY:
            break
        assert turned.puck_x == pytest.approx(-state.puck_x, abs=1e-4)
        assert turned.puck_y == pytest.approx(-state.puck_y, abs=1e-4)
        if abs(state.puck_y) < 0.005:
            break  # the middle line itself belongs to seat 1
        # Rounding goes up on both sides of zero; start the next tick from exactly mirrored places.
        turned.puck_x, turned.puck_y = -state.puck_x, -state.puck_y
        turned.puck_vx, turned.puck_vy = -state.puck_vx, -state.puck_vy
        turned.paddles = tuple((-x, -y) for x, y in reversed(state.paddles))


def test_a_wall_turns_the_speed_round_and_takes_an_eighth() -> None:
    state = rules.step(playing((table.PUCK_X - 0.01, 0.0), (2.0, 0.5)), [None, None], OPTIONS)
    assert state.puck_vx == pytest.approx(-2.0 * table.WALL_RESTITUTION * table.DRAG, abs=1e-5)
    assert state.puck_vy == pytest.approx(0.5 * table.DRAG, abs=1e-5)
    assert state.happened == Happened.WALL


def test_a_standing_paddle_sends_the_puck_back_slower() -> None:
    state = playing((0.0, -0.6), (0.0, -2.0))
    for _ in range(6):
        state = rules.step(state, [None, None], OPTIONS)
    assert 2.0 * table.PADDLE_RESTITUTION * 0.98 < state.puck_vy <= 2.0 * table.PADDLE_RESTITUTION
    assert state.puck_vx == 0.0


def test_a_moving_paddle_gives_its_own_speed_on() -> None:
    """Relative speed turns round with the restitution: u + e * u for a puck at rest and a paddle at u."""
    state = playing((0.0, -0.5), (0.0, 0.0))
    for _ in range(60):
        y = state.paddles[0][1] + 1.0 / table.TICK_HZ
        state = rules.step(state, [at(0.0, y), None], OPTIONS)
        if state.happened & Happened.HIT_0:
            break
    assert state.puck_vy == pytest.approx(1.0 + table.PADDLE_RESTITUTION, rel=0.01)


def test_a_glancing_hit_keeps_the_tangential_speed() -> None:
    """The paddle has no friction: only the part of the speed along the line of centres changes."""
    state = playing((table.CONTACT * 0.5 - 0.001, -table.HOME_Y + table.CONTACT * 0.8660254), (-1.0, 0.0))
    after = rules.step(state, [None, None], OPTIONS)
    assert after.happened & Happened.HIT_0
    nx = after.puck_x - after.paddles[0][0]
    ny = after.puck_y - after.paddles[0][1]
    speed = hypot(after.puck_vx, after.puck_vy)
    assert speed < 1.0
    assert after.puck_vx * nx + after.puck_vy * ny > 0


def test_speed_never_exceeds_the_limit_however_hard_the_hit() -> None:
    state = playing((0.0, -0.4), (0.0, -table.PUCK_MAX_SPEED))
    for _ in range(10):
        state = rules.step(state, [at(0.0, 0.0), None], OPTIONS)
    assert hypot(state.puck_vx, state.puck_vy) <= table.PUCK_MAX_SPEED + 1e-5
    assert state.puck_vy > 3.0


@given(st.integers(-32768, 32767), st.integers(-32768, 32767))
def test_a_paddle_is_never_faster_than_it_may(x: int, y: int) -> None:
    state = initial_state(3)
    for _ in range(5):
        new = rules.step(state, [(x, y), (x, y)], OPTIONS)
        for seat in (0, 1):
            (ox, oy), (nx, ny) = state.paddle(seat), new.paddle(seat)
            assert hypot(nx - ox, ny - oy) <= table.PADDLE_MAX_SPEED / table.TICK_HZ + 1 / table.PADDLE_GRID
        state = new


def test_a_paddle_reaches_its_target_exactly_and_rests_there() -> None:
    state = initial_state(3)
    for _ in range(60):
        state = rules.step(state, [(1234, -4321), None], OPTIONS)
    assert state.paddle(0) == (1234 / table.PADDLE_GRID, -4321 / table.PADDLE_GRID)


def test_a_paddle_without_input_stands_still() -> None:
    state = rules.step(playing(), [None, None], OPTIONS)
    assert state.paddle(0) == (0.0, -table.HOME_Y)


def test_a_puck_pinned_to_the_wall_stops_the_paddle_instead_of_leaving_the_table() -> None:
    state = playing((table.PUCK_X, -0.5), (0.0, 0.0), paddle0=(0.3, -0.5))
    for _ in range(30):
        state = rules.step(state, [at(table.PADDLE_X, state.puck_y), None], OPTIONS)
        check_invariants(state)
        gap = hypot(state.puck_x - state.paddles[0][0], state.puck_y - state.paddles[0][1])
        assert gap > table.CONTACT - 0.001


def test_two_paddles_squeeze_the_puck_on_the_middle_line_without_harm() -> None:
    state = playing((0.0, 0.001), (0.0, 0.0), paddle0=(0.0, -0.2), paddle1=(0.0, 0.2))
    for _ in range(120):
        state = rules.step(state, [at(0.0, 0.0), at(0.0, 0.0)], OPTIONS)
        check_invariants(state)


@pytest.mark.parametrize(("y", "scorer"), [(0.9, 0), (-0.9, 1)])
def test_a_puck_through_the_mouth_is_a_goal_for_the_other_side(y: float, scorer: int) -> None:
    state = playing((0.0, y), (0.0, 3.0 if y > 0 else -3.0), paddle0=(0.4, -0.3), paddle1=(0.4, 0.3))
    for _ in range(5):
        state = rules.step(state, [None, None], OPTIONS)
        if state.phase == Phase.GOAL:
            break
    assert (state.score0, state.score1) == ((1, 0) if scorer == 0 else (0, 1))
    assert state.receiver == 1 - scorer
    assert state.phase_ticks == table.GOAL_TICKS
    for _ in range(table.GOAL_TICKS):
        state = rules.step(state, [None, None], OPTIONS)
    assert state.happened & Happened.SERVE
    assert state.phase == Phase.PLAY
    assert (state.puck_vy < 0) == (state.receiver == 0)


@pytest.mark.parametrize("x", [table.GOAL_HALF, table.GOAL_HALF - 0.01, -table.GOAL_HALF + 0.01, 0.3])
def test_posts_and_end_walls_keep_the_puck_out(x: float) -> None:
    state = playing((x, 0.9), (0.0, 2.0), paddle1=(0.0 if abs(x) > 0.25 else 0.4, 0.3))
    for _ in range(10):
        state = rules.step(state, [None, None], OPTIONS)
    assert state.score0 == 0
    assert state.puck_vy < 0


def test_a_puck_that_stays_in_one_half_is_served_to_the_other_seat() -> None:
    state = playing((0.3, -0.3), (0.0, 0.0))
    for _ in range(table.POSSESSION_TICKS):
        assert not state.happened & Happened.POSSESSION
        state = rules.step(state, [None, None], OPTIONS)
    assert state.happened & Happened.POSSESSION
    assert state.puck_vy > 0
    assert (state.puck_x, state.puck_y) == (0.0, 0.0)


def test_nobody_plays_and_the_match_still_ends_as_a_draw() -> None:
    options = MatchOptions(win_score=3, time_limit_s=20)
    # Undefended goals catch a serve that bounces in, so the paddles hide the mouth by standing in it.
    state = rules.start(5)
    for _ in range(options.time_limit_ticks + table.SUDDEN_DEATH_TICKS):
        state = rules.step(
            state, [at(state.puck_x, -table.PADDLE_FAR), at(state.puck_x, table.PADDLE_FAR)], options
        )
        if state.is_over:
            break
    assert state.is_over
    if state.score0 == state.score1:
        assert (state.winner, state.reason) == (NOBODY, Reason.TIME)
        assert state.tick == options.time_limit_ticks + table.SUDDEN_DEATH_TICKS


def about_to_score() -> MatchState:
    return playing((0.0, 0.95), (0.0, 3.0), paddle1=(0.4, 0.3))


def test_the_winning_goal_ends_the_match() -> None:
    state = about_to_score()
    state.score0 = 2
    for _ in range(3):
        state = rules.step(state, [None, None], OPTIONS)
    assert (state.phase, state.winner, state.reason) == (Phase.OVER, 0, Reason.GOALS)
    frozen = rules.step(state, [at(0.3, -0.3), None], OPTIONS)
    assert frozen.paddle(0) == state.paddle(0)
    assert frozen.tick == state.tick + 1


def test_at_the_time_limit_the_leader_wins() -> None:
    state = playing()
    state.score1 = 1
    state.tick = OPTIONS.time_limit_ticks - 1
    state = rules.step(state, [None, None], OPTIONS)
    assert (state.phase, state.winner, state.reason) == (Phase.OVER, 1, Reason.TIME)


def test_an_even_match_at_the_limit_is_decided_by_the_next_goal() -> None:
    state = about_to_score()
    state.tick = OPTIONS.time_limit_ticks - 1
    state = rules.step(state, [None, None], OPTIONS)
    assert not state.is_over
    for _ in range(3):
        state = rules.step(state, [None, None], OPTIONS)
    assert (state.phase, state.winner, state.reason) == (Phase.OVER, 0, Reason.SUDDEN_DEATH)


@pytest.mark.parametrize("seat", [0, 1])
def test_who_leaves_has_lost(seat: int) -> None:
    state = rules.forfeit(playing(), seat)
    assert (state.phase, state.winner, state.reason) == (Phase.OVER, 1 - seat, Reason.FORFEIT)
    assert rules.forfeit(state, 1 - seat) == state


@pytest.mark.parametrize("seat", range(6))
def test_who_leaves_has_lost_for_the_whole_team(seat: int) -> None:
    state = rules.forfeit(rules.start(1, 6), seat)
    assert (state.winner, state.reason) == (1 - seat % 2, Reason.FORFEIT)


def test_without_a_number_of_goals_that_wins_only_time_ends_a_match_and_99_goals_are_all_that_count() -> None:
    options = MatchOptions(win_score=0, time_limit_s=60)
    state = about_to_score()
    state.score0 = 99
    for _ in range(3):
        state = rules.step(state, [None, None], options)
    assert (state.phase, state.score0) == (Phase.GOAL, 99)
    state.tick = options.time_limit_ticks - 1
    state = rules.step(state, [None, None], options)
    assert (state.winner, state.reason) == (0, Reason.TIME)


@pytest.mark.parametrize(
    ("players", "sizes"), [(2, (1, 1)), (3, (2, 1)), (4, (2, 2)), (5, (3, 2)), (6, (3, 3))]
)
def test_seats_alternate_between_the_teams_and_start_apart_in_their_own_half(
    players: int, sizes: tuple[int, int]
) -> None:
    state = rules.start(1, players)
    teams = [[state.paddles[seat] for seat in range(players) if team_of(seat) == team] for team in (0, 1)]
    assert (len(teams[0]), len(teams[1])) == sizes
    for side, team in zip((-1.0, 1.0), teams, strict=True):
        assert team[0] == (0.0, side * table.HOME_Y)
        for number, (x, y) in enumerate(team):
            assert table.PADDLE_NEAR <= side * y <= table.PADDLE_FAR
            assert all(hypot(x - qx, y - qy) > table.SPACE for qx, qy in team[:number])


class TeamChaos:
    """Everybody of both teams chases the puck, a teammate, or any place."""

    def __init__(self, seed: int, players: int) -> None:
        self.random = random.Random(seed)
        self.targets: list[Target | None] = [None] * players

    def inputs(self, state: MatchState) -> list[Target | None]:
        for seat in range(len(self.targets)):
            roll = self.random.random()
            if roll < 0.1:
                self.targets[seat] = (self.random.randint(-32768, 32767), self.random.randint(-32768, 32767))
            elif roll < 0.3:
                self.targets[seat] = at(state.puck_x, state.puck_y)
            elif roll < 0.5:
                self.targets[seat] = at(*state.paddles[(seat + 2) % len(self.targets)])
        return list(self.targets)


@pytest.mark.parametrize("players", [3, 4, 5, 6])
def test_teams_in_chaos_keep_every_bound_and_teammates_do_not_run_into_each_other(players: int) -> None:
    options = MatchOptions(win_score=3, time_limit_s=60, players=players)
    touched = 0
    for seed in range(3):
        state, chaos = rules.start(seed, players), TeamChaos(seed, players)
        while not state.is_over:
            before = state
            state = rules.step(state, chaos.inputs(state), options)
            check_invariants(state)
            for seat in range(players):
                x, y = state.paddles[seat]
                ox, oy = before.paddles[seat]
                near = hypot(x - state.puck_x, y - state.puck_y)
                reach = table.PADDLE_MAX_SPEED / table.TICK_HZ + 1 / table.PADDLE_GRID
                assert hypot(x - ox, y - oy) < reach or near < table.CONTACT + 0.06
                for mate in range(seat % 2, seat, 2):
                    (qx, qy), (bx, by) = state.paddles[mate], before.paddles[mate]
                    gap = hypot(x - qx, y - qy)
                    touched += gap < table.SPACE + 0.001
                    if gap > table.SPACE - 0.0012 or gap > hypot(ox - bx, oy - by) - 0.0002:
                        continue
                    # Only a paddle that gives way to a pinned puck may be pushed into a teammate; then they part.
                    near = min(hypot(state.puck_x - px, state.puck_y - py) for px, py in ((x, y), (qx, qy)))
                    moved_puck = state.happened & (Happened.SERVE | Happened.GOAL_0 | Happened.GOAL_1)
                    assert moved_puck or near < table.CONTACT + 0.06
                    assert gap > table.SPACE - 0.06
    assert touched > 100


def test_teammates_that_want_the_same_place_stop_beside_each_other() -> None:
    options = MatchOptions(players=4)
    state = rules.start(1, 4)
    for _ in range(60):
        state = rules.step(state, [at(0.3, -0.5), None, at(0.3, -0.5), None], options)
    (x, y), (qx, qy) = state.paddles[0], state.paddles[2]
    assert table.SPACE - 0.001 < hypot(x - qx, y - qy) < table.SPACE + 0.03
    assert min(hypot(x - 0.3, y + 0.5), hypot(qx - 0.3, qy + 0.5)) < 0.05


def test_a_paddle_slides_around_a_teammate_in_its_way() -> None:
    options = MatchOptions(players=4)
    state = rules.start(1, 4)
    state.paddles = ((0.0, -0.8), (0.0, 0.8), (0.02, -0.5), (0.0, 0.3))
    for _ in range(60):
        state = rules.step(state, [at(0.0, -0.2), None, None, None], options)
    assert hypot(state.paddles[0][0], state.paddles[0][1] + 0.2) < 0.001
    assert state.paddles[2] == (round(0.02 * 16384) / 16384, -0.5)


def test_opponents_share_the_middle_line_untouched_by_the_teammates_rule() -> None:
    options = MatchOptions(players=4)
    state = rules.start(1, 4)
    state.paddles = ((0.0, -0.75), (0.0, 0.75), (0.4, -0.5), (0.4, 0.5))
    for _ in range(60):
        state = rules.step(state, [at(0.0, 0.0), at(0.0, 0.0), None, None], options)
    assert state.paddles[0] == (0.0, -table.PADDLE_NEAR)
    assert state.paddles[1] == (0.0, table.PADDLE_NEAR)


def test_a_half_turn_swaps_teams_of_three() -> None:
    options = MatchOptions(players=6)
    state, chaos = rules.start(4, 6), TeamChaos(9, 6)
    turned = rules.start(4, 6)
    turned.receiver = 1 - state.receiver
    for _ in range(150):
        inputs = chaos.inputs(state)
        mirrored = [None if i is None else (-i[0], -i[1]) for i in inputs]
        swapped = [mirrored[seat ^ 1] for seat in range(6)]
        state, turned = rules.step(state, inputs, options), rules.step(turned, swapped, options)
        for seat in range(6):
            x, y = turned.paddles[seat ^ 1]
            assert (x, y) == pytest.approx((-state.paddles[seat][0], -state.paddles[seat][1]), abs=2e-3)
        turned.paddles = tuple((-x, -y) for x, y in (state.paddles[seat ^ 1] for seat in range(6)))


@pytest.mark.parametrize(
    "options",
    [
        {"win_score": 4},
        {"win_score": -1},
        {"time_limit_s": 0},
        {"time_limit_s": 9999},
        {"players": 1},
        {"players": 7},
    ],
)
def test_options_not_on_offer_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        MatchOptions(**options)
