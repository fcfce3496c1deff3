"""The use cases: connect, resume, mint, attach, disconnect, agents, receive, shutdown."""

from __future__ import annotations

import dataclasses

import pytest

from hub.errors import ChannelError, ErrorCode
from hub.ports import StoredMessage
from messaging.claims import Claims, decode_claims, encode_claims
from messaging.control import Attach, encode_link_control
from messaging.lanes import CONTROL
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.support.hub_world import Client, FakeLink, HubWorld


def refusal(call, *args, **fields):
    with pytest.raises(ChannelError) as caught:
        call(*args, **fields)
    return caught.value


# Connect.


def test_the_first_agent_creates_the_channel_and_is_told_so():
    world = HubWorld()
    first, second = world.connect("ann"), world.connect("ben")
    assert (first.created, second.created) == (True, False)
    assert first.channel_id == second.channel_id
    assert (first.agent_index, second.agent_index) == (1, 2)
    assert not first.resumed and not first.readable and first.game is None
    assert first.served_by == "memory"
    assert [offer.transport for offer in first.links] == ["udp", "websocket"]


# MSG-8-2
def test_a_wrong_password_opens_another_empty_channel():
    world = HubWorld()
    right, wrong = world.connect("ann"), world.connect("ben", proof=b"\1" * 32)
    assert right.channel_id != wrong.channel_id
    assert wrong.created


def test_two_keys_of_one_developer_meet_and_two_developers_do_not():
    world = HubWorld()
    mine = world.keys.issue("dev-1", world.random.randbytes)
    theirs = world.keys.issue("dev-2", world.random.randbytes)
    channels = [
        world.connect(name, api_key=key).channel_id
        for name, key in [("a", world.key), ("b", mine), ("c", theirs)]
    ]
    assert channels[0] == channels[1] != channels[2]
    public = [
        world.connect(name, api_key=key, scope="public").channel_id
        for name, key in [("d", mine), ("e", theirs)]
    ]
    assert public[0] == public[1] not in channels


def test_names_are_brought_into_one_form():
    world = HubWorld()
    answer = world.connect("Zoe\u0308", channel="cafe\u0301")
    assert answer.agent_name == "Zo\u00eb"
    assert world.connect("b", channel="caf\u00e9").channel_id == answer.channel_id


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"name": "*"}, ErrorCode.NAME_INVALID),
        ({"name": ""}, ErrorCode.NAME_INVALID),
        ({"name": "a\nb"}, ErrorCode.NAME_INVALID),
        ({"channel": "x" * 65}, ErrorCode.NAME_INVALID),
        ({"api_key": "nonsense"}, ErrorCode.KEY_REFUSED),
        ({"scope": "secret"}, ErrorCode.SCOPE_INVALID),
        ({"proof": b"short"}, ErrorCode.REQUEST_INVALID),
        ({"metadata": {"a": "x" * 1100}}, ErrorCode.REQUEST_INVALID),
        ({"metadata": {"a": float("nan")}}, ErrorCode.REQUEST_INVALID),
        ({"poll_source": "REDIS"}, ErrorCode.REQUEST_INVALID),
        ({"transports": ["pigeon"]}, ErrorCode.REQUEST_INVALID),
        ({"game": "chess"}, ErrorCode.GAME_REFUSED),
    ],
)
def test_bad_requests_are_refused_and_leave_nothing(fields, code):
    world = HubWorld()
    assert refusal(world.connect, **fields).code is code
    stats = world.hub.stats()
    assert (stats["channels"], stats["sessions"]) == (0, 0)
    assert stats[f"refused.{ChannelError(code).type}"] == 1


def test_a_name_is_taken_while_its_session_lives():
    world = HubWorld()
    client = world.client("ann")
    world.client("ben")
    error = refusal(world.connect, "ann")
    assert (error.code, error.http_status, error.retry_after_s) == (ErrorCode.NAME_TAKEN, 409, None)
    client.link.break_()
    world.clock.advance(100)
    assert refusal(world.connect, "ann").retry_after_s == pytest.approx(20)
    world.clock.advance(20.1)
    assert world.connect("ann").agent_index != client.answer.agent_index


def test_a_channel_is_full_one_above_its_limit():
    world = HubWorld(agents_per_channel=3)
    for name in "abc":
        world.connect(name)
    assert refusal(world.connect, "d").code is ErrorCode.CHANNEL_FULL
    assert world.connect("d", channel="other").created


