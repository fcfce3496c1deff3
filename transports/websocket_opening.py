"""The opening of a WebSocket link: which upgrade requests are taken, and how the others are answered.

docs/protocol/websocket.md, section "Opening". Every refusal is a plain HTTP answer with a problem document
(RFC 9457), after which the connection closes.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

SUBPROTOCOL: Final = "netplay.v1"

_DETAILS: Final[dict[int, str]] = {
    400: "This is not a valid WebSocket upgrade (RFC 6455 section 4.2.1).",
    403: "Pages of this origin may not open links here.",
    405: "A WebSocket upgrade is a GET request.",
    426: "This address speaks WebSocket only; send an upgrade.",
    505: "A WebSocket upgrade needs HTTP/1.1.",
}


def answer_opening(
    core: ServerProtocol, request: Request, path: str, origins: frozenset[str] | None
) -> Response:
    """The HTTP answer for an upgrade request: status 101 where it is taken, else a problem document.

    `core` checks what RFC 6455 asks for; this checks the path, the subprotocol and, where `origins` is given,
    the Origin that a browser states. Origin fences pages off; it never proves who connects: the token does.
    """
    asked_path, _, query = request.path.partition("?")
    if asked_path != path:
        return problem(404, "not-found", f"There is no WebSocket here; links are at {path}.")
    if query:
        return problem(
            400, "bad-upgrade", "The link's address takes no query; the token goes into the first message."
        )
    origin = request.headers.get_all("Origin")
    if origins is not None and origin and (len(origin) > 1 or origin[0] not in origins):
        return problem(403, "origin-refused", _DETAILS[403])
    if SUBPROTOCOL not in _offered_subprotocols(request.headers):
        return problem(400, "bad-upgrade", f"The upgrade must offer the subprotocol {SUBPROTOCOL}.")
    response = core.accept(request)
    status = response.status_code
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        return response
    refusal = problem(status, "bad-upgrade", _DETAILS.get(status, "The WebSocket upgrade failed."))
    for name in ("Allow", "Upgrade", "Sec-WebSocket-Version"):
        if name in response.headers:
            refusal.headers[name] = response.headers[name]
    if status == HTTPStatus.BAD_REQUEST:
        refusal.headers["Sec-WebSocket-Version"] = "13"
    return refusal


def _offered_subprotocols(headers: Headers) -> list[str]:
    return [name.strip() for value in headers.get_all("Sec-WebSocket-Protocol") for name in value.split(",")]


def problem(status: int, slug: str, detail: str, retry_after_s: float | None = None) -> Response:
    """A refusal as HTTP answer that ends the connection."""
    body = json.dumps(
        {
            "type": slug,
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "code": None,
            "come_back": retry_after_s is not None,
            "retry_after_s": retry_after_s,
        }
    ).encode()
    headers = Headers()
    headers["Content-Type"] = "application/problem+json"
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    headers["Cache-Control"] = "no-store"
    headers["X-Content-Type-Options"] = "nosniff"
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(retry_after_s)))
    return Response(status, HTTPStatus(status).phrase, headers, body)
