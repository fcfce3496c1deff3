"""Connect tokens: what the HTTP connect hands out, every transport accepts, and nobody uses twice.

docs/protocol/ncp.md, section 4.
"""

from __future__ import annotations

import heapq
import hmac
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from netcore.codes import CloseCode
from netcore.errors import ProtocolError
from netcore.varint import decode_varint, encode_varint

VERSION: Final = 0x4E435001
"""NCP/1, the version number that tokens, prologue and HELLO carry."""
MAX_TOKEN_BYTES: Final = 900
MAX_CLAIMS_BYTES: Final = 512
PSK_BYTES: Final = 32

_HEADER: Final = struct.Struct(">H16sQ")
_SEALED_FIXED: Final = struct.Struct(">32sQ")
_AAD_FIRST: Final = struct.Struct(">IQ")
_MIN_TOKEN_BYTES: Final = _HEADER.size + _SEALED_FIXED.size + 1 + 16
_ZERO_NONCE: Final = bytes(12)
_USED: Final = b""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key that seals and opens tokens. A server makes a new one, under a new id, at each start."""

    key_id: int
    """u16."""
    secret: bytes = field(repr=False)
    """32 bytes (K_server)."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for an id that is no u16 or a secret that is not 32 bytes long."""
        if not 0 <= self.key_id <= 0xFFFF:
            raise ValueError(f"key_id {self.key_id} is no u16")
        if len(self.secret) != 32:
            raise ValueError(f"a token key has 32 bytes, not {len(self.secret)}")

    @classmethod
    def generate(cls, random: Callable[[int], bytes]) -> TokenKey:
        """A fresh key under a random id."""
        return cls(int.from_bytes(random(2), "big"), random(32))

    def cipher_for(self, token_id: bytes) -> ChaCha20Poly1305:
        """The AEAD of one token: HKDF-Expand(secret, "NCP token" | token_id, 32), in one HMAC block.

        A key for each token needs no nonce and has no limit of messages.
        """
        return ChaCha20Poly1305(hmac.digest(self.secret, b"NCP token" + token_id + b"\x01", "sha256"))


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs to shake hands over UDP: the connect answer's UDP offer."""

    token: bytes
    psk: bytes = field(repr=False)
    app_id: int
    """u64, which application the token is for."""
    steer: int = 0
    """u8, becomes the first byte of `attempt_id` so that the kernel finds the worker."""


class OpenedToken(NamedTuple):
    """A token that opened: authentic, in time, not yet used."""

    token_id: bytes
    psk: bytes
    claims: bytes
    user_id: int
    expires: int
    """Unix seconds."""


def seal_token(
    key: TokenKey,
    *,
    app_id: int,
    claims: bytes,
    expires_unix: int,
    random: Callable[[int], bytes],
    user_id: int = 0,
) -> tuple[bytes, bytes]:
    """A new token and the pre-shared key sealed in it (32 bytes).

    `claims` are opaque here, at most 512 bytes. Raises `ValueError` for more, or for numbers out of range.
    """
    if len(claims) > MAX_CLAIMS_BYTES:
        raise ValueError(f"claims of {len(claims)} bytes; the limit is {MAX_CLAIMS_BYTES}")
    if not (0 <= expires_unix < 1 << 64 and 0 <= app_id < 1 << 64 and 0 <= user_id < 1 << 64):
        raise ValueError("expires_unix, app_id and user_id are u64")
    token_id = random(16)
    psk = random(PSK_BYTES)
    header = _HEADER.pack(key.key_id, token_id, expires_unix)
    plain = _SEALED_FIXED.pack(psk, user_id) + encode_varint(len(claims)) + claims
    aad = _AAD_FIRST.pack(VERSION, app_id) + header
    return header + key.cipher_for(token_id).encrypt(_ZERO_NONCE, plain, aad), psk


def token_id_of(token: bytes) -> bytes:
    """The id in the clear part of a token of at least 26 bytes; unauthenticated."""
    return token[2:18]


def _refused(text: str) -> ProtocolError:
    return ProtocolError(CloseCode.TOKEN_REFUSED, text)


