"""Tokens, datagrams, handshake and keys: token.json, handshake.json, datagrams_bad.json. ncp.md sections 3 to 6, 13."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from scripts.spec import noise
from scripts.spec.noise import NotAuthentic, hkdf_expand
from scripts.spec.wire import Disagreement, Reader, Refused, Unfit, same

Vectors = dict[str, Any]
VERSION = 0x4E435001
LEEWAY_S = 5
LONGEST_LIFE_S = 120
HELLO_BYTES = 1200


class TokenRefused(Unfit):
    """A token that NCP-4-4 refuses; the first argument says why."""


class Dropped(Unfit):
    """A datagram to which a server says nothing."""


class OpenedToken:
    """What stands sealed in a token."""

    def __init__(self, psk: bytes, user_id: int, claims: bytes) -> None:
        self.psk = psk
        self.user_id = user_id
        self.claims = claims


def open_token(token: bytes, keys: dict[int, bytes], app_id: int, wall_now: float) -> OpenedToken:
    """NCP-4-4, in its order (a token used before is not a matter of its bytes)."""
    if not 83 <= len(token) <= 900:
        raise TokenRefused("token_length")
    key_id, token_id, expires = token[:2], token[2:18], int.from_bytes(token[18:26], "big")
    if wall_now > expires + LEEWAY_S:
        raise TokenRefused("token_expired")
    if expires > wall_now + LONGEST_LIFE_S + LEEWAY_S:
        raise TokenRefused("token_lifetime")
    secret = keys.get(int.from_bytes(key_id, "big"))
    if secret is None:
        raise TokenRefused("token_key")
    key = hkdf_expand(secret, b"NCP token" + token_id, 32)
    aad = VERSION.to_bytes(4, "big") + app_id.to_bytes(8, "big") + token[:26]
    try:
        plain = Reader(ChaCha20Poly1305(key).decrypt(bytes(12), token[26:], aad))
    except InvalidTag:
        raise TokenRefused("token_forged") from None
    try:
        psk, user_id, length = plain.take(32), plain.uint(8), plain.varint()
        if length > 512:
            raise TokenRefused("token_content")
        claims = plain.take(length)
        plain.end()
    except Refused:
        raise TokenRefused("token_content") from None
    return OpenedToken(psk, user_id, claims)


def check_tokens(vectors: Vectors) -> int:
    """token.json."""
    keys = {vectors["key_id"]: bytes.fromhex(vectors["key"])}
    app_id = int(vectors["app_id"], 16)
    for case in vectors["valid"]:
        token = bytes.fromhex(case["token"])
        opened = open_token(token, keys, app_id, case["wall_now"])
        same(case["name"], (vectors["psk"], case["user_id"], case["claims"]), _told(opened))
        same("token_id", vectors["token_id"], token[2:18].hex())
        same("expires", case["expires"], int.from_bytes(token[18:26], "big"))
    for case in vectors["bad"]:
        try:
            open_token(bytes.fromhex(case["token"]), keys, app_id, case["wall_now"])
        except TokenRefused as refused:
            same(case["name"], case["reason"], refused.args[0])
        else:
            raise Disagreement(f"{case['name']}: the documents take this token")
    return len(vectors["valid"]) + len(vectors["bad"])


def _told(opened: OpenedToken) -> tuple[str, int, str]:
    return opened.psk.hex(), opened.user_id, opened.claims.hex()


# Parameters, NCP-5-20

_RANGES = {1: (100, 3_600_000), 2: (1200, 65_527), 3: (1, 1 << 30), 4: (1, 1 << 30)}


def parameters(data: bytes) -> dict[int, Any]:
    """Known parameters by id, the first four with their defaults where absent. Raises Refused."""
    found: dict[int, Any] = {1: 10_000, 2: 1452, 3: 262_144, 4: 1_048_576}
    if len(data) > 1024:
        raise Refused("", "parameters")
    reader, last = Reader(data), -1
    while reader.left:
        number = reader.varint()
        value = reader.take(reader.varint())
        if number <= last:
            raise Refused("", "order")
        last = number
        if number in _RANGES:
            inner = Reader(value)
            found[number] = inner.varint()
            inner.end()
            low, high = _RANGES[number]
            if not low <= found[number] <= high:
                raise Refused("", "range")
        elif number == 5:
            if len(value) % 4 or not 4 <= len(value) <= 64:
                raise Refused("", "versions")
            found[5] = [int.from_bytes(value[at : at + 4], "big") for at in range(0, len(value), 4)]
        elif number in (0x10, 0x11, 0x12):
            if len(value) != {0x10: 4, 0x11: 16, 0x12: 8}[number]:
                raise Refused("", "length")
            found[number] = value
        elif number == 0x13:
            if not 1 <= len(value) <= 512:
                raise Refused("", "claims")
            found[number] = value
    return found


def _check_parameters(case: Vectors) -> None:
    found = parameters(bytes.fromhex(case["bytes"]))
    time_us = found.get(0x12)
    same(
        "parameters",
        case["values"],
        {
            "idle_timeout_ms": found[1],
            "max_udp_payload": found[2],
            "max_message": found[3],
            "recv_budget": found[4],
            "versions": [f"{version:08x}" for version in found.get(5, [])],
            "cid": found[0x10].hex() if 0x10 in found else None,
            "reset_token": found.get(0x11, b"").hex(),
            "server_time_us": None if time_us is None else int.from_bytes(time_us, "big"),
        },
    )


# The handshake as a whole


def prologue(attempt_id: bytes, app_id: int, token: bytes) -> bytes:
    """NCP-5-9."""
    return b"NCP" + VERSION.to_bytes(4, "big") + attempt_id + app_id.to_bytes(8, "big") + token


def hello(attempt_id: bytes, app_id: int, cookie: bytes, token: bytes, message: bytes) -> bytes:
    """A HELLO without its padding, section 3."""
    return b"".join(
        (
            b"\x08" + VERSION.to_bytes(4, "big") + attempt_id + app_id.to_bytes(8, "big"),
            bytes((len(cookie),)) + cookie,
            len(token).to_bytes(2, "big") + token,
            len(message).to_bytes(2, "big") + message,
        )
    )


def check_handshake(vectors: Vectors) -> int:
    """handshake.json, from both sides."""
    raw = {
        name: bytes.fromhex(value)
        for name, value in vectors.items()
        if isinstance(value, str) and name != "about"
    }
    app_id = int(vectors["app_id"], 16)
    same("version", VERSION, int(vectors["version"], 16))
    _check_parameters(vectors["client_params"])
    _check_parameters(vectors["server_params"])
    mixed = prologue(raw["attempt_id"], app_id, raw["token"])
    same("prologue", vectors["prologue"], mixed.hex())
    client_payload = bytes.fromhex(vectors["client_params"]["bytes"])
    server_payload = bytes.fromhex(vectors["server_params"]["bytes"])
    client, first = noise.write_first(raw["psk"], mixed, raw["client_ephemeral_private"], client_payload)
    same("message 1", vectors["message_1"], first.hex())
    server, remote, payload = noise.read_first(raw["psk"], mixed, raw["message_1"])
    same("payload of message 1", client_payload, payload)
    second = noise.write_second(server, remote, raw["server_ephemeral_private"], server_payload)
    same("message 2", vectors["message_2"], second.hex())
    payload = noise.read_second(client, raw["client_ephemeral_private"], raw["message_2"])
    same("payload of message 2", server_payload, payload)
    same("handshake hash", (vectors["handshake_hash"],) * 2, (client.hash.hex(), server.hash.hex()))
    _check_keys(vectors["keys"], client.split())
    _check_datagrams(vectors["datagrams"], raw, app_id)
    _check_reset(vectors["reset"])
    return 1 + len(vectors["keys"]) + len(vectors["datagrams"])


def _check_keys(cases: list[Vectors], secrets: tuple[bytes, bytes]) -> None:
    for case in cases:  # NCP-6-1
        secret = secrets[("client_to_server", "server_to_client").index(case["direction"])]
        for _ in range(case["phase"]):
            secret = hkdf_expand(secret, b"ncp ku", 32)
        found = (secret, hkdf_expand(secret, b"ncp key", 32), hkdf_expand(secret, b"ncp iv", 12))
        same(
            f"keys {case['direction']}",
            (case["secret"], case["key"], case["iv"]),
            tuple(x.hex() for x in found),
        )


def _check_datagrams(told: Vectors, raw: dict[str, bytes], app_id: int) -> None:
    attempt, version = raw["attempt_id"], VERSION.to_bytes(4, "big")
    cookie = bytes.fromhex(told["cookie"])
    plain = hello(attempt, app_id, b"", raw["token"], raw["message_1"])
    proved = hello(attempt, app_id, cookie, raw["token"], raw["message_1"])
    same("HELLO", told["hello"], plain.rstrip(b"\0").hex())
    same("HELLO with cookie", told["hello_with_cookie"], proved.rstrip(b"\0").hex())
    same("RETRY", told["retry"], (b"\x09" + version + attempt + b"\x18" + cookie).hex())
    same("ACCEPT", told["accept"], (b"\x0a" + version + attempt + raw["message_2"]).hex())
    same("VERSIONS", told["versions"], (b"\x0b" + attempt + b"\x01" + version).hex())


def packed_address(host: str, port: int) -> bytes:
    """NCP-2-6."""
    ip = ipaddress.ip_address(host)
    packed = bytes(10) + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed
    return packed + port.to_bytes(2, "big")


def _check_reset(case: Vectors) -> None:
    packed = packed_address(*case["address"])
    same("packed address", case["packed_address"], packed.hex())
    token = hmac.digest(bytes.fromhex(case["reset_key"]), bytes.fromhex(case["cid"]) + packed, "sha256")[:16]
    same("RESET (NCP-13-40)", case["datagram"], "0c" + token.hex())


# A server that has heard nothing yet, NCP-5-10


def answer(data: bytes, keys: dict[int, bytes], app_id: int, wall_now: float) -> bytes | None:
    """What a fresh server says to a datagram: VERSIONS, None for an ACCEPT (random). Raises Dropped."""
    if not data or len(data) > 1452 or data[0] != 0x08:
        # RETRY, ACCEPT, VERSIONS and RESET are a server's own. DATA: of another worker, or too short (NCP-13-41).
        raise Dropped("type")
    if len(data) != HELLO_BYTES:
        raise Dropped("length")
    if int.from_bytes(data[1:5], "big") != VERSION:
        return b"\x0b" + data[5:13] + b"\x01" + VERSION.to_bytes(4, "big")
    reader = Reader(data[5:])
    try:
        attempt, wanted = reader.take(8), reader.uint(8)
        cookie_length = reader.uint(1)
        reader.take(cookie_length)
        token_length = reader.uint(2)
        token = reader.take(token_length)
        message_length = reader.uint(2)
        message = reader.take(message_length)
        padding = reader.rest()
        if (
            cookie_length not in (0, 24)
            or not 26 <= token_length <= 900
            or message_length < 48
            or any(padding)
        ):
            raise Dropped("form")
        if wanted != app_id:
            raise Dropped("application")
        opened = open_token(token, keys, app_id, wall_now)
        state, remote, payload = noise.read_first(opened.psk, prologue(attempt, app_id, token), message)
        parameters(payload)
        noise.write_second(state, remote, b"\x22" * 32, b"")
    except (Refused, TokenRefused, NotAuthentic) as error:
        raise Dropped(str(error)) from None
    return None


def check_bad_datagrams(vectors: Vectors, tokens: Vectors) -> int:
    """datagrams_bad.json, with the key of token.json."""
    keys, app_id = {tokens["key_id"]: bytes.fromhex(tokens["key"])}, int(tokens["app_id"], 16)
    for case in vectors["cases"]:
        data = bytes.fromhex(case["bytes"]).ljust(case["length"], b"\0")
        same("length", case["length"], len(data))
        try:
            found = answer(data, keys, app_id, vectors["wall_now"])
        except Dropped:
            same(case["name"], case["reaction"], "drop")
        else:
            if found is None:
                raise Disagreement(f"{case['name']}: the documents let this HELLO in")
            same(case["name"], (case["reaction"], case["answer"]), ("versions", found.hex()))
    return len(vectors["cases"])
