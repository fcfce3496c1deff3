"""Rules of the repository that no other tool checks: what files say, hold, import and are called."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from netplay import __version__

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "netcore",
    "messaging",
    "statesync",
    "simnet",
    "hub",
    "transports",
    "stores",
    "signaling",
    "games",
    "netplay",
    "bench",
    "sdk/python/messaging_agent",
)
OURS = frozenset(Path(package).name for package in PACKAGES)

THIRD_PARTY = {
    "netcore": {"cryptography", "uvloop"},
    "messaging": {"cryptography", "lz4", "msgpack"},
    "statesync": {"numpy"},
    "simnet": set(),
    "hub": {"re2"},
    "stores": set(),
    "transports": {"uvicorn", "websockets"},
    "games": {"msgpack", "numpy"},
    "sdk/python/messaging_agent": {"aiohttp", "yarl"},
}
"""What a package may import beside the standard library and our own; those not named may import more."""

PURE = ("netcore", "messaging", "statesync", "simnet", "hub", "games")
"""Packages that get time and randomness passed in."""
DRIVERS = frozenset({"netcore/aio.py"})
CLOCKS_AND_CHANCE = {
    "os": {"urandom", "getrandom"},
    "time": None,
    "random": None,
    "secrets": None,
    "uuid": None,
}
"""Modules, and which of their names are meant (None: all)."""
SEEDED = frozenset({("random", "Random")})
"""A generator made from a seed is randomness passed in."""

FORBIDDEN_TEXT = [
    re.compile(rule)
    for rule in (
        r"pyp[i]\.org",
        r"pythonhoste[d]\.org",
        r"npmj[s]\.org",
        r"yarnpk[g]\.com",
        r"golan[g]\.org",
        r"crate[s]\.io",
        r"debia[n]\.org",
        r"mave[n]\.org",
        r"/wor[k]/",
        r"/roo[t]/",
        r"/tm[p]/(?:brief|bash_jobs)",
        r"-----BEGIN [A-Z ]*PRIVAT[E] KEY",
    )
]
"""Hosts of registries, paths of one machine, keys. No rule matches itself."""
FORBIDDEN_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "misc"})


@cache
def tracked() -> tuple[Path, ...]:
    """Every file under version control that is there, and those about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(ROOT / name for name in sorted(listed.split("\0")) if name and (ROOT / name).is_file())


