"""The `Authorization: Bearer` header, as API key and as session id."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.requests import Request

from hub.errors import ChannelError, ErrorCode

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]{1,300}=*)\Z")

# These only describe the header in OpenAPI; the header is read below, so that refusals are problems. What reads it
# is `async` only because FastAPI hands everything else to a thread.
_describe_key = HTTPBearer(scheme_name="apiKey", description="A developer's API key.", auto_error=False)
_describe_session = HTTPBearer(scheme_name="session", description="A session id.", auto_error=False)
_describe_link = HTTPBearer(scheme_name="link", description="A link's secret.", auto_error=False)


def _bearer(request: Request) -> str | None:
    values = request.headers.getlist("authorization")
    match = _BEARER.match(values[0]) if len(values) == 1 else None
    return match.group(1) if match else None


async def _api_key(request: Request, _: Annotated[object, Depends(_describe_key)]) -> str:
    key = _bearer(request)
    if key is None:
        raise ChannelError(ErrorCode.KEY_REFUSED, "Send the API key as header: Authorization: Bearer <key>.")
    return key


async def _session_id(request: Request, _: Annotated[object, Depends(_describe_session)]) -> str:
    session_id = _bearer(request)
    if session_id is None:
        raise ChannelError(
            ErrorCode.SESSION_UNKNOWN, "Send the session id as header: Authorization: Bearer <session_id>."
        )
    return session_id


async def _link_secret(request: Request, _: Annotated[object, Depends(_describe_link)]) -> str:
    return _bearer(request) or ""


ApiKey = Annotated[str, Depends(_api_key)]
"""The request's API key; the hub verifies it. 401 without one."""
SessionId = Annotated[str, Depends(_session_id)]
"""The request's session id; the hub verifies it. 401 without one."""
LinkSecret = Annotated[str, Depends(_link_secret)]
"""The request's link secret, empty without one; the transport looks it up."""
