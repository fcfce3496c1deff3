"""Write docs/protocol/vectors/e2ee.json: keys from passwords, sealed content, what must not open, what is shown once.

    python scripts/make_vectors_e2ee.py

The bytes follow from the fixed inputs below; running it again changes nothing unless the protocol changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from messaging import secrets
from messaging.sealed_content import ContentSealer, Place
from netcore.delivery import Delivery

FILE = Path(__file__).resolve().parent.parent / "docs" / "protocol" / "vectors" / "e2ee.json"
MESSAGE_KEY = bytes(range(32))
SALT = bytes([0xA5]) * 16
NAMES: dict[str, Any] = {
    "channel_id": "c1",
    "sender": "ada",
    "receiver": None,
    "type": "chat-text",
    "format": 1,
    "persistent": True,
    "kind": 3,
    "lane": 8,
    "key": 0,
}
"""What the server says about a message, where a case does not say otherwise."""


def keys() -> list[dict[str, Any]]:
    """What a client makes of a password."""
    given = [("correct horse", "lobby", "private"), ("passwörd 🎲", "größe", "public")]
    return [
        {
            "password": password,
            "channel_name": name,
            "scope": scope,
            "salt": secrets.salt_for(name, scope).hex(),
            "proof": derived.proof.hex(),
            "message_key": derived.message_key.hex(),
        }
        for password, name, scope in given
        for derived in (secrets.derive(password, name, scope),)
    ]


def seal(content: bytes, counter: int = 1, salt: bytes = SALT, **names: Any) -> bytes:
    """`content` as number `counter` under the fixed key."""
    told = NAMES | names
    sealer = ContentSealer(MESSAGE_KEY, told["channel_id"], told["sender"], lambda size: salt)
    sealer._counter = counter - 1
    return sealer.seal(
        content,
        type=told["type"],
        format=told["format"],
        place=Place(Delivery(told["kind"]), told["lane"], told["key"]),
        stored=told["persistent"],
        recipient=told["receiver"],
    )


def sealed() -> list[dict[str, Any]]:
    """Content that opens."""
    live = {"persistent": False}
    cases: list[tuple[str, bytes, int, dict[str, Any]]] = [
        ("text to everyone, stored", b"hello", 1, {}),
        ("the same words, the next message", b"hello", 2, {}),
        ("nothing", b"", 3, {"format": 0, **live}),
        ("to one", "für dich".encode(), 64, {"receiver": "bob"}),
        ("JSON of a type of its own", b'{"x":1}', 65, {"type": "größe", "format": 2, "kind": 2, "lane": 9}),
        ("a sequenced value", b"\0\1", 16_384, {"format": 0, "kind": 1, "lane": 10, "key": 0, **live}),
        (
            "the largest key",
            b"\0\1",
            16_385,
            {"format": 0, "kind": 1, "lane": 63, "key": (1 << 30) - 1, **live},
        ),
        ("an unreliable message", b"x", 16_386, {"kind": 0, "lane": 11, **live}),
        ("the last counter", b"x", (1 << 30) - 1, {}),
    ]
    return [
        {
            "name": name,
            "told": NAMES | changed,
            "salt": SALT.hex(),
            "counter": counter,
            "content": content.hex(),
            "sealed": seal(content, counter, **changed).hex(),
        }
        for name, content, counter, changed in cases
    ]


def flipped(data: bytes, at: int) -> bytes:
    """`data` with the lowest bit of one byte turned over."""
    at %= len(data)
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def bad() -> list[dict[str, Any]]:
    """Content that does not open, as the server tells it, and why."""
    good = seal(b"hello")
    value = seal(b"\0\1", 2, format=0, kind=1, lane=10, key=300, persistent=False)
    of_value = {"format": 0, "kind": 1, "lane": 10, "key": 300, "persistent": False}
    cases: list[tuple[str, str, bytes, dict[str, Any]]] = [
        ("nothing at all", "length", b"", {}),
        ("header and half a tag", "length", good[:27], {}),
        ("a byte short of header and tag", "length", good[:34], {}),
        ("no room for the tag behind the key", "length", value[:19] + b"\xbf" + b"\xff" * 15, of_value),
        ("another suite", "suite", b"\2" + good[1:], {}),
        ("counter 0", "counter", good[:17] + b"\0" + good[18:], {}),
        ("counter 2^30", "counter", good[:17] + bytes.fromhex("c000000040000000") + good[18:], {}),
        ("a counter that is not minimal", "varint", good[:17] + b"\x40\x01" + good[18:], {}),
        ("a key that is not minimal", "varint", value[:19] + b"\x80\0\1\x2c" + value[21:], of_value),
        (
            "a key of 2^30",
            "key",
            value[:19] + bytes.fromhex("c000000040000000") + value[21:],
            of_value | {"key": 1 << 30},
        ),
        ("another salt", "tag", flipped(good, 1), {}),
        ("another counter", "tag", good[:17] + b"\2" + good[18:], {}),
        ("a bit of the ciphertext", "tag", flipped(good, 19), {}),
        ("a bit of the tag", "tag", flipped(good, -1), {}),
        ("the tag cut by a byte", "tag", good[:-1], {}),
        ("a byte more", "tag", good + b"\0", {}),
        ("another sender", "tag", good, {"sender": "bob"}),
        ("sender and receiver shifted", "tag", good, {"sender": "ad", "receiver": "a"}),
        ("another type", "tag", good, {"type": "chat"}),
        ("another format", "tag", good, {"format": 2}),
        ("another channel", "tag", good, {"channel_id": "c2"}),
        ("to one instead of everyone", "tag", good, {"receiver": "eve"}),
        ("stored, shown as not stored", "tag", good, {"persistent": False}),
        ("another lane", "place", good, {"lane": 9}),
        ("another kind", "place", good, {"kind": 2}),
        ("the lane rewritten in both places", "tag", good[:18] + b"\xc9" + good[19:], {"lane": 9}),
        ("another key", "place", value, of_value | {"key": 301}),
        (
            "the key rewritten in both places",
            "tag",
            value[:19] + b"\x41\x2d" + value[21:],
            of_value | {"key": 301},
        ),
        ("not stored, shown as stored", "tag", value, of_value | {"persistent": True}),
    ]
    return [
        {"name": name, "reason": reason, "told": NAMES | told, "sealed": data.hex()}
        for name, reason, data, told in cases
    ]


def shown_once() -> list[dict[str, Any]]:
    """Live messages in the order of their arrival at a client that has seen none before."""
    other = bytes([0x5A]) * 16
    forged = flipped(seal(b"m9999", 9999), -1)
    arrivals: list[tuple[str, bytes, bool]] = [
        ("the first", seal(b"m1", 1), True),
        ("once more", seal(b"m1", 1), False),
        ("one ahead", seal(b"m3", 3), True),
        ("one from between", seal(b"m2", 2), True),
        ("that one again", seal(b"m2", 2), False),
        ("the same counter under another salt", seal(b"n1", 1, other), True),
        ("a forged one, far ahead, moves nothing", forged, False),
        ("far ahead", seal(b"m5000", 5000), True),
        ("the oldest that counts", seal(b"m905", 905), True),
        ("one older", seal(b"m904", 904), False),
        ("the oldest that counts, again", seal(b"m905", 905), False),
    ]
    return [{"name": name, "sealed": data.hex(), "shown": shown} for name, data, shown in arrivals]


def main() -> None:
    """Write the file."""
    vectors = {
        "about": "docs/protocol/e2ee.md. Bytes are hex. `told`: what the server says of a message; receiver null: "
        "everyone. `bad` must not open, for the first reason that applies (E2E-2-2; place: E2E-2-1). "
        "`shown_once`: live messages of one client in order, all told as in the first of `sealed` (E2E-2-3).",
        "version": 1,
        "keys": keys(),
        "message_key": MESSAGE_KEY.hex(),
        "sealed": sealed(),
        "bad": bad(),
        "shown_once": shown_once(),
    }
    FILE.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
