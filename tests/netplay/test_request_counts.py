"""Request counts: by method and class of status, and by nothing that a client chooses."""

from __future__ import annotations

from typing import Any

import pytest

from netplay.request_counts import BUCKETS_S, RequestCounts


async def ask(counts: RequestCounts, method: str = "GET", kind: str = "http") -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        pass

    await counts({"type": kind, "method": method, "path": "/secret"}, receive, send)


def answering(status: int | None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if status is None:
            raise OSError("gone")
        await send({"type": "http.response.start", "status": status})

    return app


async def test_answers_are_counted_by_method_and_class() -> None:
    times = iter([0.0, 0.004, 1.0, 1.002])
    counts = RequestCounts(answering(404), lambda: next(times))
    await ask(counts)
    await ask(counts, "BREW")
    assert counts.answered == {("GET", "4xx"): 1, ("other", "4xx"): 1}
    assert counts.took[BUCKETS_S.index(0.005)] == 1
    assert counts.took_sum_s == pytest.approx(0.006)


async def test_a_request_without_an_answer_counts_too() -> None:
    counts = RequestCounts(answering(None))
    with pytest.raises(OSError, match="gone"):
        await ask(counts)
    assert counts.answered == {("GET", "none"): 1}


async def test_only_requests_count() -> None:
    counts = RequestCounts(answering(200))
    await ask(counts, kind="lifespan")
    assert not counts.answered