def sources(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """The Python files of `packages`, parsed."""
    for package in packages:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def imported(module: ast.Module) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            names.add((node.module or "").partition(".")[0])
    return names


pytestmark = pytest.mark.needs("git")


def test_no_file_names_a_registry_a_private_path_or_a_private_key() -> None:
    found = []
    for file in tracked():
        text = file.read_bytes().decode("utf-8", "replace")
        found += [
            f"{file.relative_to(ROOT)}: {hit.group()}"
            for rule in FORBIDDEN_TEXT
            for hit in rule.finditer(text)
        ]
    assert found == []


def test_no_file_is_named_after_nothing() -> None:
    named = [file for file in tracked() if FORBIDDEN_NAMES & set(re.split(r"[._-]", file.name.lower()))]
    assert named == []


@pytest.mark.parametrize("package", [*PACKAGES, "scripts", "examples"])
def test_every_file_says_first_what_it_is(package: str) -> None:
    for name, module in sources(package):
        text = ast.get_docstring(module)
        assert text, f"{name} has no docstring"
        first = text.split("\n\n")[0]
        assert first.endswith((".", "!", ":", "?")), f"{name}: {first!r} is no sentence"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_postpones_annotations(package: str) -> None:
    for name, module in sources(package):
        if not name.endswith("__init__.py"):
            assert any(
                isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in module.body
            ), name


@pytest.mark.parametrize("package", THIRD_PARTY)
def test_a_package_uses_only_the_libraries_chosen_for_it(package: str) -> None:
    allowed = THIRD_PARTY[package] | OURS | sys.stdlib_module_names
    for name, module in sources(package):
        assert imported(module) <= allowed, f"{name} imports {sorted(imported(module) - allowed)}"


def test_pure_packages_take_time_and_randomness_as_arguments() -> None:
    found = []
    for name, module in sources(*PURE):
        if name not in DRIVERS:
            found += [f"{name}: {owner}.{used}" for owner, used in _uses(module) if _hidden(owner, used)]
    assert found == []


def _hidden(owner: str, used: str) -> bool:
    """True for a clock or a source of randomness that nobody passed in."""
    if owner not in CLOCKS_AND_CHANCE or (owner, used) in SEEDED:
        return False
    names = CLOCKS_AND_CHANCE[owner]
    return names is None or used in names


def _uses(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Every (module, name) that a file takes from an imported module."""
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if _imports(module, node.value.id):
                yield node.value.id, node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def _imports(module: ast.Module, name: str) -> bool:
    """True where `name` is the imported module, and not an argument of that name."""
    imports = (node for node in ast.walk(module) if isinstance(node, ast.Import))
    return any(alias.name == name for node in imports for alias in node.names)


def test_importing_the_protocol_loads_no_event_loop() -> None:
    probe = "import netcore, netcore.server, netcore.client, sys; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", ["serve", "dev", "rivals"])
def test_requirements_are_pinned_and_hashed(name: str) -> None:
    for requirement in _requirements(name):
        assert re.match(r"[a-z0-9.-]+==[^\s;]+( ;[^\\]+)? \\\n", requirement), requirement[:80]
        assert "--hash=sha256:" in requirement, requirement[:80]
        assert "://" not in requirement, requirement[:80]


def test_tests_run_on_the_versions_that_are_served() -> None:
    served, developed = ({text.split(" ", 1)[0] for text in _requirements(name)} for name in ("serve", "dev"))
    assert served <= developed


def test_the_server_installs_nothing_that_only_tests_or_rivals_need() -> None:
    names = {text.split("==", 1)[0] for text in _requirements("serve")}
    assert names.isdisjoint({"pytest", "mypy", "ruff", "hypothesis", "aioquic", "pyenet", "uv", "pre-commit"})
    assert {"setuptools", "wheel", "cryptography", "fastapi"} <= names


def _requirements(name: str) -> list[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", "\n" + re.sub(r"(?m)^\s*#.*\n", "", text))
    return [block for block in blocks if block.strip()]


def test_every_dependency_is_in_the_lock_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = {text.split("==", 1)[0] for name in ("dev", "rivals") for text in _requirements(name)}
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    for dependency in [*project["dependencies"], *extras]:
        assert re.split(r"[><=;\s]", dependency, maxsplit=1)[0].lower() in locked, (
            f"{dependency}: run `make lock`"
        )


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__


def test_what_a_repository_needs_is_there() -> None:
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", ".editorconfig"):
        assert (ROOT / name).is_file(), name
    for name in ("README.md", "architecture.md", "glossary.md", "adr/0000-template.md"):
        assert (ROOT / "docs" / name).is_file(), name
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert "Version 2.0" in (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("name", [".ci/run", "scripts/environment.sh", "scripts/lock.sh"])
def test_scripts_can_be_run_and_parse(name: str) -> None:
    file = ROOT / name
    assert file.stat().st_mode & 0o111, f"{name} is not executable"
    shell = "bash" if "bash" in file.read_text().splitlines()[0] else "sh"
    assert subprocess.run([shell, "-n", str(file)], check=False).returncode == 0


def test_every_hook_is_local() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    assert set(re.findall(r"repo: (\S+)", text)) == {"local"}


def test_every_make_target_explains_itself() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    for target in phony.group(1).split():
        assert re.search(rf"^{target}:.*## \S", text, re.MULTILINE), target


def test_every_link_in_the_documents_leads_somewhere() -> None:
    broken = []
    for file in tracked():
        if file.suffix != ".md":
            continue
        text = re.sub(r"```.*?```|`[^`\n]*`", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if not re.match(r"[a-z]+:", target) and not (file.parent / target).exists():
                broken.append(f"{file.relative_to(ROOT)}: {target}")
    assert broken == []
