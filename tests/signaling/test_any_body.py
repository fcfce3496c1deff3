"""Whatever a body holds: an answer below 500, and a problem document for every refusal."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.signaling.api import PROOF, Api

text = st.text(max_size=80) | st.sampled_from(
    ["*", "", "lobby", "\x00", "a\u0301", "\u202e", "x" * 300, PROOF]
)
scalar = st.none() | st.booleans() | st.integers() | st.floats() | text
anything = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "channel_name": text | anything,
    "proof": st.just(PROOF) | anything,
    "agent_name": text | anything,
    "scope": st.sampled_from(["private", "public"]) | anything,
    "session_id": text | anything,
    "metadata": st.dictionaries(text, anything, max_size=4) | anything,
    "game": text | anything,
    "game_options": st.dictionaries(text, anything, max_size=3) | anything,
    "transports": st.lists(st.sampled_from(["udp", "websocket", "quic", "x"]), max_size=8) | anything,
    "poll_source": st.sampled_from(["AUTO", "KAFKA"]) | anything,
}
bodies = st.fixed_dictionaries({}, optional=FIELDS) | anything


api = Api()
numbers = itertools.count()


async def _post(path: str, content: bytes) -> None:
    async with api.client() as client:
        session = await api.connect(client, channel_name=f"mine {next(numbers)}")
        credential = api.key if path.endswith("sessions") else session["session_id"]
        response = await client.post(
            path, content=content, headers=api.bearer(credential) | {"Content-Type": "application/json"}
        )
    assert response.status_code < 500, response.text
    response.json()
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"]


@settings(max_examples=100, deadline=None)
@given(body=bodies, path=st.sampled_from(["/api/v1/sessions", "/api/v1/sessions/links"]))
def test_any_json_gets_an_orderly_answer(body: Any, path: str) -> None:
    asyncio.run(_post(path, json.dumps(body).encode()))


@settings(max_examples=40, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_bytes_get_an_orderly_answer(body: bytes) -> None:
    asyncio.run(_post("/api/v1/sessions", body))
