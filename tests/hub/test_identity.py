"""Session ids and their rotating secrets (A10)."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from hub.identity import SECRET_BYTES, RotatingSecret, parse_session_text, session_text


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_a_session_text_comes_back_as_it_was(session_id, secret):
    assert parse_session_text(session_text(session_id, secret)) == (session_id, secret)


@given(st.text(max_size=60))
def test_any_text_is_a_session_or_none(text):
    parsed = parse_session_text(text)
    assert parsed is None or session_text(*parsed) == text


def test_a_second_spelling_of_an_id_is_refused():
    text = session_text(bytes(16), bytes(SECRET_BYTES))
    assert text.startswith("AAAAAAAAAAAAAAAAAAAAAA.")
    assert parse_session_text(text.replace("AA.", "AB.")) is None
    assert parse_session_text(text + "\n") is None


def test_the_old_secret_works_until_the_new_one_is_used():
    rng = random.Random(1)
    secret = RotatingSecret(b"first")
    second = secret.rotate(rng.randbytes)
    assert secret.proves(b"first")
    assert secret.proves(second)
    assert not secret.proves(b"first")
    assert secret.proves(second)


def test_an_unused_successor_is_void_when_another_is_made():
    rng = random.Random(1)
    secret = RotatingSecret(b"first")
    lost = secret.rotate(rng.randbytes)
    second = secret.rotate(rng.randbytes)
    assert not secret.proves(lost)
    assert secret.proves(b"first")
    assert secret.proves(second)


def test_secrets_are_kept_as_hashes():
    secret = RotatingSecret(b"canary-secret")
    kept = [getattr(secret, name) for name in RotatingSecret.__slots__]
    assert b"canary-secret" not in kept


@given(st.lists(st.integers(0, 3), max_size=30))
def test_at_most_two_secrets_are_valid_and_the_shown_one_stays(steps):
    rng = random.Random(7)
    secret, made = RotatingSecret(b"0"), [b"0"]
    confirmed, pending = b"0", None
    for step in steps:
        if step == 0:
            pending = secret.rotate(rng.randbytes)
            made.append(pending)
        elif step == 1 and pending is not None:
            assert secret.proves(pending)
            confirmed, pending = pending, None
        else:
            assert secret.proves(confirmed)
        assert not any(secret.proves(old) for old in made if old not in (confirmed, pending))
