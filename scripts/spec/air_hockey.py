"""Air Hockey's bytes: inputs, snapshots and the room's frames of air-hockey.json. games/air-hockey.md and room.md."""

from __future__ import annotations

import hashlib
import math
import struct
from typing import Any

from scripts.spec import air_hockey_rules as rules
from scripts.spec.air_hockey_rules import PADDLE_GRID, PUCK_GRID, State
from scripts.spec.wire import Disagreement, Reader, Refused, same

Vectors = dict[str, Any]
FASTEST = 3.5 + 1 / PUCK_GRID
FURTHEST_Y = 1.0390625
_HEAD = struct.Struct(">IBHBBBHIHbB")
_SNAPSHOT = struct.Struct(">BBBBHIH4i")


def input_of(data: bytes) -> tuple[int, int] | None:
    """Section 4: a target in grid steps, or None. Raises Refused."""
    if len(data) != 4:
        raise Refused("", "length")
    x, y = struct.unpack(">hh", data)
    return None if x == -32_768 else (x, y)


# Snapshots, section 9


def snapshot(data: bytes, tick: int) -> State:
    """Raises Refused where AIR-9-1 drops it, whatever the number of players."""
    seats, odd = divmod(len(data) - 28, 4)
    if odd or not 2 <= seats <= 6:
        raise Refused("", "length")
    head, phase_ticks, first, second, possession, random, happened, *puck = _SNAPSHOT.unpack_from(data)
    grid = struct.unpack_from(f">{2 * seats}h", data, 28)
    winner, reason, phase = (head >> 3 & 3) - 1, head >> 5, head & 3
    x, y, vx, vy = (value / PUCK_GRID for value in puck)
    paddles = [[grid[2 * seat] / PADDLE_GRID, grid[2 * seat + 1] / PADDLE_GRID] for seat in range(seats)]
    good = (
        phase_ticks <= 180
        and max(first, second) <= 99
        and possession < 420
        and 1 <= random <= 2**31 - 2
        and happened < 8192
        and winner <= 1
        and reason <= 4
        and (reason > 0) is (phase == rules.OVER)
        and (winner < 0 or phase == rules.OVER)
        and abs(x) <= rules.PUCK_X
        and abs(y) <= FURTHEST_Y
        and max(abs(vx), abs(vy)) <= FASTEST
        and all(_in_half(seat, paddle) for seat, paddle in enumerate(paddles))
    )
    if not good:
        raise Refused("", "range")
    return State(
        tick=tick,
        phase=phase,
        phase_ticks=phase_ticks,
        score=[first, second],
        random=random,
        receiver=head >> 2 & 1,
        possession=possession,
        happened=happened,
        winner=winner,
        reason=reason,
        puck=[x, y, vx, vy],
        paddles=paddles,
    )


def _in_half(seat: int, paddle: list[float]) -> bool:
    x, y = paddle
    near_y = -y if seat % 2 == 0 else y
    return abs(x) <= rules.PADDLE_X and rules.PADDLE_NEAR <= near_y <= rules.PADDLE_FAR


def snapshot_bytes(state: State) -> bytes:
    """The other direction."""
    head = state.phase | state.receiver << 2 | (state.winner + 1) << 3 | state.reason << 5
    return _SNAPSHOT.pack(
        head,
        state.phase_ticks,
        *state.score,
        state.possession,
        state.random,
        state.happened,
        *(int(value * PUCK_GRID) for value in state.puck),
    ) + struct.pack(
        f">{2 * len(state.paddles)}h",
        *(int(value * PADDLE_GRID) for paddle in state.paddles for value in paddle),
    )


def canonical(state: State) -> bytes:
    """Section 3."""
    reals = [*state.puck, *(value for paddle in state.paddles for value in paddle)]
    return _HEAD.pack(
        state.tick,
        state.phase,
        state.phase_ticks,
        *state.score,
        state.receiver,
        state.possession,
        state.random,
        state.happened,
        state.winner,
        state.reason,
    ) + struct.pack(f">{len(reals)}d", *reals)


