"""The image's recipe: what a linter would say, and that what it copies is enough to build the server.

There is no engine here that would build it; these are the rules of the usual linters that matter to us.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support.dockerfile import instructions

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = ROOT / "deploy" / "Dockerfile"
KNOWN = {
    *("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
    *("RUN", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
}
ALL = instructions(FILE)
LAST_STAGE = max(one.stage for one in ALL)
FINAL = [one for one in ALL if one.stage == LAST_STAGE]


def copied() -> list[str]:
    """What comes out of the checkout."""
    found = []
    for one in ALL:
        if one.name == "COPY" and not one.text.startswith("--from"):
            found += one.words[:-1]
    return found


def test_it_uses_known_instructions_and_begins_with_an_image() -> None:
    assert {one.name for one in ALL} <= KNOWN
    assert next(one.name for one in ALL if one.name != "ARG") == "FROM"


def test_base_images_have_a_version_and_no_registry() -> None:
    arguments = dict(one.text.split("=", 1) for one in ALL if one.name == "ARG")
    for one in ALL:
        if one.name == "FROM":
            image = re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], one.words[0])
            name, colon, tag = image.partition(":")
            assert colon, image
            assert re.match(r"\d", tag), image
            assert "/" not in name, image


def test_the_server_runs_without_root_and_gets_signals_itself() -> None:
    users = [one.text for one in FINAL if one.name == "USER"]
    assert users
    assert users[-1].isdigit()
    assert int(users[-1]) >= 1000
    for name in ("ENTRYPOINT", "CMD"):
        last = [one for one in FINAL if one.name == name][-1]
        assert last.is_exec_form, last


def test_it_says_how_to_see_that_it_lives_and_which_ports_it_has() -> None:
    assert any(one.name == "HEALTHCHECK" for one in FINAL)
    exposed = {word for one in FINAL if one.name == "EXPOSE" for word in one.words}
    assert exposed >= {"7777/tcp", "7777/udp"}


def test_packages_are_installed_by_hash_and_nothing_else_is_fetched() -> None:
    for one in ALL:
        assert one.name != "ADD"
        if one.name == "RUN":
            assert not re.search(r"curl|wget|apt-get|sudo", one.text), one.text
            if "install" in one.words:
                assert {"--require-hashes", "--no-deps"} & set(one.words), one.text


def test_nothing_secret_or_large_can_come_along() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    assert patterns[0] == "*"
    allowed = {line[1:] for line in patterns if line.startswith("!")}
    assert allowed == set(copied())
    assert all((ROOT / name).exists() for name in allowed)


def test_environment_variables_mean_something() -> None:
    from netplay.config import Config, environment_name

    known = {environment_name(name) for name in Config.model_fields}
    named = set(re.findall(r"NETPLAY_[A-Z_]+", FILE.read_text()))
    assert named <= known


def test_what_it_copies_is_enough_to_build_the_whole_server(tmp_path: Path) -> None:
    for name in copied():
        source, target = ROOT / name, tmp_path / "source" / name
        if source.is_dir():
            shutil.copytree(
                source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
            )
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "build", "--wheel", "--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run(
        [*command, "--out-dir", tmp_path, tmp_path / "source"], check=True, capture_output=True, timeout=120
    )
    wheel = next(tmp_path.glob("netplay-*.whl"))
    built = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    assert built >= {pattern.rstrip("*") for pattern in patterns["include"]}
    found = subprocess.run(
        [sys.executable, "-Ic", f"import sys; sys.path.insert(0, {str(wheel)!r}); import netplay.serve"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("text", ["nonsense\n", "RUN\n", "run x\n"])
def test_what_is_no_dockerfile_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(ValueError, match="no instruction"):
        instructions(tmp_path / "Dockerfile")
