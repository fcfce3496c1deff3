"""The examples run as their first lines say."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.messaging_agent.loopback import Loopback, serving

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
async def loopback(tmp_path: Path) -> AsyncIterator[Loopback]:
    async with serving(tmp_path) as made:
        yield made


async def start(loopback: Loopback, example: str, *options: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-u", str(EXAMPLES / example), "--url", loopback.url, "--key", loopback.key]
    return await asyncio.create_subprocess_exec(*command, *options, stdin=PIPE, stdout=PIPE, stderr=PIPE)


async def test_the_quick_start_example_shows_three_agents_hearing_each_other(loopback: Loopback) -> None:
    process = await start(loopback, "quickstart.py")
    out, errors = await asyncio.wait_for(process.communicate(), 20.0)
    assert (process.returncode, errors) == (0, b"")
    assert out.decode().splitlines() == [
        "ada came over udp",
        "bob came over websocket",
        "cem came over long-poll",
        "here: ada, bob, cem",
        "bob hears ada: Hello, everyone! (chat-text, ordered)",
        "cem hears ada: Hello, everyone! (chat-text, ordered)",
        "ada hears bob: {'x': 3, 'y': 4} (position, sequenced)",
        "cem hears bob: {'x': 3, 'y': 4} (position, sequenced)",
        "ada hears cem: b'\\x00\\x01' (chat-text, reliable)",
        "the server's log (memory) holds ['Hello, everyone!', b'\\x00\\x01'], encrypted: it cannot read them",
    ]


async def test_two_chats_talk(loopback: Loopback) -> None:
    ada = await start(loopback, "chat.py", "--name", "ada", "--password", "pw")
    assert ada.stdout is not None
    assert ada.stdin is not None
    first = [(await asyncio.wait_for(ada.stdout.readline(), 20.0)).decode() for _ in range(2)]
    assert "first here" in first[0]
    bob = await start(loopback, "chat.py", "--name", "bob", "--password", "pw")
    assert (await asyncio.wait_for(ada.stdout.readline(), 20.0)).decode() == "* bob is here\n"
    assert bob.stdin is not None
    bob.stdin.write(b"hello ada\n/to ada psst\n/to nobody psst\n/quit\n")
    heard = [(await asyncio.wait_for(ada.stdout.readline(), 20.0)).decode() for _ in range(3)]
    assert heard == ["<bob> hello ada\n", "<bob> (to you) psst\n", "* bob left (left)\n"]
    out, errors = await asyncio.wait_for(bob.communicate(), 20.0)
    assert (bob.returncode, errors) == (0, b"")
    assert "No agent named 'nobody'" in out.decode()
    ada.stdin.close()
    assert await asyncio.wait_for(ada.wait(), 20.0) == 0


async def test_a_wrong_key_is_one_clear_sentence(loopback: Loopback) -> None:
    loopback.key = "nonsense"
    process = await start(loopback, "quickstart.py")
    out, errors = await asyncio.wait_for(process.communicate(), 20.0)
    assert (process.returncode, out) == (1, b"")
    assert errors.decode().count("\n") == 1
    assert "Check the api_key" in errors.decode()