def state_hash(state: State) -> str:
    """SHA-256 of the canonical bytes."""
    return hashlib.sha256(canonical(state)).hexdigest()


def _check_snapshot(case: Vectors) -> None:
    state = snapshot(bytes.fromhex(case["hex"]), case["tick"])
    found = {
        "tick": state.tick,
        "phase": state.phase,
        "phase_ticks": state.phase_ticks,
        "score": state.score,
        "receiver": state.receiver,
        "possession_ticks": state.possession,
        "random": state.random,
        "happened": state.happened,
        "winner": state.winner,
        "reason": state.reason,
        "puck": [int(value * PUCK_GRID) for value in state.puck],
        "paddles": [int(value * PADDLE_GRID) for paddle in state.paddles for value in paddle],
        "hex": snapshot_bytes(state).hex(),
        "canonical": canonical(state).hex(),
        "hash": state_hash(state),
    }
    same("snapshot", case, found)


# Frames, room.md section 5


def frame(data: bytes) -> Vectors:
    """A room's snapshot message. Raises Refused."""
    reader = Reader(data)
    match, tick, seats = reader.uint(1), reader.uint(4), reader.uint(1)
    if not 1 <= seats <= 16:
        raise Refused("", "seats")
    told = []
    for _ in range(seats):
        ahead, slack = struct.unpack(">hb", reader.take(3))
        last = 0 if ahead == -32_768 else tick + ahead  # 0: none, for ticks count from 1
        told.append({"last_input_tick": last, "input_slack": None if slack == -128 else slack / 4})
    return {"match": match, "tick": tick, "seats": told, "state": reader.rest().hex()}


def check_air_hockey(vectors: Vectors) -> int:
    """air-hockey.json."""
    for case in vectors["inputs"]:
        target = input_of(bytes.fromhex(case["hex"]))
        same("input", case["target"], None if target is None else list(target))
    for case in vectors["snapshots"]:
        _check_snapshot(case)
    for case in vectors["frames"]:
        _check_frame(case)
    bad = [{"why": "an input", "hex": data} for data in vectors["bad_inputs"]]
    _check_refused(bad, input_of)
    _check_refused(vectors["bad_snapshots"], lambda data: snapshot(data, 1))
    _check_refused(vectors["bad_frames"], frame)
    for case in vectors["steps"]:
        _check_steps(case)
    lists = ("inputs", "bad_inputs", "snapshots", "bad_snapshots", "frames", "bad_frames", "steps")
    return sum(len(vectors[name]) for name in lists)


def _check_frame(case: Vectors) -> None:
    found = frame(bytes.fromhex(case["hex"]))
    for seat in found["seats"]:
        if math.isnan(seat["input_slack"] or 0):
            raise Disagreement("slack")
    same("frame", {name: case[name] for name in found}, found)


def _check_refused(cases: list[Vectors], read: Any) -> None:
    for case in cases:
        try:
            read(bytes.fromhex(case["hex"]))
        except Refused:
            continue
        raise Disagreement(f"{case['why']}: the documents take these bytes")


def _check_steps(case: Vectors) -> None:
    state = snapshot(bytes.fromhex(case["start"]["snapshot"]), case["start"]["tick"])
    tracks = [bytes.fromhex(track) for track in case["inputs"]]
    checkpoints = {point["tick"]: point for point in case["checkpoints"]}
    for at in range(0, len(tracks[0]), 4):
        rules.step(
            state, [input_of(track[at : at + 4]) for track in tracks], case["win_score"], case["time_limit_s"]
        )
        point = checkpoints.pop(state.tick, None)
        if point is not None:
            where = f"{case['name']}, tick {state.tick}"
            found = (snapshot_bytes(state).hex(), state_hash(state))
            same(where, (point["snapshot"], point["hash"]), found)
    same(f"{case['name']}: ticks not reached", [], list(checkpoints))
