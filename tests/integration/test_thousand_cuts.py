"""A thousand cuts: links break in both directions, at any moment, from one transport to another, in virtual time.

Whatever was put into a session stream arrives once, in order, and nothing else does.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import Any

import pytest

from netcore.delivery import Delivery
from tests.messaging_agent.memory_pipe import Member
from tests.support.hub_world import HubWorld

RUNS = 10
CUTS = 100
"""Of each run: a thousand in all."""
TRANSPORTS = ("udp", "websocket")
NAMES = ("ann", "bob", "cem")


class Wanderer(Member):
    """Comes back on the other transport each time, and says what it has sent."""

    def __init__(self, world: HubWorld, name: str, chance: random.Random) -> None:
        self.chance = chance
        self.turns = 0
        self.name = name
        self.sent: list[tuple[str, Delivery, str | None]] = []
        super().__init__(world, name, seed=chance.getrandbits(30), loss=0.05)

    def next_transport(self) -> str:
        self.turns += 1
        return TRANSPORTS[self.turns % 2]

    def come_back(self) -> None:
        if self.session.closed is None and self.session.link is None:
            self.reopen(self.next_transport())

    def say(self, number: int) -> None:
        """One message of any kind, to everyone, to one, or by a filter."""
        kind = self.chance.choice(tuple(Delivery))
        whom: dict[str, Any] = self.chance.choice(
            ({}, {}, {}, {"to": self.chance.choice(NAMES)}, {"filter": "[ab].*"})
        )
        stored = (
            {"ephemeral": True}
            if "filter" in whom or not kind.is_reliable
            else {"ephemeral": self.chance.random() < 0.7}
        )
        text = f"{self.name} {number}"
        key = self.chance.randrange(3) if kind is Delivery.SEQUENCED else 0
        self.session.send(text, delivery=kind, key=key, **whom, **stored)
        self.sent.append((text, kind, next(iter(whom.values()), None)))

    def meant_for(self, other: Wanderer) -> list[tuple[str, Delivery]]:
        """What `other` has to get of all that was sent."""
        meant = []
        for text, kind, whom in self.sent:
            to_all = whom is None and other is not self
            by_filter = whom == "[ab].*" and other is not self and other.name[0] in "ab"
            if to_all or by_filter or whom == other.name:
                meant.append((text, kind))
        return meant


def cut(member: Wanderer, chance: random.Random) -> None:
    """Break the link in use: one way or both, noticed by one end first, or by both at once."""
    ways = chance.choice(("both", "client", "server"))
    member.pipe.cut(chance.uniform(0.0, 0.4), chance.uniform(0.0, 0.4), ways)


@pytest.mark.parametrize("seed", range(RUNS))
def test_nothing_of_the_session_streams_is_lost_doubled_or_out_of_order(seed: int) -> None:
    chance = random.Random(seed)
    world = HubWorld(seed=seed + 1, ingress_messages_burst=1e6, ingress_messages_per_s=1e6)
    members = [Wanderer(world, name, chance) for name in NAMES]
    world.clock.advance(1.0)
    cuts, number = 0, 0
    while cuts < CUTS:
        number += 1
        for member in members:
            member.say(number)
        if chance.random() < 0.3:
            member = chance.choice(members)
            if member.session.link is not None and not member.pipe.client.mute:
                cut(member, chance)
                cuts += 1
        elif chance.random() < 0.05:
            member = chance.choice(members)
            if member.session.link is not None:
                member.reopen(member.next_transport())  # a better transport takes over from a living link
        world.clock.advance(chance.uniform(0.0, 0.06))
    world.clock.advance(20.0)
    for receiver in members:
        assert receiver.session.closed is None
        assert receiver.session.unacknowledged == 0
        assert all(entry == (0,) for entry in receiver.told.events("resumed"))
        assert receiver.session.stats()["links"] > CUTS / 10
        for sender in members:
            check_what_arrived(sender, receiver)
    for session in world.hub._sessions.values():
        assert session.outbound.unacknowledged == 0
    assert {pipe_transport(member) for member in members} <= set(TRANSPORTS)


def pipe_transport(member: Wanderer) -> str:
    return member.pipe.client.transport


def check_what_arrived(sender: Wanderer, receiver: Wanderer) -> None:
    """Stream messages: all, once, in order. Others: once at most, and sequenced ones never backwards."""
    heard = [message for message in receiver.told.messages if message.sender == sender.name]
    meant = sender.meant_for(receiver)
    assert not [text for text, count in Counter(m.content for m in heard).items() if count > 1]
    assert {m.content for m in heard} <= {text for text, _ in meant}
    for kind in (Delivery.ORDERED, Delivery.RELIABLE):
        got = [m.content for m in heard if m.delivery is kind]
        wanted = [text for text, sent_as in meant if sent_as is kind]
        assert (got if kind is Delivery.ORDERED else sorted(got)) == (
            wanted if kind is Delivery.ORDERED else sorted(wanted)
        )
    newest: dict[int, int] = defaultdict(int)
    for message in heard:
        if message.delivery is Delivery.SEQUENCED:
            count = int(str(message.content).split()[1])
            assert count > newest[message.key]
            newest[message.key] = count
