"""A08: a connect token opens one link, once, in its half minute, at its own server; on every transport the same."""

from __future__ import annotations

import os
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.errors import ProtocolError
from netcore.token import Credentials, TokenGate, TokenKey, seal_token
from tests.netcore.endpoints import APP_ID, Net
from tests.transports.contract import Ticket
from tests.transports.long_poll_harness import LongPollHarness
from tests.transports.websocket_harness import WebSocketHarness

NOW = 1_800_000_000.0
KEY = TokenKey(1, bytes(range(32)))
LEEWAY_S, LONGEST_S = 5, 120


def ticket(
    *,
    expires_in_s: int = 30,
    key: TokenKey = KEY,
    app_id: int = APP_ID,
    claims: bytes = b"somebody",
) -> Ticket:
    expires = int(NOW) + expires_in_s
    return Ticket(
        *seal_token(key, app_id=app_id, claims=claims, expires_unix=expires, random=os.urandom),
    )


class Door(ABC):
    """A transport of a running server, whose wall clock is the test's."""

    @abstractmethod
    async def opens(self, shown: Ticket) -> bool:
        """Whether who shows this ticket is let in."""

    @abstractmethod
    def set(self, gate: TokenGate, wall: float) -> None:
        """Use this gate from now on, and this time of day."""

    @abstractmethod
    async def stop(self) -> None:
        """Free the port, where there is one."""


class UdpDoor(Door):
    """Datagrams by hand, in virtual time."""

    def __init__(self) -> None:
        self.net = Net(key=KEY)
        self.used = 0

    def set(self, gate: TokenGate, wall: float) -> None:
        if gate is not self.net.gate:
            self.net.gate = gate
            self.net.server = self.net.make_server()
        self.net.wall = wall

    async def opens(self, shown: Ticket) -> bool:
        net, before = self.net, len(self.net.accepted)
        self.used += 1
        client = net.client(Credentials(shown.token, shown.psk, APP_ID), ("198.51.100.5", 1000 + self.used))
        net.settle()
        net.clients.remove(client)
        assert (client.handler.connection is not None) == (len(net.accepted) > before)
        net.now += 5.0  # handshakes that stuck give their tokens back
        net.server.handle_timer(net.now)
        return len(net.accepted) > before

    async def stop(self) -> None:
        """There is no port."""


class WebSocketDoor(Door):
    """A real socket."""

    def __init__(self) -> None:
        self.harness = WebSocketHarness()

    def set(self, gate: TokenGate, wall: float) -> None:
        self.harness.transport.gate = gate
        self.harness.transport.wall = lambda: wall

    async def opens(self, shown: Ticket) -> bool:
        acceptor = self.harness.acceptor
        before = len(acceptor.handlers)
        client = await self.harness.dial(shown)
        await self.harness.changes.until(lambda: client.recorder.closes or len(acceptor.handlers) > before)
        client.vanish()
        return len(acceptor.handlers) > before

    async def stop(self) -> None:
        await self.harness.server.stop()


class LongPollDoor(Door):
    """Real requests."""

    def __init__(self) -> None:
        self.harness = LongPollHarness()

    def set(self, gate: TokenGate, wall: float) -> None:
        self.harness.transport.gate = gate
        self.harness.transport.wall = lambda: wall

    async def opens(self, shown: Ticket) -> bool:
        before = len(self.harness.acceptor.handlers)
        client = await self.harness.dial(shown)
        assert client.opening is not None
        opened = len(self.harness.acceptor.handlers) > before
        assert (client.opening[0] == 201) == opened
        await client.stop()
        return opened

    async def stop(self) -> None:
        await self.harness.stop()


async def a_door(name: str) -> Door:
    if name == "udp":
        return UdpDoor()
    door = WebSocketDoor() if name == "websocket" else LongPollDoor()
    await door.harness.server.start()
    return door


@pytest_asyncio.fixture(params=["udp", "websocket", "long-poll"])
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    made = await a_door(request.param)
    yield made
    await made.stop()


def gate(*keys: TokenKey) -> TokenGate:
    return TokenGate(keys or (KEY,), APP_ID)


# NCP-4-5
async def test_a_token_that_was_used_opens_nothing_again(door: Door) -> None:
    door.set(gate(), NOW)
    shown = ticket()
    assert [await door.opens(shown) for _ in range(3)] == [True, False, False]
    assert await door.opens(ticket())


WINDOW = [
    ("when it was made", 30, 0.0, True),
    ("in its last second", 30, 30.0, True),
    ("at the end of the leeway", 30, 30.0 + LEEWAY_S, True),
    ("past the leeway", 30, 30.1 + LEEWAY_S, False),
    ("an hour late", 30, 3600.0, False),
    ("by a clock that lags as far as may be", LONGEST_S, -LEEWAY_S, True),
    ("with more life than any token has", LONGEST_S + LEEWAY_S + 1, 0.0, False),
    ("an hour early", 30, -3600.0, False),
]