def test_the_server_is_busy_one_channel_above_its_limit():
    world = HubWorld(max_channels=2)
    for name in "ab":
        world.connect(channel=name)
    error = refusal(world.connect, channel="c")
    assert (error.code, error.http_status, error.come_back) == (ErrorCode.BUSY, 503, True)
    world.connect("ben", channel="a")


def test_a_guesser_of_passwords_is_slowed_down_and_cannot_tell_the_right_one():
    """A19: the right password is refused in the same way once the pace is used up."""
    world = HubWorld(creates_burst=5, creates_per_s=0.5)
    world.connect("owner", remote_address="198.51.100.1")
    for guess in range(5):
        world.connect("eve", proof=bytes([guess + 1]) * 32)
    wrong = refusal(world.connect, "eve", proof=b"\x77" * 32)
    right = refusal(world.connect, "eve")
    assert wrong.code is right.code is ErrorCode.THROTTLED
    assert (wrong.text, wrong.retry_after_s) == (right.text, right.retry_after_s)
    world.connect("friend", remote_address="198.51.100.2")
    world.clock.advance(2.0)
    world.connect("eve")


def test_joining_and_resuming_cost_no_pace():
    world = HubWorld(creates_burst=1, creates_per_s=0.001)
    world.connect("owner", remote_address="198.51.100.1")
    for number in range(5):
        world.connect(f"guest-{number}")
    answer = world.connect("maker", channel="own")
    assert refusal(world.connect, "late").code is ErrorCode.THROTTLED
    assert world.connect("maker", channel="own", session_id=answer.session_id).resumed


def test_a_session_that_never_gets_a_link_ends_and_was_never_seen():
    world = HubWorld()
    watcher = world.client("watcher")
    watcher.news()
    world.connect("ghost")
    assert [agent.name for agent in world.hub.agents(watcher.session_id)] == ["watcher"]
    world.clock.advance(44)
    assert refusal(world.connect, "ghost").retry_after_s == pytest.approx(1)
    world.clock.advance(1.1)
    world.connect("ghost")
    assert watcher.news() == []


# Resume and mint.


# MSG-2-3
def test_a_resume_gives_the_same_session_a_new_secret_and_new_links():
    world = HubWorld()
    client = world.client("ann")
    client.link.break_()
    again = world.connect("ann", session_id=client.session_id)
    assert again.resumed and not again.created
    assert again.agent_index == client.answer.agent_index
    assert again.session_id.split(".")[0] == client.session_id.split(".")[0]
    assert again.session_id != client.session_id
    assert decode_claims(again.links[0].token.removeprefix(b"token:")).generation == 2


# MSG-2-5, HTTP-2-2
def test_the_old_secret_dies_with_the_first_use_of_the_new_one():
    world = HubWorld()
    answer = world.connect("ann")
    lost = world.hub.mint_links(answer.session_id)
    retry = world.hub.mint_links(answer.session_id)
    assert refusal(world.hub.agents, lost.session_id).code is ErrorCode.SESSION_REFUSED
    world.hub.agents(answer.session_id)
    world.hub.agents(retry.session_id)
    assert refusal(world.hub.agents, answer.session_id).code is ErrorCode.SESSION_REFUSED


def test_an_id_without_its_secret_opens_nothing():
    """A10."""
    world = HubWorld()
    answer = world.connect("ann")
    stolen = answer.session_id.split(".")[0] + "." + "A" * 32
    for call in (world.hub.agents, world.hub.mint_links, world.hub.disconnect):
        assert refusal(call, stolen).code is ErrorCode.SESSION_REFUSED
    assert refusal(world.connect, "ann", session_id=stolen).code is ErrorCode.SESSION_REFUSED
    assert refusal(world.hub.agents, answer.session_id.split(".")[0]).code is ErrorCode.SESSION_UNKNOWN


def test_an_ended_session_opens_a_new_one():
    world = HubWorld()
    client = world.client("ann")
    client.link.break_()
    world.clock.advance(121)
    again = world.connect("ann", session_id=client.session_id)
    assert not again.resumed
    assert again.session_id.split(".")[0] != client.session_id.split(".")[0]


def test_a_session_is_not_resumed_into_another_channel():
    world = HubWorld()
    answer = world.connect("ann")
    error = refusal(world.connect, "ann", channel="other", session_id=answer.session_id)
    assert error.code is ErrorCode.SESSION_REFUSED
    assert world.hub.stats()["channels"] == 1


