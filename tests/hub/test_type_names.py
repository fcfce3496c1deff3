"""Interned message types."""

from __future__ import annotations

import pytest

from hub.errors import ChannelError, ErrorCode
from hub.type_names import TypeNames


def test_chat_text_is_known_from_the_start_and_never_told():
    types = TypeNames(10, 10)
    assert types.intern("chat-text", 1) == (0, False)
    assert list(types.known()) == []


def test_a_name_is_new_once():
    types = TypeNames(10, 10)
    assert types.intern("pos", 1) == (1, True)
    assert types.intern("pos", 2) == (1, False)
    assert types.name(1) == "pos"
    assert list(types.known()) == [(1, "pos")]


def test_two_spellings_are_one_type():
    types = TypeNames(10, 10)
    assert types.intern("caf\u00e9", 1) == (1, True)
    assert types.intern("cafe\u0301", 1) == (1, False)


def test_the_channel_limit_holds_at_the_limit_and_breaks_one_above():
    types = TypeNames(4, 100)
    for name in "abc":
        types.intern(name, 1)
    with pytest.raises(ChannelError) as caught:
        types.intern("d", 1)
    assert caught.value.code is ErrorCode.TYPE_REFUSED
    assert types.intern("c", 1) == (3, False)


def test_one_agent_cannot_use_up_the_names_of_all():
    types = TypeNames(100, 3)
    for name in "abc":
        types.intern(name, 1)
    with pytest.raises(ChannelError):
        types.intern("d", 1)
    assert types.intern("d", 2) == (4, True)


@pytest.mark.parametrize("name", ["*", "a\nb", "x" * 65])
def test_bad_names_are_refused(name):
    with pytest.raises(ChannelError) as caught:
        TypeNames(10, 10).intern(name, 1)
    assert caught.value.code is ErrorCode.TYPE_REFUSED
