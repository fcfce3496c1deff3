"""Names of channels, agents and message types: one set of rules (docs/protocol/messaging.md, section 3)."""

from __future__ import annotations

import unicodedata
from typing import Final

MAX_NAME_BYTES: Final = 64
"""Bytes of a name in UTF-8."""
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check_name(text: str, what: str = "name") -> str:
    """`text` in Unicode normal form C. ValueError, with `what` in it, where it is not allowed as a name.

    A name has 1 to 64 bytes of UTF-8, no control characters, surrogates or line separators, and is not `*`.
    """
    if len(text) > MAX_NAME_BYTES * 4:  # normalising can shrink a text, yet not without bound
        raise ValueError(f"{what} has {len(text)} characters, must have at most {MAX_NAME_BYTES} bytes")
    name = unicodedata.normalize("NFC", text)
    for character in name:
        if unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
            raise ValueError(f"{what} holds the control character U+{ord(character):04X}")
    size = len(name.encode("utf-8"))
    if not 1 <= size <= MAX_NAME_BYTES:
        raise ValueError(f"{what} has {size} bytes, must have 1 to {MAX_NAME_BYTES}")
    if name == "*":
        raise ValueError(f"{what} must not be *")
    return name
