"""Coming and going, as the others see it."""

from __future__ import annotations

from messaging.control import Away, Back, Joined, Left, TypeName
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.support.hub_world import Client, HubWorld


# MSG-6-1, MSG-6-4
def test_the_first_link_is_told_who_one_is_and_who_is_there():
    world = HubWorld()
    ann = world.client("ann", metadata={"team": "red"})
    assert (ann.welcome.index, ann.welcome.agent_name, ann.welcome.channel_id) == (
        1,
        "ann",
        ann.answer.channel_id,
    )
    assert (ann.welcome.received, ann.welcome.recovered, ann.welcome.missed) == (0, True, 0)
    assert ann.welcome.created
    ann.send(b"x", type="pos")
    ben = world.client("ben")
    assert not ben.welcome.created
    news = ben.news()
    assert news[0] == TypeName(1, "pos")
    assert [(n.index, n.name, n.metadata, n.away) for n in news[1:]] == [
        (1, "ann", {"team": "red"}, False),
        (2, "ben", {}, False),
    ]


def test_the_others_see_join_away_back_and_leave():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    joined = ann.news()[-1]
    assert isinstance(joined, Joined)
    assert (joined.index, joined.name, joined.resumed, joined.local) == (2, "ben", False, False)
    ben.link.break_()
    assert ann.news() == [Away(2)]
    ben.reattach()
    assert ann.news() == [Back(2)]
    ben.leave()
    assert ann.news() == [Left(2, "left")]
    assert ben.link.closed[0] == CloseCode.NORMAL


def test_one_hears_nothing_about_oneself_but_ones_own_joining():
    world = HubWorld()
    ann = world.client("ann")
    assert [type(n) for n in ann.news()] == [Joined]
    ann.link.break_()
    ann.reattach()
    assert ann.news() == []


# MSG-2-6
def test_away_becomes_left_after_thirty_seconds_and_not_before():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ben.link.break_()
    ann.news()
    world.clock.advance(29.9)
    assert ann.news() == []
    world.clock.advance(0.2)
    assert ann.news() == [Left(2, "timeout")]
    assert [info.name for info in world.hub.agents(ann.session_id)] == ["ann"]


# MSG-2-6, MSG-6-2
def test_a_late_resume_is_a_join_that_says_so():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ben.link.break_()
    world.clock.advance(60)
    ann.news()
    welcome = ben.reattach()
    assert (welcome.index, welcome.recovered) == (2, True)
    (joined,) = ann.news()
    assert isinstance(joined, Joined)
    assert (joined.index, joined.name, joined.resumed, joined.away) == (2, "ben", True, False)


# MSG-2-6
def test_after_two_minutes_the_session_is_over():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ben.link.break_()
    world.clock.advance(119.9)
    assert world.hub.stats()["sessions"] == 2
    world.clock.advance(0.2)
    assert world.hub.stats()["sessions"] == 1
    assert [type(n) for n in ann.news()] == [Joined, Joined, Away, Left]  # and no second leave


def test_a_new_link_stops_the_timers_of_the_old_absence():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ben.link.break_()
    world.clock.advance(29)
    ben.reattach()
    ann.news()
    world.clock.advance(300)
    assert ann.news() == []
    assert world.hub.stats()["sessions"] == 2


def test_a_newcomer_sees_who_is_away():
    world = HubWorld()
    world.client("ann").link.break_()
    ben = world.client("ben")
    assert [(n.name, n.away) for n in ben.news()] == [("ann", True), ("ben", False)]


# MSG-6-4
def test_what_happened_meanwhile_is_told_on_the_new_link():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ann.news()
    ann.link.break_()
    cem = world.client("cem")
    ben.leave()
    ben_left_type = cem.send(b"x", type="late")
    assert ben_left_type is None
    ann.reattach()
    news = ann.news()
    assert [type(n) for n in news] == [Joined, Left, TypeName]
    assert ann.contents() == [b"x"]


# MSG-2-4
def test_a_link_without_attach_is_closed_in_time():
    world = HubWorld()
    client = Client(world, world.connect("ann"))
    client.open()
    world.clock.advance(4.9)
    assert client.link.closed is None
    world.clock.advance(0.2)
    assert client.link.closed[0] == CloseCode.PROTOCOL_VIOLATION


def test_only_a_few_links_may_wait():
    world = HubWorld()
    client = Client(world, world.connect("ann"))
    links = [client.open() for _ in range(5)]
    assert [link.closed is not None for link in links] == [True, False, False, False, False]
    assert links[0].closed[0] == CloseCode.REPLACED


# MSG-2-3
def test_links_of_one_generation_race_and_the_last_attach_wins():
    world = HubWorld()
    client = Client(world, world.connect("ann"))
    client.attach("websocket")
    first = client.link
    client.attach("udp")
    assert first.closed[0] == CloseCode.REPLACED
    assert client.link.closed is None


def test_an_agent_that_ends_while_a_link_waits_closes_both():
    world = HubWorld()
    client = world.client("ann")
    active = client.link
    waiting = client.open("websocket")
    world.hub.disconnect(client.session_id)
    assert active.closed[0] == waiting.closed[0] == CloseCode.NORMAL


def test_a_replaced_link_is_not_listened_to():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    old = ann.handler
    ann.attach("websocket")
    ben.contents()
    old.link_message(11, Delivery.UNRELIABLE, 0, b"\0\0ghost")
    old.link_closed(0x88, "idle", False)
    assert ben.contents() == []
    assert ben.news()[-1:] != [Away(1)]


def test_a_flood_of_joins_does_not_fill_the_outbox_of_a_newcomer():
    """What a newcomer is told about the others does not count towards its outbox."""
    world = HubWorld(agents_per_channel=300, outbox_messages=50)
    clients = []
    for number in range(120):
        client = world.client(f"agent-{number}")
        clients.append(client)
        for other in clients:
            other.take()
            other.acknowledge()
    assert all(client.link.closed is None for client in clients)
    late = world.client("late")
    assert late.link.closed is None
    assert len(late.news()) == 121
