"""Names: one form, bounded, printable."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.names import check_name


@pytest.mark.parametrize("name", ["a", "player-1", "日本語の部屋", "Ann & Bob", "**", "x" * 64, "é" * 32])
# MSG-3-1
def test_ordinary_names_pass(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "*",
        "x" * 65,
        "é" * 33,
        "a\0b",
        "a\nb",
        "\x1b[31m",
        "a\x7f",
        "a\x85b",
        "a\u2028b",
        "\ud800",
        "x" * 100_000,
    ],
)
# MSG-3-1
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="agent name"):
        check_name(name, "agent name")


# MSG-3-1
def test_two_spellings_are_one_name():
    assert check_name("e\u0301") == "\u00e9"


@given(st.text(max_size=70))
def test_an_accepted_name_is_a_fixed_point(text):
    try:
        name = check_name(text)
    except ValueError:
        return
    assert check_name(name) == name == unicodedata.normalize("NFC", text)
    assert 1 <= len(name.encode()) <= 64
