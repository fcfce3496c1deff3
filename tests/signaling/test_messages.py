"""Reading the log over HTTP."""

from __future__ import annotations

import base64

import httpx
import pytest

from tests.signaling.api import Api, assert_problem

PATH = "/api/v1/sessions/messages"


async def test_messages_come_with_their_facts(api: Api, client: httpx.AsyncClient) -> None:
    session = await api.connect(client)
    api.store(session["channel_id"], "grüß dich".encode())
    api.store(session["channel_id"], bytes(range(256)), format=0, to="ada")
    response = await client.get(PATH, headers=api.bearer(session["session_id"]))
    assert response.status_code == 200
    page = response.json()
    assert (page["first_offset"], page["last_offset"], page["served_by"]) == (1, 2, "memory")
    assert page["epoch"] == session["epoch"]
    first, second = page["messages"]
    assert first == {
        "offset": 1,
        "time_ms": 1_800_000_000_000,
        "from": "ada",
        "type": "chat-text",
        "format": "text",
        "encrypted": False,
        "to": None,
        "content": base64.urlsafe_b64encode("grüß dich".encode()).rstrip(b"=").decode(),
    }
    assert (second["format"], second["to"]) == ("bytes", "ada")
    assert base64.urlsafe_b64decode(second["content"] + "==") == bytes(range(256))


async def test_content_that_is_not_what_its_format_says_is_told_all_the_same(
    api: Api, client: httpx.AsyncClient
) -> None:
    session = await api.connect(client)
    for format in (0, 1, 2):
        api.store(session["channel_id"], b"\xff\xfe{", format=format)
    response = await client.get(PATH, headers=api.bearer(session["session_id"]))
    assert [message["format"] for message in response.json()["messages"]] == ["bytes", "text", "json"]


# HTTP-2-6
async def test_a_page_begins_after_an_offset_and_ends_at_the_limit(
    api: Api, client: httpx.AsyncClient
) -> None:
    session = await api.connect(client)
    for number in range(10):
        api.store(session["channel_id"], b"%d" % number)
    response = await client.get(
        PATH, params={"after": 3, "limit": 2}, headers=api.bearer(session["session_id"])
    )
    assert [message["offset"] for message in response.json()["messages"]] == [4, 5]


@pytest.mark.parametrize(
    "query",
    [
        "after=-1",
        "after=x",
        "after=99999999999999999999",
        "after=1e3",
        "limit=0",
        "limit=1001",
        "limit=",
        "limit=1&limit=x",
        "poll_source=kafka",
        "befor=3",
        "after=%00",
        "after=%ff",
    ],
)
async def test_a_bad_query_is_refused(api: Api, client: httpx.AsyncClient, query: str) -> None:
    session = await api.connect(client)
    response = await client.get(f"{PATH}?{query}", headers=api.bearer(session["session_id"]))
    assert_problem(response, 400)


@pytest.mark.parametrize("source", ["AUTO", "CACHE", "KAFKA", "DATABASE"])
async def test_every_poll_source_is_served(api: Api, client: httpx.AsyncClient, source: str) -> None:
    session = await api.connect(client)
    response = await client.get(
        PATH, params={"poll_source": source}, headers=api.bearer(session["session_id"])
    )
    assert response.json()["served_by"] == "memory"


async def test_the_log_needs_a_session(api: Api, client: httpx.AsyncClient) -> None:
    assert_problem(await client.get(PATH, headers=api.bearer()), 401)
