"""Write the test vectors of tokens, handshake and bad datagrams to docs/protocol/vectors/.

    python scripts/make_vectors_handshake.py

The bytes follow from the fixed inputs below; running it again changes nothing unless the protocol changed.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from netcore import datagrams, noise
from netcore.address import pack_address
from netcore.datagrams import Hello
from netcore.keys import next_secret, packet_keys
from netcore.noise import Initiator, Responder
from netcore.params import Params
from netcore.token import VERSION, TokenKey, seal_token

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "protocol" / "vectors"

KEY = TokenKey(1, bytes(range(32)))
APP_ID = 0x1122334455667788
EXPIRES = 2_000_000_000
WALL_NOW = EXPIRES - 20
TOKEN_ID = bytes(range(0x40, 0x50))
PSK = bytes(range(0xA0, 0xC0))
CLAIMS = bytes.fromhex("81a4726f6f6da56c6f626279")
USER_ID = 42
ATTEMPT_ID = bytes(range(8))
CLIENT_EPHEMERAL = b"\x11" * 32
SERVER_EPHEMERAL = b"\x22" * 32
CLIENT_PARAMS = bytes.fromhex("01026710020245ac040480100000")
SERVER_PARAMS = CLIENT_PARAMS + bytes.fromhex(
    "100400c0ffee1110000102030405060708090a0b0c0d0e0f120800000000499602d2"
)
COOKIE = bytes.fromhex("00000000000186a0") + bytes(range(0x60, 0x70))
RESET_KEY = bytes(range(0xD0, 0xF0))
LOW_ORDER_POINT = bytes(32)


def fixed(*values: bytes) -> Callable[[int], bytes]:
    """A source of "random" bytes that gives out these."""
    left = list(values)

    def random(count: int) -> bytes:
        value = left.pop(0)
        if len(value) != count:
            raise ValueError(f"{count} bytes were asked for, {len(value)} were laid out")
        return value

    return random


def make_token(claims: bytes = CLAIMS, expires: int = EXPIRES, user_id: int = USER_ID) -> bytes:
    """A token with the fixed id and pre-shared key."""
    token, _ = seal_token(
        KEY,
        app_id=APP_ID,
        claims=claims,
        expires_unix=expires,
        random=fixed(TOKEN_ID, PSK),
        user_id=user_id,
    )
    return token


def sealed(plain: bytes) -> bytes:
    """A token whose sealed part holds `plain` as it is: authentic, but perhaps no valid content."""
    header = KEY.key_id.to_bytes(2, "big") + TOKEN_ID + EXPIRES.to_bytes(8, "big")
    aad = VERSION.to_bytes(4, "big") + APP_ID.to_bytes(8, "big") + header
    return header + KEY.cipher_for(TOKEN_ID).encrypt(bytes(12), plain, aad)


def flipped(data: bytes, at: int) -> bytes:
    """`data` with the lowest bit of one byte turned over."""
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def token_vectors() -> dict[str, Any]:
    """token.json."""
    token = make_token()
    fixed_part = PSK + USER_ID.to_bytes(8, "big")
    bad = [
        ("a byte short of the least", token[:82], WALL_NOW, "token_length"),
        ("longer than the most", token + bytes(900), WALL_NOW, "token_length"),
        ("expired by more than the leeway of 5 s", token, EXPIRES + 6, "token_expired"),
        ("would live longer than 120 s", token, EXPIRES - 126, "token_lifetime"),
        ("unknown key id", flipped(token, 1), WALL_NOW, "token_key"),
        ("token id changed", flipped(token, 2), WALL_NOW, "token_forged"),
        ("expiry changed", flipped(token, 25), WALL_NOW, "token_forged"),
        ("sealed part changed", flipped(token, 26), WALL_NOW, "token_forged"),
        ("tag changed", flipped(token, len(token) - 1), WALL_NOW, "token_forged"),
        ("a byte lost at the end", token[:-1], WALL_NOW, "token_forged"),
        ("claims shorter than their length", sealed(fixed_part + b"\x05abcd"), WALL_NOW, "token_content"),
        ("claims longer than their length", sealed(fixed_part + b"\x03abcd"), WALL_NOW, "token_content"),
        ("length not minimal", sealed(fixed_part + b"\x40\x04abcd"), WALL_NOW, "token_content"),
        ("claims of 513 bytes", sealed(fixed_part + b"\x42\x01" + bytes(513)), WALL_NOW, "token_content"),
    ]
    return {
        "about": "Connect tokens, section 4. psk and token_id stand in for random bytes. All bytes are hex.",
        "key_id": KEY.key_id,
        "key": KEY.secret.hex(),
        "app_id": f"{APP_ID:016x}",
        "token_id": TOKEN_ID.hex(),
        "psk": PSK.hex(),
        "valid": [
            {
                "name": name,
                "claims": claims.hex(),
                "user_id": user_id,
                "expires": EXPIRES,
                "wall_now": wall_now,
                "token": make_token(claims, user_id=user_id).hex(),
            }
            for name, claims, user_id, wall_now in (
                ("a map of claims", CLAIMS, USER_ID, WALL_NOW),
                ("no claims, in the last second of the leeway", b"", 0, EXPIRES + 5),
                ("the most claims", bytes(i & 255 for i in range(512)), (1 << 64) - 1, EXPIRES - 125),
            )
        ],
        "bad": [
            {"name": name, "token": data.hex(), "wall_now": wall_now, "reason": reason}
            for name, data, wall_now, reason in bad
        ],
    }


def handshake_vectors() -> dict[str, Any]:
    """handshake.json."""
    token = make_token()
    prologue = datagrams.handshake_prologue(VERSION, ATTEMPT_ID, APP_ID, token)
    initiator = Initiator(PSK, prologue, CLIENT_EPHEMERAL, CLIENT_PARAMS)
    responder = Responder(PSK, prologue, initiator.message)
    message, keys = responder.accept(SERVER_EPHEMERAL, SERVER_PARAMS)
    first = Hello(VERSION, ATTEMPT_ID, APP_ID, b"", token, initiator.message)
    second = first._replace(cookie=COOKIE)
    address = ("192.0.2.7", 50_000)
    directions = {
        "client_to_server": keys.client_to_server,
        "server_to_client": keys.server_to_client,
    }
    return {
        "about": "One handshake, sections 3, 5, 6 and 13. HELLOs are padded with zeros to 1200 bytes, "
        "which are left out here. The cookie stands in for one of the server's own making.",
        "version": f"{VERSION:08x}",
        "attempt_id": ATTEMPT_ID.hex(),
        "app_id": f"{APP_ID:016x}",
        "token": token.hex(),
        "psk": PSK.hex(),
        "client_ephemeral_private": CLIENT_EPHEMERAL.hex(),
        "server_ephemeral_private": SERVER_EPHEMERAL.hex(),
        "client_params": {"bytes": CLIENT_PARAMS.hex(), "values": shown(Params.decode(CLIENT_PARAMS))},
        "server_params": {"bytes": SERVER_PARAMS.hex(), "values": shown(Params.decode(SERVER_PARAMS))},
        "prologue": prologue.hex(),
        "message_1": initiator.message.hex(),
        "message_2": message.hex(),
        "handshake_hash": keys.handshake_hash.hex(),
        "datagrams": {
            "hello": first.encode().rstrip(b"\0").hex(),
            "retry": datagrams.encode_retry(ATTEMPT_ID, COOKIE).hex(),
            "hello_with_cookie": second.encode().rstrip(b"\0").hex(),
            "cookie": COOKIE.hex(),
            "accept": datagrams.encode_accept(ATTEMPT_ID, message).hex(),
            "versions": datagrams.encode_versions(ATTEMPT_ID, [VERSION]).hex(),
        },
        "keys": [
            {"direction": name, "phase": phase, "secret": secret.hex(), "key": key.hex(), "iv": iv.hex()}
            for name, start in directions.items()
            for phase, secret in ((0, start), (1, next_secret(start)))
            for key, iv in (packet_keys(secret),)
        ],
        "reset": {
            "reset_key": RESET_KEY.hex(),
            "cid": "00c0ffee",
            "address": list(address),
            "packed_address": pack_address(address).hex(),
            "datagram": reset_datagram(address).hex(),
        },
    }


def reset_datagram(address: tuple[str, int]) -> bytes:
    """The RESET of a server with the fixed reset key."""
    return datagrams.encode_reset(
        hmac.digest(RESET_KEY, bytes.fromhex("00c0ffee") + pack_address(address), "sha256")[:16]
    )


def shown(params: Params) -> dict[str, Any]:
    """Parameters as a reader of the vectors wants them."""
    return {
        "idle_timeout_ms": round(params.idle_timeout_s * 1000),
        "max_udp_payload": params.max_udp_payload,
        "max_message": params.max_message,
        "recv_budget": params.recv_budget,
        "versions": [f"{version:08x}" for version in params.versions],
        "cid": None if params.cid is None else f"{params.cid:08x}",
        "reset_token": params.reset_token.hex(),
        "server_time_us": params.server_time_us,
    }


def bad_datagram_vectors() -> dict[str, Any]:
    """datagrams_bad.json."""
    token = make_token()
    prologue = datagrams.handshake_prologue(VERSION, ATTEMPT_ID, APP_ID, token)

    def message(psk: bytes = PSK, payload: bytes = CLIENT_PARAMS) -> bytes:
        return Initiator(psk, prologue, CLIENT_EPHEMERAL, payload).message

    good = Hello(VERSION, ATTEMPT_ID, APP_ID, b"", token, message())
    plain = good.encode()
    message_at = 24 + len(token)
    other_version = plain[:1] + bytes.fromhex("4e435002") + plain[5:]
    cases: list[tuple[str, bytes, str, bytes | None]] = [
        ("empty", b"", "drop", None),
        ("shorter than any", plain[:23], "drop", None),
        ("larger than any", plain + bytes(253), "drop", None),
        ("HELLO a byte short", plain[:-1], "drop", None),
        ("HELLO a byte long", plain + b"\0", "drop", None),
        (
            "HELLO of another version",
            other_version,
            "versions",
            datagrams.encode_versions(ATTEMPT_ID, [VERSION]),
        ),
        ("HELLO of another version, a byte short", other_version[:-1], "drop", None),
        ("HELLO for another application", good._replace(app_id=APP_ID ^ 1).encode(), "drop", None),
        ("HELLO with a cookie of 1 byte", plain[:21] + b"\1" + plain[22:], "drop", None),
        ("HELLO with a cookie of 23 bytes", good._replace(cookie=bytes(23)).encode(), "drop", None),
        ("HELLO with a cookie of 25 bytes", good._replace(cookie=bytes(25)).encode(), "drop", None),
        ("HELLO whose token is too short", good._replace(token=token[:25]).encode(), "drop", None),
        ("HELLO whose token is too long", good._replace(token=bytes(901)).encode(), "drop", None),
        ("HELLO whose token ends behind it", plain[:22] + b"\xff\xff" + plain[24:], "drop", None),
        ("HELLO whose message 1 is too short", good._replace(message=bytes(47)).encode(), "drop", None),
        (
            "HELLO whose message 1 ends behind it",
            plain[:message_at] + b"\x04\xb0" + plain[message_at + 2 :],
            "drop",
            None,
        ),
        ("HELLO with padding that is not zero", plain[:-1] + b"\1", "drop", None),
        ("HELLO with a forged token", good._replace(token=flipped(token, 60)).encode(), "drop", None),
        ("HELLO with an unknown token key", good._replace(token=flipped(token, 1)).encode(), "drop", None),
        (
            "HELLO from one who lacks the pre-shared key",
            good._replace(message=message(bytes(32))).encode(),
            "drop",
            None,
        ),
        (
            "HELLO replayed under another attempt id",
            good._replace(attempt_id=bytes(8)).encode(),
            "drop",
            None,
        ),
        (
            "HELLO with a public key of low order",
            good._replace(message=low_order_message(prologue)).encode(),
            "drop",
            None,
        ),
        (
            "HELLO with parameters out of order",
            good._replace(message=message(payload=CLIENT_PARAMS[4:8] + CLIENT_PARAMS[:4])).encode(),
            "drop",
            None,
        ),
        (
            "HELLO with a parameter twice",
            good._replace(message=message(payload=CLIENT_PARAMS[:4] * 2)).encode(),
            "drop",
            None,
        ),
        (
            "HELLO with a parameter cut off",
            good._replace(message=message(payload=CLIENT_PARAMS[:-1])).encode(),
            "drop",
            None,
        ),
        (
            "HELLO with a parameter that is not minimal",
            good._replace(message=message(payload=bytes.fromhex("010480002710"))).encode(),
            "drop",
            None,
        ),
        (
            "HELLO with a datagram size below 1200",
            good._replace(message=message(payload=bytes.fromhex("020244af"))).encode(),
            "drop",
            None,
        ),
        ("RETRY sent to a server", datagrams.encode_retry(ATTEMPT_ID, COOKIE), "drop", None),
        ("ACCEPT sent to a server", datagrams.encode_accept(ATTEMPT_ID, bytes(96)), "drop", None),
        ("VERSIONS sent to a server", datagrams.encode_versions(ATTEMPT_ID, [VERSION] * 4), "drop", None),
        ("STUN", bytes.fromhex("000100002112a442") + bytes(16), "drop", None),
        ("a first byte that is not assigned", b"\x10" + bytes(40), "drop", None),
        ("DATA a byte shorter than the least", b"\x04" + bytes(22), "drop", None),
        ("DATA of a connection of another worker", b"\x04\x01" + bytes(22), "drop", None),
    ]
    return {
        "about": "Datagrams to a fresh server with the token key and application of token.json, retry policy "
        "auto, worker 0, at wall_now. zeros follow `bytes` up to `length`. drop: nothing is sent back "
        "and nothing kept; versions: `answer` is sent back.",
        "wall_now": WALL_NOW,
        "cases": [
            {
                "name": name,
                "bytes": data.rstrip(b"\0").hex(),
                "length": len(data),
                "reaction": reaction,
                "answer": None if answer is None else answer.hex(),
            }
            for name, data, reaction, answer in cases
        ],
    }


def low_order_message(prologue: bytes) -> bytes:
    """Message 1 of a client that knows the key but sends the point 0 as its public key."""
    state, key = noise._after_first_key(PSK, prologue, LOW_ORDER_POINT)
    return LOW_ORDER_POINT + ChaCha20Poly1305(key).encrypt(bytes(12), CLIENT_PARAMS, state.transcript)


def main() -> None:
    """Write the three files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("token.json", token_vectors()),
        ("handshake.json", handshake_vectors()),
        ("datagrams_bad.json", bad_datagram_vectors()),
    ):
        (FOLDER / name).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
