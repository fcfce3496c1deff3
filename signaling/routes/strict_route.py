"""A route whose JSON body is decoded strictly, and the responses that every route may give."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from signaling.problems import MEDIA_TYPE
from signaling.strict_json import decode

_TEXTS: Final[dict[int, str]] = {
    400: "A field is missing, unknown or not valid; or the hub refuses the values.",
    401: "No accepted API key or session id.",
    403: "The session is not the caller's.",
    409: "Contradicts what is there: a name that is taken, a full channel, another game, a newer poll, a closed link.",
    404: "Nobody here has that name.",
    413: "The body is too large.",
    415: "The body has another media type.",
    429: "Too many attempts; see Retry-After.",
    500: "The server failed.",
    503: "The server is stopping, or full.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the problem documents that a route may answer with."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemOut"}}
    return {
        status: {"description": _TEXTS[status], "content": {MEDIA_TYPE: schema}}
        for status in (*statuses, 429, 500)
    }


class _StrictRequest(Request):
    async def json(self) -> Any:
        return decode(await self.body())


class StrictRoute(APIRoute):
    """Takes bodies as `application/json` alone, decoded by `signaling.strict_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given our own request."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if takes_body and media_type != "application/json":
                raise HTTPException(415)
            return await handle(_StrictRequest(request.scope, request.receive))

        return strict
