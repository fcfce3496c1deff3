"""Answers that wait for something to happen, for as long as the client waits for them."""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar

from starlette.requests import ClientDisconnect, Request

CLIENT_GONE: Final = 499
"""The status of an answer that nobody reads, as nginx writes it into logs."""

_T = TypeVar("_T")


async def wait_with_client(request: Request, answer: asyncio.Future[_T]) -> _T:
    """The answer, once it is there. Raises `ClientDisconnect` where the client went away before, and cancels it.

    The request's body has to have been read to its end.
    """
    if answer.done():
        return answer.result()
    gone = asyncio.ensure_future(_gone(request))
    try:
        either: set[asyncio.Future[Any]] = {answer, gone}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise ClientDisconnect
    finally:
        gone.cancel()
        answer.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
