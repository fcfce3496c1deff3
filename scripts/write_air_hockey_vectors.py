"""Writes docs/protocol/vectors/air-hockey.json: bytes and steps of Air Hockey, for every implementation of its rules.

    python scripts/write_air_hockey_vectors.py

Running it again changes nothing unless the game changed; then its VERSION must rise.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from games.airhockey import rules, table, wire
from games.airhockey.game import AirHockey
from games.airhockey.rules import MatchOptions
from games.airhockey.state import MatchState, Phase, canonical_bytes, initial_state, state_hash
from games.messages import SeatReport, SnapshotFrame

FILE = Path(__file__).resolve().parent.parent / "docs" / "protocol" / "vectors" / "air-hockey.json"

OPTIONS = MatchOptions(win_score=3, time_limit_s=300)
STAND = wire.NEUTRAL


def main() -> None:
    """Write the file."""
    vectors = {
        "about": "docs/protocol/games/air-hockey.md and room.md. Integers are decimal, bytes hexadecimal.",
        "version": table.VERSION,
        "table": {
            name.lower(): value
            for name, value in vars(table).items()
            if name.isupper() and isinstance(value, int | float)
        },
        "inputs": inputs(),
        "bad_inputs": ["", "00", "000000", "0000000000"],
        "snapshots": snapshots(),
        "bad_snapshots": bad_snapshots(),
        "frames": frames(),
        "bad_frames": bad_frames(),
        "steps": [*situations(), *team_situations(), *chaos(), *team_chaos(), whole_match(), team_match()],
    }
    FILE.write_text(json.dumps(vectors, indent=1) + "\n")


def inputs() -> list[dict[str, Any]]:
    """Targets and their bytes."""
    targets = [(0, 0), (1, -1), (7168, -12288), (32767, -32767), None]
    return [
        {"target": None if target is None else list(target), "hex": wire.encode_input(target).hex()}
        for target in targets
    ]


def snapshots() -> list[dict[str, Any]]:
    """States of a match, with every field, the snapshot's bytes, the canonical bytes and their hash."""
    game = AirHockey({"win_score": 3})
    bots = [game.bot(0, 1), game.bot(1, 2)]
    state, chosen = game.start(11), []
    chosen.append(state)
    while not state.is_over:
        state = game.step(state, [bot(state) for bot in bots])
        if state.tick in {1, 180, 181, 300, 500} or state.happened & 0b111100000:
            chosen.append(state)
    chosen.append(rules.forfeit(chosen[3], 0))
    for players in range(3, table.MAX_PLAYERS + 1):
        chosen.append(initial_state(players, players))
    return [described(state) for state in chosen]


def described(state: MatchState) -> dict[str, Any]:
    """All of `state` in integers, and as bytes."""
    return {
        "tick": state.tick,
        "phase": int(state.phase),
        "phase_ticks": state.phase_ticks,
        "score": [state.score0, state.score1],
        "receiver": state.receiver,
        "possession_ticks": state.possession_ticks,
        "random": state.random,
        "happened": state.happened,
        "winner": state.winner,
        "reason": int(state.reason),
        "puck": [
            int(value * table.PUCK_GRID)
            for value in (state.puck_x, state.puck_y, state.puck_vx, state.puck_vy)
        ],
        "paddles": [int(value * table.PADDLE_GRID) for paddle in state.paddles for value in paddle],
        "hex": wire.encode_snapshot(state).hex(),
        "canonical": canonical_bytes(state).hex(),
        "hash": state_hash(state),
    }


def bad_snapshots() -> list[dict[str, str]]:
    """Snapshots that no match comes to."""
    good = wire.encode_snapshot(playing((0.0, 0.0), (1.0, 1.0)))
    bad = {
        "a byte short": good[:-1],
        "a byte long": good + b"\0",
        "winner 2": patched(good, 0, 1 | 3 << 3),
        "reason 5": patched(good, 0, 3 | 5 << 5),
        "over without a reason": patched(good, 0, 3),
        "a reason before the end": patched(good, 0, 1 | 1 << 5),
        "a winner before the end": patched(good, 0, 1 | 1 << 3),
        "a pause of 181 ticks": patched(good, 1, 181),
        "100 goals": patched(good, 2, 100),
        "420 ticks in one half": patched(good, 4, 420 >> 8, 420 & 255),
        "random 0": patched(good, 6, 0, 0, 0, 0),
        "random 2**31 - 1": patched(good, 6, 0x7F, 0xFF, 0xFF, 0xFF),
        "happened 8192": patched(good, 10, 0x20, 0),
        "the puck off the table": patched(good, 12, 0x7F),
        "the puck too fast": patched(good, 20, 0x7F),
        "paddle 0 over the middle": patched(good, 30, 0, 0),
        "paddle 1 outside": patched(good, 34, 0x7F, 0xFF),
        "paddle 2 in the other half": good + good[32:36],
        "seven paddles": good + 2 * (good[28:36] + good[28:32]),
        "one paddle": good[:-4],
    }
    for why, data in bad.items():
        try:
            wire.decode_snapshot(data, 1)
        except wire.WireError:
            continue
        raise AssertionError(f"{why} is accepted")
    return [{"why": why, "hex": data.hex()} for why, data in bad.items()]


