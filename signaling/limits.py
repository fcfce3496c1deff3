"""ASGI layers around the API: request ids, the rate of unproved requests, and the size and pace of bodies."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netcore.address import TrustedNetworks, pack_ip, rate_group
from netcore.address_buckets import AddressBuckets
from signaling.addresses import remote_address
from signaling.problems import invalid_request, problem, throttled
from signaling.settings import LINKS_PATH, HttpLimits

UNLIMITED_PATHS: Final = frozenset({"/health", "/ready"})
"""Cheap, and asked by load balancers all the time."""

_REMEMBERED_CREDENTIALS: Final = 4096
_CLOSE: Final = {"Connection": "close"}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")

_log: Final = logging.getLogger("signaling")


def _of_link(path: str) -> bool:
    """A link over long poll: its token, and then its secret, is looked at before anything else is done, at less
    cost than this layer's own; a hundred agents behind one address open links like any others."""
    return path == LINKS_PATH or path.startswith(LINKS_PATH + "/")


class RequestMarks:
    """Gives each answer a request id and headers for browsers; the last to hold an exception."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if _REQUEST_ID.match(asked) else secrets.token_hex(8)
        started = False

        async def marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, marked)
        except Exception:
            _log.exception("request %s failed: %s", request_id, scope["method"])
            if not started:
                await problem(500, "The server failed; its log tells more.", come_back=True)(
                    scope, receive, marked
                )


class UnprovedRate:
    """Holds back addresses that send many requests whose credentials nobody has accepted lately.

    Whoever proved a key or session passes untouched, so that many players behind one address meet no limit.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: HttpLimits,
        trusted: TrustedNetworks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._trusted = trusted
        self._clock = clock
        self._retry_after_s = max(1.0, 1 / limits.unproved_per_s)
        self._buckets = AddressBuckets(limits.unproved_per_s, limits.unproved_burst)
        self._accepted: OrderedDict[bytes, None] = OrderedDict()
        self.refused = 0
        """Requests answered 429 here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or scope["path"] in UNLIMITED_PATHS or _of_link(scope["path"]):
            await self._app(scope, receive, send)
            return
        packed = pack_ip(remote_address(scope))
        authorization = Headers(scope=scope).get("authorization")
        digest = hashlib.sha256(authorization.encode("latin-1")).digest() if authorization else None
        proved = digest is not None and digest in self._accepted
        free = proved or packed in self._trusted
        if not free and not self._buckets.take(rate_group(packed), self._clock()):
            self.refused += 1
            text = "Too many requests from this address without accepted credentials."
            await throttled(text, self._retry_after_s)(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if digest is not None and message["type"] == "http.response.start":
                self._remember(digest, message["status"])
            await send(message)

        await self._app(scope, receive, watched)

    def _remember(self, digest: bytes, status: int) -> None:
        if 200 <= status < 300:
            self._accepted[digest] = None
            self._accepted.move_to_end(digest)
            if len(self._accepted) > _REMEMBERED_CREDENTIALS:
                self._accepted.popitem(last=False)
        elif status in (401, 403):
            self._accepted.pop(digest, None)


def _header_bytes(scope: Scope) -> int:
    # h11's own cap holds while a request is incomplete; one that arrives in a single read can be larger.
    target = len(scope.get("raw_path", b"")) + len(scope.get("query_string", b""))
    return target + sum(len(name) + len(value) + 4 for name, value in scope["headers"])


class BodyLimit:
    """Refuses requests with too many headers, and bodies of two lengths, too large or too slow."""

    def __init__(self, app: ASGIApp, limits: HttpLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._limits = limits
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limits = self._limits
        if scope.get("http_version", "1.1") not in ("1.0", "1.1"):
            await problem(505, "HTTP/1.1 is spoken here.", headers=_CLOSE)(scope, receive, send)
            return
        if len(scope["headers"]) > limits.header_count or _header_bytes(scope) > limits.header_bytes:
            await problem(431, headers=_CLOSE)(scope, receive, send)
            return
        headers = Headers(scope=scope)
        lengths = headers.getlist("content-length")
        if lengths and "transfer-encoding" in headers:
            # Two answers to "where does the body end" are how requests get smuggled past a proxy.
            response = invalid_request("The request has both Content-Length and Transfer-Encoding.")
            response.headers.update(_CLOSE)
            await response(scope, receive, send)
            return
        if lengths and int(lengths[0]) > limits.body_bytes:
            await problem(413, f"The body may have {limits.body_bytes} bytes.")(scope, receive, send)
            return
        await self._app(scope, self._measured(receive), send)

    def _measured(self, receive: Receive) -> Receive:
        limits = self._limits
        received = 0
        complete = False
        started_at = self._clock()

        async def measured() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()  # only the client's end is still to come, whenever that is
            allowed_s = limits.body_grace_s + received / limits.body_bytes_per_s
            left_s = max(0.0, started_at + allowed_s - self._clock())
            try:
                message = await asyncio.wait_for(receive(), left_s)
            except TimeoutError:
                raise HTTPException(408, headers=_CLOSE) from None
            complete = not message.get("more_body", False)
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limits.body_bytes:
                    raise HTTPException(413, f"The body may have {limits.body_bytes} bytes.")
            return message

        return measured
