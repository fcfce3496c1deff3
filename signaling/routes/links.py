"""Links over long poll: opening one, bringing batches up, asking for batches. docs/protocol/long-poll.md."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from hub.errors import ChannelError
from messaging.poll_bodies import MAX_BATCH_BYTES
from netcore.codes import CloseCode, may_come_back
from netcore.errors import ProtocolError
from signaling.credentials import LinkSecret
from signaling.problems import channel_problem, problem
from signaling.routes.strict_route import refusals
from signaling.schemas import LinkOpenedOut
from signaling.waiting import CLIENT_GONE, wait_with_client
from transports.long_poll import LongPollTransport, UnknownLink
from transports.long_poll_carrier import LinkOver, PollReplaced

BINARY: Final = "application/octet-stream"
MAX_OPEN_BYTES: Final = 8_192
MAX_POLL_BYTES: Final = 64
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }
}


def links_router(transport: LongPollTransport) -> APIRouter:
    """The routes under `/links`."""
    router = APIRouter(prefix="/links", tags=["links"])
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": "A batch.", "content": {BINARY: {}}},
        204: {"description": "Nothing yet."},
    }

    @router.post(
        "",
        status_code=201,
        response_model=LinkOpenedOut,
        responses=refusals(401, 403, 413, 415, 503),
        openapi_extra=_BODY,
    )
    async def open_link(request: Request) -> Response:
        """Open a link over long poll by its connect token. The answer has the link's secret."""
        body = await _body(request, MAX_OPEN_BYTES)
        try:
            secret = transport.open(body)
        except ProtocolError as error:
            return _closed(401, "token-refused", error.code, error.text)
        except ChannelError as error:
            return channel_problem(error)
        config = transport.config
        opened = LinkOpenedOut(secret=secret, wait_s=config.wait_s, idle_s=config.idle_timeout_s)
        return JSONResponse(opened.model_dump(), 201)

    @router.post("/up", status_code=204, responses=refusals(400, 401, 409, 413, 415), openapi_extra=_BODY)
    async def up(request: Request, secret: LinkSecret) -> Response:
        """Bring one numbered batch of frames to the server."""
        try:
            carrier = transport.link(secret)
            carrier.upload(await _body(request, MAX_BATCH_BYTES))
        except UnknownLink:
            return _unknown()
        except LinkOver as over:
            return _closed(409, "link-closed", *over.close)
        except ProtocolError as error:
            return _closed(400, "link-closed", error.code, error.text)
        return Response(status_code=204)

    @router.post(
        "/down",
        responses={**answers, **refusals(400, 401, 409, 413, 415)},
        openapi_extra=_BODY,
        response_class=Response,
    )
    async def down(request: Request, secret: LinkSecret) -> Response:
        """Wait for the batch that follows the last one received."""
        try:
            carrier = transport.link(secret)
            answer = await wait_with_client(request, carrier.poll(await _body(request, MAX_POLL_BYTES)))
        except UnknownLink:
            return _unknown()
        except ProtocolError as error:
            return _closed(400, "link-closed", error.code, error.text)
        except PollReplaced:
            return problem(409, "A newer poll of this link is waiting.", type="poll-replaced")
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        return Response(status_code=204) if answer is None else Response(answer, media_type=BINARY)

    return router


async def _body(request: Request, most: int) -> bytes:
    """The whole body. Raises HTTPException for another media type, and as soon as it is too long."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != BINARY:
        raise HTTPException(415, f"The body has to be bytes: Content-Type: {BINARY}.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise HTTPException(413, f"The body may have {most} bytes.", headers={"Connection": "close"})
    return bytes(body)


def _unknown() -> Response:
    return _closed(401, "link-unknown", CloseCode.IDLE, "There is no such link, or it has ended.")


def _closed(status: int, type: str, code: int, detail: str) -> Response:
    return problem(
        status, detail, type=type, title="The link is closed", code=int(code), come_back=may_come_back(code)
    )
