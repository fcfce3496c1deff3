"""Messages as JSON: reading the channel's log, sending, and waiting for what is new."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hub.errors import ChannelError, ErrorCode
from hub.hub import Hub
from messaging.poll_bodies import Close
from netcore.codes import CloseCode, may_come_back
from netcore.delivery import Delivery
from signaling.credentials import SessionId
from signaling.json_agent import LinkLost, Posting, RequestReplaced
from signaling.json_agents import JsonAgents
from signaling.json_content import content_of, content_of_bytes
from signaling.problems import problem
from signaling.routes.strict_route import StrictRoute, refusals
from signaling.schemas import (
    FORMATS,
    MessageBody,
    MessageOut,
    MessageSentOut,
    MessagesOut,
    MessagesQuery,
    NewMessageOut,
    NewMessagesOut,
    decode_base64url,
    encode_base64url,
)
from signaling.waiting import CLIENT_GONE, wait_with_client

_STATUS_OF_CLOSE = {CloseCode.RATE_LIMIT: 429, CloseCode.SERVER_SHUTDOWN: 503, CloseCode.INTERNAL: 500}


def messages_router(hub: Hub, agents: JsonAgents) -> APIRouter:
    """The routes under `/sessions/messages`."""
    router = APIRouter(prefix="/sessions", tags=["messages"], route_class=StrictRoute)

    @router.get(
        "/messages",
        response_model=MessagesOut | NewMessagesOut,
        responses=refusals(400, 401, 403, 409, 503),
    )
    async def messages(
        request: Request, query: Annotated[MessagesQuery, Query()], session_id: SessionId
    ) -> MessagesOut | NewMessagesOut | Response:
        """Persistent messages that this agent may read; with `wait` instead new messages to this agent."""
        if query.wait is None:
            return await _log_page(hub, query, session_id)
        return await _new_messages(request, agents, query, session_id)

    @router.post(
        "/messages",
        response_model=MessageSentOut,
        responses=refusals(400, 401, 403, 404, 409, 413, 503),
    )
    async def send(body: MessageBody, session_id: SessionId) -> MessageSentOut | Response:
        """Send one message. Reliable and ordered ones are answered once the server has them."""
        try:
            number = await agents.of(session_id).send(session_id, _posting(body))
        except LinkLost as lost:
            return _closed(lost.close)
        except TimeoutError:
            return problem(
                503, "The server did not take the message in time.", come_back=True, retry_after_s=1.0
            )
        return MessageSentOut(number=number)

    return router


async def _log_page(hub: Hub, query: MessagesQuery, session_id: str) -> MessagesOut:
    page = await hub.receive(session_id, query.after, query.limit, query.poll_source or "AUTO")
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


async def _new_messages(
    request: Request, agents: JsonAgents, query: MessagesQuery, session_id: str
) -> NewMessagesOut | Response:
    await request.body()
    agent = agents.of(session_id)
    try:
        wakeup = agent.expect(session_id, query.received)
        async with asyncio.timeout(query.wait):
            await wait_with_client(request, wakeup)
    except TimeoutError:
        pass
    except RequestReplaced:
        return problem(409, "A newer request of this session is waiting.", type="poll-replaced")
    except LinkLost as lost:
        return _closed(lost.close)
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)
    found = agent.take(query.received, query.limit)
    return NewMessagesOut(
        messages=[NewMessageOut.model_validate({"number": one.number, **one.fields}) for one in found],
        received=found[-1].number if found else query.received or 0,
        missed=agent.inbox.take_missed(),
    )


def _posting(body: MessageBody) -> Posting:
    if body.content_base64 is None:
        content, format = content_of(body.content)
    else:
        try:
            data = decode_base64url(body.content_base64)
        except ValueError:
            raise ChannelError(ErrorCode.REQUEST_INVALID, "content_base64 is not base64url.") from None
        content, format = content_of_bytes(data, None if body.format is None else FORMATS.index(body.format))
    return Posting(
        content=content,
        format=format,
        type=body.type,
        delivery=Delivery[body.delivery.upper()],
        key=body.key,
        to=body.to,
        filter=body.filter,
        ephemeral=body.ephemeral,
        encrypted=body.encrypted,
    )


def _closed(close: Close) -> Response:
    """The hub took the agent's link away."""
    if close.code == CloseCode.NORMAL:
        raise ChannelError(ErrorCode.SESSION_UNKNOWN)
    return problem(
        _STATUS_OF_CLOSE.get(CloseCode(close.code), 409) if close.code in set(CloseCode) else 409,
        close.reason,
        type="link-closed",
        title="The link is closed",
        code=close.code,
        come_back=may_come_back(close.code),
    )
