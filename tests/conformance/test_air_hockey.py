"""A second implementation of Air Hockey, in another language and from the document alone, agrees bit for bit."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "docs/protocol/vectors/air-hockey.json"
PROGRAM = ROOT / "tests/conformance/air_hockey.mjs"


def run(vectors: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", str(PROGRAM), str(vectors)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.needs("node")
def test_node_steps_every_vector_to_the_same_bits() -> None:
    done = run(VECTORS)
    assert done.returncode == 0, done.stderr
    assert "the same bits" in done.stdout


@pytest.mark.needs("node")
def test_one_other_bit_is_noticed(tmp_path: Path) -> None:
    vectors = json.loads(VECTORS.read_text())
    start = vectors["steps"][1]["start"]
    snapshot = bytearray.fromhex(start["snapshot"])
    snapshot[27] ^= 1  # the lowest bit of the puck's speed
    start["snapshot"] = snapshot.hex()
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(vectors))
    assert run(changed).returncode == 1