def patched(data: bytes, place: int, *values: int) -> bytes:
    """`data` with other bytes from `place` on."""
    return data[:place] + bytes(values) + data[place + len(values) :]


def frames() -> list[dict[str, Any]]:
    """Snapshot frames of a room."""
    reports = [
        (1, 1, (SeatReport(0, None), SeatReport(0, None))),
        (2, 600, (SeatReport(602, 1.5), SeatReport(599, -0.75))),
        (255, 100_000, (SeatReport(1, 31.75), SeatReport(100_128, -31.75))),
    ]
    result = []
    for match, tick, seats in reports:
        data = SnapshotFrame(match, tick, seats, b"state").encode()
        decoded = SnapshotFrame.decode(data)
        result.append(
            {
                "match": match,
                "tick": tick,
                "seats": [
                    {"last_input_tick": seat.last_input_tick, "input_slack": seat.input_slack}
                    for seat in decoded.seats
                ],
                "state": b"state".hex(),
                "hex": data.hex(),
            }
        )
    return result


def bad_frames() -> list[dict[str, str]]:
    """Frames to drop."""
    return [
        {"why": "empty", "hex": ""},
        {"why": "no seats", "hex": "010000000100"},
        {"why": "17 seats", "hex": "010000000111" + "800080" * 17},
        {"why": "ends within a seat", "hex": "0100000001028000808000"},
    ]


def playing(
    puck: tuple[float, float],
    velocity: tuple[float, float],
    paddle0: tuple[float, float] = (0.0, -table.HOME_Y),
    paddle1: tuple[float, float] = (0.0, table.HOME_Y),
    *others: tuple[float, float],
    **fields: int,
) -> MatchState:
    """A state in PLAY, on the grids; a paddle more for each of `others`."""
    state = initial_state(1)
    state.phase, state.phase_ticks = int(Phase.PLAY), 0
    state.puck_x, state.puck_y = puck
    state.puck_vx, state.puck_vy = velocity
    state.paddles = (paddle0, paddle1, *others)
    for name, value in fields.items():
        setattr(state, name, value)
    rules._round(state)
    return wire.decode_snapshot(wire.encode_snapshot(state), state.tick)


def target(x: float, y: float) -> bytes:
    """The input that asks for (x, y)."""
    return wire.encode_input(wire.target_at(x, y))


