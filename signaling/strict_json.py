"""JSON as this API takes it: one meaning for every accepted text, bounded, and always writable again.

Refused: anything but UTF-8, a name twice in one object, NaN and infinities, lone surrogates, numbers outside
64-bit range, nesting deeper than 32, more than 10,000 values.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 10_000
_MAX_DIGITS: Final = 20


class NotStrictJson(ValueError):
    """The text is not JSON, or not JSON that is accepted. The message never repeats the text."""


def decode(text: bytes) -> Any:
    """The value of one JSON text. Raises `NotStrictJson`."""
    if _surely_too_many(text):
        raise NotStrictJson(f"it has more than {MAX_VALUES} values")
    try:
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except UnicodeDecodeError:
        raise NotStrictJson("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise NotStrictJson(f"it is nested deeper than {MAX_DEPTH}") from None
    _check(value)
    return value


def _surely_too_many(text: bytes) -> bool:
    """True where the text has more than MAX_VALUES values, found without making them: a megabyte of `[],` would
    hold the event loop up for 100 ms before anyone could count.

    Between two values there is a comma, and at most four quotes to a value with its name. Exact for valid JSON;
    of what is not, some goes on to the parser, which stops at the fault.
    """
    if text.count(b",") < MAX_VALUES:
        return False
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > 4 * MAX_VALUES:
        return True
    return sum(part.count(b",") for part in plain.split(b'"')[::2]) >= MAX_VALUES


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrictJson("an object has the same name twice")
    return found


def _constant(name: str) -> Any:
    raise NotStrictJson(f"{name} is not a JSON number")


def _integer(text: str) -> int:
    if len(text) <= _MAX_DIGITS:
        value = int(text)
        if -(1 << 63) <= value < 1 << 64:
            return value
    raise NotStrictJson("an integer is outside the 64-bit range")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotStrictJson("a number is too large")
    return value


def _check(value: Any) -> None:
    """Depth, count and surrogates, level by level: no recursion, whatever came."""
    level = [value]
    total = 0
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise NotStrictJson(f"it is nested deeper than {MAX_DEPTH}")
        total += len(level)
        if total > MAX_VALUES:
            raise NotStrictJson(f"it has more than {MAX_VALUES} values")
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                for name in item:
                    _check_text(name)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = below


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise NotStrictJson("a text has a lone surrogate") from None
