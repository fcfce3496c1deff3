"""Local agents: a game in the channel, without link, stream or budget."""

from __future__ import annotations

import pytest

from hub.errors import ChannelError, ErrorCode
from messaging.control import Joined, TypeName
from netcore.delivery import Delivery
from tests.support.hub_world import HubWorld

ORDERED, UNRELIABLE, SEQUENCED, RELIABLE = (
    Delivery.ORDERED,
    Delivery.UNRELIABLE,
    Delivery.SEQUENCED,
    Delivery.RELIABLE,
)


class Room:
    """Writes down what it is told."""

    def __init__(self, options):
        self.options = options
        self.port = None
        self.told = []
        self.inbox = []

    def started(self, port):
        self.port = port
        self.told.append("started")

    def agent_joined(self, agent):
        self.told.append(("joined", agent.name))

    def agent_away(self, agent, away):
        self.told.append(("away" if away else "back", agent.name))

    def agent_left(self, agent):
        self.told.append(("left", agent.name))

    def message(self, inbound):
        self.inbox.append(inbound)

    def stopped(self):
        self.told.append("stopped")


class Rooms:
    """A RoomFactory with one game."""

    def __init__(self, room=Room):
        self.made = []
        self.room = room

    def __call__(self, game, options):
        if game != "pong":
            raise ValueError(f"unknown game: {game}")
        if options.get("win_score", 3) < 1:
            raise ValueError("win_score must be 1 or more")
        self.made.append(self.room(options))
        return self.made[-1]


@pytest.fixture
def rooms():
    return Rooms()


@pytest.fixture
def world(rooms):
    return HubWorld(rooms=rooms)


def test_a_game_opens_a_readable_channel_with_a_local_agent(world, rooms):
    ann = world.client("ann", game="pong", game_options={"win_score": 5})
    assert (ann.answer.game, ann.answer.readable, ann.answer.created) == ("pong", True, True)
    assert (ann.welcome.game, ann.welcome.readable) == ("pong", True)
    assert rooms.made[0].options == {"win_score": 5}
    game, me = (n for n in ann.news() if isinstance(n, Joined))
    assert (game.index, game.name, game.local) == (1, "pong", True)
    assert (me.index, me.name, me.local) == (2, "ann", False)
    assert rooms.made[0].told == ["started", ("joined", "ann")]
    assert [info.name for info in rooms.made[0].port.agents()] == ["pong", "ann"]


def test_the_creator_fixes_the_game(world):
    world.connect("ann", game="pong")
    assert world.connect("ben").game == "pong"
    assert world.connect("cem", game="pong").game == "pong"
    with pytest.raises(ChannelError) as caught:
        world.connect("dan", game="chess")
    assert (caught.value.code, caught.value.http_status) == (ErrorCode.GAME_CONFLICT, 409)
    world.connect("eve", channel="plain")
    with pytest.raises(ChannelError) as caught:
        world.connect("fay", channel="plain", game="pong")
    assert caught.value.code is ErrorCode.GAME_CONFLICT


@pytest.mark.parametrize("fields", [{"game": "chess"}, {"game": "pong", "game_options": {"win_score": 0}}])
def test_unknown_games_and_bad_options_are_refused_with_the_games_sentence(world, fields):
    with pytest.raises(ChannelError) as caught:
        world.connect("ann", **fields)
    assert (caught.value.code, caught.value.http_status) == (ErrorCode.GAME_REFUSED, 400)
    assert caught.value.text in ("unknown game: chess", "win_score must be 1 or more")
    assert world.hub.stats()["channels"] == 0


def test_nobody_takes_the_games_name(world, rooms):
    with pytest.raises(ChannelError) as caught:
        world.connect("pong", game="pong")
    assert caught.value.code is ErrorCode.NAME_TAKEN
    assert world.hub.stats()["channels"] == 0
    assert rooms.made[0].told == ["started", "stopped"]


def test_the_room_hears_of_everyones_coming_and_going(world, rooms):
    ann, ben = world.client("ann", game="pong"), world.client("ben")
    ben.link.break_()
    ben.reattach()
    ben.link.break_()
    world.clock.advance(31)
    ann.leave()
    assert rooms.made[0].told[1:] == [
        ("joined", "ann"),
        ("joined", "ben"),
        ("away", "ben"),
        ("back", "ben"),
        ("away", "ben"),
        ("left", "ben"),
        ("left", "ann"),
    ]
    world.clock.advance(100)
    assert rooms.made[0].told[-1] == "stopped"
    assert world.hub.stats()["channels"] == 0


@pytest.mark.parametrize("kind", list(Delivery))
def test_the_room_gets_messages_checked_and_with_their_true_sender(world, rooms, kind):
    ann, ben = world.client("ann", game="pong"), world.client("ben")
    ann.send(b"move", kind, type="input", to=1, key=4 if kind is SEQUENCED else 0, format=2)
    (inbound,) = rooms.made[0].inbox
    assert (inbound.sender.name, inbound.sender.index, inbound.kind) == ("ann", 2, kind)
    assert (inbound.type, inbound.format, inbound.content, inbound.targeted) == ("input", 2, b"move", True)
    assert inbound.key == (4 if kind is SEQUENCED else 0)
    assert ben.contents() == []