def situations() -> list[dict[str, Any]]:
    """One rule at a time."""
    fast = table.PUCK_MAX_SPEED
    cases: list[tuple[str, MatchState, bytes, bytes, int]] = [
        ("countdown and first serve", initial_state(7), STAND, STAND, 200),
        ("free glide", playing((0.0, 0.1), (0.25, 0.5)), STAND, STAND, 30),
        ("side wall", playing((0.43, 0.1), (2.0, 0.5)), STAND, STAND, 10),
        ("corner", playing((0.4, -0.9), (2.0, -2.0)), STAND, STAND, 10),
        ("end wall beside the goal", playing((0.3, 0.9), (0.0, 3.0)), STAND, STAND, 10),
        ("post, from inside", playing((0.17, 0.9), (0.0, 2.0)), STAND, STAND, 10),
        ("post, slanting", playing((-0.1, -0.9), (-2.0, -1.5)), STAND, STAND, 10),
        ("standing paddle", playing((0.02, -0.5), (0.0, -2.0)), STAND, STAND, 12),
        ("swung paddle", playing((0.02, -0.5), (0.0, -fast)), target(0.0, -0.1), STAND, 12),
        ("glancing hit", playing((0.09, -0.5), (0.0, -3.0)), target(0.0, -0.2), STAND, 12),
        ("far target", playing((0.3, 0.3), (0.0, 0.0)), target(-1.9, 1.9), target(1.9, -1.9), 40),
        ("pinned to the wall", playing((0.45, -0.5), (0.0, 0.0), (0.2, -0.5)), target(0.5, -0.5), STAND, 30),
        ("pinned in the corner", playing((0.45, -0.95), (0.0, 0.0)), target(0.5, -1.0), STAND, 40),
        (
            "squeezed on the middle line",
            playing((0.01, 0.0), (0.0, 0.0), (0.0, -0.2), (0.0, 0.2)),
            target(0.0, 0.0),
            target(0.0, 0.0),
            40,
        ),
        ("goal for 0, then a serve", playing((0.0, 0.9), (0.0, 3.0), paddle1=(0.4, 0.3)), STAND, STAND, 80),
        ("goal for 1", playing((0.05, -0.9), (0.0, -3.0), paddle0=(0.4, -0.3)), STAND, STAND, 8),
        (
            "own goal",
            playing((0.0, -0.9), (0.0, 0.0), paddle0=(0.0, -0.7)),
            target(0.0, -1.0),
            STAND,
            12,
        ),
        (
            "the winning goal",
            playing((0.0, 0.9), (0.0, 3.0), paddle1=(0.4, 0.3), score0=2, score1=2),
            STAND,
            STAND,
            8,
        ),
        ("too long in one half", playing((0.3, -0.3), (0.0, 0.0), possession_ticks=415), STAND, STAND, 8),
        ("time, with a leader", playing((0.0, 0.1), (0.0, 0.0), tick=17_997, score1=1), STAND, STAND, 6),
        (
            "sudden death",
            playing((0.0, 0.9), (0.0, 2.0), paddle1=(0.4, 0.3), tick=17_998),
            STAND,
            STAND,
            8,
        ),
        ("draw", playing((0.0, 0.1), (0.0, 0.0), tick=21_597), STAND, STAND, 6),
    ]
    return [
        steps(name, state, [[first] * ticks, [second] * ticks], every=1 if ticks <= 40 else 20)
        for name, state, first, second, ticks in cases
    ]


def chaos() -> list[dict[str, Any]]:
    """Random places and wild paddles."""
    chance = random.Random(20)
    result = []
    for number in range(24):
        angle = chance.uniform(-1, 1), chance.uniform(-1, 1)
        length = (angle[0] ** 2 + angle[1] ** 2) ** 0.5
        speed = chance.uniform(0, table.PUCK_MAX_SPEED) / length
        puck = chance.uniform(-table.PUCK_X, table.PUCK_X), chance.uniform(-0.9, 0.9)
        state = playing(puck, (angle[0] * speed, angle[1] * speed))
        seats: list[list[bytes]] = [[], []]
        current = state
        for _ in range(60):
            for seat in seats:
                near = chance.random() < 0.5
                x = current.puck_x if near else chance.uniform(-0.5, 0.5)
                y = current.puck_y if near else chance.uniform(-1, 1)
                keep = seat and chance.random() < 0.7
                seat.append(seat[-1] if keep else target(x, y))
            current = play(current, [seat[-1] for seat in seats])
        result.append(steps(f"chaos {number}", state, seats, every=10))
    return result


def team_situations() -> list[dict[str, Any]]:
    """One rule of teams at a time."""
    rest = (0.0, 0.75)
    cases: list[tuple[str, MatchState, list[bytes], int]] = [
        ("countdown of six", initial_state(3, 6), [STAND] * 6, 190),
        (
            "head on into a teammate",
            playing((0.3, 0.3), (0.0, 0.0), (0.0, -0.8), rest, (0.0, -0.5)),
            [target(0.0, -0.2), STAND, STAND],
            20,
        ),
        (
            "around a teammate",
            playing((0.3, 0.3), (0.0, 0.0), (0.0, -0.8), rest, (0.03, -0.5)),
            [target(0.0, -0.2), STAND, STAND],
            30,
        ),
        (
            "the same place",
            playing((0.3, 0.3), (0.0, 0.0), (-0.3, -0.5), rest, (0.3, -0.5)),
            [target(0.0, -0.5), STAND, target(0.0, -0.5)],
            30,
        ),
        (
            "one behind the other",
            playing((-0.3, 0.3), (0.0, 0.0), (0.1, -0.7), rest, (0.1, -0.575), (0.3, 0.5)),
            [target(0.1, -0.2), STAND, target(0.1, -0.075), target(0.3, 0.9)],
            30,
        ),
        (
            "three at the wall",
            playing((-0.3, 0.3), (0.0, 0.0), (0.2, -0.7), rest, (0.2, -0.5), (0.3, 0.5), (0.0, -0.6)),
            [target(0.5, -0.6), STAND, target(0.5, -0.6), STAND, target(0.5, -0.6)],
            40,
        ),
        (
            "the puck between teammates",
            playing((0.0, -0.5), (0.0, 0.0), (-0.2, -0.5), rest, (0.2, -0.5)),
            [target(0.0, -0.5), STAND, target(0.0, -0.5)],
            40,
        ),
        (
            "three against the puck in the corner",
            playing((0.45, -0.95), (0.0, 0.0), (0.2, -0.9), rest, (0.3, -0.6), rest, (0.1, -0.7)),
            [target(0.5, -1.0), STAND, target(0.5, -1.0), STAND, target(0.5, -1.0)],
            40,
        ),
        (
            "overlapping teammates part and come no closer",
            playing((0.3, 0.3), (0.0, 0.0), (0.0, -0.5), rest, (0.0625, -0.5)),
            [target(0.2, -0.5), STAND, target(0.3, -0.4)],
            20,
        ),
    ]
    return [
        steps(name, state, [[data] * ticks for data in inputs], every=1 if ticks <= 40 else 20)
        for name, state, inputs, ticks in cases
    ]


