from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.address import pack_address
from netcore.cookie import COOKIE_BYTES, CookieJar
from tests.netcore.seeded import seeded

HERE = pack_address(("192.0.2.9", 1234))
ATTEMPT = b"attempt!"
EPHEMERAL = b"e" * 32


def jar(seed: int = 1) -> CookieJar:
    return CookieJar(seeded(seed))


def test_a_cookie_is_good_for_its_own_sender() -> None:
    cookies = jar()
    cookie = cookies.bake(HERE, ATTEMPT, EPHEMERAL, 50.0)
    assert len(cookie) == COOKIE_BYTES
    assert cookies.check(cookie, HERE, ATTEMPT, EPHEMERAL, 50.2)


@pytest.mark.parametrize(
    ("address", "attempt", "ephemeral"),
    [
        (("192.0.2.9", 1235), ATTEMPT, EPHEMERAL),
        (("192.0.2.8", 1234), ATTEMPT, EPHEMERAL),
        (("192.0.2.9", 1234), b"another!", EPHEMERAL),
        (("192.0.2.9", 1234), ATTEMPT, b"f" * 32),
    ],
)
def test_and_for_nobody_else(address: tuple[str, int], attempt: bytes, ephemeral: bytes) -> None:
    cookies = jar()
    cookie = cookies.bake(HERE, ATTEMPT, EPHEMERAL, 50.0)
    assert not cookies.check(cookie, pack_address(address), attempt, ephemeral, 50.2)


def test_another_server_does_not_take_it() -> None:
    cookie = jar(1).bake(HERE, ATTEMPT, EPHEMERAL, 50.0)
    assert not jar(2).check(cookie, HERE, ATTEMPT, EPHEMERAL, 50.2)


@given(st.integers(0, COOKIE_BYTES - 1), st.integers(1, 255))
def test_every_changed_byte_spoils_it(at: int, mask: int) -> None:
    cookies = jar()
    cookie = bytearray(cookies.bake(HERE, ATTEMPT, EPHEMERAL, 50.0))
    cookie[at] ^= mask
    assert not cookies.check(bytes(cookie), HERE, ATTEMPT, EPHEMERAL, 50.2)


@given(st.binary(max_size=30))
def test_random_bytes_are_no_cookie(data: bytes) -> None:
    assert not jar().check(data, HERE, ATTEMPT, EPHEMERAL, 50.0)


def test_it_lives_ten_seconds() -> None:
    # NCP-5-15
    cookies = jar()
    cookie = cookies.bake(HERE, ATTEMPT, EPHEMERAL, 50.0)
    assert cookies.check(cookie, HERE, ATTEMPT, EPHEMERAL, 60.0)
    assert not cookies.check(cookie, HERE, ATTEMPT, EPHEMERAL, 60.01)
    assert not cookies.check(cookie, HERE, ATTEMPT, EPHEMERAL, 49.9)


@given(st.lists(st.floats(0.001, 90.0), min_size=1, max_size=30))
def test_a_key_change_never_cuts_a_cookie_short_nor_lengthens_its_life(steps: list[float]) -> None:
    cookies = jar()
    now = 1.0
    baked: list[tuple[bytes, float]] = []
    for step in steps:
        baked.append((cookies.bake(HERE, ATTEMPT, EPHEMERAL, now), now))
        now += step
        for cookie, at in baked[-5:]:
            age_ms = int(now * 1000) - int(at * 1000)
            assert cookies.check(cookie, HERE, ATTEMPT, EPHEMERAL, now) == (age_ms <= 10_000)


def test_the_key_changes_each_minute() -> None:
    asked: list[int] = []

    def random(count: int) -> bytes:
        asked.append(count)
        return bytes((len(asked),)) * count

    cookies = CookieJar(random)
    for second in range(300):
        cookies.bake(HERE, ATTEMPT, EPHEMERAL, float(second))
    assert len(asked) == 5
