"""Which numbered requirements of the protocol documents are cited by which tests.

    python scripts/requirements_cited.py            # every requirement, with the tests that cite it
    python scripts/requirements_cited.py --uncited  # those that no test cites

A requirement is a bold id in docs/protocol: **NCP-4-5**. A test cites it by naming the id in its file, in a comment
above the test or in a docstring. Ends with status 1 where a test cites an id that no document has.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ROOT / "docs" / "protocol"
TESTS = ROOT / "tests"

_STATED = re.compile(r"\*\*([A-Z][A-Z0-9]*(?:-\d+)+)\*\*")
_TEST = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)


def stated() -> dict[str, str]:
    """Requirement ids, each with the document that states it. Raises ValueError where one is stated twice."""
    found: dict[str, str] = {}
    for path in sorted(DOCUMENTS.rglob("*.md")):
        for name in _STATED.findall(path.read_text(encoding="utf-8")):
            if name in found:
                raise ValueError(f"{name} is stated twice: in {found[name]} and in {path.name}")
            found[name] = path.relative_to(DOCUMENTS).as_posix()
    return found


def citations(families: set[str]) -> dict[str, list[str]]:
    """Ids of these families that tests name, each with `file` or `file::test` of the place."""
    cited = re.compile(rf"\b((?:{'|'.join(sorted(families))})(?:-\d+)+)\b")
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("*.py")):
        for name, place in _cited_in(path.read_text(encoding="utf-8"), cited):
            found.setdefault(name, []).append(f"{path.relative_to(ROOT).as_posix()}{place}")
    return found


def _cited_in(text: str, cited: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    tests = [(match.start(), match.group(1)) for match in _TEST.finditer(text)]
    for match in cited.finditer(text):
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        # A comment on a line of its own stands above the test that it belongs to.
        above = line.lstrip().startswith("#")
        near = [name for at, name in tests if at > match.start()][:1] if above else []
        near = near or [name for at, name in tests if at <= match.start()][-1:]
        yield match.group(1), f"::{near[0]}" if near else ""


def natural(name: str) -> tuple[str, ...]:
    """Sorts NCP-4-10 behind NCP-4-9."""
    return tuple(part.zfill(4) if part.isdigit() else part for part in name.split("-"))


def main(arguments: list[str]) -> int:
    """Print; the exit status."""
    requirements = stated()
    cited = citations({name.split("-")[0] for name in requirements})
    for name in sorted(requirements, key=natural):
        if name not in cited:
            print(f"{name:10} {requirements[name]}: NOT CITED")
        elif "--uncited" not in arguments:
            print(f"{name:10} {requirements[name]}")
            for place in dict.fromkeys(cited[name]):
                print(f"{'':10} - {place}")
    unknown = sorted(cited.keys() - requirements.keys(), key=natural)
    for name in unknown:
        print(f"{name:10} is in no document, and cited by {', '.join(cited[name])}")
    there = len(requirements.keys() & cited.keys())
    print(f"{there} of {len(requirements)} requirements are cited by tests")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
