"""A real server in a process of its own, on free ports, with a state directory of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0


@dataclass
class ServerProcess:
    """What a test knows of the server that it started."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    printed: list[str] = field(default_factory=list)
    """Lines of standard output so far: the banner."""
    logged: list[str] = field(default_factory=list)
    """Lines of standard error so far: the log."""
    url: str = ""
    ready: threading.Event = field(default_factory=threading.Event)
    readers: list[threading.Thread] = field(default_factory=list)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the server to stop and wait; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the process and the last of its output; its exit code."""
        code = self.process.wait(STOP_TIMEOUT_S)
        for reader in self.readers:
            reader.join(STOP_TIMEOUT_S)
        return code


def environment(state: Path, **more: str) -> dict[str, str]:
    """The environment for a server or a command with its state under `state`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NETPLAY_")}
    return {**clean, "XDG_STATE_HOME": str(state), "PYTHONUNBUFFERED": "1", **more}


@contextmanager
def serving(directory: Path, *arguments: str, **more: str) -> Iterator[ServerProcess]:
    """A server on free ports, ready when this is entered; killed at the end if the test did not stop it."""
    clean = environment(directory / "state", **more)
    process = subprocess.Popen(
        [sys.executable, "-m", "netplay", "serve", "--port", "0", *arguments],
        cwd=directory,
        env=clean,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    server = ServerProcess(process, clean)
    server.readers = [
        threading.Thread(target=_read_banner, args=(server,), daemon=True),
        threading.Thread(target=_read_log, args=(server,), daemon=True),
    ]
    for reader in server.readers:
        reader.start()
    try:
        server.ready.wait(START_TIMEOUT_S)
        assert server.url, "\n".join(["the server did not start", *server.printed, *server.logged])
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        server.wait()
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


def _read_banner(server: ServerProcess) -> None:
    assert server.process.stdout is not None
    for line in server.process.stdout:
        server.printed.append(line.rstrip("\n"))
        found = re.search(r"HTTP, WebSocket\s+(https?://\S+)", line)
        server.url = found.group(1) if found else server.url
        if "Ctrl-C" in line:
            server.ready.set()
    server.ready.set()


def _read_log(server: ServerProcess) -> None:
    assert server.process.stderr is not None
    for line in server.process.stderr:
        server.logged.append(line.rstrip("\n"))