@pytest.mark.parametrize(
    ("life_s", "late_s", "good"), [row[1:] for row in WINDOW], ids=[r[0] for r in WINDOW]
)
async def test_the_window_of_a_token(door: Door, life_s: int, late_s: float, good: bool) -> None:
    door.set(gate(), NOW + late_s)
    shown = ticket(expires_in_s=life_s)
    assert await door.opens(shown) is good


def forgeries() -> dict[str, Ticket]:
    """Tickets that look right and are not this server's word."""
    good, other = ticket(), ticket(claims=b"somebody else")
    later = good.token[:18] + (int(NOW) + 60).to_bytes(8, "big") + good.token[26:]
    return {
        "sealed under another key of the same number": ticket(key=TokenKey(1, bytes(32))),
        "sealed under a key of a number not known": ticket(key=TokenKey(2, KEY.secret)),
        "for another application": ticket(app_id=APP_ID + 1),
        "another's header": Ticket(other.token[:26] + good.token[26:], good.psk),
        "another's sealed part": Ticket(good.token[:26] + other.token[26:], other.psk),
        "prolonged": Ticket(later, good.psk),
        "its last byte turned": Ticket(good.token[:-1] + bytes((good.token[-1] ^ 1,)), good.psk),
        "cut": Ticket(good.token[:-1], good.psk),
        "lengthened": Ticket(good.token + b"\0", good.psk),
        "nothing sealed": Ticket(good.token[:26] + bytes(60), bytes(32)),
    }


async def test_no_forgery_opens_anything_and_none_uses_up_the_token_it_was_made_from(door: Door) -> None:
    door.set(gate(), NOW)
    opened = {name: await door.opens(shown) for name, shown in forgeries().items()}
    assert opened == dict.fromkeys(opened, False)
    good = ticket()
    assert not await door.opens(Ticket(good.token[:-1] + bytes((good.token[-1] ^ 1,)), good.psk))
    assert await door.opens(good)


async def test_a_token_of_one_server_opens_nothing_at_another_nor_after_a_restart(door: Door) -> None:
    """Every start makes a key of its own, so a second node or a second life knows nothing of the first's tokens."""
    shown = ticket()
    for key in (TokenKey(1, b"n" * 32), TokenKey(9, b"m" * 32)):
        door.set(gate(key), NOW)
        assert not await door.opens(shown)
    door.set(gate(), NOW)
    assert await door.opens(shown)


async def test_a_token_used_on_one_transport_is_used_on_all() -> None:
    """One gate stands before all doors."""
    names = ["udp", "websocket", "long-poll"]
    doors = [await a_door(name) for name in names]
    try:
        shared = gate()
        for one in doors:
            one.set(shared, NOW)
        for first in range(len(doors)):
            shown = ticket()
            order = doors[first:] + doors[:first]
            assert [await one.opens(shown) for one in order] == [True, False, False]
    finally:
        for one in doors:
            await one.stop()


async def test_over_udp_a_stolen_token_without_its_key_is_worth_nothing_and_its_owner_still_gets_in() -> None:
    """The token goes over the wire in the clear; the key beside it never does."""
    door = UdpDoor()
    door.set(gate(), NOW)
    owner = ticket()
    for psk in (bytes(32), os.urandom(32), owner.psk[:-1] + bytes((owner.psk[-1] ^ 1,))):
        assert not await door.opens(Ticket(owner.token, psk))
    assert sum(door.net.dropped().values()) == 3
    assert door.net.gate.log_size == 0
    assert await door.opens(owner)


@pytest.mark.parametrize("jump_s", [-3600.0, -6.0])
async def test_a_clock_set_back_gives_no_used_token_a_second_life(door: Door, jump_s: float) -> None:
    shared = gate()
    door.set(shared, NOW)
    shown = ticket()
    assert await door.opens(shown)
    door.set(shared, NOW + 60)
    assert await door.opens(ticket(expires_in_s=90))  # makes the log forget what has run out
    door.set(shared, NOW + 60 + jump_s)
    assert not await door.opens(shown)


@given(st.integers(0, 1 << 30), st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_no_mutation_of_a_token_is_good(seed: int, changes: int) -> None:
    """Bytes turned, cut, put in, moved, spliced with another token of the same key: all refused, none remembered."""
    draw, guard = random.Random(seed), gate()
    one, other = ticket().token, ticket().token
    made = bytearray(one)
    for _ in range(changes):
        at = draw.randrange(len(made))
        match draw.randrange(5):
            case 0:
                made[at] ^= 1 << draw.randrange(8)
            case 1:
                del made[at : at + draw.randint(1, 20)]
            case 2:
                made[at:at] = draw.randbytes(draw.randint(1, 20))
            case 3:
                made[at:] = other[at:]
            case 4:
                made[at : at + 16] = other[at : at + 16]
        made = made or bytearray(1)
    if bytes(made) in (one, other):
        return
    with pytest.raises(ProtocolError):
        guard.redeem(bytes(made), NOW)
    assert guard.log_size == 0
    assert guard.redeem(one, NOW).claims == b"somebody"
