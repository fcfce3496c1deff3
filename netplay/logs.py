"""Logs: one line for each event, for people on a terminal and as JSON elsewhere, safe to read and to keep.

Lines go to standard error. Control characters are escaped and long values cut, so that nothing a client
chose can forge a line or change a terminal's state; fields that could carry a secret or a payload are never
written.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

VALUE_CHARACTERS = 300
"""Longest text of one field."""
TRACE_CHARACTERS = 8_000
"""Longest traceback."""
TRACE_MARK = "  | "
"""In front of each line of a traceback; a line of an event never begins so."""
FIELDS = 32
"""Most fields of one line."""

FIRST_FIELDS = ("timestamp", "level", "event", "_record", "_from_structlog")
"""Fields that every line has, in front of its own; the last two are the logging library's."""

HIDDEN = "[hidden]"
SECRET_WORDS = frozenset(
    (
        "authorization",
        "content",
        "cookie",
        "data",
        "key",
        "password",
        "payload",
        "proof",
        "psk",
        "secret",
        "token",
    )
)
SAFE_NAMES = frozenset({"key_id", "token_id", "keys", "data_bytes", "content_bytes", "payload_bytes"})

QUIET_LIBRARIES = ("uvicorn.access", "websockets", "aiohttp.access", "asyncio")


def configure(
    format: Literal["auto", "human", "json"] = "auto", level: str = "info", stream: TextIO | None = None
) -> None:
    """Send every line, those of libraries included, to `stream` (standard error). May be called again."""
    stream = stream or sys.stderr
    human = format == "human" or (format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        # The packages below log with the standard library; their ids come as fields, not inside the text.
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        clean,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(human, stream)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide secrets, escape control characters, cut what is long: the last step before a line is written."""
    kept: EventDict = {name: _value(name, event[name]) for name in FIRST_FIELDS if name in event}
    for name in list(event)[:FIELDS]:
        if name not in kept:
            kept[_text(name, 64)] = _value(name, event[name])
    return kept


def _renderer(human: bool, stream: TextIO) -> Processor:
    if human:
        return structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=28)
    return structlog.processors.JSONRenderer(ensure_ascii=True, sort_keys=False)


def _value(name: str, value: Any) -> Any:
    if name in ("_record", "_from_structlog"):
        return value
    if _secret(name):
        return HIDDEN
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if name == "exception":
        # Several lines for people: marked, for an exception's own text may hold whatever a client sent.
        cut = str(value)[:TRACE_CHARACTERS]
        return "\n".join(TRACE_MARK + _text(line, TRACE_CHARACTERS) for line in cut.split("\n"))
    return _text(str(value), VALUE_CHARACTERS)


def _secret(name: str) -> bool:
    words = name.lower().split("_")
    return name not in SAFE_NAMES and not SECRET_WORDS.isdisjoint(words)


def _text(text: str, longest: int) -> str:
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else _escaped(char) for char in cut)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
