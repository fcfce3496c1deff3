"""Whether the process lives, whether it takes connects, and what it is."""

from __future__ import annotations

from fastapi import APIRouter, Response

from hub.hub import Hub
from signaling.schemas import HealthOut, IndexOut, ReadyOut
from signaling.settings import BASE_PATH, HttpSettings


def health_router(hub: Hub, settings: HttpSettings) -> APIRouter:
    """The routes at the root, for load balancers and for people who look in."""
    router = APIRouter(tags=["health"])

    @router.get("/health")
    async def health() -> HealthOut:
        """The process lives and its loop turns."""
        return HealthOut()

    @router.get("/ready", responses={503: {"model": ReadyOut, "description": "Takes no connects: stopping."}})
    async def ready(response: Response) -> ReadyOut:
        """Whether connects are taken: 200, or 503 while the server stops."""
        if not hub.ready:
            response.status_code = 503
        return ReadyOut(ready=hub.ready)

    @router.get("/")
    async def index() -> IndexOut:
        """What runs here."""
        return IndexOut(name="netplay", version=settings.version, api=BASE_PATH, docs="/docs")

    return router
