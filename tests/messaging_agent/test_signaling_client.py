"""The HTTP side against servers that are no netplay server, or a broken one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from messaging_agent.errors import (
    BadRequest,
    MessagingError,
    NameTaken,
    NoSeat,
    RequestRefused,
    ServerFault,
    ServerUnreachable,
    SessionGone,
    Throttled,
    UnexpectedAnswer,
)
from messaging_agent.grants import LinksGrant, SessionGrant
from messaging_agent.history import HistoryPage
from messaging_agent.signaling_client import SignalingClient

Answer = Callable[[Any], Awaitable[web.StreamResponse]]

LINK = {
    "transport": "udp",
    "port": 7777,
    "token": "AAAA",
    "psk": "_-8",
    "app_id": "00000000000000ff",
    "steer": 3,
    "expires_at": 1.5,
}
SESSION: dict[str, Any] = {
    "session_id": "s.secret",
    "channel_id": "c",
    "agent_name": "ada",
    "agent_index": 1,
    "created": True,
    "resumed": False,
    "readable": False,
    "game": None,
    "epoch": "e",
    "offset": 0,
    "poll_source": "AUTO",
    "served_by": "memory",
    "links": [LINK],
}


@contextlib.asynccontextmanager
async def answering(answer: Answer, **options: Any) -> AsyncIterator[SignalingClient]:
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    client = SignalingClient(f"http://127.0.0.1:{runner.addresses[0][1]}/", "key", **options)
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


def saying(status: int, body: Any, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def connect(client: SignalingClient) -> SessionGrant:
    return await client.connect(
        channel_name="lobby",
        proof=bytes(range(32)),
        agent_name="ada",
        scope="private",
        transports=["udp"],
        poll_source="AUTO",
    )


# HTTP-2-1, E2E-1-2
async def test_a_connect_says_what_the_api_asks_for_and_no_password() -> None:
    seen: list[tuple[str, str, str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        authorization = request.headers["Authorization"]
        seen.append((request.method, request.path, authorization, await request.json()))
        return web.json_response(SESSION, status=201)

    async with answering(answer) as client:
        grant = await connect(client)
        assert await client.server_address() == "127.0.0.1"
    assert seen == [
        (
            "POST",
            "/api/v1/sessions",
            "Bearer key",
            {
                "channel_name": "lobby",
                "proof": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
                "agent_name": "ada",
                "scope": "private",
                "transports": ["udp"],
                "poll_source": "AUTO",
            },
        )
    ]
    (link,) = grant.links
    assert (link.token, link.psk, link.app_id, link.steer) == (b"\0\0\0", b"\xff\xef", 255, 3)


@pytest.mark.parametrize(
    ("status", "type", "error", "retry"),
    [
        (400, "request-invalid", BadRequest, False),
        (409, "name-taken", NameTaken, False),
        (409, "channel-full", NoSeat, False),
        (401, "session-unknown", SessionGone, False),
        (403, "session-refused", SessionGone, False),
        (429, "throttled", Throttled, True),
        (503, "draining", ServerFault, True),
        (500, "internal-error", ServerFault, False),
        (418, "teapot", RequestRefused, False),
    ],
)
async def test_problems_become_typed_exceptions(
    status: int, type: str, error: type[RequestRefused], retry: bool
) -> None:
    problem = {
        "type": type,
        "title": "T",
        "status": status,
        "detail": "because.",
        "code": 7,
        "retry_after_s": 2,
    }
    async with answering(saying(status, problem)) as client:
        with pytest.raises(error, match="because") as caught:
            await connect(client)
    refused = caught.value
    assert (refused.status, refused.type, refused.code, refused.retry_after_s) == (status, type, 7, 2.0)
    assert refused.may_retry is retry


async def test_a_proxys_answer_is_a_refusal_too() -> None:
    async with answering(saying(502, "<h1>Bad gateway</h1>", **{"Retry-After": "3"})) as client:
        with pytest.raises(ServerFault) as caught:
            await connect(client)
    assert (caught.value.retry_after_s, caught.value.may_retry) == (3.0, True)


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "[" * 100_000,
        "[]",
        "{}",
        {**SESSION, "links": "none"},
        {**SESSION, "links": [{**LINK, "port": 70_000}]},
        {**SESSION, "links": [{**LINK, "token": "?!"}]},
        {**SESSION, "links": [{**LINK, "app_id": "zz"}]},
        {**SESSION, "links": [LINK] * 17},
        {**SESSION, "agent_index": True},
        {**SESSION, "created": 1},
    ],
    ids=str,
)
async def test_an_answer_that_is_no_netplay_servers_is_named_so(body: Any) -> None:
    async with answering(saying(201, body)) as client:
        with pytest.raises(UnexpectedAnswer):
            await connect(client)


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                await response.write(b" " * 65536)
        return response

    async with answering(answer) as client:
        with pytest.raises(UnexpectedAnswer, match="longer"):
            await connect(client)


async def test_a_silent_server_is_unreachable_after_the_timeout() -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.Response()

    async with answering(answer, timeout_s=0.1) as client:
        with pytest.raises(ServerUnreachable, match=r"0\.1 s"):
            await connect(client)


async def test_redirects_are_not_followed_with_a_key_in_hand() -> None:
    async with answering(saying(307, "", Location="http://127.0.0.1:1/")) as client:
        with pytest.raises(RequestRefused):
            await connect(client)


@pytest.mark.parametrize("url", ["", "lobby", "ftp://x", "http://", "//x"])
def test_an_address_that_is_none_is_a_value_error(url: str) -> None:
    with pytest.raises(ValueError, match="api_url"):
        SignalingClient(url, "key")


@pytest.mark.parametrize(
    ("api_url", "expected"),
    [
        ("http://h:1", "ws://h:1/link"),
        ("https://h/api/v1/", "wss://h:1/link"),
        ("http://[::1]:5", "ws://[::1]:1/link"),
    ],
)
# WS-2-1
async def test_websocket_addresses_follow_the_http_address(api_url: str, expected: str) -> None:
    assert str(SignalingClient(api_url, "key").websocket_url(1, "")) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(json_values, st.sampled_from(sorted(SESSION)), json_values)
def test_no_json_value_breaks_the_parsers(value: Any, field: str, inner: Any) -> None:
    link = {**LINK, "port": inner, "token": inner}
    for candidate in (value, {**SESSION, field: value}, {**SESSION, "links": [link]}):
        for parse in (SessionGrant.parse, LinksGrant.parse):
            with contextlib.suppress(MessagingError):
                parse(candidate)
    page = {"epoch": "e", "messages": [value], "first_offset": 1, "last_offset": inner, "served_by": "m"}
    with contextlib.suppress(MessagingError):
        HistoryPage.parse(page, lambda stored: (stored.raw, stored.raw, False))
