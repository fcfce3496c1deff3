"""Session identity: a stable id and a secret that changes, as one opaque string `id.secret`.

docs/protocol/messaging.md, section 2. Secrets are kept as hashes only.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Final

from messaging.claims import SESSION_ID_BYTES

SECRET_BYTES: Final = 24
_TEXT = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{32})\Z")


def session_text(session_id: bytes, secret: bytes) -> str:
    """The opaque string that a client holds."""
    return f"{_to_text(session_id)}.{_to_text(secret)}"


def parse_session_text(text: str) -> tuple[bytes, bytes] | None:
    """(session id, secret), or None where the text is no session's."""
    match = _TEXT.match(text)
    if match is None:
        return None
    session_id = urlsafe_b64decode(match[1] + "==")
    if _to_text(session_id) != match[1] or len(session_id) != SESSION_ID_BYTES:
        return None  # a second spelling of the same bytes
    return session_id, urlsafe_b64decode(match[2])


def _to_text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


class RotatingSecret:
    """The secret in force, and its successor until that is first used.

    An answer with a new secret can be lost; so the old one keeps working until the new one is shown.
    """

    __slots__ = ("_current", "_next")

    def __init__(self, secret: bytes) -> None:
        self._current = hashlib.sha256(secret).digest()
        self._next: bytes | None = None

    def rotate(self, random: Callable[[int], bytes]) -> bytes:
        """A new secret. One handed out before and never used is void from now on."""
        secret = random(SECRET_BYTES)
        self._next = hashlib.sha256(secret).digest()
        return secret

    def proves(self, secret: bytes) -> bool:
        """Whether `secret` opens the session. The first use of the new one ends the old one."""
        digest = hashlib.sha256(secret).digest()
        if self._next is not None and hmac.compare_digest(digest, self._next):
            self.confirm()
            return True
        return hmac.compare_digest(digest, self._current)

    def confirm(self) -> None:
        """The client has the answer with the new secret: from now on the old one opens nothing."""
        if self._next is not None:
            self._current, self._next = self._next, None
