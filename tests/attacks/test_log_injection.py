"""A39: one event is one line, without a control byte, whatever strangers put into whatever reaches the log."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from hub.keys import KeyRing
from messaging.lanes import CONTROL
from netcore.delivery import Delivery
from netplay import logs
from netplay.config import Config
from netplay.server import NetplayServer
from tests.integration.raw_agents import AGENTS, PROOF, http_connect

EVIL = "x\r\n2026-01-01T00:00:00Z [info     ] forged\x1b[2J\x1b]0;title\x07\x9b31m\x85\u2028\u202e\x00\x7f"
HOSTILE = st.one_of(
    st.text(max_size=80), st.text("\r\n\x1b\x9b\x85\x00\x7f[]{}\"'\\ =\u2028\u202eaé", max_size=80)
)
NESTED: st.SearchStrategy[Any] = st.recursive(
    st.one_of(HOSTILE, st.binary(max_size=20), st.integers(), st.floats(), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(HOSTILE, inner, max_size=3)),
    max_leaves=6,
)
FORMATS: list[Literal["json", "human"]] = ["json", "human"]
BEGINS = re.compile(r"(\x1b\[\d+m)?\d{4}-\d\d-\d\dT[\d:.]+Z")


@pytest.fixture(autouse=True)
def library_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def check(text: str, format: str, events: int | None = None) -> None:
    """Nothing but printable characters and newlines; each line an event, or marked as a traceback's."""
    raw = text.encode()
    assert not [byte for byte in raw if (byte < 0x20 and byte != 0x0A) or byte == 0x7F]
    assert not [char for char in text if char != "\n" and not char.isprintable()]
    assert text == "" or text.endswith("\n")
    lines = text.split("\n")[:-1]
    begun = [line for line in lines if not (format == "human" and line.startswith(logs.TRACE_MARK))]
    for line in begun:
        if format == "json":
            assert {"event", "level", "timestamp"} <= json.loads(line).keys()
        else:
            assert BEGINS.match(line), line
    assert events is None or len(begun) == events


@pytest.mark.parametrize("format", FORMATS)
@given(event=HOSTILE, name=HOSTILE, value=NESTED, reason=HOSTILE)
def test_one_event_is_one_line_with_any_field_of_any_kind(
    format: Literal["json", "human"], event: str, name: str, value: Any, reason: str
) -> None:
    """From our own logger, from a library's with its arguments and extras, and with an exception of its text."""
    stream = io.StringIO()
    logs.configure(format, "debug", stream)
    structlog.get_logger("one").info(event, **{"f" + name: value, "reason": reason})
    logging.getLogger("a.library").warning("told %s %r", reason, value, extra={"agent_name": name})
    try:
        raise ValueError(reason, value)
    except ValueError:
        structlog.get_logger("one").exception(event)
        logging.getLogger("a.library").exception(reason.replace("%", "%%"))
    check(stream.getvalue(), format, events=4)


@pytest.mark.parametrize("format", FORMATS)
def test_the_text_of_an_exception_cannot_pass_for_an_event(format: Literal["json", "human"]) -> None:
    stream = io.StringIO()
    logs.configure(format, "info", stream)
    try:
        raise RuntimeError("x\n2026-11-22T10:00:00.000000Z [info     ] key_accepted")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    check(stream.getvalue(), format, events=1)
    assert not any(line.startswith("2026-11-22T10:00:00.0") for line in stream.getvalue().split("\n"))


async def raw_request(port: int, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    with contextlib.suppress(TimeoutError, OSError):
        await asyncio.wait_for(reader.read(65_536), 0.3)
    writer.close()


@pytest.mark.parametrize("format", FORMATS)
async def test_a_whole_server_logs_hostile_names_paths_headers_reasons_and_bytes_in_clean_lines(
    format: Literal["json", "human"], tmp_path: Path
) -> None:
    stream = io.StringIO()
    logs.configure(format, "debug", stream)
    keys = KeyRing()
    key = keys.issue("tester", os.urandom)
    server = NetplayServer(Config(port=0, state_dir=tmp_path, shutdown_s=0.1), keys)
    await server.start()
    base, port = f"http://127.0.0.1:{server.http_port}", server.http_port
    evil = EVIL.encode()
    try:
        async with aiohttp.ClientSession() as http:
            for field in ("channel_name", "agent_name", "session_id", "proof"):
                body = {"channel_name": "room", "proof": "A" * 43, "agent_name": "ada", "transports": ["udp"]}
                headers = {"Authorization": f"Bearer {key}"}
                async with http.post(
                    f"{base}/api/v1/sessions", json={**body, field: EVIL}, headers=headers
                ) as answer:
                    await answer.read()
        for request in (
            b"GET /" + evil.replace(b" ", b"") + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /%0d%0aforged%1b%5b2J HTTP/1.1\r\nHost: x\r\nUser-Agent: \x1b[2J\r\n\r\n",
            b"GET /link HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nOrigin: \x9b\r\nConnection: upgrade\r\n\r\n",
            evil * 50,
        ):
            await raw_request(port, request)
        for name in AGENTS:
            agent = await AGENTS[name].open(await http_connect(base, key, f"agent-{name}", name))
            agent.attach()
            await agent.until(lambda agent=agent: agent.welcome is not None)
            agent.write(CONTROL, Delivery.ORDERED, evil)
            await asyncio.sleep(0.05)
            await agent.stop()
    finally:
        await server.stop()
    check(stream.getvalue(), format)
    assert "link_attached" in stream.getvalue()
    assert PROOF.hex() not in stream.getvalue()
