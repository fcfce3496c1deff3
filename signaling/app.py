"""The HTTP API as one ASGI application."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from hub.hub import Hub
from netcore.address import TrustedNetworks
from signaling import problems
from signaling.docs import docs_router
from signaling.json_agents import JsonAgents
from signaling.limits import BodyLimit, RequestMarks, UnprovedRate
from signaling.routes.health import health_router
from signaling.routes.links import links_router
from signaling.routes.messages import messages_router
from signaling.routes.sessions import sessions_router
from signaling.schemas import ProblemOut
from signaling.settings import BASE_PATH, HttpSettings
from transports.long_poll import LongPollTransport

_DESCRIPTION = """Agents come into channels here; what they say to each other then travels over the links
whose tokens a connect gives out. Errors are problem documents (RFC 9457). Nothing uses cookies."""


def create_app(
    hub: Hub,
    settings: HttpSettings,
    *,
    long_poll: LongPollTransport | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """The API over `hub`, with its limits around it, and links over `long_poll` where there are any.

    `clock` is monotonic seconds, for the limits.
    """
    limits = settings.limits
    app: ASGIApp = BodyLimit(create_api(hub, settings, long_poll), limits, clock)
    app = UnprovedRate(app, limits, TrustedNetworks(settings.trusted_networks), clock)
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["Retry-After", "X-Request-ID"],
            max_age=600,
        )
    return RequestMarks(app)


def create_api(hub: Hub, settings: HttpSettings, long_poll: LongPollTransport | None = None) -> FastAPI:
    """The routes and their OpenAPI description, without the limits around them."""
    api = FastAPI(
        title="netplay",
        description=_DESCRIPTION,
        version=settings.version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(api)
    base = APIRouter(prefix=BASE_PATH)
    base.include_router(sessions_router(hub, settings, long_poll=long_poll is not None))
    base.include_router(messages_router(hub, JsonAgents(hub)))
    if long_poll is not None:
        base.include_router(links_router(long_poll))
    api.include_router(base)
    api.include_router(health_router(hub, settings))
    api.include_router(docs_router(api))
    if settings.websocket_path is not None:
        api.add_api_route(
            settings.websocket_path, _upgrade_required, methods=["GET"], include_in_schema=False
        )
    _describe_problems(api)
    return api


async def _upgrade_required() -> None:
    raise HTTPException(426, headers={"Upgrade": "websocket", "Connection": "Upgrade"})


def _describe_problems(api: FastAPI) -> None:
    """Add the problem document to the description's components and take FastAPI's own 422 out of it."""
    make = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            schema = make()
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            template = "#/components/schemas/{model}"
            problem = ProblemOut.model_json_schema(mode="serialization", ref_template=template)
            components.update(problem.pop("$defs", {}))
            components["ProblemOut"] = problem
            for path in schema["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
            for name in ("HTTPValidationError", "ValidationError"):
                components.pop(name, None)
            api.openapi_schema = schema
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]
