"""`Noise_NNpsk0_25519_ChaChaPoly_SHA256`, the one handshake of NCP/1, and nothing else of Noise.

docs/protocol/ncp.md, section 5; the Noise Protocol Framework, revision 34. Message 1 is `psk, e`, message 2
is `e, ee`. The pre-shared key is mixed in first, so message 1 proves its knowledge with one AEAD check and
the responder does no public-key operation for anyone who lacks it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from netcore.codes import CloseCode
from netcore.errors import ProtocolError

PROTOCOL_NAME: Final = b"Noise_NNpsk0_25519_ChaChaPoly_SHA256"
KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
MESSAGE_OVERHEAD: Final = KEY_BYTES + TAG_BYTES
"""Bytes of a handshake message around its payload: the ephemeral public key and the tag."""

_ZERO_NONCE: Final = bytes(12)
"""Every handshake key here encrypts exactly one payload, so the nonce is always 0."""
_NAME_HASH: Final = hashlib.sha256(PROTOCOL_NAME).digest()


class SessionKeys(NamedTuple):
    """What a finished handshake yields (NCP-5-24)."""

    client_to_server: bytes
    """32-byte secret of the initiator's direction."""
    server_to_client: bytes
    handshake_hash: bytes
    """32 bytes, equal on both sides and unique to the connection: the channel binding."""


class _State(NamedTuple):
    """Chaining key and transcript hash between the messages. Immutable: a forged message harms nothing."""

    chaining_key: bytes
    transcript: bytes


class Initiator:
    """The client's side: `write_hello` once, then `read_accept` until one succeeds."""

    __slots__ = ("_private", "_state", "message")

    def __init__(self, psk: bytes, prologue: bytes, ephemeral: bytes, payload: bytes) -> None:
        """`ephemeral` is a fresh 32-byte private key, never to serve twice. `message` holds message 1."""
        self._private = X25519PrivateKey.from_private_bytes(ephemeral)
        public = self._private.public_key().public_bytes_raw()
        state, key = _after_first_key(psk, prologue, public)
        sealed = ChaCha20Poly1305(key).encrypt(_ZERO_NONCE, payload, state.transcript)
        self.message = public + sealed
        self._state = _State(state.chaining_key, _mix_hash(state.transcript, sealed))

    def read_accept(self, message: bytes) -> tuple[bytes, SessionKeys]:
        """The payload of message 2 and the keys. Raises `ProtocolError`; the state stays as it was."""
        if len(message) < MESSAGE_OVERHEAD:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "noise_length")
        public, sealed = message[:KEY_BYTES], message[KEY_BYTES:]
        state, key = _after_second_key(self._state, public, _exchange(self._private, public))
        payload = _open(key, sealed, state.transcript)
        return payload, _split(state, sealed)


class Responder:
    """The server's side: the constructor reads message 1, `accept` writes message 2."""

    __slots__ = ("_initiator_public", "_state", "payload")

    def __init__(self, psk: bytes, prologue: bytes, message: bytes) -> None:
        """Opens message 1; `payload` holds what it carried. Raises `ProtocolError` if the sender lacks `psk`.

        Symmetric work only: no public-key operation happens here (NCP-5-12).
        """
        if len(message) < MESSAGE_OVERHEAD:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "noise_length")
        self._initiator_public = message[:KEY_BYTES]
        sealed = message[KEY_BYTES:]
        state, key = _after_first_key(psk, prologue, self._initiator_public)
        self.payload = _open(key, sealed, state.transcript)
        self._state = _State(state.chaining_key, _mix_hash(state.transcript, sealed))

    def accept(self, ephemeral: bytes, payload: bytes) -> tuple[bytes, SessionKeys]:
        """Message 2 and the keys. `ephemeral` is a fresh 32-byte private key.

        Raises `ProtocolError` where the initiator's public key is a point of low order.
        """
        private = X25519PrivateKey.from_private_bytes(ephemeral)
        public = private.public_key().public_bytes_raw()
        shared = _exchange(private, self._initiator_public)
        state, key = _after_second_key(self._state, public, shared)
        sealed = ChaCha20Poly1305(key).encrypt(_ZERO_NONCE, payload, state.transcript)
        return public + sealed, _split(state, sealed)


def _after_first_key(psk: bytes, prologue: bytes, public: bytes) -> tuple[_State, bytes]:
    """State and AEAD key after the tokens `psk, e` of message 1."""
    transcript = _mix_hash(_NAME_HASH, prologue)
    temporary = hmac.digest(_NAME_HASH, psk, "sha256")
    chaining_key = hmac.digest(temporary, b"\x01", "sha256")
    temporary_hash = hmac.digest(temporary, chaining_key + b"\x02", "sha256")
    # The third output of MixKeyAndHash would be a cipher key, but `e` replaces it before anything is sealed.
    transcript = _mix_hash(_mix_hash(transcript, temporary_hash), public)
    chaining_key, key = _mix_key(chaining_key, public)
    return _State(chaining_key, transcript), key


def _after_second_key(state: _State, public: bytes, shared: bytes) -> tuple[_State, bytes]:
    """State and AEAD key after the tokens `e, ee` of message 2."""
    chaining_key, _ = _mix_key(state.chaining_key, public)
    chaining_key, key = _mix_key(chaining_key, shared)
    return _State(chaining_key, _mix_hash(state.transcript, public)), key


def _split(state: _State, sealed: bytes) -> SessionKeys:
    first, second = _mix_key(state.chaining_key, b"")
    return SessionKeys(first, second, _mix_hash(state.transcript, sealed))


def _mix_hash(transcript: bytes, data: bytes) -> bytes:
    return hashlib.sha256(transcript + data).digest()


def _mix_key(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """Noise's HKDF with two outputs."""
    temporary = hmac.digest(chaining_key, material, "sha256")
    first = hmac.digest(temporary, b"\x01", "sha256")
    return first, hmac.digest(temporary, first + b"\x02", "sha256")


def _exchange(private: X25519PrivateKey, public: bytes) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "noise_public_key") from None


def _open(key: bytes, sealed: bytes, transcript: bytes) -> bytes:
    try:
        return ChaCha20Poly1305(key).decrypt(_ZERO_NONCE, sealed, transcript)
    except InvalidTag:
        raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "noise_authentication") from None
