"""Noise_NNpsk0_25519_ChaChaPoly_SHA256 as the Noise framework, revision 34, has it. ncp.md section 5."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from scripts.spec.wire import Unfit

NAME = b"Noise_NNpsk0_25519_ChaChaPoly_SHA256"


class NotAuthentic(Unfit):
    """A message that does not open, or a public key of low order (NCP-5-8)."""


def hkdf_expand(key: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, section 2.3."""
    output = block = b""
    counter = 1
    while len(output) < length:
        block = hmac.digest(key, block + info + bytes((counter,)), "sha256")
        output += block
        counter += 1
    return output[:length]


def hkdf(chaining_key: bytes, material: bytes, outputs: int) -> list[bytes]:
    """Noise's HKDF: extract with the chaining key as salt, expand without info."""
    expanded = hkdf_expand(hmac.digest(chaining_key, material, "sha256"), b"", 32 * outputs)
    return [expanded[at : at + 32] for at in range(0, 32 * outputs, 32)]


def exchange(private: bytes, public: bytes) -> bytes:
    """X25519; NotAuthentic where the result is all zeros."""
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(public)
        )
    except ValueError:
        raise NotAuthentic from None


def public_of(private: bytes) -> bytes:
    """The public key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


class Symmetric:
    """The symmetric state, with the cipher in it."""

    def __init__(self, prologue: bytes, psk: bytes) -> None:
        self.hash = NAME + bytes(32 - len(NAME)) if len(NAME) <= 32 else hashlib.sha256(NAME).digest()
        self.chaining_key = self.hash
        self.cipher_key = b""
        self.nonce = 0
        self.mix_hash(prologue)
        self.chaining_key, mixed, self.cipher_key = hkdf(self.chaining_key, psk, 3)
        self.mix_hash(mixed)

    def mix_hash(self, data: bytes) -> None:
        """MixHash."""
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, material: bytes) -> None:
        """MixKey."""
        self.chaining_key, self.cipher_key = hkdf(self.chaining_key, material, 2)
        self.nonce = 0

    def mix_public(self, public: bytes) -> None:
        """The token e in a handshake with a psk: MixHash, then MixKey."""
        self.mix_hash(public)
        self.mix_key(public)

    def _nonce(self) -> bytes:
        nonce = bytes(4) + self.nonce.to_bytes(8, "little")
        self.nonce += 1
        return nonce

    def seal(self, plain: bytes) -> bytes:
        """EncryptAndHash."""
        sealed = ChaCha20Poly1305(self.cipher_key).encrypt(self._nonce(), plain, self.hash)
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """DecryptAndHash."""
        try:
            plain = ChaCha20Poly1305(self.cipher_key).decrypt(self._nonce(), sealed, self.hash)
        except InvalidTag:
            raise NotAuthentic from None
        self.mix_hash(sealed)
        return plain

    def split(self) -> tuple[bytes, bytes]:
        """The secrets of the two directions, the initiator's first."""
        first, second = hkdf(self.chaining_key, b"", 2)
        return first, second


def write_first(psk: bytes, prologue: bytes, private: bytes, payload: bytes) -> tuple[Symmetric, bytes]:
    """The initiator's `-> psk, e`."""
    state = Symmetric(prologue, psk)
    public = public_of(private)
    state.mix_public(public)
    return state, public + state.seal(payload)


def read_first(psk: bytes, prologue: bytes, message: bytes) -> tuple[Symmetric, bytes, bytes]:
    """The responder's side: its state, the initiator's public key, the payload."""
    state = Symmetric(prologue, psk)
    state.mix_public(message[:32])
    return state, message[:32], state.open(message[32:])


def write_second(state: Symmetric, remote: bytes, private: bytes, payload: bytes) -> bytes:
    """The responder's `<- e, ee`."""
    public = public_of(private)
    state.mix_public(public)
    state.mix_key(exchange(private, remote))
    return public + state.seal(payload)


def read_second(state: Symmetric, private: bytes, message: bytes) -> bytes:
    """The initiator's side: the payload."""
    state.mix_public(message[:32])
    state.mix_key(exchange(private, message[:32]))
    return state.open(message[32:])