def test_a_resume_in_the_last_second_leaves_time_for_the_link():
    world = HubWorld()
    client = world.client("ann")
    client.link.break_()
    world.clock.advance(119)
    again = Client(world, world.connect("ann", session_id=client.session_id))
    world.clock.advance(10)
    again.attach()
    assert again.welcome.index == client.answer.agent_index


def test_links_are_minted_for_the_transports_asked_for():
    world = HubWorld()
    answer = world.connect("ann", transports=["websocket", "pigeon", "websocket"])
    assert [offer.transport for offer in answer.links] == ["websocket"]
    minted = world.hub.mint_links(answer.session_id, ["udp"])
    assert [offer.transport for offer in minted.links] == ["udp"]
    assert refusal(world.hub.mint_links, minted.session_id, ["pigeon"]).code is ErrorCode.REQUEST_INVALID


# Attach.


# MSG-2-2
def test_claims_of_another_session_generation_or_transport_are_refused():
    world = HubWorld()
    client = world.client("ann")
    session_id, generation, _ = decode_claims(client.claims[0])
    cases = [
        (b"short", ErrorCode.LINK_REFUSED),
        (encode_claims(Claims(bytes(16), 1, "udp")), ErrorCode.SESSION_UNKNOWN),
        (encode_claims(Claims(session_id, generation + 1, "udp")), ErrorCode.LINK_REFUSED),
        (encode_claims(Claims(session_id, generation - 1, "udp")), ErrorCode.LINK_REFUSED),
        (encode_claims(Claims(session_id, generation, "websocket")), ErrorCode.LINK_REFUSED),
    ]
    for claims, code in cases:
        assert refusal(world.hub.attach, claims, FakeLink("udp")).code is code
    assert client.link.closed is None


# MSG-2-3
def test_the_newest_generation_wins_and_the_older_link_is_told():
    world = HubWorld()
    client, other = world.client("ann"), world.client("ben")
    old_link, old_claims = client.link, list(client.claims)
    minted = world.hub.mint_links(client.session_id)
    client.claims = [offer.token.removeprefix(b"token:") for offer in minted.links]
    other.news()
    client.attach("websocket")
    assert old_link.closed[0] == CloseCode.REPLACED
    assert client.link.closed is None
    assert refusal(world.hub.attach, old_claims[0], FakeLink("udp")).code is ErrorCode.LINK_REFUSED
    assert other.news() == []  # a change of links is nobody else's news
    other.send(b"over the new link")
    assert client.contents() == [b"over the new link"]


# MSG-2-3
def test_an_older_link_that_attaches_late_is_replaced_at_once():
    world = HubWorld()
    client = Client(world, world.connect("ann"))
    late = Client(world, client.answer)
    late.open("udp")
    minted = world.hub.mint_links(client.session_id)
    client.claims = [offer.token.removeprefix(b"token:") for offer in minted.links]
    client.attach("websocket")
    late.raw(CONTROL, Delivery.ORDERED, encode_link_control(Attach(0)))
    late.take()
    assert late.welcome is None
    assert late.link.closed[0] == CloseCode.REPLACED
    assert client.link.closed is None


# Disconnect, agents, receive.


# MSG-2-7
def test_disconnect_ends_the_session_at_once():
    world = HubWorld()
    client, other = world.client("ann"), world.client("ben")
    other.news()
    world.hub.disconnect(client.session_id)
    assert client.link.closed[0] == CloseCode.NORMAL
    assert [type(news).__name__ for news in other.news()] == ["Left"]
    assert refusal(world.hub.disconnect, client.session_id).code is ErrorCode.SESSION_UNKNOWN
    world.client("ann")


def test_agents_lists_everyone_present():
    world = HubWorld()
    clients = world.clients(3)
    clients[1].link.break_()
    infos = world.hub.agents(clients[0].session_id)
    assert [(info.index, info.name, info.away) for info in infos] == [
        (1, "agent-0", False),
        (2, "agent-1", True),
        (3, "agent-2", False),
    ]


