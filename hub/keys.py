"""Developer keys: `npk_<id>_<secret>`, kept only as salted hashes, verified in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

KEY_PREFIX: Final = "npk_"
"""What a leaked key is recognised by."""

_KEY = re.compile(r"npk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})\Z")
_DUMMY_SALT = bytes(16)
_DUMMY_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of a key: nothing that opens anything."""

    key_id: str
    salt: bytes
    digest: bytes
    """SHA-256 over salt and secret. The secret has 256 random bits: a slow hash would add nothing."""
    developer: str


def _digest(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode("ascii")).digest()


class KeyRing:
    """The keys that this server accepts."""

    __slots__ = ("_records",)

    def __init__(self, records: Iterable[KeyRecord] = ()) -> None:
        self._records = {record.key_id: record for record in records}

    def issue(self, developer: str, random: Callable[[int], bytes]) -> str:
        """Make a key for `developer` and return it: this is the only time it is seen."""
        key_id = random(6).hex()
        secret = urlsafe_b64encode(random(32)).rstrip(b"=").decode("ascii")
        key = f"{KEY_PREFIX}{key_id}_{secret}"
        self.add(key, developer, random)
        return key

    def add(self, api_key: str, developer: str, random: Callable[[int], bytes]) -> KeyRecord:
        """Accept `api_key` (made by `issue`, perhaps in an earlier run) for `developer`.

        Returns the record to keep. ValueError where the text is no key.
        """
        match = _KEY.match(api_key)
        if match is None:
            raise ValueError("an API key looks like npk_<12 hex digits>_<43 characters of base64url>")
        key_id, secret = match.groups()
        salt = random(16)
        record = KeyRecord(key_id, salt, _digest(salt, secret), developer)
        self._records[key_id] = record
        return record

    def replace(self, records: Iterable[KeyRecord]) -> None:
        """Accept these keys and no others. Sessions that have begun go on."""
        self._records = {record.key_id: record for record in records}

    def revoke(self, key_id: str) -> None:
        """Accept the key no more; harmless where it is unknown."""
        self._records.pop(key_id, None)

    def verify(self, api_key: str) -> KeyRecord | None:
        """The record of a key that is accepted, else None. Takes the same time for any well-formed key."""
        match = _KEY.match(api_key)
        if match is None:
            return None
        key_id, secret = match.groups()
        record = self._records.get(key_id)
        salt, expected = (_DUMMY_SALT, _DUMMY_DIGEST) if record is None else (record.salt, record.digest)
        same = hmac.compare_digest(_digest(salt, secret), expected)
        return record if same else None

    def __len__(self) -> int:
        return len(self._records)
