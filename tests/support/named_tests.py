"""Tests by name: whether `tests/hub/test_x.py::test_y` is there, for tables that point at tests."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tests_in(path: str) -> frozenset[str]:
    """Names of the test functions in a file; empty where there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def missing(names: list[str]) -> list[str]:
    """Those of `names` that are not there. A file without `::` stands for all its tests."""
    gone = []
    for name in names:
        path, _, test = name.partition("::")
        found = tests_in(path)
        if not found or (test and test not in found):
            gone.append(name)
    return gone
