"""The vectors are what their scripts write: nobody changes the protocol, or a vector, without the other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*vectors*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_writes_the_vectors_that_are_there(name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    vectors = tmp_path / "docs" / "protocol" / "vectors"
    vectors.mkdir(parents=True)
    packages = os.pathsep.join([str(ROOT), str(ROOT / "sdk" / "python")])
    command = [sys.executable, str(tmp_path / "scripts" / name)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": packages},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = sorted(path for path in vectors.rglob("*") if path.is_file())
    assert written
    for path in written:
        there = ROOT / path.relative_to(tmp_path)
        assert path.read_bytes() == there.read_bytes(), f"{there.relative_to(ROOT)}: run `make vectors`"
