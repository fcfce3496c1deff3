"""Real client sessions in a real hub, over links in memory that are cut at bad moments."""

from __future__ import annotations

import random

import pytest
from messaging_agent.session_core import SessionState

from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.messaging_agent.memory_pipe import Member
from tests.support.hub_world import HubWorld


def two_members(seed: int = 1, **config: object) -> tuple[HubWorld, Member, Member]:
    world = HubWorld(seed=seed, **config)
    ann = Member(world, "ann", seed=seed * 100)
    bob = Member(world, "bob", seed=seed * 100 + 50)
    world.clock.advance(1.0)
    return world, ann, bob


def test_two_sessions_meet_and_talk() -> None:
    world, ann, bob = two_members()
    assert ann.session.ready
    assert bob.session.ready
    assert [agent.name for agent in bob.session.roster.present()] == ["ann", "bob"]
    ann.session.send("hello", type="greeting")
    ann.session.send({"x": 1}, to="bob", delivery=Delivery.RELIABLE)
    ann.session.send("3", delivery=Delivery.SEQUENCED, key=9)
    ann.session.send("4", delivery=Delivery.UNRELIABLE)
    world.clock.advance(1.0)
    by_lane = {message.lane: message for message in bob.told.messages}
    assert {lane: message.content for lane, message in by_lane.items()} == {
        8: "hello",
        9: {"x": 1},
        10: "3",
        11: "4",
    }
    assert (by_lane[8].type, by_lane[8].offset, by_lane[9].to_me, by_lane[10].key) == ("greeting", 1, True, 9)
    assert ann.session.unacknowledged == 0
    assert ann.told.messages == []


@pytest.mark.parametrize("seed", range(12))
def test_however_links_are_cut_nothing_is_lost_and_nothing_doubled(seed: int) -> None:
    world, ann, bob = two_members(seed + 1)
    chance = random.Random(seed)
    sent: dict[str, list[str]] = {"ann": [], "bob": []}
    for number in range(300):
        for member, name in ((ann, "ann"), (bob, "bob")):
            delivery = chance.choice((Delivery.ORDERED, Delivery.RELIABLE))
            text = f"{delivery.name} {number}"
            member.session.send(text, delivery=delivery, ephemeral=chance.random() < 0.5)
            sent[name].append(text)
            if chance.random() < 0.02:
                member.pipe.cut(chance.uniform(0.0, 0.5), chance.uniform(0.0, 0.5))
            elif chance.random() < 0.02 and member.session.link is not None:
                member.reopen(chance.choice(("udp", "websocket")))
        world.clock.advance(chance.uniform(0.0, 0.05))
    world.clock.advance(10.0)
    for member, other in ((ann, "bob"), (bob, "ann")):
        assert member.session.closed is None
        heard = [str(message.content) for message in member.told.messages]
        assert sorted(heard) == sorted(sent[other])
        ordered = [text for text in heard if text.startswith("ORDERED")]
        assert ordered == [text for text in sent[other] if text.startswith("ORDERED")]
        assert member.session.unacknowledged == 0
        assert member.session.stats()["links"] > 1
        assert all(entry == (0,) for entry in member.told.events("resumed"))


def test_the_others_see_an_agent_away_and_back() -> None:
    world, ann, bob = two_members()
    ann.pipe.cut(client_after_s=0.6, server_after_s=0.2)
    world.clock.advance(3.0)
    assert bob.told.events("away") == [("ann", True), ("ann", False)]
    assert ann.told.events("joined") == [("ann",), ("bob",)]


def test_a_session_away_for_too_long_has_an_announced_gap_or_an_end() -> None:
    world, ann, bob = two_members(outbox_messages=10, ingress_messages_burst=500.0)
    ann.comes_back = False
    ann.pipe.cut(0.0, 0.0)
    world.clock.advance(1.0)
    for number in range(50):
        bob.session.send(str(number), ephemeral=True)
        world.clock.advance(0.02)
    world.clock.advance(5.0)
    ann.reopen()
    world.clock.advance(1.0)
    (resumed,) = ann.told.events("resumed")
    assert resumed[0] >= 50
    bob.session.send("after")
    world.clock.advance(1.0)
    assert ann.told.contents == ["after"]


def test_a_burst_of_a_thousand_messages_arrives_without_breaking_the_link() -> None:
    world, ann, bob = two_members()
    for number in range(1000):
        ann.session.send(str(number), ephemeral=True)
    world.clock.advance(3.0)
    assert bob.told.contents == [str(number) for number in range(1000)]
    assert ann.session.stats()["links"] == 1


def test_leaving_over_a_link_that_reorders_loses_no_last_words() -> None:
    for seed in range(20):
        world, ann, bob = two_members(seed + 1)
        for number in range(10):
            ann.session.send(str(number), delivery=Delivery.RELIABLE)
        ann.session.leave()
        world.clock.advance(3.0)
        assert ann.session.state is SessionState.ENDED
        assert sorted(map(str, bob.told.contents)) == sorted(map(str, range(10)))
        assert bob.told.events("left") == [("ann", "left")]


def test_another_client_with_the_session_id_takes_the_session_over() -> None:
    world, ann, bob = two_members()
    bob.session.send("before")
    world.clock.advance(1.0)
    heir = Member(world, "ann", session_id=ann.session_id)
    world.clock.advance(1.0)
    assert heir.answer.resumed
    assert ann.session.closed is not None
    assert ann.session.closed.code == CloseCode.REPLACED
    assert heir.session.ready
    bob.session.send("after", to="ann")
    world.clock.advance(1.0)
    assert heir.told.contents == ["after"]


def test_shutdown_strands_the_sessions_with_a_code_to_come_back() -> None:
    world, ann, bob = two_members()
    bob.comes_back = False
    world.hub.shutdown(CloseCode.SERVER_SHUTDOWN, "stopping")
    ann.comes_back = False
    world.clock.advance(1.0)
    assert ann.told.events("gone")[-1] == (CloseCode.SERVER_SHUTDOWN, True)
    assert ann.session.state is SessionState.AWAY
