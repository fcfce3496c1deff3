"""The 600,000 rounds of a password run beside the loop, once for each channel, and leave no trace but in memory."""

from __future__ import annotations

import asyncio
import importlib
import time

import pytest
from messaging_agent.connect import channel_secret

from messaging.secrets import derive

connect_module = importlib.import_module("messaging_agent.connect")  # the package has a function of that name


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect_module, "_secrets", type(connect_module._secrets)())


# E2E-1-3
async def test_the_loop_goes_on_while_a_password_is_worked_on() -> None:
    gaps: list[float] = []

    async def beat() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    beating = asyncio.create_task(beat())
    began = time.monotonic()
    await channel_secret("a password", "room", "private")
    took = time.monotonic() - began
    beating.cancel()
    # On the loop it would be one gap as long as the whole work.
    assert len(gaps) >= 5
    assert max(gaps) < took / 2


# E2E-1-3
async def test_the_same_password_is_worked_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str, str]] = []

    def counted(password: str, channel: str, scope: str) -> object:
        calls.append((password, channel, scope))
        return derive(password, channel, scope, rounds=1)

    monkeypatch.setattr(connect_module, "derive", counted)
    first = await channel_secret("pw", "room", "private")
    assert await channel_secret("pw", "room", "private") is first
    others = [("pw2", "room", "private"), ("pw", "room2", "private"), ("pw", "room", "public")]
    assert len({first, *[await channel_secret(*other) for other in others]}) == 4
    assert calls == [("pw", "room", "private"), *others]


async def test_only_so_many_are_kept_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect_module, "derive", lambda *given: derive(*given, rounds=1))
    for number in range(100):
        await channel_secret("pw", f"room {number}", "private")
    kept = [channel for _, channel, _ in connect_module._secrets]
    assert kept == [f"room {number}" for number in range(36, 100)]


async def test_a_bad_name_is_the_callers_mistake_and_kept_by_nobody() -> None:
    with pytest.raises(ValueError):
        await channel_secret("pw", "*", "private")
    assert not connect_module._secrets