async def test_receive_pages_through_the_log_and_says_who_served():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    for number in range(5):
        ann.send(b"%d" % number, persistent=True, type="note")
    page = await world.hub.receive(ben.session_id, None, 3)
    assert [(m.offset, m.content, m.sender, m.type) for m in page.messages] == [
        (n + 1, b"%d" % n, "ann", "note") for n in range(3)
    ]
    assert (page.first_offset, page.last_offset, page.served_by) == (1, 5, "memory")
    assert page.epoch == ben.welcome.epoch
    rest = await world.hub.receive(ben.session_id, page.messages[-1].offset, 10, "CACHE")
    assert [m.offset for m in rest.messages] == [4, 5]
    assert (await world.hub.receive(ben.session_id, 5)).messages == ()


# HTTP-2-6
async def test_messages_to_one_are_only_shown_to_the_two():
    world = HubWorld()
    ann, ben, eve = (world.client(name) for name in ("ann", "ben", "eve"))
    for number in range(4):
        ann.send(b"secret %d" % number, persistent=True, to=ben.welcome.index)
    ann.send(b"open", persistent=True)
    assert [m.content for m in (await world.hub.receive(eve.session_id, None, 2)).messages] == [b"open"]
    for reader in (ann, ben):
        assert len((await world.hub.receive(reader.session_id)).messages) == 5


@pytest.mark.parametrize("fields", [{"limit": 0}, {"limit": 1001}, {"after": -1}, {"poll_source": "DISK"}])
async def test_bad_questions_to_the_log_are_refused(fields):
    world = HubWorld()
    answer = world.connect()
    with pytest.raises(ChannelError) as caught:
        await world.hub.receive(answer.session_id, **fields)
    assert caught.value.code is ErrorCode.REQUEST_INVALID


# The end of channels and of the hub.


def test_a_channel_without_sessions_ends():
    world = HubWorld()
    first = world.client("ann")
    channel_id = first.answer.channel_id
    first.leave()
    assert world.hub.stats()["channels"] == world.hub.stats()["sessions"] == 0
    second = world.client("ann")
    assert second.answer.channel_id == channel_id
    assert second.answer.created


def message():
    return StoredMessage(0, 0, "a", "t", 0, False, b"x", None)


def test_history_outlives_the_last_agent_for_a_while():
    world = HubWorld(history_kept_s=100.0)
    client = world.client("ann")
    client.send(b"remember", persistent=True)
    client.leave()
    world.clock.advance(90)
    back = world.client("ann")
    assert (back.answer.offset, back.answer.created) == (1, False)
    world.clock.advance(50)  # the channel lives: nothing is forgotten
    assert world.log.position(back.answer.channel_id)[1] == 1
    back.leave()
    epoch = world.log.position(back.answer.channel_id)[0]
    world.clock.advance(101)
    assert world.log.position(back.answer.channel_id) != (epoch, 1)
    assert world.client("ann").answer.created


def test_channels_without_history_leave_nothing_in_the_log():
    world = HubWorld()
    for number in range(20):
        world.client("ann", channel=f"room-{number}").leave()
    assert len(world.log._channels) == 0


def test_shutdown_tells_every_link_and_takes_nobody_in():
    world = HubWorld()
    clients = world.clients(3)
    waiting = Client(world, world.connect("late"))
    waiting.open()
    clients[0].send(b"last words")
    world.hub.shutdown(CloseCode.SERVER_SHUTDOWN, "bye")
    for client in (*clients, waiting):
        assert client.link.closed == (CloseCode.SERVER_SHUTDOWN, "bye")
    assert clients[1].contents() == [b"last words"]
    clients[0].take()
    assert clients[0].acks == [1]
    assert not world.hub.ready
    assert refusal(world.connect, "new").code is ErrorCode.DRAINING
    assert refusal(world.hub.attach, clients[0].claims[0], FakeLink()).code is ErrorCode.DRAINING
    world.clock.advance(500)
    world.hub.shutdown(CloseCode.SERVER_SHUTDOWN, "bye")
    assert world.hub.stats()["sessions"] == 0


def test_statistics_have_no_label_that_a_user_chooses():
    """A40."""
    world = HubWorld()
    before = set(world.hub.stats())
    for number in range(30):
        client = world.client(f"agent-{number}", channel=f"room-{number}")
        client.send(b"x", type=f"type-{number}")
    assert set(world.hub.stats()) == before
    assert all(isinstance(value, int | float) for value in world.hub.stats().values())


def test_requests_are_not_changed():
    world = HubWorld()
    request = world.request(metadata={"a": [1]})
    copy = dataclasses.replace(request)
    world.hub.connect(request)
    assert request == copy
