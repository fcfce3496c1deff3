"""The README does what it says: its marked blocks run word for word, but for the server's address."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_process import serving

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:7777"


def block(marker: str) -> str:
    """The code block under the comment `marker`."""
    found = re.search(rf"<!-- {re.escape(marker)} -->\n```\w+\n(.*?)```\n", README, re.DOTALL)
    assert found, f"the README has no block marked {marker!r}"
    return found.group(1)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A directory that looks like a checkout in which `make serve` has run."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def test_the_quick_start_exchanges_messages_over_udp_websocket_and_long_poll(workplace: Path) -> None:
    script = block("quick start: save as hello.py")
    assert ADDRESS in script
    with serving(workplace) as server:
        (workplace / "hello.py").write_text(script.replace(ADDRESS, server.url), encoding="utf-8")
        told = subprocess.run(
            ["sh", "-c", block("quick start: run in another terminal")],
            cwd=workplace,
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert told.stderr == ""
        assert told.stdout == block("quick start: prints")
        assert server.stop() == 0


@pytest.mark.needs("make")
def test_make_serve_is_the_command_that_these_tests_start() -> None:
    assert block("quick start: run in one terminal") == "make serve\n"
    command = ["make", "--dry-run", "--always-make", "serve", "VENV=somewhere", "ARGS=--port 1"]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "scripts/environment.sh somewhere serve" in planned
    assert "exec somewhere/bin/netplay serve --port 1" in planned


def test_the_demo_plays_twice_with_the_same_hash(workplace: Path) -> None:
    told = subprocess.run(
        ["sh", "-c", block("demo: run")],
        cwd=workplace,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stderr


def test_every_command_of_the_readme_is_under_a_comment_that_a_test_looks_for() -> None:
    marked = re.findall(r"<!-- ([^\n]+?) -->\n```sh\n", README)
    assert len(marked) == README.count("```sh\n")
    known = (
        "two commands:",
        "quick start: run in one terminal",
        "quick start: run in another terminal",
        "demo: run",
    )
    assert all(marker.startswith(known) for marker in marked)


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in (
        "README.md",
        "docs/tutorial/first-hour.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "requirements/README.md",
    ):
        named = set(re.findall(r"`make ([a-z-]+)", (ROOT / name).read_text()))
        named |= set(re.findall(r"^make ([a-z-]+)(?:\s+#|$)", (ROOT / name).read_text(), re.MULTILINE))
        assert named <= targets, name
