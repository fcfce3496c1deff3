"""The channel secret: one password, two keys that tell nothing of each other."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from messaging.secrets import derive, salt_for


def hkdf_expand(root, info):
    return hmac.digest(root, info + b"\x01", "sha256")


# E2E-1-2
def test_proof_and_key_follow_the_document():
    """Written a second time from section 8 with the standard library alone."""
    fields = (b"netplay channel secret v1", b"private", "café".encode())
    salt = b"".join(len(field).to_bytes(2, "big") + field for field in fields)
    root = hashlib.pbkdf2_hmac("sha256", "passwörd".encode(), salt, 1000, 32)
    secret = derive("passwörd", "cafe\u0301", rounds=1000)
    assert secret.proof == hkdf_expand(root, b"netplay proof v1")
    assert secret.message_key == hkdf_expand(root, b"netplay message key v1")
    assert secret.proof != secret.message_key


def test_the_real_number_of_rounds_is_used():
    salt = salt_for("room", "private")
    root = hashlib.pbkdf2_hmac("sha256", b"pw", salt, 600_000, 32)
    assert derive("pw", "room").proof == hkdf_expand(root, b"netplay proof v1")


# MSG-8-1
def test_every_field_changes_the_proof():
    proofs = {
        derive(*fields, rounds=1).proof
        for fields in [
            ("p", "room", "private"),
            ("p", "room", "public"),
            ("p", "room2", "private"),
            ("q", "room", "private"),
        ]
    }
    assert len(proofs) == 4


def test_no_two_splits_of_the_fields_meet():
    assert salt_for("ab", "private") != salt_for("b", "private")
    assert salt_for("a", "public") != salt_for("a", "private")


@pytest.mark.parametrize(("name", "scope"), [("", "private"), ("*", "private"), ("room", "secret")])
def test_bad_names_and_scopes_are_refused(name, scope):
    with pytest.raises(ValueError):
        derive("p", name, scope, rounds=1)
