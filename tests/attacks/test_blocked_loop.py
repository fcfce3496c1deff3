"""A43: no request holds the event loop up; what is slow runs beside it, and a loop that is held up is reported.

Work is counted, or CPU time taken as the best of several, so that a busy machine makes no test fail.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from hub.keys import KeyRing
from messaging.control import decode_control
from messaging.secrets import ChannelSecret, derive
from netcore.errors import ProtocolError
from netplay.config import Config
from netplay.loop_lag import BEAT_S, BLOCKED_S
from netplay.server import NetplayServer
from signaling import strict_json
from signaling.settings import HttpLimits
from tests.attacks.test_bombs import control_bombs

connect_module = importlib.import_module("messaging_agent.connect")
"""The module: in its package `connect` names the function."""

ROOT = Path(__file__).resolve().parents[2]
SERVER_PACKAGES = ("netcore", "hub", "transports", "stores", "signaling", "games", "netplay")
SLOW = {"pbkdf2_hmac", "scrypt", "PBKDF2HMAC", "Scrypt"}
BODY = HttpLimits().body_bytes


def least_cpu_s(call: Callable[[], object], refused: type[Exception], times: int = 5) -> float:
    """CPU seconds of the quickest of several calls: what the work itself takes."""
    taken = []
    for _ in range(times):
        started = time.process_time()
        with contextlib.suppress(refused):
            call()
        taken.append(time.process_time() - started)
    return min(taken)


async def test_a_server_reports_a_call_that_holds_its_loop_up(tmp_path: Path) -> None:
    server = NetplayServer(Config(port=0, state_dir=tmp_path, shutdown_s=0.1, metrics_port="auto"), KeyRing())
    await server.start()
    try:
        await asyncio.sleep(2 * BEAT_S)
        time.sleep(BLOCKED_S + BEAT_S + 0.05)  # noqa: ASYNC251 - the blocking call is the test
        await asyncio.sleep(2 * BEAT_S)
        async with httpx.AsyncClient() as http:
            text = (await http.get(f"http://127.0.0.1:{server.metrics_port}/metrics")).text
        blocked = [line for line in text.splitlines() if "blocked" in line and not line.startswith("#")]
        assert blocked and float(blocked[0].split()[-1]) >= 1
    finally:
        await server.stop()


def test_no_package_of_the_server_stretches_a_password() -> None:
    """600,000 rounds are the client's to pay: the server compares proofs."""
    found = []
    for package in SERVER_PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None)
                if name in SLOW:
                    found.append(f"{file.relative_to(ROOT)}: {name}")
                if isinstance(node, ast.ImportFrom) and node.module == "messaging.secrets":
                    found += [
                        f"{file.relative_to(ROOT)}: derive" for name in node.names if name.name == "derive"
                    ]
    assert found == []


async def test_the_client_stretches_passwords_beside_its_loop_and_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[int] = []

    def watched(*given: str) -> ChannelSecret:
        threads.append(threading.get_ident())
        return derive(*given)

    monkeypatch.setattr(connect_module, "derive", watched)
    password = os.urandom(8).hex()
    first = await connect_module.channel_secret(password, "room", "private")
    assert await connect_module.channel_secret(password, "room", "private") == first
    assert len(threads) == 1 and threading.get_ident() not in threads


def json_bombs() -> dict[str, bytes]:
    """Bodies as large as they may be, of as much as one can be made of."""
    return {
        "arrays": b"[" + b"[]," * ((BODY - 4) // 3) + b"[]]",
        "objects": b"[" + b"{}," * ((BODY - 4) // 3) + b"{}]",
        "numbers": b"[" + b"1," * ((BODY - 3) // 2) + b"1]",
        "floats": b"[" + b"1e9," * ((BODY - 4) // 4) + b"1]",
        "texts": b"[" + b'"",' * ((BODY - 4) // 3) + b'""]',
        "names": b"{" + b",".join(b'"%x":1' % n for n in range(90_000)) + b"}",
        "escapes": b'"' + b"\\u00e9" * ((BODY - 2) // 6) + b'"',
        "escaped quotes": b'["' + b'\\",' * ((BODY - 4) // 3) + b'"]',
        "commas in a text": b'"' + b"," * (BODY - 2) + b'"',
        "quotes": b'"' * BODY,
        "backslashes": b'"' + b"\\" * (BODY - 2) + b'"',
        "nesting": b"[" * BODY,
        "one long number": b"1" * BODY,
    }


@pytest.mark.parametrize("name", list(json_bombs()))
def test_the_largest_body_is_decoded_or_refused_in_much_less_than_fifty_milliseconds(name: str) -> None:
    text = json_bombs()[name]
    assert len(text) <= BODY
    assert least_cpu_s(lambda: strict_json.decode(text), strict_json.NotStrictJson) < BLOCKED_S


@pytest.mark.parametrize("count", [strict_json.MAX_VALUES - 10, strict_json.MAX_VALUES + 10])
@pytest.mark.parametrize("value", [b"1", b"[]", b'"a,b"', b'"\\",\\\\"'])
def test_values_are_counted_before_they_are_made_and_commas_in_texts_are_none(
    value: bytes, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"[" + b",".join([value] * count) + b"]"
    if count > strict_json.MAX_VALUES:
        monkeypatch.setattr(strict_json.json, "loads", lambda *given, **named: pytest.fail("it was parsed"))
        with pytest.raises(strict_json.NotStrictJson, match="values"):
            strict_json.decode(text)
    else:
        assert len(strict_json.decode(text)) == count


@pytest.mark.parametrize("name", list(control_bombs()))
def test_a_control_message_takes_little_time_whatever_is_in_it(name: str) -> None:
    bomb = b"\x40\x00\x01" + control_bombs()[name]
    assert least_cpu_s(lambda: decode_control(bomb), ProtocolError) < BLOCKED_S / 10
