"""Content of messages as JSON shows it: text and JSON as they are, everything else as base64url."""

from __future__ import annotations

import json
from typing import Any

from messaging.envelope import FORMAT_BYTES, FORMAT_JSON, FORMAT_TEXT
from signaling.schemas import encode_base64url
from signaling.strict_json import NotStrictJson, decode


def shown_content(content: bytes, format: int, encrypted: bool) -> tuple[Any, str | None]:
    """(value, None) of content that can be shown, else (None, its bytes as base64url)."""
    if not encrypted:
        try:
            if format == FORMAT_TEXT:
                return content.decode("utf-8"), None
            if format == FORMAT_JSON:
                return decode(content), None
        except (UnicodeDecodeError, NotStrictJson):
            pass
    return None, encode_base64url(content)


def content_of(value: Any) -> tuple[bytes, int]:
    """(bytes, format) of a JSON value: text is text, all else JSON."""
    if isinstance(value, str):
        return value.encode("utf-8"), FORMAT_TEXT
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(), FORMAT_JSON


def content_of_bytes(data: bytes, format: int | None) -> tuple[bytes, int]:
    """(bytes, format) of content that came as base64url."""
    return data, FORMAT_BYTES if format is None else format
