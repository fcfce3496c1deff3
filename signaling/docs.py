"""The API's description for people: Swagger UI from a package, under a strict content policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from swagger_ui_bundle import swagger_ui_path

_FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
# Swagger UI sets style attributes and draws with data: images; scripts are the bundle and ours alone.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>netplay: HTTP API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "/docs/openapi-3.0.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  validatorUrl: null,
});
"""


def docs_router(app: FastAPI) -> APIRouter:
    """The pages under `/docs` for the API of `app`."""
    router = APIRouter(prefix="/docs", include_in_schema=False)
    folder = Path(swagger_ui_path)
    schema = _once(lambda: as_openapi_30(app.openapi()))

    @router.get("")
    async def page() -> Response:
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})

    @router.get("/start.js")
    async def start() -> Response:
        return Response(_START, media_type="text/javascript")

    @router.get("/openapi-3.0.json")
    async def openapi_30() -> Response:
        return Response(json.dumps(schema()), media_type="application/json")

    @router.get("/{name}")
    async def file(name: str) -> Response:
        if name not in _FILES:
            raise HTTPException(404)
        return FileResponse(
            folder / name, media_type=_FILES[name], headers={"Cache-Control": "max-age=86400"}
        )

    return router


def _once(make: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    made: list[dict[str, Any]] = []

    def get() -> dict[str, Any]:
        if not made:
            made.append(make())
        return made[0]

    return get


def as_openapi_30(schema: Any) -> Any:
    """An OpenAPI 3.1 document in the words of 3.0, which is what the packaged Swagger UI reads."""
    if isinstance(schema, list):
        return [as_openapi_30(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {name: as_openapi_30(value) for name, value in schema.items()}
    if "openapi" in converted and "paths" in converted:
        converted["openapi"] = "3.0.3"
    choices = converted.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        kept = [choice for choice in choices if choice != {"type": "null"}]
        del converted["anyOf"]
        converted["nullable"] = True
        if len(kept) == 1 and "$ref" not in kept[0]:
            converted = {**kept[0], **converted}
        else:
            converted["anyOf"] = kept
    if "const" in converted and "type" in converted:
        converted["enum"] = [converted.pop("const")]
    for name in ("exclusiveMinimum", "exclusiveMaximum"):
        limit = converted.get(name)
        if isinstance(limit, int | float) and not isinstance(limit, bool):
            converted["minimum" if name == "exclusiveMinimum" else "maximum"] = limit
            converted[name] = True
    return converted
