"""End-to-end encrypted content, suite 1: sealed by one member of a channel, opened by the others alone.

docs/protocol/end-to-end.md. Pure; randomness is passed in. The key comes from the channel's password
(`messaging.secrets`), so whoever knows name and password can read and write, and nobody else can.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from netcore.errors import ProtocolError
from netcore.varint import decode_varint, encode_varint

SUITE: Final = 1
"""First byte of sealed content: which algorithms, which layout."""
SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
MAX_COUNTER: Final = (1 << 30) - 1
"""Messages under one salt; a sealer takes a new salt after that."""
MAX_OVERHEAD_BYTES: Final = 1 + SALT_BYTES + 4 + TAG_BYTES
"""What sealing adds at most."""
WINDOW: Final = 4096
"""How far behind the newest counter of a salt a message may come and still be shown."""
MAX_SALTS: Final = 1024
"""Salts that an opener remembers, each with its key and its window."""

_LABEL: Final = b"netplay sealed content v1"
_NONCE = Struct(">IQ")


def _cipher(message_key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDFExpand(SHA256(), 32, _LABEL + salt).derive(message_key))


def _associated(
    channel_id: str, sender: str, recipient: str | None, type: str, format: int, counter: int
) -> bytes:
    """Everything that the sealed bytes vouch for beside themselves, each part behind its length."""
    parts = (
        bytes((SUITE,)),
        channel_id.encode("utf-8"),
        sender.encode("utf-8"),
        (recipient or "").encode("utf-8"),
        type.encode("utf-8"),
        bytes((format,)),
        counter.to_bytes(8, "big"),
    )
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


class ContentSealer:
    """Seals what one session sends. A new session takes a new sealer, and with it a fresh salt."""

    __slots__ = ("_channel_id", "_cipher", "_counter", "_key", "_random", "_salt", "_sender")

    def __init__(
        self, message_key: bytes, channel_id: str, sender: str, random: Callable[[int], bytes]
    ) -> None:
        """`message_key` is 32 bytes, `sender` this agent's name, `random(n)` gives n random bytes."""
        if len(message_key) != 32:
            raise ValueError(f"message key has {len(message_key)} bytes, must have 32")
        self._key = message_key
        self._channel_id = channel_id
        self._sender = sender
        self._random = random
        self._take_salt()

    def _take_salt(self) -> None:
        self._salt = self._random(SALT_BYTES)
        self._cipher = _cipher(self._key, self._salt)
        self._counter = 0

    def seal(self, content: bytes, *, type: str, format: int, recipient: str | None = None) -> bytes:
        """`suite | salt | counter | ciphertext and tag`. `recipient` is the one agent it is for, None:
        everyone."""
        if self._counter >= MAX_COUNTER:
            self._take_salt()
        self._counter += 1
        counter = self._counter
        associated = _associated(self._channel_id, self._sender, recipient, type, format, counter)
        sealed = self._cipher.encrypt(_NONCE.pack(0, counter), content, associated)
        return bytes((SUITE,)) + self._salt + encode_varint(counter) + sealed


class _Seen:
    """One salt: its cipher, and which counters were shown."""

    __slots__ = ("bits", "cipher", "newest")

    def __init__(self, cipher: AESGCM) -> None:
        self.cipher = cipher
        self.newest = 0
        self.bits = 0  # bit n: counter newest - n was shown

    def is_new(self, counter: int) -> bool:
        behind = self.newest - counter
        return behind < 0 or (behind < WINDOW and not self.bits >> behind & 1)

    def show(self, counter: int) -> None:
        ahead = counter - self.newest
        if ahead > 0:
            self.bits = (self.bits << ahead | 1) & ((1 << WINDOW) - 1) if ahead < WINDOW else 1
            self.newest = counter
        else:
            self.bits |= 1 << -ahead


class ContentOpener:
    """Opens what the members of one channel sealed, and shows each live message once."""

    __slots__ = ("_channel_id", "_key", "_salts")

    def __init__(self, message_key: bytes, channel_id: str) -> None:
        """`message_key` is 32 bytes."""
        if len(message_key) != 32:
            raise ValueError(f"message key has {len(message_key)} bytes, must have 32")
        self._key = message_key
        self._channel_id = channel_id
        self._salts: OrderedDict[bytes, _Seen] = OrderedDict()

    def open(
        self,
        sealed: bytes,
        *,
        sender: str,
        type: str,
        format: int,
        recipient: str | None = None,
        once: bool = True,
    ) -> bytes | None:
        """The content; None where it is not what a member sealed under these names, or was shown before.

        `once=False` is for the channel's log, which may be read again.
        """
        start = 1 + SALT_BYTES
        if len(sealed) < start + 1 + TAG_BYTES or sealed[0] != SUITE:
            return None
        try:
            counter, at = decode_varint(sealed, start)
        except ProtocolError:
            return None
        salt = sealed[1:start]
        known = self._salts.get(salt)
        seen = known if known is not None else _Seen(_cipher(self._key, salt))
        if not 0 < counter <= MAX_COUNTER or (once and not seen.is_new(counter)):
            return None
        associated = _associated(self._channel_id, sender, recipient, type, format, counter)
        try:
            content = seen.cipher.decrypt(_NONCE.pack(0, counter), sealed[at:], associated)
        except InvalidTag:
            return None
        # Remembered only now: bytes that nobody sealed must not push out salts that members use.
        if known is None:
            self._salts[salt] = seen
            if len(self._salts) > MAX_SALTS:
                self._salts.popitem(last=False)
        else:
            self._salts.move_to_end(salt)
        if once:
            seen.show(counter)
        return content
