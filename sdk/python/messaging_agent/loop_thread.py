"""The loop thread: one daemon thread with an event loop, for callers that have none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from netcore.aio import event_loop_factory

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for other threads, until it is stopped or the process ends."""

    def __init__(self, name: str) -> None:
        make_loop = event_loop_factory() or asyncio.new_event_loop
        self._loop = make_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """True in the loop's own thread, where waiting for it would never end."""
        return threading.current_thread() is self._thread

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Run `work` in the loop and wait for its result. Raises what it raises, and `TimeoutError`."""
        if self.is_current:
            work.close()
            raise RuntimeError("this waits for the loop's thread and was called in it, from a callback")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return self._result(future, timeout_s)

    def call(self, function: Callable[[], T]) -> T:
        """Run a plain function in the loop's thread and wait for its result."""
        if self.is_current:
            return function()

        async def work() -> T:
            return function()

        return self.run(work())

    def stop(self) -> None:
        """End the thread. Work that still runs is cancelled."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            if not self.is_current:
                self._thread.join(timeout=5.0)

    def _result(self, future: Future[T], timeout_s: float | None) -> T:
        try:
            return future.result(timeout_s)
        except CancelledError:
            raise RuntimeError("the connection's thread was stopped") from None
        except BaseException:
            future.cancel()
            raise

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()
