"""How many HTTP requests were answered how, and how long they took: an ASGI layer around the API."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class RequestCounts:
    """Counts by method and class of status: never by path, which a client chooses."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app = app
        self._clock = clock
        self.answered: Counter[tuple[str, str]] = Counter()
        """Requests by (method, `2xx` and the like; `none` where the client left before an answer)."""
        self.took = [0] * (len(BUCKETS_S) + 1)
        """Requests by the bucket of their duration, not cumulative; the last is everything above."""
        self.took_sum_s = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = "none"

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = f"{message['status'] // 100}xx"
            await send(message)

        started = self._clock()
        try:
            await self._app(scope, receive, watched)
        finally:
            took_s = self._clock() - started
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.answered[method, status] += 1
            self.took[bisect_left(BUCKETS_S, took_s)] += 1
            self.took_sum_s += took_s
