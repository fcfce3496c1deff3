"""End-to-end encrypted content: only members open it, only under the names it was sealed for, only once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import sealed_content
from messaging.sealed_content import MAX_OVERHEAD_BYTES, WINDOW, ContentOpener, ContentSealer, Place
from netcore.delivery import Delivery

KEY = bytes(range(32))
_salts = itertools.count(1)


def salt(size: int) -> bytes:
    return next(_salts).to_bytes(size, "big")


def sealer(sender: str = "ada", key: bytes = KEY, channel: str = "c1") -> ContentSealer:
    return ContentSealer(key, channel, sender, salt)


PLACE = Place(Delivery.ORDERED, 8)
NAMES: dict[str, Any] = {"type": "chat-text", "format": 1, "place": PLACE}
PLACES = st.one_of(
    st.builds(
        Place,
        st.sampled_from([Delivery.UNRELIABLE, Delivery.RELIABLE, Delivery.ORDERED]),
        st.integers(0, 63),
        st.just(0),
    ),
    st.builds(Place, st.just(Delivery.SEQUENCED), st.integers(0, 63), st.integers(0, (1 << 30) - 1)),
)


@given(
    st.binary(max_size=500),
    st.sampled_from([0, 1, 2]),
    st.text(max_size=20),
    st.none() | st.text(max_size=9),
    PLACES,
    st.booleans(),
)
def test_members_read_what_members_sealed(
    content: bytes, format: int, type: str, to: str | None, place: Place, stored: bool
) -> None:
    facts: dict[str, Any] = {"type": type, "format": format, "recipient": to, "stored": stored}
    sealed = sealer().seal(content, place=place, **facts)
    assert len(sealed) <= len(content) + MAX_OVERHEAD_BYTES
    opener = ContentOpener(KEY, "c1")
    assert opener.open(sealed, sender="ada", once=False, **facts) == content
    assert opener.open(sealed, sender="ada", place=place, **facts) == content


CHANGES: list[dict[str, Any]] = [
    {"sender": "bob"},
    {"type": "other"},
    {"format": 2},
    {"recipient": "eve"},
    {"stored": True},
    {"place": PLACE._replace(lane=9)},
    {"place": PLACE._replace(kind=Delivery.RELIABLE)},
    {"place": Place(Delivery.SEQUENCED, 8, 0)},
]


@pytest.mark.parametrize("changed", CHANGES, ids=str)
def test_content_does_not_open_under_another_name_or_in_another_place(changed: dict[str, Any]) -> None:
    sealed = sealer().seal(b"hello", **NAMES)
    names: dict[str, Any] = {"sender": "ada", **NAMES}
    assert ContentOpener(KEY, "c1").open(sealed, **{**names, **changed}) is None
    assert ContentOpener(KEY, "c1").open(sealed, **names) == b"hello"


def test_a_value_does_not_open_under_another_key() -> None:
    place = Place(Delivery.SEQUENCED, 10, 300)
    sealed = sealer().seal(b"x=3", **{**NAMES, "place": place})
    opener = ContentOpener(KEY, "c1")
    assert opener.open(sealed, sender="ada", **{**NAMES, "place": place._replace(key=301)}) is None
    assert opener.open(sealed, sender="ada", **{**NAMES, "place": place}) == b"x=3"


def test_another_password_or_channel_opens_nothing() -> None:
    sealed = sealer().seal(b"hello", **NAMES)
    assert ContentOpener(bytes(32), "c1").open(sealed, sender="ada", **NAMES) is None
    assert ContentOpener(KEY, "c2").open(sealed, sender="ada", **NAMES) is None


def test_a_replayed_message_is_shown_once_while_the_log_may_be_read_again() -> None:
    opener = ContentOpener(KEY, "c1")
    sealed = sealer().seal(b"pay 5", **NAMES)
    assert opener.open(sealed, sender="ada", **NAMES) == b"pay 5"
    assert opener.open(sealed, sender="ada", **NAMES) is None
    assert opener.open(sealed, sender="ada", once=False, **NAMES) == b"pay 5"  # E2E-2-3


# E2E-2-3
def test_messages_may_come_in_any_order_within_the_window_and_not_behind_it() -> None:
    opener, source = ContentOpener(KEY, "c1"), sealer()
    sealed = [source.seal(b"x", **NAMES) for _ in range(WINDOW + 2)]
    newest = len(sealed) - 1
    for position in (5, newest, 3, newest - WINDOW + 1):
        assert opener.open(sealed[position], sender="ada", **NAMES) == (
            None if newest - position >= WINDOW and position == 3 else b"x"
        )
    assert opener.open(sealed[newest - WINDOW], sender="ada", **NAMES) is None


# E2E-1-1
def test_every_session_has_its_own_salt_and_every_message_its_own_counter() -> None:
    first, second = sealer(), sealer()
    heads = {seal.seal(b"", **NAMES)[:18] for seal in (first, first, second, second)}
    assert len(heads) == 4


# E2E-1-1
def test_a_sealer_takes_a_new_salt_before_its_counter_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_content, "MAX_COUNTER", 2)
    source, opener = sealer(), ContentOpener(KEY, "c1")
    sealed = [source.seal(b"x", **NAMES) for _ in range(5)]
    assert len({message[1:17] for message in sealed}) == 3
    assert all(opener.open(message, sender="ada", **NAMES) == b"x" for message in sealed)


@given(st.binary(max_size=80))
# E2E-2-4
def test_arbitrary_bytes_open_to_nothing_and_leave_no_trace(data: bytes) -> None:
    opener = ContentOpener(KEY, "c1")
    assert opener.open(data, sender="ada", **NAMES) is None
    assert opener.open(b"\x01" + bytes(16) + data, sender="ada", **NAMES) is None
    assert not opener._salts


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_flipped_bit_anywhere_is_noticed(position: int, flip: int) -> None:
    sealed = bytearray(sealer().seal(b"hello", **NAMES))
    sealed[position % len(sealed)] ^= flip
    assert ContentOpener(KEY, "c1").open(bytes(sealed), sender="ada", **NAMES) is None


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_the_callers_mistake(length: int) -> None:
    with pytest.raises(ValueError, match=f"{length} bytes"):
        sealer(key=bytes(length))
    with pytest.raises(ValueError, match=f"{length} bytes"):
        ContentOpener(bytes(length), "c1")


# E2E-2-4
def test_of_too_many_salts_the_one_used_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_content, "MAX_SALTS", 3)
    opener, sources = ContentOpener(KEY, "c1"), [sealer() for _ in range(4)]

    def shown(message: bytes) -> bool:
        return opener.open(message, sender="ada", **NAMES) is not None

    first, second, third, fourth = (source.seal(b"x", **NAMES) for source in sources)
    assert all(map(shown, (first, second, third)))
    assert shown(sources[0].seal(b"y", **NAMES))  # now the second is the one used longest ago
    assert shown(fourth)
    assert not any(map(shown, (first, third, fourth)))
    assert shown(second)
