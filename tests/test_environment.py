"""The script that makes the environment says in a clear sentence what a machine lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "environment.sh"


def run(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "HOME": str(directory), **environment}
    return subprocess.run(
        ["sh", str(SCRIPT), str(directory / "venv"), "serve"],
        env=clean,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def program(directory: Path, name: str, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def shadow(directory: Path, **modules: str) -> str:
    """A PYTHONPATH on which each of `modules` is a package that runs this code."""
    for name, code in modules.items():
        package = directory / "shadow" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "__main__.py").write_text(code)
    return str(directory / "shadow")


def only_these_tools(directory: Path) -> Path:
    """A directory for PATH with what the script needs, and no Python."""
    directory.mkdir()
    for name in ("sh", "dirname", "touch"):
        (directory / name).symlink_to(
            next(path for path in (Path("/bin") / name, Path("/usr/bin") / name) if path.exists())
        )
    return directory


def test_an_old_python_is_told_with_the_version_that_was_found(tmp_path: Path) -> None:
    tools = only_these_tools(tmp_path / "bin")
    program(tools, "python3", 'case "$1" in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac')
    told = run(tmp_path, PATH=str(tools))
    assert told.returncode == 1
    assert told.stderr.startswith("netplay: Python 3.11 or newer is needed (here: Python 3.9.2).")
    assert told.stderr.count("\n") == 1


def test_a_machine_without_python_is_told(tmp_path: Path) -> None:
    told = run(tmp_path, PATH=str(only_these_tools(tmp_path / "bin")))
    assert told.returncode == 1
    assert "(here: no python3)" in told.stderr


def test_a_python_that_was_named_and_does_not_fit_is_told(tmp_path: Path) -> None:
    told = run(tmp_path, PYTHON=str(program(tmp_path / "bin", "old", "exit 1")))
    assert told.returncode == 1
    assert "is not a Python 3.11 or newer; name one that is." in told.stderr


def test_a_machine_without_any_pip_is_told_what_to_install(tmp_path: Path) -> None:
    broken = shadow(tmp_path, pip="raise SystemExit(1)", ensurepip="raise SystemExit(1)")
    told = run(tmp_path, PYTHON=sys.executable, PYTHONPATH=broken)
    assert told.returncode == 1
    assert "no pip found" in told.stderr
    assert "apt-get install python3-pip" in told.stderr
    assert not (tmp_path / "venv" / ".installed-serve").exists()


@pytest.mark.parametrize("failing", ["requirements/serve.txt", "--editable"])
def test_an_installation_that_fails_leaves_no_stamp(tmp_path: Path, failing: str) -> None:
    pip = f"import sys; sys.exit({failing!r} in sys.argv)"
    told = run(tmp_path, PYTHON=sys.executable, PYTHONPATH=shadow(tmp_path, pip=pip))
    assert told.returncode == 1
    assert "could not be installed; what pip said stands above." in told.stderr
    assert not (tmp_path / "venv" / ".installed-serve").exists()


def test_requirements_are_installed_with_their_hashes_before_the_project(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pip = f"import sys; open({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')"
    told = run(tmp_path, PYTHON=sys.executable, PYTHONPATH=shadow(tmp_path, pip=pip))
    assert told.returncode == 0, told.stderr
    installs = [line for line in log.read_text().splitlines() if line.startswith("install")]
    assert installs == [
        "install --quiet --require-hashes -r requirements/serve.txt",
        "install --quiet --no-deps --no-build-isolation --editable .",
    ]
    assert (tmp_path / "venv" / ".installed-serve").exists()
