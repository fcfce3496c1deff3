"""The application as a whole: unknown addresses, headers of every answer, CORS, description and its pages."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from signaling.docs import as_openapi_30
from tests.signaling.api import Api, assert_problem


async def test_the_root_says_what_runs_here(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).json() == {
        "name": "netplay",
        "version": "1.2.3",
        "api": "/api/v1",
        "docs": "/docs",
    }


async def test_the_process_says_that_it_lives(client: httpx.AsyncClient) -> None:
    response = await client.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/v1",
        "/api/v1/sessions/",
        "/api/v2/sessions",
        "/docs/../pyproject.toml",
        "/docs/index.html",
        "/docs/%2e%2e/x",
        "/%00",
    ],
)
# HTTP-1-4
async def test_an_unknown_address_is_a_problem(client: httpx.AsyncClient, path: str) -> None:
    assert_problem(await client.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/sessions"),
        ("DELETE", "/api/v1/sessions"),
        ("POST", "/health"),
        ("PUT", "/"),
        ("TRACE", "/"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await client.request(method, path)
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"]


async def test_the_links_address_asks_for_an_upgrade(client: httpx.AsyncClient) -> None:
    response = await client.get("/link")
    assert_problem(response, 426, "upgrade-required")
    assert response.headers["upgrade"] == "websocket"


# HTTP-1-5
async def test_every_answer_has_a_request_id(client: httpx.AsyncClient) -> None:
    ids = {(await client.get(path)).headers["x-request-id"] for path in ("/", "/health", "/nothing", "/docs")}
    assert len(ids) == 4
    response = await client.get("/health", headers={"X-Request-ID": "my.id-7_a"})
    assert response.headers["x-request-id"] == "my.id-7_a"


@pytest.mark.parametrize("bad", ["", "x" * 65, "a b", "a;b", "ü".encode().decode("latin-1")])
# HTTP-1-5
async def test_a_strange_request_id_is_replaced(client: httpx.AsyncClient, bad: str) -> None:
    response = await client.get("/health", headers={"X-Request-ID": bad.encode("latin-1")})  # type: ignore[dict-item]
    assert re.fullmatch(r"[0-9a-f]{16}", response.headers["x-request-id"])


async def test_answers_are_not_cached_nor_sniffed_and_set_no_cookie(
    api: Api, client: httpx.AsyncClient
) -> None:
    response = await client.post("/api/v1/sessions", json=api.body(), headers=api.bearer())
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in response.headers


async def test_a_fault_of_ours_is_a_problem_and_a_log_line(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr(type(api.hub), "connect", broken)
    response = await client.post(
        "/api/v1/sessions", json=api.body(), headers=api.bearer() | {"X-Request-ID": "r1"}
    )
    problem = assert_problem(response, 500, "internal-error")
    assert "1234" not in response.text
    assert problem["come_back"] is True
    assert response.headers["x-request-id"] == "r1"
    assert "request r1 failed" in caplog.text


class TestCors:
    async def test_pages_of_any_origin_may_call_but_never_with_credentials(
        self, api: Api, client: httpx.AsyncClient
    ) -> None:
        response = await client.options(
            "/api/v1/sessions",
            headers={
                "Origin": "https://elsewhere.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, content-type",
            },
        )
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers

    async def test_refusals_can_be_read_by_pages_too(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/nothing", headers={"Origin": "https://elsewhere.example"})
        assert response.headers["access-control-allow-origin"] == "*"


class TestDescription:
    async def schema(self, client: httpx.AsyncClient) -> Any:
        return (await client.get("/openapi.json")).json()

    async def test_every_route_of_the_api_is_described_with_its_problems(
        self, client: httpx.AsyncClient
    ) -> None:
        paths = (await self.schema(client))["paths"]
        assert set(paths) == {
            "/",
            "/health",
            "/ready",
            "/api/v1/sessions",
            "/api/v1/sessions/links",
            "/api/v1/sessions/leave",
            "/api/v1/sessions/agents",
            "/api/v1/sessions/messages",
        }
        for path, methods in paths.items():
            for operation in methods.values():
                assert operation.get("description"), path
                assert "422" not in operation["responses"]
                if path.startswith("/api/"):
                    for status in ("401", "429", "500"):
                        content = operation["responses"][status]["content"]
                        assert content == {
                            "application/problem+json": {
                                "schema": {"$ref": "#/components/schemas/ProblemOut"}
                            }
                        }
                    assert operation["security"]

    async def test_every_reference_leads_somewhere(self, client: httpx.AsyncClient) -> None:
        schema = await self.schema(client)
        references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(schema)))
        assert references == set(schema["components"]["schemas"])

    async def test_answers_have_the_fields_that_are_described(
        self, api: Api, client: httpx.AsyncClient
    ) -> None:
        schemas = (await self.schema(client))["components"]["schemas"]
        session = await api.connect(client)
        assert session.keys() == schemas["SessionOut"]["properties"].keys()
        assert session["links"][0].keys() == schemas["LinkOut"]["properties"].keys()
        api.store(session["channel_id"], b"x")
        page = (
            await client.get("/api/v1/sessions/messages", headers=api.bearer(session["session_id"]))
        ).json()
        assert page.keys() == schemas["MessagesOut"]["properties"].keys()
        assert page["messages"][0].keys() == schemas["MessageOut"]["properties"].keys()

    async def test_the_version_for_the_page_has_no_words_of_openapi_31(
        self, client: httpx.AsyncClient
    ) -> None:
        schema = (await client.get("/docs/openapi-3.0.json")).json()
        assert schema["openapi"] == "3.0.3"
        text = json.dumps(schema)
        assert '"null"' not in text and '"const"' not in text
        session_id = schema["components"]["schemas"]["ConnectBody"]["properties"]["session_id"]
        assert session_id["nullable"] is True and session_id["type"] == "string"

    def test_limits_that_exclude_themselves_are_translated(self) -> None:
        assert as_openapi_30({"type": "integer", "exclusiveMaximum": 5}) == {
            "type": "integer",
            "maximum": 5,
            "exclusiveMaximum": True,
        }


class TestPages:
    async def test_the_page_loads_nothing_from_elsewhere(self, client: httpx.AsyncClient) -> None:
        page = await client.get("/docs")
        assert page.status_code == 200
        sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert sources and all(source.startswith("/docs/") for source in sources)
        for source in sources:
            assert (await client.get(source)).status_code == 200, source
        assert "<script>" not in page.text

    async def test_its_policy_allows_our_scripts_alone(self, client: httpx.AsyncClient) -> None:
        policy = (await client.get("/docs")).headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy
        assert "unsafe-eval" not in policy

    @pytest.mark.parametrize(
        "name", ["swagger-ui.js.map", "index.html", "..%2findex.j2", "oauth2-redirect.html"]
    )
    async def test_other_files_of_the_package_stay_inside(self, client: httpx.AsyncClient, name: str) -> None:
        assert_problem(await client.get(f"/docs/{name}"), 404)
