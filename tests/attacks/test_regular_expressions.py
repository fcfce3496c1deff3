"""A16: no filter, however evil, costs more than a bounded piece of work; and none of our own patterns is evil."""

from __future__ import annotations

import ast
import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.config import HubConfig
from hub.name_filter import MAX_MEMORY, NameFilter
from messaging.envelope import MAX_FILTER_CHARS
from netcore.delivery import Delivery
from tests.support.hub_world import HubWorld

ROOT = Path(__file__).resolve().parents[2]
PURE_OF_TRUST = ("netcore", "messaging", "hub", "transports", "signaling", "stores", "games")
MAX_INSTRUCTIONS = MAX_MEMORY * 2 // 3 // 8
"""RE2 gives two thirds of its memory to the program, 8 bytes an instruction."""
STEP_S = 12e-9
"""One instruction against one byte, measured, at worst."""

CLASSIC = [
    "(a+)+$",
    "([a-zA-Z]+)*$",
    "(a|aa)+$",
    "(a|a?)+$",
    "(.*a){20}",
    "(x+x+)+y",
    "((a+)+)+$",
    "(a*)*b",
    "(a|b|ab)*c",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(\w+\s?)*$",
    r"(\d+)+x",
    "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x",
    "(?:.*,){11}P",
    r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
    "a?" * 60 + "a" * 60,
    "(?:a?){900}a{900}",
    "(?:(?:(?:(?:a|b)?){10}){10}){10}",
    "((a{0,100}){0,10}){0,10}",
    r"\pL{50}",
    r"(\pL{0,9}\pN?){30}x",
    r"(?i)\pL{20}",
    r"[\x{0}-\x{10FFFF}]{1000}",
    ".{1000}",
    "(.{1,100}){10}",
    ".*a.{60}b.{60}c",
    "(.*a.{20}){3}",
    "(?:.?){400}b",
    "(((((((((a*)*)*)*)*)*)*)*)*)*b",
    "(" * 128 + ")" * 128,
    "[" + "a-z" * 80 + "]+",
    "|".join(["a" * 7] * 32),
    "(?=a+)+",
    r"(a)\1{100}",
    "(?<=a*)b",
    "(?>a+)b",
    "a++b",
    "a{1000}{1000}",
    "a{,100000}",
    "(?P<n>a+)(?P=n)",
    "\\",
    "[",
    "(?",
    "\0" * 200,
    "\u202e" * 200,
]
PARTS = ("a*", "(a+)", "(a|a)", "(?:a?b?)", ".*", "[^b]+", r"\w*", "(aa?)")
SUFFIXES = ("+$", "*b", "{1,40}c", "{30}", "{5}{5}$")


def corpus() -> list[str]:
    """The classics, and everything that grows out of nesting and repeating innocent parts."""
    grown = [f"({one}{two}){suffix}" for one, two, suffix in itertools.product(PARTS, PARTS, SUFFIXES)]
    return [*CLASSIC, *grown]


NAMES = ["a" * 64, "ab" * 32, "a" * 63 + "!", "ä" * 32, "player-1"]


def test_the_corpus_is_large_and_legal() -> None:
    assert len(corpus()) >= 200
    assert all(len(pattern) <= MAX_FILTER_CHARS for pattern in corpus())


@pytest.mark.parametrize("pattern", corpus())
def test_an_evil_filter_is_refused_or_bounded(pattern: str) -> None:
    """Bounded: instructions times bytes is what it can cost, and an agent has no more than a budget of that."""
    name_filter = NameFilter(pattern)
    if name_filter.refusal is not None:
        assert name_filter.size == 0
        return
    assert 0 < name_filter.size <= MAX_INSTRUCTIONS
    started = time.process_time()
    for name in NAMES:
        name_filter.matches(name)
    worst = sum(name_filter.size * (len(name.encode()) + 1) for name in NAMES) * STEP_S
    assert time.process_time() - started < 0.02 + 5 * worst  # far from exponential, on a busy machine too


def test_what_one_agent_can_cost_at_once_is_less_than_fifty_milliseconds() -> None:
    """A43 holds for filters too: no call blocks the loop for long."""
    assert HubConfig().filter_steps_burst * STEP_S < 0.05


def test_a_flood_of_evil_filters_through_the_hub_compiles_few_and_stops_nobody() -> None:
    world = HubWorld(ingress_messages_burst=1e6)
    evil, good, ben = world.client("evil"), world.client("good"), world.client("a" * 64)
    for pattern in corpus():
        evil.send(b"x", Delivery.UNRELIABLE, filter=pattern)
        evil.send(b"x", Delivery.UNRELIABLE, filter=pattern[:250] + "|b")
    compiled = world.hub._env.filters
    assert len(compiled) < 2 * len(corpus())  # the budget ended before the flood
    assert evil.link.closed is None
    good.send(b"still here", filter="a+")
    assert b"still here" in ben.contents()


# Our own patterns.


def our_patterns() -> Iterator[tuple[str, str]]:
    """Every literal pattern that our code gives to `re`."""
    for package in PURE_OF_TRUST:
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "re"
                    and node.args
                    and isinstance(node.args[0], ast.Constant)
                    and isinstance(node.args[0].value, str)
                ):
                    yield file.relative_to(ROOT).as_posix(), node.args[0].value


def nested_repeats(parsed: Any, inside: bool = False) -> bool:
    """Whether an unbounded repetition stands in another one: what makes backtracking explode."""
    for operator, argument in parsed:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            unbounded = argument[1] > 1000
            if (inside and unbounded) or nested_repeats(argument[2], inside or unbounded):
                return True
        elif name == "SUBPATTERN":
            if nested_repeats(argument[-1], inside):
                return True
        elif name == "BRANCH" and any(nested_repeats(branch, inside) for branch in argument[1]):
            return True
    return False


def test_no_pattern_of_ours_repeats_a_repetition() -> None:
    from re import _parser  # type: ignore[attr-defined]

    patterns = list(our_patterns())
    assert len(patterns) >= 3
    assert [(file, p) for file, p in patterns if nested_repeats(_parser.parse(p))] == []


def test_the_check_of_our_patterns_sees_an_evil_one() -> None:
    from re import _parser  # type: ignore[attr-defined]

    assert nested_repeats(_parser.parse("(a+)+$"))
    assert nested_repeats(_parser.parse("(?:x|(y|z*)*)+"))
    assert not nested_repeats(_parser.parse("([a-z]{1,63}-)?[a-z]+"))
    assert re.compile("a+")