def test_what_goes_to_everyone_goes_to_the_room_too(world, rooms):
    ann, ben = world.client("ann", game="pong"), world.client("ben")
    ann.send(b"hi", encrypted=True)
    ann.send(b"kept", persistent=True)
    assert ben.contents() == [b"hi", b"kept"]
    assert [(i.content, i.targeted, i.encrypted) for i in rooms.made[0].inbox] == [
        (b"hi", False, True),
        (b"kept", False, False),
    ]


@pytest.mark.parametrize("kind", list(Delivery))
def test_the_room_sends_every_kind_to_everyone_or_to_one(world, rooms, kind):
    ann, ben = world.client("ann", game="pong"), world.client("ben")
    port = rooms.made[0].port
    port.send(kind, "snapshot", b"all", key=2 if kind is SEQUENCED else 0)
    port.send(kind, "snapshot", b"for ann", to="ann", format=1)
    port.send(kind, "snapshot", b"for nobody", to="zoe")
    assert ann.contents() == [b"all", b"for ann"]
    ben.take()
    ((_, message),) = ben.messages
    assert (message.sender, message.type_index, message.content) == (1, 1, b"all")
    assert TypeName(1, "snapshot") in ben.news()


def test_the_room_flushes_when_it_wants_past_the_relay_tick(rooms):
    world = HubWorld(rooms=rooms)
    clients = [world.client(f"agent-{n}", game="pong") for n in range(12)]
    world.clock.advance(1.0)
    for client in clients:
        client.take()
        client.link.flushes = 0
    port = rooms.made[0].port
    port.send(SEQUENCED, "chat-text", b"a", flush=False)
    port.send(UNRELIABLE, "chat-text", b"b", flush=False)
    assert all(client.link.flushes == 0 for client in clients)
    port.flush()
    assert all(client.link.flushes == 1 for client in clients)
    port.send(UNRELIABLE, "chat-text", b"c")
    assert sorted(clients[0].contents()) == [b"a", b"b", b"c"]  # lanes keep no order among each other


@pytest.mark.parametrize(
    "fields",
    [
        {"lane": 7},
        {"lane": 64},
        {"key": -1},
        {"key": 2**30},
        {"format": 3},
        {"content": bytes(64 * 1024 + 1)},
    ],
)
def test_a_mistake_of_the_room_is_a_value_error(world, rooms, fields):
    world.connect("ann", game="pong")
    with pytest.raises(ValueError):
        rooms.made[0].port.send(ORDERED, "chat-text", fields.pop("content", b""), **fields)


def test_a_room_that_raises_ends_nobodys_connection():
    class Broken(Room):
        def message(self, inbound):
            raise RuntimeError("a bug in the game")

        agent_joined = agent_left = agent_away = message

    world = HubWorld(rooms=Rooms(Broken))
    ann, ben = world.client("ann", game="pong"), world.client("ben")
    ann.send(b"x")
    assert ben.contents() == [b"x"]
    assert ann.link.closed is None
    assert world.hub.stats()["room_failures"] == 3


def test_a_room_may_answer_from_within_a_call():
    class Echo(Room):
        def agent_joined(self, agent):
            self.port.send(ORDERED, "hello", agent.name.encode(), to=agent.name)

        def message(self, inbound):
            self.port.send(ORDERED, "echo", inbound.content)

    world = HubWorld(rooms=Rooms(Echo))
    ann = world.client("ann", game="pong")
    ann.send(b"ping", to=1)
    assert ann.contents() == [b"ann", b"ping"]


def test_shutdown_stops_the_room_and_its_port_is_silent(world, rooms):
    ann = world.client("ann", game="pong")
    world.hub.shutdown(0x81, "bye")
    assert rooms.made[0].told[-1] == "stopped"
    rooms.made[0].port.send(ORDERED, "chat-text", b"ghost")
    assert ann.contents() == []


def test_a_room_has_no_budget(rooms):
    world = HubWorld(rooms=rooms, ingress_messages_burst=5, ingress_messages_per_s=1)
    ann = world.client("ann", game="pong")
    for _ in range(50):
        rooms.made[0].port.send(SEQUENCED, "chat-text", b"x")
    assert len(ann.contents()) == 50


def test_a_stored_message_to_the_room_is_refused(world, rooms):
    ann = world.client("ann", game="pong")
    ann.news()
    ann.send(b"x", persistent=True, to=1)
    assert [n.code for n in ann.news()] == [ErrorCode.NOT_STORABLE]
    assert rooms.made[0].inbox == []


def test_local_agents_do_not_count_as_agents(rooms):
    world = HubWorld(rooms=rooms, agents_per_channel=2)
    world.connect("ann", game="pong")
    world.connect("ben")
    with pytest.raises(ChannelError):
        world.connect("cem")


def test_reliable_messages_to_an_absent_player_wait(world, rooms):
    ann = world.client("ann", game="pong")
    ann.link.break_()
    port = rooms.made[0].port
    port.send(RELIABLE, "goal", b"1:0")
    port.send(SEQUENCED, "snapshot", b"stale")
    ann.reattach()
    assert ann.contents() == [b"1:0"]
