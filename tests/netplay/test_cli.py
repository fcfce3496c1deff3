"""The command line: what it prints where, and the exit codes that scripts rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from netplay import __version__
from netplay.config import Config


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
    for command in ("serve", "demo", "replay", "impair", "bench", "version", "key", "keys", "config"):
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
    assert "netplay keys new DEVELOPER" in told.stderr
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
    told = run("keys", "new", "bob", "--print")
    lines = told.stdout[told.stdout.index("[[keys]]") :]
    (tmp_path / "netplay.toml").write_text('mode = "production"\n' + lines)
    shown = run("config", "show")
    assert shown.returncode == 0
    assert "of bob   (netplay.toml)" in shown.stdout
    assert not (tmp_path / "state").exists()


def test_keys_are_made_listed_and_revoked_in_the_keys_file(run, tmp_path: Path) -> None:
    made = run("keys", "new", "bob").stdout
    api_key = next(line for line in made.splitlines() if line.startswith("npk_"))
    file = (tmp_path / "state" / "netplay" / "keys.toml").read_text()
    assert api_key.rsplit("_", 1)[1] not in file
    listed = json.loads(run("keys", "list", "--json").stdout)
    assert [(key["id"], key["developer"]) for key in listed] == [(api_key.split("_")[1], "bob")]
    assert listed[0]["id"] in run("keys", "list").stdout
    assert run("config", "check", NETPLAY_MODE="production").returncode == 0
    assert run("keys", "revoke", listed[0]["id"]).returncode == 0
    assert json.loads(run("keys", "list", "--json").stdout) == []
    again = run("keys", "revoke", listed[0]["id"])
    assert (again.returncode, again.stdout) == (2, "")
    assert "has no key" in again.stderr


def test_an_existing_key_comes_in_by_standard_input_alone(run, tmp_path: Path) -> None:
    api_key = next(
        line for line in run("keys", "new", "x", "--print").stdout.splitlines() if line.startswith("npk_")
    )
    command = [sys.executable, "-m", "netplay", "keys", "hash", "bob"]
    environment = {**os.environ, "NETPLAY_STATE_DIR": str(tmp_path / "kept")}
    told = subprocess.run(
        command,
        input=api_key + "\n",
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert api_key not in told.stdout
    assert 'developer = "bob"' in (tmp_path / "kept" / "keys.toml").read_text()
    wrong = subprocess.run(
        command,
        input="nonsense\n",
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1


def test_config_show_tells_every_value_and_where_it_comes_from(run) -> None:
    told = run("config", "show", "--set", "limits.channels=3", NETPLAY_PORT="8000", NETPLAY_PROT="1")
    assert told.returncode == 0
    assert "port = 8000   (NETPLAY_PORT)" in told.stdout
    assert "limits.channels = 3   (--set limits.channels)" in told.stdout
    assert "host = 127.0.0.1   (default)" in told.stdout
    assert "NETPLAY_PROT means nothing" in told.stderr
    assert json.loads(run("config", "show", "--json", NETPLAY_PORT="8000").stdout)["port"] == {
        "value": "8000",
        "from": "NETPLAY_PORT",
    }


def test_config_check_says_whether_a_server_would_start_and_changes_nothing(run, tmp_path: Path) -> None:
    good = run("config", "check")
    assert (good.returncode, good.stdout.split(":")[0]) == (0, "good")
    for arguments, reason in (
        (["--set", "mode=production"], "netplay keys new"),
        (["--set", "tls_cert=a.pem"], "tls_key is not set"),
        (["--set", "tls_cert=a.pem", "--set", "tls_key=b.pem"], "cannot be read"),
        (["--set", "metrics_port=70000"], "metrics_port = 70000"),
    ):
        told = run("config", "check", *arguments)
        assert told.returncode == 2
        assert reason in told.stderr
        assert told.stderr.count("\n") == 1
    assert not (tmp_path / "state").exists()


def test_the_schema_describes_every_key(run) -> None:
    schema = json.loads(run("config", "schema").stdout)
    assert set(schema["properties"]) == set(Config.model_fields)
    assert schema["additionalProperties"] is False
    assert all({"description", "$ref"} & set(value) for value in schema["properties"].values())


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
