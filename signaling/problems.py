"""Errors as RFC 9457 problem documents: one shape for the domain's refusals, bad requests and our own faults.

docs/protocol/errors.md. Nothing that a client sent is repeated but field names, shortened.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hub.errors import ERRORS, ChannelError, ErrorCode
from signaling.strict_json import NotStrictJson

MEDIA_TYPE: Final = "application/problem+json"
MAX_FAULTS: Final = 20
MAX_NAME_CHARS: Final = 64

_log: Final = logging.getLogger("signaling")

_DETAILS: Final[dict[int, str]] = {
    404: "There is nothing at this address. The API's description is at /openapi.json and /docs.",
    405: "This address does not take that method.",
    408: "The request's body arrived too slowly.",
    413: "The request's body is too large.",
    415: "The body has to be JSON: Content-Type: application/json.",
    426: "Links over WebSocket begin with an upgrade; see docs/protocol/websocket.md.",
    431: "The request's headers are too large or too many.",
}
_SLUGS: Final[dict[int, str]] = {
    400: "request-invalid",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    413: "body-too-large",
    415: "media-type",
    426: "upgrade-required",
    431: "headers-too-large",
    500: "internal-error",
}


def problem(
    status: int,
    detail: str | None = None,
    *,
    type: str | None = None,
    title: str | None = None,
    code: int | None = None,
    come_back: bool = False,
    retry_after_s: float | None = None,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> Response:
    """A problem document as response. What is left out comes from the tables above or from `status`."""
    phrase = HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": type or _SLUGS.get(status, phrase.lower().replace(" ", "-")),
        "title": title or phrase,
        "status": status,
        "detail": detail or _DETAILS.get(status, f"{phrase}."),
        "code": code,
        "come_back": come_back,
        "retry_after_s": retry_after_s,
    }
    if errors:
        body["errors"] = errors
    answer_headers = dict(headers or {})
    if retry_after_s is not None:
        answer_headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
    if status == 401:
        answer_headers["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps(body).encode(), status, answer_headers, MEDIA_TYPE)


def channel_problem(error: ChannelError) -> Response:
    """The hub's refusal as a problem document."""
    return problem(
        error.http_status,
        error.text,
        type=error.type,
        title=error.title,
        code=int(error.code),
        come_back=error.come_back,
        retry_after_s=error.retry_after_s,
    )


def invalid_request(detail: str, errors: list[dict[str, str]] | None = None) -> Response:
    """400 with the domain's code for a request that is not valid."""
    facts = ERRORS[ErrorCode.REQUEST_INVALID]
    return problem(
        facts.http_status,
        detail,
        type=facts.type,
        title=facts.title,
        code=int(ErrorCode.REQUEST_INVALID),
        errors=errors,
    )


def throttled(detail: str, retry_after_s: float) -> Response:
    """429 with the domain's code for too many attempts."""
    return channel_problem(ChannelError(ErrorCode.THROTTLED, detail, retry_after_s))


def install(app: FastAPI) -> None:
    """Let every error that leaves a route of `app` become a problem document."""
    app.add_exception_handler(ChannelError, _on_channel_error)
    app.add_exception_handler(NotStrictJson, _on_bad_json)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_fault)


async def _on_channel_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ChannelError)
    return channel_problem(error)


async def _on_bad_json(request: Request, error: Exception) -> Response:
    return invalid_request(f"The body is not usable JSON: {error}.")


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    faults = [_fault(item) for item in found[:MAX_FAULTS]]
    first = faults[0] if faults else {"where": "request", "problem": "not valid"}
    rest = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    return invalid_request(f"{first['where']}: {first['problem']}{rest}.", faults)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # Starlette's own detail is the status phrase again; ours are full sentences.
    detail = None if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    return problem(error.status_code, detail, headers=error.headers)


async def _on_fault(request: Request, error: Exception) -> Response:
    return problem(500, "The server failed; its log tells more.", come_back=True)


def _fault(item: Mapping[str, Any]) -> dict[str, str]:
    path = [str(part)[:MAX_NAME_CHARS] for part in item.get("loc", ())]
    where = ".".join(path[1:] if len(path) > 1 else path) or "request"
    kind = item.get("type")
    if kind == "extra_forbidden":
        text = "this field is unknown"
    elif kind == "missing":
        text = "this field is required"
    else:
        text = str(item.get("msg", "not valid")).removeprefix("Value error, ")
        text = text[:1].lower() + text[1:]
    return {"where": where[:200], "problem": text[:300]}
