"""End-to-end encryption: e2ee.json. e2ee.md."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from scripts.spec.messaging import secrets
from scripts.spec.noise import hkdf_expand
from scripts.spec.wire import Disagreement, Reader, Refused, fields, same, varint

Vectors = dict[str, Any]
WINDOW = 4096


def opened(sealed: bytes, message_key: bytes, told: Vectors) -> tuple[bytes, int, bytes]:
    """(salt, counter, content). Refused with the clause of E2E-2-1 or E2E-2-2."""
    reader = Reader(sealed)
    try:
        suite = reader.uint(1)
        if suite != 1:
            raise Refused("", "suite")
        salt, counter, head = reader.take(16), reader.varint(), reader.uint(1)
        key = reader.varint() if head >> 6 == 1 else 0
    except Refused as refused:
        why = {"cut": "length", "minimal": "varint"}.get(refused.why, refused.why)
        raise Refused("", why) from None
    if not 1 <= counter <= (1 << 30) - 1:
        raise Refused("", "counter")
    if key > (1 << 30) - 1:
        raise Refused("", "key")
    if reader.left < 16:
        raise Refused("", "length")
    if (head >> 6, head & 63, key) != (told["kind"], told["lane"], told["key"]):
        raise Refused("", "place")
    cipher = AESGCM(hkdf_expand(message_key, b"netplay sealed content v1" + salt, 32))
    nonce = bytes(4) + counter.to_bytes(8, "big")
    header = sealed[: reader.at]
    try:
        return salt, counter, cipher.decrypt(nonce, reader.rest(), _associated(header, told))
    except InvalidTag:
        raise Refused("", "tag") from None


def _associated(header: bytes, told: Vectors) -> bytes:
    names = (told["channel_id"], told["sender"], told["receiver"] or "", told["type"])
    flags = told["format"] | (0x10 if told["persistent"] else 0)
    return fields(header, *(name.encode("utf-8") for name in names), bytes((flags,)))


class Shown:
    """E2E-2-3, with a plain set of counters."""

    def __init__(self) -> None:
        self.seen: dict[bytes, set[int]] = {}

    def show(self, salt: bytes, counter: int) -> bool:
        """True the first time, within the window."""
        seen = self.seen.setdefault(salt, set())
        if counter in seen or counter <= max(seen, default=0) - WINDOW:
            return False
        seen.add(counter)
        return True


def check_e2ee(vectors: Vectors) -> int:
    """e2ee.json."""
    key = bytes.fromhex(vectors["message_key"])
    for case in vectors["keys"]:
        found = secrets(case["password"], case["channel_name"], case["scope"])
        same(
            "keys", (case["salt"], case["proof"], case["message_key"]), tuple(value.hex() for value in found)
        )
    for case in vectors["sealed"]:
        salt, counter, content = opened(bytes.fromhex(case["sealed"]), key, case["told"])
        same(
            case["name"],
            (case["salt"], case["counter"], case["content"]),
            (salt.hex(), counter, content.hex()),
        )
        _check_sealing(case, key)
    for case in vectors["bad"]:
        try:
            opened(bytes.fromhex(case["sealed"]), key, case["told"])
        except Refused as refused:
            same(case["name"], case["reason"], refused.why)
        else:
            raise Disagreement(f"{case['name']}: the documents open this")
    shown, told = Shown(), vectors["sealed"][0]["told"]
    for case in vectors["shown_once"]:
        try:
            salt, counter, _ = opened(bytes.fromhex(case["sealed"]), key, told)
            same(case["name"], case["shown"], shown.show(salt, counter))
        except Refused:
            same(case["name"], case["shown"], False)
    return sum(len(vectors[name]) for name in ("keys", "sealed", "bad", "shown_once"))


def _check_sealing(case: Vectors, key: bytes) -> None:
    """The same bytes come out of the other direction."""
    told, salt, counter = case["told"], bytes.fromhex(case["salt"]), case["counter"]
    head = bytes((told["kind"] << 6 | told["lane"],)) + (varint(told["key"]) if told["kind"] == 1 else b"")
    header = b"\x01" + salt + varint(counter) + head
    cipher = AESGCM(hkdf_expand(key, b"netplay sealed content v1" + salt, 32))
    nonce = bytes(4) + counter.to_bytes(8, "big")
    sealed = header + cipher.encrypt(nonce, bytes.fromhex(case["content"]), _associated(header, told))
    same(case["name"], case["sealed"], sealed.hex())
