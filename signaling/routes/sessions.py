"""Sessions: connect, fresh links, leave, and who else is there."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request

from hub.hub import Hub
from hub.requests import ConnectRequest
from signaling.addresses import remote_address
from signaling.credentials import ApiKey, SessionId
from signaling.link_offers import LinkOffers
from signaling.routes.strict_route import StrictRoute, refusals
from signaling.schemas import AgentOut, AgentsOut, ConnectBody, LinksBody, LinksOut, SessionOut
from signaling.settings import HttpSettings


def sessions_router(hub: Hub, settings: HttpSettings, *, long_poll: bool = False) -> APIRouter:
    """The routes under `/sessions`. `async` though nothing waits: the hub belongs to the loop's thread."""
    router = APIRouter(prefix="/sessions", tags=["sessions"], route_class=StrictRoute)
    offers = LinkOffers(settings, long_poll=long_poll)

    @router.post(
        "",
        status_code=201,
        response_model_exclude_none=False,
        responses=refusals(400, 401, 403, 409, 413, 503),
    )
    async def connect(request: Request, body: ConnectBody, api_key: ApiKey) -> SessionOut:
        """Bring an agent into a channel, or resume its session, and get tokens for its links."""
        answer = hub.connect(
            ConnectRequest(
                api_key=api_key,
                channel_name=body.channel_name,
                proof=body.proof,
                agent_name=body.agent_name,
                scope=body.scope,
                session_id=body.session_id,
                metadata=body.metadata or {},
                game=body.game,
                game_options=body.game_options,
                transports=offers.wanted(request, body.transports),
                poll_source=body.poll_source,
                custom_event_type=body.custom_event_type,
                remote_address=remote_address(request.scope),
            )
        )
        return SessionOut(
            session_id=answer.session_id,
            channel_id=answer.channel_id,
            agent_name=answer.agent_name,
            agent_index=answer.agent_index,
            created=answer.created,
            resumed=answer.resumed,
            readable=answer.readable,
            game=answer.game,
            epoch=answer.epoch,
            offset=answer.offset,
            poll_source=answer.poll_source,
            served_by=answer.served_by,
            links=offers.rendered(request, answer.links),
        )

    @router.post("/links", responses=refusals(400, 401, 403, 413))
    async def links(request: Request, body: LinksBody, session_id: SessionId) -> LinksOut:
        """Tokens for new links of a living session. The session id in the answer replaces the one used."""
        answer = hub.mint_links(session_id, offers.wanted(request, body.transports))
        return LinksOut(session_id=answer.session_id, links=offers.rendered(request, answer.links))

    @router.post("/leave", status_code=204, responses=refusals(401, 403))
    async def leave(session_id: SessionId) -> None:
        """End the session: the agent leaves its channel at once."""
        hub.disconnect(session_id)

    @router.get("/agents", responses=refusals(401, 403))
    async def agents(session_id: SessionId) -> AgentsOut:
        """Everyone in the session's channel, in order of index."""
        return AgentsOut(
            agents=[
                AgentOut(
                    index=agent.index,
                    name=agent.name,
                    joined_at_ms=agent.joined_at_ms,
                    metadata=agent.metadata,
                    away=agent.away,
                    local=agent.local,
                )
                for agent in hub.agents(session_id)
            ]
        )

    return router
