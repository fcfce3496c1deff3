"""Requirements and the tests that cite them: nothing cited that no document has, and ever less that no test cites."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import requirements_cited

UNCITED = Path(__file__).with_name("uncited_requirements.txt")


def test_tests_cite_what_is_there_and_the_list_of_what_they_do_not_cite_only_shrinks() -> None:
    requirements = requirements_cited.stated()
    cited = requirements_cited.citations({name.split("-")[0] for name in requirements})
    assert len(requirements) > 250
    assert sorted(cited.keys() - requirements.keys()) == [], "cited by tests, and in no document"
    lines = UNCITED.read_text(encoding="utf-8").splitlines()
    known = {line.split()[0] for line in lines if line and not line.startswith("#")}
    uncited = requirements.keys() - cited.keys()
    assert sorted(uncited - known) == [], "write a test for it and cite it there; the list does not grow"
    assert sorted(known - uncited) == [], f"cited now, or gone: take it out of {UNCITED.name}"


def test_a_citation_belongs_to_the_test_below_its_comment_or_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text(
        '"""Story. XYZ-1-1."""\n\n# XYZ-1-2, XYZ-1-10\ndef test_a() -> None:\n    pass  # XYZ-1-3\n'
        'async def test_b() -> None:\n    """XYZ-1-4, not XYZ1-5 nor AXYZ-1-6."""\n'
    )
    monkeypatch.setattr(requirements_cited, "TESTS", tmp_path / "tests")
    monkeypatch.setattr(requirements_cited, "ROOT", tmp_path)
    file = "tests/test_x.py"
    assert requirements_cited.citations({"XYZ"}) == {
        "XYZ-1-1": [file],
        "XYZ-1-2": [f"{file}::test_a"],
        "XYZ-1-10": [f"{file}::test_a"],
        "XYZ-1-3": [f"{file}::test_a"],
        "XYZ-1-4": [f"{file}::test_b"],
    }


def test_a_requirement_that_is_stated_twice_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("**XYZ-1-1** One.\n\n* **XYZ-1-2** Two.\n")
    monkeypatch.setattr(requirements_cited, "DOCUMENTS", tmp_path)
    assert requirements_cited.stated() == {"XYZ-1-1": "a.md", "XYZ-1-2": "a.md"}
    (tmp_path / "b.md").write_text("**XYZ-1-2** Again.\n")
    with pytest.raises(ValueError, match="XYZ-1-2"):
        requirements_cited.stated()


def test_numbers_sort_as_numbers() -> None:
    names = ["ABC-10-1", "ABC-4-10", "ABC-4-9", "AAA-1-1"]
    assert sorted(names, key=requirements_cited.natural) == ["AAA-1-1", "ABC-4-9", "ABC-4-10", "ABC-10-1"]


def test_the_script_tells_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert requirements_cited.main(["--uncited"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "requirements are cited by tests" in told[-1]
    assert all("NOT CITED" in line for line in told[:-1])
