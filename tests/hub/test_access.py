"""Channel ids and the pace of creating channels (A19, A20, A24)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.access import Access, channel_id
from hub.config import HubConfig
from hub.errors import ChannelError, ErrorCode
from hub.keys import KeyRing

SECRET = bytes(32)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
fields = st.tuples(st.sampled_from(["private", "public"]), texts, texts, st.binary(max_size=4))


def meaning(scope, developer, name, proof):
    return scope, developer if scope == "private" else "", name, proof


@given(fields, fields)
def test_ids_meet_exactly_where_the_fields_do(first, second):
    same = meaning(*first) == meaning(*second)
    assert (channel_id(SECRET, *first) == channel_id(SECRET, *second)) == same


def test_no_split_of_name_and_proof_meets_another():
    assert channel_id(SECRET, "private", "d", "ab", b"c") != channel_id(SECRET, "private", "d", "a", b"bc")
    assert channel_id(SECRET, "private", "da", "b", b"c") != channel_id(SECRET, "private", "d", "ab", b"c")


def test_scope_decides_whether_developers_meet():
    assert channel_id(SECRET, "private", "a", "room", b"p") != channel_id(
        SECRET, "private", "b", "room", b"p"
    )
    assert channel_id(SECRET, "public", "a", "room", b"p") == channel_id(SECRET, "public", "b", "room", b"p")
    assert channel_id(SECRET, "public", "", "room", b"p") != channel_id(SECRET, "private", "", "room", b"p")


def test_another_server_secret_gives_another_id():
    assert channel_id(SECRET, "public", "", "room", b"p") != channel_id(b"x" * 32, "public", "", "room", b"p")


@pytest.fixture
def ring():
    return KeyRing()


def access(ring, **config):
    return Access(HubConfig(**config), ring, SECRET)


def refusal(call, *args):
    with pytest.raises(ChannelError) as caught:
        call(*args)
    return caught.value


def test_unknown_keys_scopes_and_proofs_are_refused(ring):
    key = ring.verify(ring.issue("dev", random.Random(1).randbytes))
    door = access(ring)
    assert refusal(door.key, "nonsense").code is ErrorCode.KEY_REFUSED
    assert refusal(door.channel_id, key, "Private", "room", bytes(32)).code is ErrorCode.SCOPE_INVALID
    for size in (31, 33):
        assert refusal(door.channel_id, key, "public", "room", bytes(size)).code is ErrorCode.REQUEST_INVALID


def test_creating_is_throttled_for_each_key_and_address(ring):
    rng = random.Random(1).randbytes
    key, other = ring.verify(ring.issue("dev", rng)), ring.verify(ring.issue("dev", rng))
    door = access(ring, creates_burst=3, creates_per_s=0.5)
    for _ in range(3):
        door.check_pace(key, "192.0.2.1", 0.0)
        door.note_create(key, "192.0.2.1", 0.0)
    error = refusal(door.check_pace, key, "192.0.2.1", 0.0)
    assert error.code is ErrorCode.THROTTLED
    assert (error.retry_after_s, error.http_status, error.come_back) == (2.0, 429, True)
    door.check_pace(key, "192.0.2.2", 0.0)
    door.check_pace(other, "192.0.2.1", 0.0)
    door.check_pace(key, "192.0.2.1", 2.0)


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("fe80::1%eth0", "fe80::1%eth1"),
        ("", "unknown"),
    ],
)
def test_one_caller_under_several_addresses_is_one(ring, address, same):
    key = ring.verify(ring.issue("dev", random.Random(1).randbytes))
    door = access(ring, creates_burst=1, creates_per_s=0.5)
    door.note_create(key, address, 0.0)
    assert refusal(door.check_pace, key, same, 0.0).code is ErrorCode.THROTTLED


def test_trusted_networks_are_not_throttled(ring):
    key = ring.verify(ring.issue("dev", random.Random(1).randbytes))
    door = access(ring, creates_burst=0, trusted_networks=("127.0.0.0/8", "::1/128"))
    door.check_pace(key, "127.0.0.1", 0.0)
    door.check_pace(key, "::ffff:127.0.0.1", 0.0)
    door.check_pace(key, "::1", 0.0)
    assert refusal(door.check_pace, key, "192.0.2.1", 0.0).code is ErrorCode.THROTTLED
