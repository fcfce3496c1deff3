"""A07: whoever copies packets, races them or forges them from another address never gets the victim's session.

There is no migration of paths yet: a connection stays with the address that its ACCEPT went to. So the promise
is the strictest one: nothing from anywhere else is taken, nothing is sent anywhere else, and a client whose
NAT forgot it loses its link (and resumes its session on a new one), never to a stranger.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from netcore.address import Address
from netcore.config import ConnectionConfig
from netcore.datagrams import DATA
from simnet.chance import Chance
from simnet.link import LinkProfile
from simnet.presets import PathProfile
from simnet.world import World
from tests.netcore.traffic import SERVER, NcpWorld

THIEF: Address = ("203.0.113.66", 6666)
NEXT_DOOR: Address = ("198.51.100.5", 45_678)
"""The victim's own IP address and another port: a neighbour behind the same NAT."""


class Thief:
    """A host of its own in the world: keeps what reaches it, says only what `say` puts on its tongue."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.wake = lambda: None

    def receive_datagram(self, data: bytes, addr: Address, now: float) -> None:
        self.got.append(data)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        return []

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        pass


class Tap:
    """A link that shows the thief each datagram first; what the thief makes of it arrives at once, so it wins."""

    def __init__(self, world: World, link: object, source: Address, *, every: int, deformed: bool) -> None:
        self.world, self.link, self.source = world, link, source
        self.every, self.deformed = every, deformed
        self.copied = 0
        self.seen = 0

    def transmit(self, data: bytes, now: float) -> Iterable[tuple[float, bytes]]:
        self.seen += 1
        if data[0] & 0xFE == DATA and self.seen % self.every == 0:
            self.copied += 1
            copy = data
            if (
                self.deformed
            ):  # as if newer: the same with a larger packet number, which its seal does not cover
                copy = data[:5] + bytes((data[5], data[6] ^ 0x40)) + data[7:]
            self.world.inject(copy, self.source, SERVER)
        return self.link.transmit(data, now)  # type: ignore[attr-defined]


def victim(seed: int, thief_at: Address) -> tuple[NcpWorld, Thief]:
    path = LinkProfile(delay_s=0.04, jitter_s=0.005, loss=0.01)
    net = NcpWorld(seed, PathProfile(path, path), record=True)
    thief = Thief()
    net.world.add(thief, thief_at)
    net.join()
    return net, thief


def tap(net: NcpWorld, source: Address, *, every: int = 1, deformed: bool = False) -> Tap:
    address = net.address(0)
    tapped = Tap(net.world, net.world.link(address, SERVER), source, every=every, deformed=deformed)
    net.world.connect(address, SERVER, tapped)
    return tapped


def sent_to(net: NcpWorld, address: Address) -> int:
    return sum(
        len(event.data)
        for event in net.world.events
        if event.source == SERVER and event.destination == address
    )


@pytest.mark.parametrize("thief_at", [THIEF, NEXT_DOOR])
@pytest.mark.parametrize("deformed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_thief_who_wins_every_race_gets_nothing_and_costs_nothing(
    seed: int, deformed: bool, thief_at: Address
) -> None:
    net, thief = victim(seed, thief_at)
    tapped = tap(net, thief_at, deformed=deformed)
    near, far = net.pairs[0]
    assert far.connection is not None
    net.chat(3)
    net.settle()  # all that was promised arrived; Side checks order, repetition and content on the way
    assert tapped.copied > 80
    assert far.connection.address == net.address(0)
    assert far.connection.stats.other_address >= tapped.copied
    assert thief.got == [] and sent_to(net, thief_at) == 0
    assert not near.closed and not far.closed
    assert net.server.stats.established == 1


@pytest.mark.parametrize("seed", range(3))
def test_packets_that_only_the_thief_delivers_are_not_taken_from_him(seed: int) -> None:
    """He holds them up and sends them on himself: authentic, newest, from the wrong place. They count as lost."""
    net, thief = victim(seed, THIEF)
    address = net.address(0)
    tapped = tap(net, THIEF)
    near, far = net.pairs[0]
    assert near.connection is not None and far.connection is not None
    real, tapped.link = tapped.link, Swallow()
    before = {lane: len(got) for lane, got in far.got.items()}
    for lane in (10, 11):
        near.send(lane, 100)
    near.connection.flush()
    net.world.run_for(1.0)
    assert tapped.copied >= 1
    assert {lane: len(got) for lane, got in far.got.items()} == before
    assert thief.got == []
    tapped.link = real  # he gives up: the victim's retransmissions bring everything
    net.settle()
    assert far.connection.address == address and not near.closed


class Swallow:
    """A link that loses everything."""

    def transmit(self, data: bytes, now: float) -> Iterable[tuple[float, bytes]]:
        return ()


@pytest.mark.parametrize("seed", range(3))
def test_after_a_nat_rebinding_nobody_inherits_the_session(seed: int) -> None:
    """The victim comes from a new address while the thief holds the old one and copies all he ever heard."""
    idle_s = 4.0
    config = ConnectionConfig(idle_timeout_s=idle_s)
    path = LinkProfile(delay_s=0.04)
    net = NcpWorld(seed, PathProfile(path, path), record=True, connection=config)
    net.join()
    net.chat(1)
    net.settle()
    near, far = net.pairs[0]
    old, new = net.address(0), ("198.51.100.5", 51_111)
    taken = {lane: len(got) for lane, got in far.got.items()}
    heard = [event.data for event in net.world.events if event.destination == SERVER]
    net.world.rebind(old, new)
    thief = Thief()
    net.world.add(thief, old)  # the NAT gave the victim's old port to him
    draw = Chance(seed, "thief")
    assert near.connection is not None and far.connection is not None
    end = net.world.now() + 60
    while net.world.now() < end and not (near.closed and far.closed):
        if not near.closed:
            near.send(11, 60)
            near.connection.flush()
        net.world.inject(heard[draw.below(len(heard))], old, SERVER)
        net.world.run_for(0.25)
    # Nothing moved, nothing was delivered, and both ends let go by themselves.
    assert near.closed and far.closed
    assert {lane: len(got) for lane, got in far.got.items()} == taken
    assert far.connection.address == old
    # What reached the thief is sealed under keys that he has not: he cannot even say who it was for.
    assert sent_to(net, new) == 0
    assert all(data[0] & 0xFE == DATA or len(data) == 17 for data in thief.got)
    assert net.server.stats.established == 1
