"""Every vector follows from the protocol documents alone: `scripts/verify_spec.py` is a second reading of them."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import verify_spec
from scripts.spec.wire import Disagreement, Unfit

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "docs" / "protocol" / "vectors"

WITHOUT_THE_PROJECT = """
import runpy, sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {packages}:
            raise ImportError("imports " + name)

sys.meta_path.insert(0, Wall())
sys.argv = ["verify_spec.py"]
runpy.run_path({script!r}, run_name="__main__")
"""


def project_packages() -> set[str]:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"scripts"}
    found |= {path.parent.name for path in (ROOT / "sdk" / "python").glob("*/__init__.py")}
    assert {"netcore", "messaging", "hub", "messaging_agent"} <= found
    return found


def test_the_script_checks_every_file_without_importing_the_project() -> None:
    program = WITHOUT_THE_PROJECT.format(
        packages=project_packages(), script=str(ROOT / "scripts" / "verify_spec.py")
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for path in VECTORS.glob("*.json"):
        assert f"{path.name} " in done.stdout


@pytest.fixture
def from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of vectors that the script reads instead."""
    monkeypatch.setattr(verify_spec, "FOLDER", tmp_path)
    for path in VECTORS.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_file_that_no_check_reads_and_one_that_is_not_there_are_failures(
    from_here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify_spec, "CHECKS", {"varint.json": verify_spec.CHECKS["varint.json"]})
    for path in from_here.glob("*.json"):
        if path.name != "token.json":
            path.unlink()
    assert verify_spec.main() == 1
    told = capsys.readouterr().out
    assert "token.json" in told and "no check reads this file" in told
    assert "no such vectors: varint.json" in told


def hexadecimal(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where good vectors have bytes."""
    if isinstance(value, dict):
        if value.get("shown") is False:
            return
        for name, inner in value.items():
            if not str(name).startswith("bad") and name not in ("violations", "restore_u16", "reasons"):
                yield from hexadecimal(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from hexadecimal(inner, (*path, number))
    elif isinstance(value, str) and len(value) >= 8 and set(value) <= set("0123456789abcdef"):
        yield path


def changed(vectors: Any, path: tuple[Any, ...]) -> Any:
    """The vectors with one hexadecimal digit turned over, in the middle of the value at `path`."""
    vectors = copy.deepcopy(vectors)
    place = vectors
    for step in path[:-1]:
        place = place[step]
    text = place[path[-1]]
    middle = len(text) // 2
    place[path[-1]] = text[:middle] + f"{int(text[middle], 16) ^ 1:x}" + text[middle + 1 :]
    return vectors


@pytest.mark.parametrize("name", sorted(path.name for path in VECTORS.glob("*.json")))
def test_one_changed_digit_in_a_good_vector_is_noticed(name: str) -> None:
    vectors = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    paths = list(hexadecimal(vectors))
    if name == "datagrams_bad.json":  # the one answer that a bad datagram gets
        paths = [path for path in paths if path[-1] == "answer"]
    assert paths
    for path in paths[:: max(1, len(paths) // 12)]:
        with pytest.raises((Disagreement, Unfit, AssertionError, KeyError, ValueError)):
            verify_spec.CHECKS[name](changed(vectors, path))


@pytest.mark.parametrize("name", ["token.json", "packet.json", "frames.json", "e2ee.json", "messaging.json"])
def test_a_bad_vector_with_another_reason_is_noticed(name: str) -> None:
    vectors = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    bad = vectors["bad"]["control"] if isinstance(vectors["bad"], dict) else vectors["bad"]
    for reason in ("reason", "counted_as", "error", "code"):
        if reason in bad[0]:
            bad[0][reason] = {"error": "lane", "code": "LIMIT_EXCEEDED"}.get(reason, "another")
    with pytest.raises(Disagreement):
        verify_spec.CHECKS[name](vectors)
