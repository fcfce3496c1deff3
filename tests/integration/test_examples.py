"""Every example runs against a real server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_process import serving

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("name", ["quickstart.py"])
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        key = (tmp_path / "state" / "netplay" / "development-key").read_text().strip()
        told = subprocess.run(
            [sys.executable, str(ROOT / "examples" / name), server.url],
            env={**server.environment, "NETPLAY_API_KEY": key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert told.returncode == 0, told.stderr
    assert "hears ada: Hello, everyone!" in told.stdout
