"""Developer keys."""

from __future__ import annotations

import random

import pytest

from hub.keys import KEY_PREFIX, KeyRing

RANDOM = random.Random(5).randbytes


def test_an_issued_key_is_accepted_and_names_its_developer():
    ring = KeyRing()
    key = ring.issue("dev-1", RANDOM)
    assert key.startswith(KEY_PREFIX)
    record = ring.verify(key)
    assert record is not None and record.developer == "dev-1"


def test_nothing_that_is_kept_opens_anything():
    """A21: a dump of the records holds neither the key nor a plain hash of it."""
    ring = KeyRing()
    key = ring.issue("dev-1", RANDOM)
    record = ring.verify(key)
    secret = key.split("_", 2)[2]
    assert secret not in repr(record)
    other = KeyRing()
    assert other.add(key, "dev-1", RANDOM).digest != record.digest


@pytest.mark.parametrize(
    "change", [lambda k: k[:-1], lambda k: k + "x", lambda k: "", lambda k: k.upper(), lambda k: k + "\n"]
)
def test_anything_else_is_refused(change):
    ring = KeyRing()
    key = ring.issue("dev-1", RANDOM)
    assert ring.verify(change(key)) is None


def test_a_secret_of_another_key_is_refused():
    ring = KeyRing()
    first, second = ring.issue("a", RANDOM), ring.issue("b", RANDOM)
    mixed = first.rsplit("_", 1)[0][: len("npk_") + 12] + second[len("npk_") + 12 :]
    assert mixed not in (first, second)
    assert ring.verify(mixed) is None


def test_a_key_of_an_earlier_run_can_be_added_and_revoked():
    key = KeyRing().issue("dev-1", RANDOM)
    ring = KeyRing()
    assert ring.verify(key) is None
    record = ring.add(key, "dev-1", RANDOM)
    assert ring.verify(key) == record
    assert KeyRing([record]).verify(key) == record
    ring.revoke(record.key_id)
    assert ring.verify(key) is None


def test_a_text_that_is_no_key_is_a_value_error():
    with pytest.raises(ValueError, match="npk_"):
        KeyRing().add("hello", "dev-1", RANDOM)
