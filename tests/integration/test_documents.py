"""Tutorial and how-to documents do what they say: every command in them runs, in order, as a reader would run it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.documented import Workplace, steps

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = sorted([*(ROOT / "docs" / "tutorial").glob("*.md"), *(ROOT / "docs" / "how-to").glob("*.md")])


@pytest.mark.needs("curl", "openssl")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_a_document_can_be_followed(document: Path, tmp_path: Path) -> None:
    workplace = Workplace(tmp_path)
    try:
        for step in steps(document):
            workplace.do(step)
        workplace.close()
    finally:
        workplace.kill()


def test_there_are_documents_and_most_commands_in_them_are_run() -> None:
    names = {document.stem for document in DOCUMENTS}
    assert names >= {"first-hour", "lan", "production-keys", "systemd", "docker", "bad-network", "metrics"}
    actions = [step.action for document in DOCUMENTS for step in steps(document) if step.language == "sh"]
    left_out = [action for action in actions if action.startswith("not run")]
    assert len(left_out) * 3 < len(actions)
    assert all(len(action) > len("not run: ") + 20 for action in left_out)


def test_a_block_that_says_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("```sh\nrm -rf something\n```\n")
    with pytest.raises(AssertionError, match="says not what"):
        steps(tmp_path / "x.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_files_and_commands_that_are_named_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for name in re.findall(r"\b(?:deploy|requirements)/[\w.]+", text):
        assert (ROOT / name).is_file(), name
    commands = set(re.findall(r"netplay (serve|demo|replay|impair|keys|key|config|bench|version)\b", text))
    assert set(re.findall(r"bin/netplay (\w+)", text)) <= commands
