"""Limits on what one client may cost: rates, body sizes, slow bodies, headers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from netcore.address import TrustedNetworks
from signaling import limits as limits_module
from signaling.limits import BodyLimit, UnprovedRate
from signaling.settings import HttpLimits, HttpSettings
from tests.signaling.api import Api, StandingClock, assert_problem


@pytest.fixture
def strict() -> Api:
    """An API that trusts nobody."""
    return Api(HttpSettings(udp_port=7777, limits=HttpLimits(unproved_per_s=2, unproved_burst=5)))


class TestRate:
    # HTTP-3-1
    async def test_an_address_without_accepted_credentials_has_to_slow_down(self, strict: Api) -> None:
        async with strict.client("203.0.113.9") as client:
            statuses = [(await client.get("/nothing")).status_code for _ in range(7)]
            assert statuses == [404] * 5 + [429] * 2
            refused = await client.post("/api/v1/sessions", json={}, headers=strict.bearer("guess"))
            problem = assert_problem(refused, 429, "throttled")
            assert problem["come_back"] is True and problem["retry_after_s"] == 1
            assert refused.headers["retry-after"] == "1"
            strict.clock.time += 0.5
            assert (await client.get("/nothing")).status_code == 404

    async def test_other_addresses_do_not_notice(self, strict: Api) -> None:
        async with strict.client("203.0.113.9") as client:
            for _ in range(6):
                await client.get("/nothing")
        async with strict.client("203.0.113.10") as client:
            assert (await client.get("/nothing")).status_code == 404

    async def test_an_ipv6_neighbourhood_shares_one_allowance(self, strict: Api) -> None:
        for host in range(5):
            async with strict.client(f"2001:db8::{host:x}") as client:
                assert (await client.get("/nothing")).status_code == 404
        async with strict.client("2001:db8::ffff") as client:
            assert (await client.get("/nothing")).status_code == 429
        async with strict.client("2001:db8:0:1::1") as client:
            assert (await client.get("/nothing")).status_code == 404

    async def test_accepted_credentials_pass_whatever_the_neighbours_do(self, strict: Api) -> None:
        async with strict.client("203.0.113.9", "https") as client:
            await strict.connect(client)
            for _ in range(10):
                await client.get("/nothing")
            assert (await client.get("/nothing")).status_code == 429
            for number in range(20):
                await strict.connect(client, agent_name=f"agent {number}")

    async def test_credentials_that_are_refused_later_lose_their_right(self, strict: Api) -> None:
        async with strict.client("203.0.113.9", "https") as client:
            await strict.connect(client)
            strict.keys.revoke(strict.key.split("_")[1])
            statuses = [
                (
                    await client.post("/api/v1/sessions", json=strict.body(), headers=strict.bearer())
                ).status_code
                for _ in range(8)
            ]
            assert statuses[0] == 401 and statuses[-1] == 429

    @pytest.mark.parametrize("path", ["/health", "/ready"])
    async def test_load_balancers_may_always_ask(self, strict: Api, path: str) -> None:
        async with strict.client("203.0.113.9") as client:
            for _ in range(30):
                assert (await client.get(path)).status_code == 200

    async def test_trusted_networks_are_not_counted(self, api: Api) -> None:
        async with api.client("127.0.0.1") as client:
            for _ in range(60):
                assert (await client.get("/nothing")).status_code == 404

    async def test_memory_of_credentials_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits_module, "_REMEMBERED_CREDENTIALS", 50)

        async def accept(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

        rate = UnprovedRate(accept, HttpLimits(), TrustedNetworks(("203.0.113.0/24",)))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(rate, client=("203.0.113.9", 1)), base_url="http://x"
        ) as client:
            for number in range(60):
                await client.get("/", headers={"Authorization": f"Bearer {number}"})
        assert len(rate._accepted) == 50


class TestBodies:
    async def test_a_body_at_the_limit_is_read_and_one_byte_more_is_not(self, api: Api) -> None:
        limit = api.settings.limits.body_bytes
        headers = api.bearer() | {"Content-Type": "application/json"}
        async with api.client() as client:
            at = await client.post("/api/v1/sessions", content=b" " * limit, headers=headers)
            assert_problem(at, 400)
            above = await client.post("/api/v1/sessions", content=b" " * (limit + 1), headers=headers)
            assert_problem(above, 413, "body-too-large")

    async def test_a_body_of_unknown_length_is_cut_at_the_limit(self, api: Api) -> None:
        limit = api.settings.limits.body_bytes
        given = 0

        async def endless() -> Any:
            nonlocal given
            while True:
                given += 65_536
                yield b" " * 65_536

        headers = api.bearer() | {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        async with api.client() as client:
            response = await client.post("/api/v1/sessions", content=endless(), headers=headers)
        assert_problem(response, 413, "body-too-large")
        assert given <= limit + 2 * 65_536

    async def test_a_body_that_does_not_come_is_given_up(self) -> None:
        settings = HttpSettings(udp_port=1, limits=HttpLimits(body_grace_s=0.05))
        api = Api(settings)

        async def never() -> Any:
            yield b"{"
            await asyncio.Event().wait()

        headers = api.bearer() | {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        async with api.client() as client:
            response = await client.post("/api/v1/sessions", content=never(), headers=headers)
        assert_problem(response, 408)
        assert response.headers["connection"] == "close"

    async def test_a_steady_body_gets_the_time_its_size_needs(self) -> None:
        clock = StandingClock()
        seen: list[int] = []

        async def read(scope: Any, receive: Any, send: Any) -> None:
            more = True
            while more:
                message = await receive()
                seen.append(len(message["body"]))
                more = message["more_body"]

        limits = HttpLimits(body_grace_s=1, body_bytes_per_s=100)
        layer = BodyLimit(read, limits, clock.now)

        async def one_second_for_100_bytes() -> dict[str, Any]:
            clock.time += 1
            return {"type": "http.request", "body": bytes(100), "more_body": len(seen) < 20}

        async def ignore(message: Any) -> None:
            pass

        await layer({"type": "http", "headers": [], "path": "/"}, one_second_for_100_bytes, ignore)
        assert len(seen) == 21


async def test_too_many_headers_are_refused(api: Api, client: httpx.AsyncClient) -> None:
    count = api.settings.limits.header_count - len(httpx.Request("GET", "http://x").headers)
    own = {"accept", "accept-encoding", "connection", "user-agent", "host"}
    room = api.settings.limits.header_count - len(own)
    assert count >= room
    fine = {f"X-{number}": "1" for number in range(room)}
    assert (await client.get("/health", headers=fine)).status_code == 200
    assert_problem(await client.get("/health", headers=fine | {"X-More": "1"}), 431)


@pytest.mark.parametrize("name", ["body_bytes", "connections", "unproved_per_s"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        HttpLimits(**{name: 0})
