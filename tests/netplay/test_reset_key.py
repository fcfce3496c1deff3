"""The reset key outlives the process, and a restarted server uses it to end dead connections at once."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from pathlib import Path

import pytest
from messaging_agent import connect
from messaging_agent.events import Disconnected

from hub.keys import KeyRing
from netplay.config import Config
from netplay.refusal import ConfigError
from netplay.reset_key import FILE_NAME, reset_key
from netplay.server import NetplayServer


def test_the_key_is_made_once_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    key = reset_key(tmp_path / "state", os.urandom)
    assert len(key) == 32
    assert reset_key(tmp_path / "state", os.urandom) == key
    assert stat.S_IMODE((tmp_path / "state" / FILE_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_file_that_holds_no_key_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ConfigError, match="delete it"):
        reset_key(tmp_path, os.urandom)


async def test_clients_of_a_killed_server_learn_it_from_its_successor_long_before_the_idle_timeout(
    tmp_path: Path,
) -> None:
    keys = KeyRing()
    key = keys.issue("tester", os.urandom)
    first = NetplayServer(Config(port=0, state_dir=tmp_path), keys)
    await first.start()
    port = first.http_port
    channel = await connect(f"http://127.0.0.1:{port}", key, "room", "ada", "secret", transports=("udp",))
    events = channel.events()
    await first._release()  # as a killed process: nobody is told
    second = NetplayServer(Config(port=port, state_dir=tmp_path), keys)
    await second.start()
    try:
        started = time.monotonic()
        channel.send("is anybody there?", delivery="unreliable")
        async with asyncio.timeout(5):
            async for event in events:
                if isinstance(event, Disconnected):
                    break
        assert time.monotonic() - started < 2
    finally:
        channel.session.end()
        await channel.close()
        await second.stop()
