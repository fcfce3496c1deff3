"""The client's own distribution: built, installed into an empty environment with what it declares, and used.

No network: the dependencies are copied from the environment of the tests, exactly those that the distribution
names and what those name in turn.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from netplay import __version__
from tests.support.server_process import serving

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = ROOT / "sdk" / "python" / "pyproject.toml"
PACKAGES = ("messaging", "netcore", "statesync")

PLAY = """
import asyncio, os, sys
from messaging_agent import connect

URL, KEY = sys.argv[1], os.environ["NETPLAY_API_KEY"]

def join(name, **options):
    return connect(URL, KEY, options.pop("channel", "lobby"), name, "our password", **options)

async def main():
    async with join("ada", transports=["udp"]) as ada, join("bob", transports=["websocket"]) as bob:
        await ada.send({"hello": "Bob"})
        message = await bob.next_message(10)
        print(bob.transport, message.sender, message.content, message.encrypted)
        await bob.send("Hello, Ada!")
        message = await ada.next_message(10)
        print(ada.transport, message.sender, message.content, message.encrypted)
    async with join("eve", channel="table", game="air-hockey") as eve:
        message = await eve.next_message(10)
        print(eve.readable, [agent.name for agent in eve.agents if agent.local] == [message.sender])

asyncio.run(main())
"""


def run(*command: str | Path, **options: object) -> str:
    told = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=120, check=False, **options
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def closure(names: list[str]) -> Iterator[metadata.Distribution]:
    """The distributions that `names` require, and those require in turn, as this environment has them."""
    waiting, seen = list(names), set()
    while waiting:
        requirement = Requirement(waiting.pop())
        extras = requirement.extras or {""}
        if requirement.marker and not any(requirement.marker.evaluate({"extra": one}) for one in extras):
            continue
        name = requirement.name.lower().replace("_", "-")
        if name not in seen:
            seen.add(name)
            found = metadata.distribution(name)
            yield found
            waiting += [line for line in found.requires or () if "extra ==" not in line]


def copy(distribution: metadata.Distribution, site: Path) -> None:
    """Put a distribution's files, but for its scripts, into another environment."""
    for file in distribution.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), target)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution, built from a copy so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("build")
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(ROOT / "sdk" / "python", folder / "sdk" / "python", ignore=ignored)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    uv = Path(sys.executable).with_name("uv")
    run(
        *(uv, "build", "--wheel", "--offline", "--no-build-isolation", "--python", sys.executable),
        *("--out-dir", folder / "dist", folder / "sdk" / "python"),
    )
    return next((folder / "dist").glob("netplay_agent-*.whl"))


@pytest.fixture(scope="module")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter whose environment has the client and nothing that it does not declare."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--offline", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    site = Path(run(python, "-Ic", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    declared = tomllib.loads(PROJECT.read_text())["project"]["dependencies"]
    for distribution in closure(declared):
        copy(distribution, site)
    run(uv, "pip", "install", "--offline", "--no-deps", "--quiet", "--python", python, wheel)
    run(uv, "pip", "check", "--quiet", "--python", python)
    return python


def test_it_installs_alone_and_exchanges_messages_with_a_server(clean_python: Path, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        key = (tmp_path / "state" / "netplay" / "development-key").read_text().strip()
        environment = {**server.environment, "NETPLAY_API_KEY": key}
        told = run(clean_python, "-Ic", PLAY, server.url, env=environment)
        assert server.stop() == 0
    assert told.splitlines() == [
        "websocket ada {'hello': 'Bob'} True",
        "udp bob Hello, Ada! True",
        "True True",
    ]


def test_nothing_of_the_server_is_in_it_and_no_dependency_too_many(clean_python: Path) -> None:
    probe = "import importlib.util as u; print([n for n in {} if u.find_spec(n)])"
    absent = ("hub", "netplay", "signaling", "transports", "games", "simnet", "fastapi", "numpy", "pip")
    assert run(clean_python, "-Ic", probe.format(absent)).strip() == "[]"
    present = ("messaging_agent", *PACKAGES)
    assert run(clean_python, "-Ic", probe.format(present)).strip() == str(list(present))


def test_every_package_of_it_can_be_imported_alone(clean_python: Path) -> None:
    probe = (
        "import importlib, pkgutil\n"
        f"for name in {('messaging_agent', *PACKAGES)}:\n"
        "    for found in pkgutil.walk_packages(importlib.import_module(name).__path__, name + '.'):\n"
        "        importlib.import_module(found.name)\n"
    )
    run(clean_python, "-Ic", probe)


def test_it_has_the_servers_version_and_some_of_the_servers_dependencies() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    server = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert set(project["dependencies"]) < set(server["dependencies"])
    assert project["requires-python"] == server["requires-python"]


def test_typed_packages_stay_typed(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"{package}/py.typed" for package in ("messaging_agent", *PACKAGES)} <= set(names)
