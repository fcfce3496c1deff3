"""A child process that serves one side of a measurement, and the processor time it has used."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_START_TIMEOUT_S = 30.0
_WORD_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Child:
    """A running child."""

    pid: int
    ready: Any
    """What the child sent when it was ready: a port, for example."""
    pipe: Connection

    def next_word(self) -> Any:
        """The next object the child sends; blocks. Raises RuntimeError where it ends without a word."""
        return _next_word(self.pipe, f"child {self.pid}", _WORD_TIMEOUT_S)

    def pin(self, cpu: int) -> None:
        """Let the child run on one processor only, so that it never shares the measuring process's."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.pid, {cpu})

    def cpu_s(self) -> float:
        """Seconds of processor time used so far, all threads, to the nanosecond (Linux: schedstat)."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9


@contextmanager
def own_processor() -> Iterator[int | None]:
    """Keep this process on one processor for the block; the number of another one, for a child to be pinned to.

    A server and its client are never one process after the other on the same processor; left to itself the
    scheduler puts two processes that wake each other exactly there. None where there is only one processor.
    """
    if not hasattr(os, "sched_getaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    first, *others = sorted(before)
    os.sched_setaffinity(0, {first})
    try:
        yield others[0] if others else None
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def child(target: Callable[..., None], *arguments: Any) -> Iterator[Child]:
    """Run `target(pipe, *arguments)` in a new process until the block ends.

    The target sends one object through `pipe` when it is ready, and ends when the pipe closes or at SIGTERM.
    Raises RuntimeError where it is not ready within 30 s.
    """
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=target, args=(theirs, *arguments), daemon=True
    )
    process.start()
    theirs.close()
    try:
        yield Child(process.pid or 0, _next_word(ours, target.__module__, _START_TIMEOUT_S), ours)
    finally:
        ours.close()
        process.terminate()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join(5)


def _next_word(pipe: Connection, name: str, timeout_s: float) -> Any:
    try:
        if pipe.poll(timeout_s):
            return pipe.recv()
    except EOFError:
        pass
    raise RuntimeError(f"{name} said nothing within {timeout_s:g} s: see its output above")
