"""Logs: one line for each event, whatever a client put into it, and no secret in any."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from netplay import logs

TEXT = st.text(max_size=600)


@pytest.fixture(autouse=True)
def library_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written(event: str, *, format: Any = "json", level: str = "info", **fields: Any) -> str:
    stream = io.StringIO()
    logs.configure(format, level, stream)
    structlog.get_logger("test").info(event, **fields)
    return stream.getvalue()


def test_an_event_is_one_json_object_with_its_fields() -> None:
    line = written("agent_joined", channel="c1", index=3, rtt_s=0.5)
    told = json.loads(line)
    assert (
        told.items()
        >= {"event": "agent_joined", "channel": "c1", "index": 3, "rtt_s": 0.5, "level": "info"}.items()
    )
    assert told["timestamp"].endswith("Z")


def test_lines_for_people_hold_the_same_facts() -> None:
    line = written("agent_joined", format="human", channel="c1")
    assert "agent_joined" in line
    assert "channel=c1" in line


def test_anything_that_is_no_terminal_gets_json() -> None:
    assert json.loads(written("x", format="auto"))["event"] == "x"


def test_a_terminal_gets_lines_for_people() -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    logs.configure("auto", "info", stream)
    structlog.get_logger().info("hello")
    assert not stream.getvalue().startswith("{")
    assert "hello" in stream.getvalue()


@given(TEXT, TEXT, TEXT)
def test_whatever_a_client_sends_makes_exactly_one_line(event: str, name: str, value: str) -> None:
    line = written(event, **{"agent_name": value, "n" + name: value})
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert all(char.isprintable() for char in json.loads(line)["agent_name"])


@given(TEXT, TEXT)
def test_no_client_can_forge_a_line_for_people(event: str, value: str) -> None:
    line = written(event, format="human", agent_name=value)
    assert line.count("\n") == 1
    assert all(char.isprintable() for char in line.rstrip("\n"))


def test_long_values_are_cut() -> None:
    assert len(written("x", reason="a" * 100_000)) < 600
    assert len(written("a" * 100_000)) < 600


def test_more_fields_than_any_event_has_are_dropped_but_not_the_event() -> None:
    told = json.loads(written("x", **{f"field{number}": number for number in range(1000)}))
    assert len(told) <= logs.FIELDS + 3
    assert told["event"] == "x"
    assert told["level"] == "info"


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "key",
        "token",
        "password",
        "channel_password",
        "psk",
        "proof",
        "secret",
        "payload",
        "content",
    ],
)
def test_a_field_that_may_carry_a_secret_is_hidden(name: str) -> None:
    assert "npk_" not in written("connect", **{name: "npk_0123"})


def test_a_key_id_is_no_secret() -> None:
    assert json.loads(written("connect", key_id="0123456789ab"))["key_id"] == "0123456789ab"


def test_bytes_are_counted_and_never_shown() -> None:
    assert json.loads(written("x", datagram=b"secret"))["datagram"] == "[6 bytes]"


def test_libraries_log_through_the_same_gate() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logging.getLogger("some.library").warning("line one\nline %s", "two")
    told = json.loads(stream.getvalue())
    assert told["event"] == "line one\\nline two"
    assert told["level"] == "warning"


def test_what_is_below_the_level_is_not_written() -> None:
    assert written("x", level="warning") == ""


def test_an_exception_is_told_with_its_trace() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    try:
        raise RuntimeError("broken\x1b")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    assert stream.getvalue().count("\n") == 1
    told = json.loads(stream.getvalue())
    assert "RuntimeError: broken\\x1b" in told["exception"]


def test_ids_that_a_lower_package_logs_are_fields_of_their_own() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logging.getLogger("netplay.hub").info("agent_away", extra={"channel": "c1", "agent": 3})
    told = json.loads(stream.getvalue())
    assert (told["event"], told["channel"], told["agent"]) == ("agent_away", "c1", 3)


def test_fields_of_a_lower_package_are_cleaned_like_any_other() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logging.getLogger("netplay.hub").info("x", extra={"reason": "a\nb", "token": "secret"})
    told = json.loads(stream.getvalue())
    assert told["reason"] == "a\\nb"
    assert told["token"] == logs.HIDDEN
