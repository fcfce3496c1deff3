"""Writes docs/protocol/vectors/air-hockey.json: bytes and steps of Air Hockey, for every implementation of its rules.

    python scripts/write_air_hockey_vectors.py

Running it again changes nothing unless the game changed; then its VERSION must rise.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
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
        "steps": [*situations(), *chaos(), whole_match()],
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
        "paddles": [
            int(value * table.PADDLE_GRID)
            for value in (state.paddle0_x, state.paddle0_y, state.paddle1_x, state.paddle1_y)
        ],
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
        "11 goals": patched(good, 2, 11),
        "420 ticks in one half": patched(good, 4, 420 >> 8, 420 & 255),
        "random 0": patched(good, 6, 0, 0, 0, 0),
        "random 2**31 - 1": patched(good, 6, 0x7F, 0xFF, 0xFF, 0xFF),
        "happened 512": patched(good, 10, 2, 0),
        "the puck off the table": patched(good, 12, 0x7F),
        "the puck too fast": patched(good, 20, 0x7F),
        "paddle 0 over the middle": patched(good, 30, 0, 0),
        "paddle 1 outside": patched(good, 34, 0x7F, 0xFF),
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
    **fields: int,
) -> MatchState:
    """A state in PLAY, on the grids."""
    state = initial_state(1)
    state.phase, state.phase_ticks = int(Phase.PLAY), 0
    state.puck_x, state.puck_y = puck
    state.puck_vx, state.puck_vy = velocity
    state.paddle0_x, state.paddle0_y = paddle0
    state.paddle1_x, state.paddle1_y = paddle1
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
        steps(name, state, [first] * ticks, [second] * ticks, every=1 if ticks <= 40 else 20)
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
        seats: tuple[list[bytes], list[bytes]] = ([], [])
        current = state
        for _ in range(60):
            for seat in seats:
                near = chance.random() < 0.5
                x = current.puck_x if near else chance.uniform(-0.5, 0.5)
                y = current.puck_y if near else chance.uniform(-1, 1)
                keep = seat and chance.random() < 0.7
                seat.append(seat[-1] if keep else target(x, y))
            current = play(current, seats[0][-1], seats[1][-1])
        result.append(steps(f"chaos {number}", state, *seats, every=10))
    return result


def whole_match() -> dict[str, Any]:
    """A match of two bots from the countdown to the end."""
    game = AirHockey({"win_score": 3})
    bots = [game.bot(0, 21), game.bot(1, 22)]
    start = state = game.start(4)
    seats: tuple[list[bytes], list[bytes]] = ([], [])
    while not state.is_over:
        for seat, bot in zip(seats, bots, strict=True):
            seat.append(bot(state))
        state = game.step(state, [seats[0][-1], seats[1][-1]])
    return steps("a whole match", start, *seats, every=60)


def play(state: MatchState, first: bytes, second: bytes) -> MatchState:
    """One step."""
    return rules.step(state, wire.decode_input(first), wire.decode_input(second), OPTIONS)


def steps(
    name: str, state: MatchState, first: Sequence[bytes], second: Sequence[bytes], every: int
) -> dict[str, Any]:
    """A start, the inputs of both seats, and the state every so many ticks and at the end."""
    start = {"tick": state.tick, "snapshot": wire.encode_snapshot(state).hex()}
    checkpoints = []
    for number, (one, two) in enumerate(zip(first, second, strict=True), start=1):
        state = play(state, one, two)
        if number % every == 0 or number == len(first):
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
        "inputs": [b"".join(first).hex(), b"".join(second).hex()],
        "checkpoints": checkpoints,
    }


if __name__ == "__main__":
    main()
