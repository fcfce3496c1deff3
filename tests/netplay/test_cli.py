"""The command line: what it prints where, and the exit codes that scripts rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from netplay import __version__


@pytest.fixture
def run(tmp_path: Path) -> object:
    def run_netplay(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NETPLAY_")}
        clean |= {
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "PYTHONPATH": os.pathsep.join(sys.path),
            **environment,
        }
        return subprocess.run(
            [sys.executable, "-m", "netplay", *arguments],
            cwd=tmp_path,
            env=clean,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_netplay


def test_version_is_told_for_people_and_for_programs(run) -> None:
    assert f"netplay {__version__}" in run("version").stdout
    assert json.loads(run("version", "--json").stdout)["netplay"] == __version__


def test_help_names_every_command_and_exits_zero(run) -> None:
    told = run("--help")
    assert told.returncode == 0
    for command in ("serve", "demo", "replay", "bench", "version", "key", "config"):
        assert command in told.stdout


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("serve", "--nonsense"), ("replay",), ("bench", "nonsense")]
)
def test_an_unknown_command_or_option_exits_two(run, arguments: tuple[str, ...]) -> None:
    told = run(*arguments)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr


def test_a_refused_configuration_is_one_sentence_and_exit_code_two(run) -> None:
    told = run("serve", "--port", "70000")
    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr == "netplay: port = 70000 (from --port) is refused: it should be at most 65535.\n"


def test_production_without_keys_does_not_start(run) -> None:
    told = run("serve", "--mode", "production", "--port", "0")
    assert told.returncode == 2
    assert "netplay key new DEVELOPER" in told.stderr
    assert told.stderr.count("\n") == 1


def test_the_key_is_printed_alone_and_stays_the_same(run, tmp_path: Path) -> None:
    first, second = run("key"), run("key")
    assert first.returncode == 0
    assert first.stdout == second.stdout
    assert first.stdout.startswith("npk_")
    assert (tmp_path / "state" / "netplay" / "development-key").read_text() == first.stdout


def test_production_has_no_development_key(run, tmp_path: Path) -> None:
    told = run("key", NETPLAY_MODE="production")
    assert told.returncode == 2
    assert "there is no development key in production" in told.stderr
    assert not (tmp_path / "state").exists()


def test_a_new_key_is_printed_with_the_lines_that_configure_it(run, tmp_path: Path) -> None:
    told = run("key", "new", "bob")
    lines = told.stdout[told.stdout.index("[[keys]]") :]
    (tmp_path / "netplay.toml").write_text('mode = "production"\n' + lines)
    checked = run("config", "check")
    assert checked.returncode == 0
    assert "of bob   (netplay.toml)" in checked.stdout


def test_config_check_tells_every_value_and_where_it_comes_from(run) -> None:
    told = run("config", "check", "--set", "limits.channels=3", NETPLAY_PORT="8000", NETPLAY_PROT="1")
    assert told.returncode == 0
    assert "port = 8000   (NETPLAY_PORT)" in told.stdout
    assert "limits.channels = 3   (--set limits.channels)" in told.stdout
    assert "host = 127.0.0.1   (default)" in told.stdout
    assert "NETPLAY_PROT means nothing" in told.stderr


def test_a_recording_that_is_none_is_one_sentence(run, tmp_path: Path) -> None:
    (tmp_path / "match.rec").write_bytes(b"nothing of the kind")
    for file in ("match.rec", "missing.rec"):
        told = run("replay", file)
        assert told.returncode == 2
        assert told.stderr.startswith("netplay: ")
        assert "Traceback" not in told.stderr


def test_a_scenario_that_does_not_exist_is_one_sentence(run) -> None:
    told = run("bench", "run", "nonsense")
    assert told.returncode == 2
    assert told.stderr.startswith("netplay: ")
    assert "codec" in told.stderr


def test_version_loads_nothing_of_the_server(run, tmp_path: Path) -> None:
    probe = (
        "import sys; from netplay.cli import main\n"
        "try: main(['version'])\n"
        "except SystemExit: pass\n"
        "heavy = {'asyncio', 'fastapi', 'uvicorn', 'numpy', 'hub', 'aiohttp', 'bench'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    told = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert told.returncode == 0, told.stderr
