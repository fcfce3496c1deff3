"""Connect, links, leave and the list of agents over HTTP."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from hub.errors import ErrorCode
from tests.signaling.api import PROOF, Api, assert_problem


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# MSG-2-1, HTTP-1-1, HTTP-2-1, HTTP-2-4
async def test_a_connect_gives_session_and_links(api: Api, client: httpx.AsyncClient) -> None:
    answer = await api.connect(client)
    assert answer["agent_name"] == "ada"
    assert answer["created"] is True and answer["resumed"] is False and answer["readable"] is False
    assert answer["game"] is None and answer["offset"] == 0 and answer["served_by"] == "memory"
    udp, websocket = answer["links"]
    assert (udp["transport"], udp["port"], udp["path"]) == ("udp", 7777, None)
    assert len(unpadded(udp["psk"])) == 32
    assert int(udp["app_id"], 16) and len(udp["app_id"]) == 16
    assert (websocket["transport"], websocket["port"], websocket["path"]) == ("websocket", 7777, "/link")
    assert websocket["psk"] is None
    for link in (udp, websocket):
        opened = api.mint.gate.redeem(unpadded(link["token"]), api.clock.wall())
        assert opened.claims and link["expires_at"] == opened.expires


# HTTP-2-3
async def test_the_wanted_transports_are_given_in_the_wanted_order(
    api: Api, client: httpx.AsyncClient
) -> None:
    answer = await api.connect(client, transports=["websocket", "quic", "udp", "websocket"])
    assert [link["transport"] for link in answer["links"]] == ["websocket", "udp"]


# HTTP-2-3
async def test_an_empty_list_of_transports_means_all(api: Api, client: httpx.AsyncClient) -> None:
    answer = await api.connect(client, transports=[])
    assert [link["transport"] for link in answer["links"]] == ["udp", "websocket"]


# HTTP-2-3
async def test_transports_that_are_not_here_are_refused(api: Api, client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/sessions", json=api.body(transports=["quic"]), headers=api.bearer())
    assert "udp, websocket" in assert_problem(response, 400)["detail"]


@pytest.mark.parametrize(
    ("address", "scheme", "headers", "transports"),
    [
        ("127.0.0.1", "http", {}, ["udp", "websocket"]),
        ("127.9.9.9", "http", {}, ["udp", "websocket"]),
        ("::1", "http", {}, ["udp", "websocket"]),
        ("::ffff:127.0.0.1", "http", {}, ["udp", "websocket"]),
        ("192.168.1.5", "https", {}, ["udp", "websocket"]),
        ("192.168.1.5", "http", {}, ["websocket"]),
        ("2001:db8::1", "http", {}, ["websocket"]),
        ("127.0.0.1", "http", {"X-Forwarded-For": "192.168.1.5"}, ["websocket"]),
        ("127.0.0.1", "http", {"Forwarded": "for=192.168.1.5"}, ["websocket"]),
        ("192.168.1.5", "http", {"X-Forwarded-Proto": "https"}, ["websocket"]),
    ],
)
# HTTP-2-5
async def test_udp_keys_are_told_to_this_machine_or_over_tls_alone(
    api: Api, address: str, scheme: str, headers: dict[str, str], transports: list[str]
) -> None:
    async with api.client(address, scheme) as client:
        response = await client.post("/api/v1/sessions", json=api.body(), headers=api.bearer() | headers)
    assert [link["transport"] for link in response.json()["links"]] == transports
    if transports == ["websocket"]:
        assert "psk" not in response.text.replace('"psk":null', "")


async def test_udp_alone_from_afar_over_plain_http_is_refused_with_the_reason(api: Api) -> None:
    async with api.client("192.168.1.5") as client:
        response = await client.post(
            "/api/v1/sessions", json=api.body(transports=["udp"]), headers=api.bearer()
        )
    assert "HTTPS" in assert_problem(response, 400)["detail"]


# HTTP-2-1
async def test_a_session_is_resumed_by_its_id(api: Api, client: httpx.AsyncClient) -> None:
    first = await api.connect(client)
    again = await api.connect(client, session_id=first["session_id"])
    assert again["resumed"] is True
    assert again["agent_index"] == first["agent_index"]
    assert again["session_id"] != first["session_id"]


# HTTP-2-2
async def test_fresh_links_rotate_the_session_id(api: Api, client: httpx.AsyncClient) -> None:
    first = await api.connect(client)
    response = await client.post(
        "/api/v1/sessions/links", json={"transports": ["websocket"]}, headers=api.bearer(first["session_id"])
    )
    assert response.status_code == 200
    answer = response.json()
    assert answer["session_id"] != first["session_id"]
    assert [link["transport"] for link in answer["links"]] == ["websocket"]


async def test_agents_are_listed_by_index(api: Api, client: httpx.AsyncClient) -> None:
    answer = await api.connect(client, metadata={"colour": "red", "skills": [1, 2.5, None]})
    response = await client.get("/api/v1/sessions/agents", headers=api.bearer(answer["session_id"]))
    assert response.status_code == 200
    agents = response.json()["agents"]
    assert [agent["name"] for agent in agents] in ([], ["ada"])  # visible to others once its link is there


async def test_who_left_is_unknown(api: Api, client: httpx.AsyncClient) -> None:
    answer = await api.connect(client)
    bearer = api.bearer(answer["session_id"])
    response = await client.post("/api/v1/sessions/leave", headers=bearer)
    assert response.status_code == 204 and response.content == b""
    problem = assert_problem(
        await client.get("/api/v1/sessions/agents", headers=bearer), 401, "session-unknown"
    )
    assert problem["code"] == ErrorCode.SESSION_UNKNOWN and problem["come_back"] is True


@pytest.mark.parametrize("path", ["links", "leave"])
@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer a b", "Basic abc", "Bearer é", "Bearer " + "x" * 400]
)
# HTTP-1-3
async def test_calls_of_a_session_need_its_id(
    api: Api, client: httpx.AsyncClient, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    response = await client.post(f"/api/v1/sessions/{path}", json={}, headers=headers)  # type: ignore[arg-type]
    assert_problem(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"


async def test_two_authorization_headers_are_none(api: Api, client: httpx.AsyncClient) -> None:
    headers = [("Authorization", f"Bearer {api.key}"), ("Authorization", f"Bearer {api.key}")]
    response = await client.post("/api/v1/sessions", json=api.body(), headers=headers)
    assert_problem(response, 401)


@pytest.mark.parametrize("key", ["", "npk_000000000000_" + "A" * 43, "nonsense"])
async def test_an_unknown_key_is_refused(api: Api, client: httpx.AsyncClient, key: str) -> None:
    response = await client.post(
        "/api/v1/sessions", json=api.body(), headers={"Authorization": f"Bearer {key}"}
    )
    problem = assert_problem(response, 401, "key-refused")
    assert problem["code"] == ErrorCode.KEY_REFUSED
    assert not key or key not in response.text


async def test_a_session_id_of_another_secret_is_refused(api: Api, client: httpx.AsyncClient) -> None:
    answer = await api.connect(client)
    head, _, _ = answer["session_id"].partition(".")
    other = f"{head}.{'A' * len(answer['session_id'].partition('.')[2])}"
    response = await client.post("/api/v1/sessions/links", json={}, headers=api.bearer(other))
    assert_problem(response, 403, "session-refused")


BAD_BODIES: list[tuple[dict[str, Any], str]] = [
    ({"channel_name": None}, "channel_name: this field is required"),
    ({"channel_name": ""}, "channel_name"),
    ({"channel_name": 5}, "channel_name"),
    ({"channel_name": "x" * 65}, "channel name"),
    ({"channel_name": "ü" * 33}, "channel name"),
    ({"channel_name": "x" * 1000}, "channel_name"),
    ({"channel_name": "*"}, "channel name"),
    ({"channel_name": "tab\there"}, "channel name"),
    ({"agent_name": None}, "agent_name"),
    ({"agent_name": "a\x1b[31mb"}, "agent name"),
    ({"agent_name": ["ada"]}, "agent_name"),
    ({"proof": None}, "proof"),
    ({"proof": "c2hvcnQ"}, "32 bytes"),
    ({"proof": PROOF + "AAAA"}, "32 bytes"),
    ({"proof": "!" * 43}, "base64url"),
    ({"proof": 12}, "base64url"),
    ({"password": "secret"}, "password: this field is unknown"),
    ({"scope": "secret"}, "scope"),
    ({"session_id": ""}, "session_id"),
    ({"session_id": "x" * 201}, "session_id"),
    ({"metadata": []}, "metadata"),
    ({"metadata": {"x": "y" * 5000}}, "metadata"),
    ({"game": ""}, "game"),
    ({"game": "chess"}, "chess"),
    ({"game_options": 7}, "game_options"),
    ({"transports": "udp"}, "transports"),
    ({"transports": ["carrier pigeon"]}, "transports"),
    ({"transports": ["udp"] * 7}, "transports"),
    ({"poll_source": "auto"}, "poll_source"),
    ({"custom_event_type": 5}, "custom_event_type"),
    ({"custom_event_type": ""}, "custom_event_type"),
    ({"custom_event_type": []}, "custom_event_type"),
    ({"custom_event_type": ["x" * 65]}, "custom_event_type"),
    ({"custom_event_type": [f"t{number}" for number in range(33)]}, "custom_event_type"),
    ({"custom_event_type": "a,b\tc"}, "custom_event_type"),
]


@pytest.mark.parametrize("chosen", ["pos", "pos, goal", ["pos", "goal"], [f"t{n}" for n in range(32)]])
# HTTP-2-7
async def test_event_types_can_be_chosen(api: Api, client: httpx.AsyncClient, chosen: Any) -> None:
    body = api.body() | {"custom_event_type": chosen}
    response = await client.post("/api/v1/sessions", json=body, headers=api.bearer())
    assert response.status_code == 201


@pytest.mark.parametrize(("changes", "word"), BAD_BODIES)
# HTTP-1-4
async def test_a_bad_field_is_named(
    api: Api, client: httpx.AsyncClient, changes: dict[str, Any], word: str
) -> None:
    body = api.body() | changes
    body = {name: value for name, value in body.items() if value is not None}
    response = await client.post("/api/v1/sessions", json=body, headers=api.bearer())
    problem = assert_problem(response, 400)
    assert word in problem["detail"]
    assert problem["code"] is not None


async def test_several_bad_fields_are_all_named(api: Api, client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/api/v1/sessions", json={"scope": 1, "extra": 2, "agent_name": "a"}, headers=api.bearer()
    )
    problem = assert_problem(response, 400, "request-invalid")
    assert {fault["where"] for fault in problem["errors"]} == {"channel_name", "proof", "scope", "extra"}
    assert "3 more" in problem["detail"]


async def test_what_was_sent_is_not_repeated(api: Api, client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/api/v1/sessions", json=api.body(scope="<script>alert(1)</script>"), headers=api.bearer()
    )
    assert "script" not in response.text


async def test_a_name_that_is_taken_is_a_conflict(api: Api, client: httpx.AsyncClient) -> None:
    await api.connect(client)
    response = await client.post("/api/v1/sessions", json=api.body(), headers=api.bearer())
    assert_problem(response, 409, "name-taken")


async def test_another_game_than_the_channels_is_a_conflict(api: Api, client: httpx.AsyncClient) -> None:
    await api.connect(client)
    body = api.body(agent_name="bob", game="chess")
    response = await client.post("/api/v1/sessions", json=body, headers=api.bearer())
    assert_problem(response, 409, "game-conflict")


async def test_while_draining_connects_are_refused_and_ready_says_so(
    api: Api, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/ready")).json() == {"ready": True}
    api.hub.shutdown()
    ready = await client.get("/ready")
    assert (ready.status_code, ready.json()) == (503, {"ready": False})
    assert (await client.get("/health")).status_code == 200
    response = await client.post("/api/v1/sessions", json=api.body(), headers=api.bearer())
    problem = assert_problem(response, 503, "draining")
    assert problem["come_back"] is True
    assert response.headers["retry-after"] == "2"
