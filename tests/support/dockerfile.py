"""A Dockerfile as a list of instructions: enough of its grammar to check ours."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction; `stage` counts the FROMs before and with it."""

    stage: int
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The arguments: the elements of the exec form, else the words."""
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return self.text.split()

    @property
    def is_exec_form(self) -> bool:
        """True for `["program", "argument"]`."""
        return self.text.startswith("[")


def instructions(file: Path) -> list[Instruction]:
    """Every instruction in order. `ValueError` for a line that is none."""
    text = re.sub(r"(?m)^\s*#.*\n", "", file.read_text(encoding="utf-8"))
    found: list[Instruction] = []
    stage = 0
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        name, _, rest = line.strip().partition(" ")
        if not name.isupper() or not rest.strip():
            raise ValueError(f"no instruction: {line!r}")
        stage += name == "FROM"
        found.append(Instruction(stage, name, rest.strip()))
    return found
