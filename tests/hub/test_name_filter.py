"""Filters over agent names: RE2 only, the whole name, bounded work, and a hint where one cannot be used."""

from __future__ import annotations

import pytest

from hub.name_filter import MAX_FILTERS, NameFilter, NameFilters
from messaging.envelope import MAX_FILTER_CHARS


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("ann", ["ann"], ["anna", "joann", "Ann"]),
        ("ann|ben", ["ann", "ben"], ["annben"]),
        ("red-.*", ["red-1", "red-"], ["red", "a-red-1"]),
        (r"player-\d{1,3}", ["player-7", "player-123"], ["player-1234", "player-x"]),
        ("(?i)zoë", ["Zoë", "ZOË"], ["zoe"]),
        (".", ["ä"], ["ab"]),
        ("a\nb|c", ["c"], ["a"]),
        ("", [""], ["x"]),
    ],
)
def test_the_whole_name_has_to_match(pattern, matching, others):
    name_filter = NameFilter(pattern)
    assert name_filter.refusal is None
    assert all(name_filter.matches(name) for name in matching)
    assert not any(name_filter.matches(name) for name in others)


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("(?=a)b", "look-ahead"),
        ("(?<!a)b", "look-ahead"),
        (r"(a)\1", "back-references"),
        ("a++", "possessive"),
        ("a{1001}", "repetition"),
        (r"\pL{500}", "too complex"),
        ("(", "syntax of RE2"),
    ],
)
def test_what_re2_does_not_know_is_explained(pattern, hint, capfd):
    refusal = NameFilter(pattern).refusal
    assert refusal is not None and hint in refusal
    assert len(refusal) < 256
    assert capfd.readouterr().err == ""  # RE2 itself would write the pattern there


def test_the_longest_filter_is_taken_and_one_character_more_is_not():
    assert NameFilter("x" * MAX_FILTER_CHARS).refusal is None
    assert "256 characters" in (NameFilter("x" * (MAX_FILTER_CHARS + 1)).refusal or "")


def test_the_cache_keeps_the_newest_1024_and_what_is_used():
    filters = NameFilters()
    first = filters.compile("agent-0")
    for number in range(1, MAX_FILTERS):
        filters.compile(f"agent-{number}")
    assert len(filters) == MAX_FILTERS
    assert filters.known("agent-0") is first
    filters.compile("one more")
    assert len(filters) == MAX_FILTERS
    assert filters.known("agent-0") is first
    assert filters.known("agent-1") is None


def test_a_refused_filter_is_remembered_too():
    filters = NameFilters()
    refused = filters.compile("(?=x)")
    assert filters.known("(?=x)") is refused
