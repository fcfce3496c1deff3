"""The systemd unit: systemd understands it, it is hardened, and the server works under what it forbids."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from netplay.config import Config, environment_name
from netplay.serve import STOP_MARGIN_S

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = ROOT / "deploy" / "netplay.service"
TEXT = FILE.read_text(encoding="utf-8")

WORST_EXPOSURE = 2.0
"""Of 10, as `systemd-analyze security` counts."""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with a program that is there: systemd looks whether it can be run."""
    unit = tmp_path / "netplay.service"
    program = Path(sys.executable).with_name("netplay")
    assert "/opt/netplay/bin/netplay" in TEXT
    unit.write_text(TEXT.replace("/opt/netplay/bin/netplay", str(program)))
    return unit


@pytest.mark.needs("systemd")
def test_systemd_finds_nothing_to_complain_about(installed: Path) -> None:
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(installed)], capture_output=True, text=True, check=False
    )
    assert "netplay.service" not in told.stderr
    assert told.returncode == 0, told.stderr


@pytest.mark.needs("systemd")
def test_little_of_the_machine_is_exposed(installed: Path) -> None:
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(installed)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for netplay\.service: ([\d.]+)", told.stdout)
    assert found, told.stderr
    assert float(found.group(1)) <= WORST_EXPOSURE


def test_the_server_may_finish_before_it_is_killed() -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", TEXT, re.MULTILINE)
    assert found
    assert float(found.group(1)) > Config.model_fields["shutdown_s"].default + STOP_MARGIN_S


def test_environment_variables_mean_something() -> None:
    known = {environment_name(name) for name in Config.model_fields}
    named = set(re.findall(r"(NETPLAY_[A-Z_]+)=", TEXT))
    assert named
    assert named <= known


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux'")
def test_the_server_needs_no_memory_that_is_writable_and_executable(tmp_path: Path) -> None:
    """What MemoryDenyWriteExecute= forbids, forbidden to a server that imports and binds everything."""
    script = (
        "import ctypes, sys\n"
        "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit(77)\n"  # PR_SET_MDWE, Linux 6.3
        "import asyncio, os, pathlib\n"
        "from hub.keys import KeyRing\n"
        "from netplay.config import Config\n"
        "from netplay.serve import _loop_factory\n"
        "from netplay.server import NetplayServer\n"
        "from netplay.tls import server_tls\n"
        "async def run():\n"
        "    config = Config(port=0, lan=True, state_dir=pathlib.Path(sys.argv[1]), shutdown_s=0)\n"
        "    server = NetplayServer(config, KeyRing(), tls=server_tls(config))\n"
        "    await server.start(); await server.stop()\n"
        "asyncio.Runner(loop_factory=_loop_factory()).run(run())\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    if told.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert told.returncode == 0, told.stderr
