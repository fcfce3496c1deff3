"""End-to-end encrypted content, suite 1: sealed by one member of a channel, opened by the others alone.

docs/protocol/e2ee.md. Pure; randomness is passed in. The key comes from the channel's password
(`messaging.secrets`), so whoever knows name and password can read and write, and nobody else can.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from struct import Struct
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from netcore.delivery import Delivery
from netcore.errors import ProtocolError
from netcore.varint import decode_varint, encode_varint

SUITE: Final = 1
"""First byte of sealed content: which algorithms, which layout."""
SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
MAX_COUNTER: Final = (1 << 30) - 1
"""Messages under one salt; a sealer takes a new salt after that."""
MAX_OVERHEAD_BYTES: Final = 1 + SALT_BYTES + 4 + 1 + 4 + TAG_BYTES
"""What sealing adds at most."""
WINDOW: Final = 4096
"""How far behind the newest counter of a salt a message may come and still be shown."""
MAX_SALTS: Final = 1024
"""Salts that an opener remembers, each with its key and its window."""

_LABEL: Final = b"netplay sealed content v1"
_NONCE = Struct(">IQ")
_PERSISTENT: Final = 0x10
_MAX_KEY: Final = (1 << 30) - 1
_SEQUENCED: Final = int(Delivery.SEQUENCED)


class Place(NamedTuple):
    """Where a sender put a message: the server can show it nowhere else."""

    kind: Delivery
    lane: int
    """The sender's, 0-63."""
    key: int = 0
    """Of a sequenced message, below 2**30; else 0."""


def _cipher(message_key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDFExpand(SHA256(), 32, _LABEL + salt).derive(message_key))


def _associated(
    header: bytes, channel_id: str, sender: str, recipient: str | None, type: str, format: int, stored: bool
) -> bytes:
    """Everything that the sealed bytes vouch for beside themselves, each part behind its length."""
    parts = (
        header,
        channel_id.encode("utf-8"),
        sender.encode("utf-8"),
        (recipient or "").encode("utf-8"),
        type.encode("utf-8"),
        bytes((format | _PERSISTENT if stored else format,)),
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

    def seal(
        self,
        content: bytes,
        *,
        type: str,
        format: int,
        place: Place,
        stored: bool = False,
        recipient: str | None = None,
    ) -> bytes:
        """`header | ciphertext and tag`.

        `recipient` is the one agent it is for, None: everyone. `stored`: it is sent as persistent.
        """
        if self._counter >= MAX_COUNTER:
            self._take_salt()
        self._counter += 1
        counter = self._counter
        header = bytes((SUITE,)) + self._salt + encode_varint(counter) + _encode_place(place)
        associated = _associated(header, self._channel_id, self._sender, recipient, type, format, stored)
        return header + self._cipher.encrypt(_NONCE.pack(0, counter), content, associated)


def _encode_place(place: Place) -> bytes:
    head = bytes((place.kind << 6 | place.lane,))
    return head + encode_varint(place.key) if place.kind == _SEQUENCED else head


class _Header(NamedTuple):
    """What stands in front of the ciphertext."""

    salt: bytes
    counter: int
    place: Place
    length: int


def _decode_header(sealed: bytes) -> _Header | None:
    """None where it is not one of this suite."""
    start = 1 + SALT_BYTES
    if len(sealed) < start + 2 + TAG_BYTES or sealed[0] != SUITE:
        return None
    try:
        counter, at = decode_varint(sealed, start)
        head = sealed[at] if at < len(sealed) else 0
        key, at = decode_varint(sealed, at + 1) if head >> 6 == _SEQUENCED else (0, at + 1)
    except ProtocolError:
        return None
    if not 0 < counter <= MAX_COUNTER or key > _MAX_KEY or len(sealed) < at + TAG_BYTES:
        return None
    return _Header(sealed[1:start], counter, Place(Delivery(head >> 6), head & 63, key), at)


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
        place: Place | None = None,
        stored: bool = False,
        recipient: str | None = None,
        once: bool = True,
    ) -> bytes | None:
        """The content; None where it is not what a member sealed so, or was shown before.

        `place` is where the server says that it was sent; None for a message of the log, which does not say.
        `once=False` is for the channel's log, which may be read again.
        """
        header = _decode_header(sealed)
        if header is None or (place is not None and place != header.place):
            return None
        known = self._salts.get(header.salt)
        seen = known if known is not None else _Seen(_cipher(self._key, header.salt))
        if once and not seen.is_new(header.counter):
            return None
        associated = _associated(
            sealed[: header.length], self._channel_id, sender, recipient, type, format, stored
        )
        try:
            content = seen.cipher.decrypt(_NONCE.pack(0, header.counter), sealed[header.length :], associated)
        except InvalidTag:
            return None
        # Remembered only now: bytes that nobody sealed must not push out salts that members use.
        if known is None:
            self._salts[header.salt] = seen
            if len(self._salts) > MAX_SALTS:
                self._salts.popitem(last=False)
        else:
            self._salts.move_to_end(header.salt)
        if once:
            seen.show(header.counter)
        return content
