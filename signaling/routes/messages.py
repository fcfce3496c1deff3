"""Messages: reading the channel's log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hub.hub import Hub
from signaling.credentials import SessionId
from signaling.routes.strict_route import StrictRoute, refusals
from signaling.schemas import FORMATS, MessageOut, MessagesOut, MessagesQuery, encode_base64url


def messages_router(hub: Hub) -> APIRouter:
    """The route under `/sessions/messages`."""
    router = APIRouter(prefix="/sessions", tags=["messages"], route_class=StrictRoute)

    @router.get("/messages", responses=refusals(400, 401, 403))
    async def messages(query: Annotated[MessagesQuery, Query()], session_id: SessionId) -> MessagesOut:
        """Persistent messages that this agent may read, oldest first."""
        page = await hub.receive(session_id, query.after, query.limit, query.poll_source)
        return MessagesOut(
            epoch=page.epoch,
            messages=[
                MessageOut.model_validate(
                    {
                        "offset": message.offset,
                        "time_ms": message.time_ms,
                        "from": message.sender,
                        "type": message.type,
                        "format": FORMATS[message.format],
                        "encrypted": message.encrypted,
                        "to": message.to,
                        "content": encode_base64url(message.content),
                    }
                )
                for message in page.messages
            ],
            first_offset=page.first_offset,
            last_offset=page.last_offset,
            served_by=page.served_by,
        )

    return router
