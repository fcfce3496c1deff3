"""JSON bodies: one meaning for each, bounded, and nothing else."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.strict_json import MAX_DEPTH, MAX_VALUES, NotStrictJson, decode
from tests.signaling.api import Api, assert_problem

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(values)
def test_what_is_good_is_read_as_it_was_written(value: object) -> None:
    assert decode(json.dumps(value).encode()) == value
    assert decode(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=100))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except NotStrictJson:
        return
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


BAD = {
    "empty": b"",
    "not JSON": b"{",
    "trailing": b"{} {}",
    "not UTF-8": b'"\xff"',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "the same name twice": b'{"a": 1, "a": 2}',
    "the same name twice, deep": b'[{"b": {"a": 1, "\\u0061": 2}}]',
    "NaN": b"[NaN]",
    "Infinity": b"-Infinity",
    "huge float": b"1e999",
    "huge integer": b"1" * 30,
    "very huge integer": b"9" * 100_000,
    "integer just too large": b"18446744073709551616",
    "lone surrogate": b'"\\ud800"',
    "lone surrogate in a name": b'{"\\udfff": 1}',
    "too deep": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "absurdly deep": b"[" * 500_000,
    "absurdly deep objects": b'{"a":' * 100_000,
    "too many": b"[" + b"1," * MAX_VALUES + b"1]",
}


@pytest.mark.parametrize("name", BAD)
# HTTP-1-2
def test_what_is_bad_is_refused(name: str) -> None:
    with pytest.raises(NotStrictJson):
        decode(BAD[name])


# HTTP-1-2
def test_the_limits_themselves_are_allowed() -> None:
    decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert len(decode(b"[" + b"1," * (MAX_VALUES - 2) + b"1]")) == MAX_VALUES - 1
    assert decode(b"18446744073709551615") == 2**64 - 1


@pytest.mark.parametrize("name", BAD)
async def test_the_api_answers_bad_json_with_a_problem(
    api: Api, client: httpx.AsyncClient, name: str
) -> None:
    response = await client.post(
        "/api/v1/sessions",
        content=BAD[name],
        headers=api.bearer() | {"Content-Type": "application/json"},
    )
    assert_problem(response, 400)


@pytest.mark.parametrize(
    "media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
)
async def test_a_body_that_does_not_say_json_is_not_read(
    api: Api, client: httpx.AsyncClient, media_type: str | None
) -> None:
    headers = api.bearer() | ({} if media_type is None else {"Content-Type": media_type})
    response = await client.post("/api/v1/sessions", content=json.dumps(api.body()).encode(), headers=headers)
    assert_problem(response, 415)


async def test_a_charset_behind_the_media_type_is_fine(api: Api, client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/api/v1/sessions",
        content=json.dumps(api.body()).encode(),
        headers=api.bearer() | {"Content-Type": "Application/JSON; charset=utf-8"},
    )
    assert response.status_code == 201
