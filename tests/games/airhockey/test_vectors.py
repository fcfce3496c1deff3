"""The shared vectors: what every implementation of the rules must agree on, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from games.airhockey import rules, table, wire
from games.airhockey.rules import MatchOptions
from games.airhockey.state import canonical_bytes, state_hash
from games.messages import MessageError, SnapshotFrame

ROOT = Path(__file__).resolve().parents[3]
VECTORS: dict[str, Any] = json.loads((ROOT / "docs/protocol/vectors/air-hockey.json").read_text())


def test_the_vectors_are_of_this_version_and_table() -> None:
    assert VECTORS["version"] == table.VERSION
    for name, value in VECTORS["table"].items():
        assert getattr(table, name.upper()) == value


@pytest.mark.parametrize("vector", VECTORS["inputs"], ids=lambda vector: vector["hex"])
def test_inputs(vector: dict[str, Any]) -> None:
    target = None if vector["target"] is None else tuple(vector["target"])
    assert wire.encode_input(target).hex() == vector["hex"]
    assert wire.decode_input(bytes.fromhex(vector["hex"])) == target


@pytest.mark.parametrize("data", VECTORS["bad_inputs"])
def test_bad_inputs(data: str) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_input(bytes.fromhex(data))


@pytest.mark.parametrize("vector", VECTORS["snapshots"], ids=lambda vector: f"tick {vector['tick']}")
def test_snapshots(vector: dict[str, Any]) -> None:
    state = wire.decode_snapshot(bytes.fromhex(vector["hex"]), vector["tick"])
    assert wire.encode_snapshot(state).hex() == vector["hex"]
    assert canonical_bytes(state).hex() == vector["canonical"]
    assert state_hash(state) == vector["hash"]
    for name in ("phase", "phase_ticks", "receiver", "possession_ticks", "random", "winner", "reason"):
        assert getattr(state, name) == vector[name]
    assert [state.score0, state.score1] == vector["score"]
    assert [value / table.PUCK_GRID for value in vector["puck"]] == [
        state.puck_x,
        state.puck_y,
        state.puck_vx,
        state.puck_vy,
    ]
    assert [value / table.PADDLE_GRID for value in vector["paddles"]] == [
        value for paddle in state.paddles for value in paddle
    ]


@pytest.mark.parametrize("vector", VECTORS["bad_snapshots"], ids=lambda vector: vector["why"])
# AIR-9-1
def test_bad_snapshots(vector: dict[str, str]) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_snapshot(bytes.fromhex(vector["hex"]), 1)


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=lambda vector: f"match {vector['match']}")
def test_frames(vector: dict[str, Any]) -> None:
    frame = SnapshotFrame.decode(bytes.fromhex(vector["hex"]))
    assert (frame.match, frame.tick, frame.state.hex()) == (vector["match"], vector["tick"], vector["state"])
    seats = [{"last_input_tick": s.last_input_tick, "input_slack": s.input_slack} for s in frame.seats]
    assert seats == vector["seats"]
    assert frame.encode().hex() == vector["hex"]


@pytest.mark.parametrize("vector", VECTORS["bad_frames"], ids=lambda vector: vector["why"])
def test_bad_frames(vector: dict[str, str]) -> None:
    with pytest.raises(MessageError):
        SnapshotFrame.decode(bytes.fromhex(vector["hex"]))


@pytest.mark.parametrize("vector", VECTORS["steps"], ids=lambda vector: vector["name"])
# AIR-1-1, AIR-1-2
def test_steps(vector: dict[str, Any]) -> None:
    tracks = [bytes.fromhex(track) for track in vector["inputs"]]
    options = MatchOptions(vector["win_score"], vector["time_limit_s"], len(tracks))
    state = wire.decode_snapshot(bytes.fromhex(vector["start"]["snapshot"]), vector["start"]["tick"])
    wanted = {checkpoint["tick"]: checkpoint for checkpoint in vector["checkpoints"]}
    for at in range(0, len(tracks[0]), 4):
        state = rules.step(state, [wire.decode_input(track[at : at + 4]) for track in tracks], options)
        checkpoint = wanted.pop(state.tick, None)
        if checkpoint is not None:
            assert wire.encode_snapshot(state).hex() == checkpoint["snapshot"]
            assert state_hash(state) == checkpoint["hash"]
    assert not wanted


def test_the_script_writes_the_same_file_again(tmp_path: Path) -> None:
    from scripts import write_air_hockey_vectors as script

    before = script.FILE
    script.FILE = tmp_path / "vectors.json"
    try:
        script.main()
        assert json.loads(script.FILE.read_text()) == VECTORS
    finally:
        script.FILE = before
