"""Agents that speak plain JSON beside agents with links, on a whole server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from messaging_agent import Channel

from messaging.secrets import derive
from signaling import json_agent
from tests.messaging_agent.loopback import Loopback, serving

PATH = "/api/v1/sessions/messages"


class JsonClient:
    """What a script with an HTTP library does."""

    def __init__(self, loopback: Loopback, name: str) -> None:
        self.loopback = loopback
        self.name = name
        self.http = httpx.AsyncClient(base_url=loopback.url, timeout=30)
        self.session_id = ""
        self.received = 0

    async def connect(self, **more: Any) -> dict[str, Any]:
        proof = derive("our password", "lobby", "private").proof
        body = {
            "channel_name": "lobby",
            "agent_name": self.name,
            "proof": base64.urlsafe_b64encode(proof).decode(),
            **more,
        }
        answer = await self.http.post(
            "/api/v1/sessions", json=body, headers={"Authorization": f"Bearer {self.loopback.key}"}
        )
        assert answer.status_code == 201, answer.text
        fields: dict[str, Any] = answer.json()
        self.session_id = fields["session_id"]
        return fields

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.session_id}"}

    async def say(self, content: Any = "x", **more: Any) -> httpx.Response:
        fields = more if "content_base64" in more else {"content": content, **more}
        return await self.http.post(PATH, json=fields, headers=self.headers)

    async def ask(self, wait: float = 5, **more: Any) -> httpx.Response:
        return await self.http.get(PATH, params={"wait": wait, **more}, headers=self.headers)

    async def hear(self, wait: float = 5) -> list[dict[str, Any]]:
        """New messages, each once, as a careful client asks for them."""
        answer = await self.ask(wait, received=self.received)
        assert answer.status_code == 200, answer.text
        fields = answer.json()
        assert fields["missed"] == 0
        self.received = fields["received"]
        found: list[dict[str, Any]] = fields["messages"]
        return found


@pytest_asyncio.fixture
async def loopback(tmp_path: Path) -> AsyncIterator[Loopback]:
    async with serving(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def ada(loopback: Loopback) -> AsyncIterator[JsonClient]:
    made = JsonClient(loopback, "ada")
    await made.connect()
    yield made
    await made.http.aclose()


@pytest_asyncio.fixture
async def bob(loopback: Loopback) -> AsyncIterator[Channel]:
    async with loopback.join("bob", "udp", encrypt=False) as channel:
        yield channel


async def until(condition: Any, timeout_s: float = 5) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


# HTTP-4-1, HTTP-4-2
async def test_text_json_and_bytes_go_both_ways(ada: JsonClient, bob: Channel) -> None:
    raw = base64.urlsafe_b64encode(b"\x00\xff").decode()
    for fields in ({"content": "grüß dich"}, {"content": {"a": [1, None]}}, {"content_base64": raw}):
        answer = await ada.say(**fields)
        assert (answer.status_code, answer.json()["number"] > 0) == (200, True)
    heard = [(await bob.next_message(timeout_s=5)).content for _ in range(3)]
    assert heard == ["grüß dich", {"a": [1, None]}, b"\x00\xff"]
    for content in heard:
        await bob.send(content)
    got: list[dict[str, Any]] = []
    while len(got) < 3:
        got += await ada.hear()
    assert [(one["content"], one["content_base64"], one["format"]) for one in got] == [
        ("grüß dich", None, "text"),
        ({"a": [1, None]}, None, "json"),
        (None, "AP8", "bytes"),
    ]
    assert [(one["number"], one["from"], one["type"], one["delivery"]) for one in got] == [
        (number, "bob", "chat-text", "ordered") for number in (1, 2, 3)
    ]
    assert all(one["offset"] and one["time_ms"] for one in got)


async def test_every_delivery_kind_type_and_target(ada: JsonClient, bob: Channel) -> None:
    for delivery in ("unreliable", "sequenced", "reliable", "ordered"):
        answer = await ada.say(
            delivery, delivery=delivery, type="of-ada", to="bob", key=7 * (delivery == "sequenced")
        )
        assert (answer.json()["number"] is None) == (delivery in ("unreliable", "sequenced")), answer.text
        message = await bob.next_message(timeout_s=5)
        assert (message.content, message.type, message.to_me) == (delivery, "of-ada", True)
        assert message.delivery.name.lower() == delivery
    bob.send("state", delivery="sequenced", key=4, type="of-bob", to="ada")
    (one,) = await ada.hear()
    assert (one["delivery"], one["key"], one["type"], one["to_me"], one["offset"]) == (
        "sequenced",
        4,
        "of-bob",
        True,
        None,
    )


async def test_a_filter_chooses_who_gets_it(loopback: Loopback, ada: JsonClient, bob: Channel) -> None:
    async with loopback.join("ben", "websocket", encrypt=False) as ben:
        assert (await ada.say("for ben", filter="b.n")).status_code == 200
        assert (await ada.say("for all")).status_code == 200
        assert [(await ben.next_message(timeout_s=5)).content for _ in range(2)] == ["for ben", "for all"]
        assert (await bob.next_message(timeout_s=5)).content == "for all"


# HTTP-4-5
async def test_an_agent_is_present_while_it_asks_and_away_when_it_stops(
    loopback: Loopback, bob: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_agent, "AWAY_AFTER_S", 0.3)
    ada = JsonClient(loopback, "ada")
    await ada.connect()
    assert bob.agent("ada") is None
    waiting = asyncio.create_task(ada.ask(1.0))
    await until(lambda: bob.agent("ada") is not None)
    await waiting
    here = bob.agent("ada")
    assert here is not None and not here.away
    await until(lambda: (found := bob.agent("ada")) is not None and found.away)
    await bob.send("while you were out")
    assert [one["content"] for one in await ada.hear()] == ["while you were out"]
    await until(lambda: (found := bob.agent("ada")) is not None and not found.away)
    await ada.http.aclose()


# HTTP-4-3
async def test_an_answer_that_was_lost_comes_again_until_it_is_acknowledged(
    ada: JsonClient, bob: Channel
) -> None:
    await ada.ask(0)
    await bob.send("one")
    first = (await ada.ask(received=0)).json()
    assert (await ada.ask(received=0)).json() == first
    await bob.send("two")
    second = (await ada.ask(received=first["received"])).json()
    assert [one["content"] for one in second["messages"]] == ["two"]


# HTTP-4-3
async def test_without_received_each_message_is_shown_once(ada: JsonClient, bob: Channel) -> None:
    await ada.ask(0)
    await bob.send("one")
    assert len((await ada.ask()).json()["messages"]) == 1
    again = (await ada.ask(0)).json()
    assert (again["messages"], again["received"]) == ([], 0)


async def test_limit_leaves_the_rest_for_the_next_call(ada: JsonClient, bob: Channel) -> None:
    await ada.ask(0)
    for number in range(5):
        await bob.send(number)
    got = [[one["content"] for one in (await ada.ask(limit=2)).json()["messages"]] for _ in range(3)]
    assert got == [[0, 1], [2, 3], [4]]


async def test_a_state_that_was_not_fetched_gives_way_to_a_newer_one(ada: JsonClient, bob: Channel) -> None:
    await ada.ask(0)
    for number in range(30):
        bob.send(number, delivery="sequenced", key=number % 2)
        await asyncio.sleep(0.005)
    await bob.send("end")
    got = [one["content"] for one in await ada.hear()]
    assert sorted(got, key=str) == [28, 29, "end"]


# HTTP-4-4
async def test_a_second_request_ends_the_first(ada: JsonClient, bob: Channel) -> None:
    first = asyncio.create_task(ada.ask())
    await until(lambda: bob.agent("ada") is not None)
    second = asyncio.create_task(ada.ask())
    assert ((await first).status_code, (await first).json()["type"]) == (409, "poll-replaced")
    await bob.send("for the second")
    assert [one["content"] for one in (await second).json()["messages"]] == ["for the second"]


# HTTP-4-6
async def test_more_than_the_inbox_holds_is_told_as_missed(ada: JsonClient, bob: Channel) -> None:
    await ada.ask(0)
    for _ in range(40):
        await bob.send("x" * 40_000, ephemeral=True)
    answer = (await ada.ask()).json()
    assert 0 < answer["missed"] < 40
    assert len(answer["messages"]) + answer["missed"] == 40


async def test_leaving_ends_a_waiting_request_and_the_session(ada: JsonClient, bob: Channel) -> None:
    waiting = asyncio.create_task(ada.ask())
    await until(lambda: bob.agent("ada") is not None)
    left = await ada.http.post("/api/v1/sessions/leave", headers=ada.headers)
    assert left.status_code == 204
    assert ((await waiting).status_code, (await waiting).json()["type"]) == (401, "session-unknown")
    assert (await ada.say()).status_code == 401
    await until(lambda: bob.agent("ada") is None)


# HTTP-4-7
async def test_a_link_of_the_same_session_takes_over_and_json_takes_it_back(
    loopback: Loopback, ada: JsonClient, bob: Channel
) -> None:
    await ada.say("by JSON")
    async with loopback.join("ada", "websocket", session_id=ada.session_id, encrypt=False) as channel:
        waiting = await ada.ask(0)
        assert waiting.status_code == 403  # the secret has changed with the new link
        await channel.send("by link")
        heard = [(await bob.next_message(timeout_s=5)).content for _ in range(2)]
        assert heard == ["by JSON", "by link"]
        ada.session_id = channel.keeper.session_id
        assert (await ada.say("by JSON again")).status_code == 200
        assert (await bob.next_message(timeout_s=5)).content == "by JSON again"


async def test_sealed_content_is_shown_as_bytes_and_says_so(loopback: Loopback, ada: JsonClient) -> None:
    await ada.ask(0)
    async with loopback.join("eve", "udp") as eve:
        await eve.send("secret")
        (one,) = await ada.hear()
        assert (one["encrypted"], one["content"], one["format"]) == (True, None, "text")
        assert one["content_base64"] and "secret" not in str(one)


@pytest.mark.parametrize(
    ("fields", "status", "type"),
    [
        ({}, 400, "request-invalid"),
        ({"content": 1, "content_base64": "AA"}, 400, "request-invalid"),
        ({"content_base64": "!"}, 400, "request-invalid"),
        ({"content": 1, "format": "text"}, 400, "request-invalid"),
        ({"content": 1, "encrypted": True}, 400, "request-invalid"),
        ({"content": 1, "key": 1}, 400, "request-invalid"),
        ({"content": 1, "key": 1 << 30, "delivery": "sequenced"}, 400, "request-invalid"),
        ({"content": 1, "to": "bob", "filter": "b"}, 400, "request-invalid"),
        ({"content": 1, "ephemeral": False, "delivery": "unreliable"}, 400, "request-invalid"),
        ({"content": 1, "delivery": "express"}, 400, "request-invalid"),
        ({"content": 1, "surprise": 1}, 400, "request-invalid"),
        ({"content": 1, "to": "nobody"}, 404, "no-such-agent"),
        ({"content": 1, "type": "a\nb"}, 400, "type-refused"),
        ({"content": 1, "filter": "("}, 400, "filter-refused"),
        ({"content": 1, "filter": "(", "delivery": "unreliable"}, 400, "filter-refused"),
        ({"content": "x" * 65_537}, 413, "message-too-large"),
        ({"content": "x" * 65_537, "delivery": "unreliable"}, 413, "message-too-large"),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_the_session_lives_on(
    ada: JsonClient, bob: Channel, fields: dict[str, Any], status: int, type: str
) -> None:
    answer = await ada.http.post(PATH, json=fields, headers=ada.headers)
    assert (answer.status_code, answer.json()["type"]) == (status, type), answer.text
    assert (await ada.say("still here")).status_code == 200
    assert (await bob.next_message(timeout_s=5)).content == "still here"


@pytest.mark.parametrize(
    "query", ["wait=26", "wait=-1", "wait=x", "wait=1&after=1", "received=1", "wait=1&poll_source=AUTO"]
)
async def test_a_bad_question_is_refused(ada: JsonClient, query: str) -> None:
    answer = await ada.http.get(f"{PATH}?{query}", headers=ada.headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "request-invalid")


# HTTP-4-8
async def test_the_budget_of_one_agent_holds_for_json_too(ada: JsonClient, bob: Channel) -> None:
    await ada.say("first")
    answers = await asyncio.gather(*(ada.say("x" * 60_000, ephemeral=True) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer.json() for answer in answers if answer.status_code == 429)
    assert (refused["type"], refused["come_back"]) == ("throttled", True)
    taken = sum(answer.status_code == 200 for answer in answers)
    heard = [await bob.next_message(timeout_s=5) for _ in range(1 + taken)]
    assert len(heard) == 1 + taken
    here = bob.agent("ada")
    assert here is not None and not here.away


async def test_stopping_the_server_answers_those_who_wait(tmp_path: Path) -> None:
    async with serving(tmp_path / "other") as loopback:
        ada = JsonClient(loopback, "ada")
        await ada.connect()
        waiting = asyncio.create_task(ada.ask(20))
        await until(lambda: loopback.server.hub.agents(ada.session_id))
        begun = asyncio.get_running_loop().time()
        await loopback.server.stop()
        assert (await waiting).status_code == 503
        assert asyncio.get_running_loop().time() - begun < 3
        await ada.http.aclose()
