"""No plain text reaches the server: not its log, not its store, not its memory, whatever the transport and the kind.

A real server process; what is searched are its log lines, the pages of its store, and /proc/PID/mem.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from messaging_agent import Channel, connect
from messaging_agent.connect import channel_secret

from netcore.delivery import Delivery
from tests.messaging_agent.loopback import seen
from tests.support.server_process import ServerProcess, serving

CHUNK = 1 << 20


def canary(name: str) -> bytes:
    """Something that stands nowhere by chance."""
    return f"canary-{name}-{secrets.token_hex(16)}".encode()


def memory_of(process_id: int) -> Iterator[bytes]:
    """Everything that is mapped in a process, readable and its own; neighbours overlap by 256 bytes."""
    maps = Path(f"/proc/{process_id}/maps").read_text(encoding="utf-8").splitlines()
    with open(f"/proc/{process_id}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            if not rights.startswith("r") or line.endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            start, end = (int(edge, 16) for edge in span.split("-"))
            tail = b""
            for at in range(start, end, CHUNK):
                try:
                    chunk = os.pread(memory.fileno(), min(CHUNK, end - at), at)
                except OSError:
                    break
                yield tail + chunk
                tail = chunk[-256:]


def found_in_memory(process_id: int, wanted: dict[str, bytes]) -> set[str]:
    """Which of `wanted` stand in a process's memory, as they are, in base64url or as hexadecimal digits."""
    forms = {
        name: (value, base64.urlsafe_b64encode(value)[:-4], value.hex().encode())
        for name, value in wanted.items()
    }
    found = set()
    for chunk in memory_of(process_id):
        for name, spelled in forms.items():
            if name not in found and any(form in chunk for form in spelled):
                found.add(name)
    return found


def memory_can_be_read(process_id: int) -> bool:
    """False where the system does not let a parent read its child's memory."""
    try:
        next(memory_of(process_id))
    except (OSError, StopIteration):
        return False
    return True


async def say_everything(ada: Channel, bob: Channel, secret: str) -> None:
    """Every kind, stored and not, to everyone and to one, as text, JSON and bytes; each arrives."""
    await seen(ada, "bob")
    for kind in Delivery:
        first, second = (1, 2) if kind is Delivery.SEQUENCED else (0, 0)  # of one key only the newest arrives
        await ada.send(secret, delivery=kind)
        await ada.send({"deep": [secret]}, delivery=kind, key=first, to="bob")
        await ada.send(secret.encode(), delivery=kind, key=second, ephemeral=True)
        for _ in range(3):
            message = await bob.next_message(5.0)
            assert secret in str(message.content) and message.encrypted


async def converse(server: ServerProcess, key: str, password: str, wanted: dict[str, bytes]) -> list[bytes]:
    """Talk over every transport, then once without encryption; the raw contents of the log, as the server has them."""
    for transport in ("udp", "websocket", "long-poll"):
        secret = wanted[transport].decode()
        async with (
            connect(server.url, key, "lobby", "ada", password, transports=[transport]) as ada,
            connect(server.url, key, "lobby", "bob", password, transports=[transport]) as bob,
        ):
            assert ada.transport == transport
            await say_everything(ada, bob, secret)
    async with connect(server.url, key, "lobby", "eve", password, encrypt=False) as eve:
        await eve.send(wanted["control"].decode())
        page = await eve.receive(after=0, limit=1000)
        return [message.raw for message in page.messages]


def test_no_plain_text_is_in_the_servers_log_store_or_memory(tmp_path: Path) -> None:
    wanted = {name: canary(name) for name in ("udp", "websocket", "long-poll", "control")}
    password = canary("password").decode()
    with serving(tmp_path, "--log-level", "debug") as server:
        key = (tmp_path / "state" / "netplay" / "development-key").read_text().strip()
        stored = asyncio.run(asyncio.wait_for(converse(server, key, password, wanted), 60))
        message_key = asyncio.run(channel_secret(password, "lobby", "private")).message_key
        hidden = {**wanted, "password": password.encode(), "message key": message_key}
        control = hidden.pop("control")

        # Two reliable kinds on each of three transports. What was stored for bob alone, eve is not told.
        assert len(stored) == 3 * 2 + 1
        assert [raw for raw in stored if any(value in raw for value in hidden.values())] == []
        assert stored[-1] == control

        if not memory_can_be_read(server.process.pid):
            pytest.skip("this system does not let a parent read the memory of its child")
        sealed = {f"sealed {number}": raw for number, raw in enumerate(stored[:-1])}
        found = found_in_memory(server.process.pid, {**hidden, **sealed, "control": control})
        assert "control" in found, "what was sent plain is not found: the search does not work"
        assert found >= sealed.keys()
        assert found & hidden.keys() == set()
        server.stop()
    text = "\n".join([*server.logged, *server.printed])
    assert text
    assert [
        name for name, value in hidden.items() if value.decode("latin-1") in text or value.hex() in text
    ] == []
    assert control.decode() not in text
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if any(value in path.read_bytes() for value in hidden.values())] == []