class TokenGate:
    """Opens tokens and sees that each is used once, whatever transport it comes in on.

    A token is *pending* from the first handshake message that proved its key, *used* from the moment the
    client proved to have the answer. Entries live until the token expires. Times are wall-clock seconds.
    """

    __slots__ = (
        "_app_id",
        "_expiries",
        "_forgotten",
        "_keys",
        "_leeway_s",
        "_log",
        "_log_cap",
        "_max_lifetime_s",
    )

    def __init__(
        self,
        keys: Iterable[TokenKey],
        app_id: int,
        leeway_s: float = 5,
        log_cap: int = 100_000,
        max_lifetime_s: float = 120,
    ) -> None:
        """`leeway_s` allows for the issuer's clock; `log_cap` bounds memory (about 300 bytes each)."""
        self._keys = {key.key_id: key for key in keys}
        self._app_id = app_id
        self._leeway_s = leeway_s
        self._log_cap = log_cap
        self._max_lifetime_s = max_lifetime_s
        self._log: dict[bytes, bytes] = {}  # token id -> who reserved it, or _USED
        self._expiries: list[tuple[int, bytes]] = []
        self._forgotten = -1

    @property
    def app_id(self) -> int:
        """Which application the tokens are for."""
        return self._app_id

    @property
    def log_size(self) -> int:
        """How many tokens are remembered, pending and used."""
        return len(self._log)

    def add_key(self, key: TokenKey) -> None:
        """Accept tokens under one more key (rotation)."""
        self._keys[key.key_id] = key

    def drop_key(self, key_id: int) -> None:
        """Refuse tokens under this key from now on."""
        self._keys.pop(key_id, None)

    def open(self, token: bytes, wall_now: float) -> OpenedToken:
        """The token's content. Raises `ProtocolError` (`TOKEN_REFUSED`), cheap checks first; changes nothing.

        Reasons: token_length, token_expired, token_lifetime, token_used, token_key, token_forged,
        token_content.
        """
        if not _MIN_TOKEN_BYTES <= len(token) <= MAX_TOKEN_BYTES:
            raise _refused("token_length")
        key_id, token_id, expires = _HEADER.unpack_from(token)
        if wall_now > expires + self._leeway_s or expires <= self._forgotten:
            raise _refused("token_expired")
        if expires > wall_now + self._leeway_s + self._max_lifetime_s:
            raise _refused("token_lifetime")
        if self._log.get(token_id) == _USED:
            raise _refused("token_used")
        key = self._keys.get(key_id)
        if key is None:
            raise _refused("token_key")
        aad = _AAD_FIRST.pack(VERSION, self._app_id) + token[: _HEADER.size]
        try:
            plain = key.cipher_for(token_id).decrypt(_ZERO_NONCE, token[_HEADER.size :], aad)
        except InvalidTag:
            raise _refused("token_forged") from None
        psk, user_id = _SEALED_FIXED.unpack_from(plain)
        try:
            length, start = decode_varint(plain, _SEALED_FIXED.size)
        except ProtocolError:
            raise _refused("token_content") from None
        if length > MAX_CLAIMS_BYTES or start + length != len(plain):
            raise _refused("token_content")
        return OpenedToken(token_id, psk, plain[start:], user_id, expires)

    def reserve(self, opened: OpenedToken, holder: bytes, wall_now: float) -> None:
        """Make the token pending for one handshake, known by `holder` (not empty).

        Raises `ProtocolError` where another handshake holds it (token_pending), where it is used (token_used)
        or where the log is full (token_log_full): better to refuse than to forget a token still usable.
        """
        known = self._log.get(opened.token_id)
        if known is None:
            self._remember(opened, holder, wall_now)
        elif known == _USED:
            raise _refused("token_used")
        elif known != holder:
            raise _refused("token_pending")

    def release(self, token_id: bytes) -> None:
        """The handshake that held the token died: it may be used again. No effect on a used one."""
        if self._log.get(token_id, _USED) != _USED:
            del self._log[token_id]

    def consume(self, token_id: bytes) -> None:
        """The client proved itself: a reserved token is used now.

        Where the token's time ran out since it was reserved, its entry is gone and nothing needs remembering.
        """
        if token_id in self._log:
            self._log[token_id] = _USED

    def redeem(self, token: bytes, wall_now: float) -> OpenedToken:
        """Open and use a token at once, where the transport itself keeps it secret (TLS).

        Raises `ProtocolError` as `open` and `reserve` do.
        """
        opened = self.open(token, wall_now)
        if opened.token_id in self._log:
            raise _refused("token_pending")
        self._remember(opened, _USED, wall_now)
        return opened

    def _remember(self, opened: OpenedToken, holder: bytes, wall_now: float) -> None:
        self._forget_expired(wall_now)
        if len(self._log) >= self._log_cap:
            raise _refused("token_log_full")
        self._log[opened.token_id] = holder
        heapq.heappush(self._expiries, (opened.expires, opened.token_id))

    def _forget_expired(self, wall_now: float) -> None:
        while self._expiries and wall_now > self._expiries[0][0] + self._leeway_s:
            expires, token_id = heapq.heappop(self._expiries)
            self._log.pop(token_id, None)
            # Remembered so that a wall clock set back cannot revive tokens whose entries are gone.
            self._forgotten = max(self._forgotten, expires)
