"""A document as a series of steps, and a workplace in which they are done.

A comment above a code block says what is to be done with it:

    run                 run it in the workplace's shell and expect success
    start               start it and leave it running, once it says that it is ready
    restart             as start, after ending what ran the same program
    save as NAME        save it as a file
    prints              what the last run printed
    prints like         the same, each line a regular expression
    check yaml          it is valid YAML
    check configuration the server takes it as its configuration
    not run: REASON     nothing
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from netplay.config import Config
from tests.support.server_process import environment

STEP = re.compile(r"(?:^<!-- ([^\n]*?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_ALONE = frozenset({"", "ini", "text", "json"})
"""Languages of blocks that need no comment: nobody runs them."""
READY = ("Ctrl-C stops it", "Ctrl-C ends it")
START_TIMEOUT_S = 30.0
RUN_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Step:
    """One code block, and what is to be done with it."""

    action: str
    language: str
    text: str


def steps(document: Path) -> list[Step]:
    """Every code block. AssertionError for one of a language that runs, and no comment above it."""
    found = []
    for action, language, text in STEP.findall(document.read_text(encoding="utf-8")):
        if action or language not in LEFT_ALONE:
            assert action, f"{document.name}: a block says not what is done with it:\n{text}"
            found.append(Step(action, language, text))
    return found


@dataclass
class Running:
    """A program that a document started."""

    command: str
    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        """Collect what it prints."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line)
            if any(words in line for words in READY):
                self.ready.set()
        self.ready.set()


class Workplace:
    """A directory that looks like a checkout in which `make serve` has run, with ports of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / ".venv").symlink_to(sys.prefix)
        first = free_ports()
        self.numbers = {"7777": str(first), "7778": str(first + 1), "9000": str(free_ports())}
        self.environment = environment(directory / "state")
        self.printed = ""
        self.running: list[Running] = []

    def do(self, step: Step) -> None:
        """Do one step. AssertionError where the document does not tell the truth."""
        text = self._localized(step.text)
        if step.action == "run":
            self._run(text)
        elif step.action in ("start", "restart"):
            if step.action == "restart":
                self._end(_program(text))
            self._start(text)
        elif step.action.startswith("save as "):
            (self.directory / step.action.removeprefix("save as ")).write_text(text, encoding="utf-8")
        elif step.action == "prints":
            assert self.printed.rstrip("\n") == text.rstrip("\n")
        elif step.action == "prints like":
            assert re.fullmatch(text.rstrip("\n"), self.printed.rstrip("\n")), self.printed
        elif step.action == "check yaml":
            assert yaml.safe_load(text)
        elif step.action == "check configuration":
            Config(**tomllib.loads(text))
        else:
            assert re.match(r"not run: \S", step.action), step.action

    def close(self) -> None:
        """End what still runs; it has to end cleanly."""
        while self.running:
            self._end(_program(self.running[-1].command))

    def kill(self) -> None:
        """Leave nothing behind."""
        for one in self.running:
            one.process.kill()
            one.process.wait()

    def _localized(self, text: str) -> str:
        """With this workplace's ports, and the installed command in place of make, which would install it."""
        text = re.sub(
            r"^make serve(?: ARGS=\"(.*)\")?$", r".venv/bin/netplay serve \1", text, flags=re.MULTILINE
        )
        return re.sub("|".join(self.numbers), lambda found: self.numbers[found[0]], text)

    def _run(self, text: str) -> None:
        # One shell after another, each with the variables of the one before, like a terminal.
        kept = self.directory / ".variables"
        script = f"set -e\n{text}\n"
        told = subprocess.run(
            ["sh", "-c", f"{script}env -0 >{shlex.quote(str(kept))}"],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        assert told.returncode == 0, f"{text}\n{told.stdout}\n{told.stderr}"
        self.printed = told.stdout
        pairs = (entry.partition("=") for entry in kept.read_text().split("\0") if entry)
        self.environment = {name: value for name, _, value in pairs}

    def _start(self, text: str) -> None:
        own = {"NETPLAY_PORT": self.numbers["7777"]}  # The default port is taken on many a machine.
        process = subprocess.Popen(
            shlex.split(text),
            cwd=self.directory,
            env={**self.environment, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started = Running(text, process)
        self.running.append(started)
        threading.Thread(target=started.read, daemon=True).start()
        assert started.ready.wait(START_TIMEOUT_S), f"{text} does not get ready"
        assert process.poll() is None, "".join(started.printed)

    def _end(self, program: str) -> None:
        found = next(one for one in self.running if _program(one.command) == program)
        self.running.remove(found)
        found.process.send_signal(signal.SIGINT)
        try:
            code = found.process.wait(20)
        except subprocess.TimeoutExpired:
            found.process.kill()
            raise
        assert code == 0, "".join(found.printed)


def free_ports() -> int:
    """A port that is free for TCP and UDP, and the next one too."""
    for _ in range(50):
        with socket.socket() as first, socket.socket() as second, _udp() as third:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
                third.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no two free ports side by side")


def _udp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _program(command: str) -> str:
    """`netplay serve` out of a whole command line."""
    return " ".join(os.path.basename(word) for word in shlex.split(command)[:2])