def team_chaos() -> list[dict[str, Any]]:
    """Teams anywhere, chasing the puck and each other."""
    chance = random.Random(21)
    result = []
    for number in range(16):
        players = 3 + number % 4
        start = initial_state(number, players)
        seats: list[list[bytes]] = [[] for _ in range(players)]
        state = playing(
            (chance.uniform(-0.4, 0.4), chance.uniform(-0.1, 0.1)),
            (chance.uniform(-2, 2), chance.uniform(-2, 2)),
            *start.paddles,
        )
        current = state
        for _ in range(60):
            for own, seat in enumerate(seats):
                roll = chance.random()
                goal = (chance.uniform(-0.5, 0.5), chance.uniform(-1, 1))
                if roll < 0.4:
                    goal = (current.puck_x, current.puck_y)
                elif roll < 0.7:
                    goal = current.paddles[(own + 2) % players]
                keep = seat and chance.random() < 0.8
                seat.append(seat[-1] if keep else target(*goal))
            current = play(current, [seat[-1] for seat in seats])
        result.append(steps(f"team chaos {number}", state, seats, every=10))
    return result


def whole_match() -> dict[str, Any]:
    """A match of two bots from the countdown to the end."""
    return bots_match("a whole match", 2, 4, 21)


def team_match() -> dict[str, Any]:
    """A match of six bots from the countdown to the end."""
    return bots_match("a whole match of teams", 6, 12, 130)


def bots_match(name: str, players: int, seed: int, bot_seed: int) -> dict[str, Any]:
    """Bots that see the truth play a match."""
    game = AirHockey({"win_score": 3, "players": players})
    bots = [game.bot(seat, bot_seed + seat) for seat in range(players)]
    start = state = game.start(seed)
    seats: list[list[bytes]] = [[] for _ in bots]
    while not state.is_over:
        for seat, bot in zip(seats, bots, strict=True):
            seat.append(bot(state))
        state = game.step(state, [seat[-1] for seat in seats])
    return steps(name, start, seats, every=60)


def options_for(state: MatchState) -> MatchOptions:
    """The options under which `state` is stepped."""
    return replace(OPTIONS, players=len(state.paddles))


def play(state: MatchState, inputs: Sequence[bytes]) -> MatchState:
    """One step."""
    return rules.step(state, [wire.decode_input(data) for data in inputs], options_for(state))


def steps(name: str, state: MatchState, seats: Sequence[Sequence[bytes]], every: int) -> dict[str, Any]:
    """A start, the inputs of every seat, and the state every so many ticks and at the end."""
    start = {"tick": state.tick, "snapshot": wire.encode_snapshot(state).hex()}
    checkpoints = []
    for number, inputs in enumerate(zip(*seats, strict=True), start=1):
        state = play(state, inputs)
        if number % every == 0 or number == len(seats[0]):
            checkpoints.append(
                {
                    "tick": state.tick,
                    "snapshot": wire.encode_snapshot(state).hex(),
                    "hash": state_hash(state),
                }
            )
    return {
        "name": name,
        "win_score": OPTIONS.win_score,
        "time_limit_s": OPTIONS.time_limit_s,
        "start": start,
        "inputs": [b"".join(inputs).hex() for inputs in seats],
        "checkpoints": checkpoints,
    }


if __name__ == "__main__":
    main()
