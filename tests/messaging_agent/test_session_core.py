"""The session core in virtual time, against a server that says what each story needs."""

from __future__ import annotations

from typing import Any

import pytest
from messaging_agent.errors import (
    ChannelClosed,
    Kicked,
    NotConnected,
    OutboxFull,
    Replaced,
    SessionLost,
    UnknownAgent,
)
from messaging_agent.session_core import ClientSession, SessionState

from messaging import control
from messaging.lanes import CONTROL, TIME
from messaging.sealed_content import ContentOpener
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.messaging_agent.scripted_server import Recorder, ScriptedLink, ScriptedServer, Time


class Story:
    """One session, its program, its server and its clock."""

    def __init__(self, message_key: bytes | None = None) -> None:
        self.time = Time()
        self.told = Recorder()
        self.session = ClientSession(
            self.told, clock=self.time, message_key=message_key, random=lambda n: bytes(range(n))
        )
        self.server = ScriptedServer(self.session)

    def wait(self, seconds: float) -> None:
        self.time.pass_to(self.session, seconds)


@pytest.fixture
def story() -> Story:
    return Story()


# The start


# MSG-2-4
def test_the_first_message_on_a_link_is_attach(story: Story) -> None:
    link = story.server.attach()
    assert link.controls == [control.Attach(0)]
    assert link.flushed == 1


# MSG-6-4
def test_a_session_is_ready_when_it_has_heard_of_itself_last(story: Story) -> None:
    story.server.attach()
    story.server.welcome()
    story.server.joined(2, "bob")
    assert not story.session.ready
    story.server.joined(1, "me")
    assert story.session.ready
    assert [agent.name for agent in story.session.roster.present()] == ["me", "bob"]
    assert len(story.told.events("ready")) == 1


# MSG-2-4
def test_nothing_can_be_sent_before_the_welcome(story: Story) -> None:
    story.server.attach()
    with pytest.raises(NotConnected):
        story.session.send("too early")


def test_what_overtakes_the_welcome_waits_for_it(story: Story) -> None:
    story.server.attach()
    early = story.server.prepare("early", kind=Delivery.UNRELIABLE)
    story.server.raw(early[0], Delivery.UNRELIABLE, early[1])
    assert story.told.messages == []
    story.server.welcome()
    story.server.joined(2, "bob")
    assert story.told.contents == ["early"]


def test_a_flood_before_the_welcome_ends_the_session(story: Story) -> None:
    link = story.server.attach()
    for _ in range(2049):
        story.server.raw(4, Delivery.UNRELIABLE, b"x")
    assert link.closed == (CloseCode.LIMIT_EXCEEDED, "messages_before_welcome")
    assert isinstance(story.session.closed, ChannelClosed)


# Messages


def test_messages_carry_sender_type_content_key_and_kind(story: Story) -> None:
    story.server.connect(None, "bob")
    story.server.control(control.TypeName(1, "move"))
    story.server.message('{"x":1}', kind=Delivery.SEQUENCED, key=7, type_index=1, format=2, targeted=True)
    (message,) = story.told.messages
    assert (message.sender, message.type, message.content) == ("bob", "move", {"x": 1})
    assert (message.key, message.lane, message.delivery) == (7, 8, Delivery.SEQUENCED)
    assert message.to_me
    assert not message.encrypted


def test_json_that_is_none_comes_as_bytes(story: Story) -> None:
    story.server.connect(None, "bob")
    for content in ("{", "NaN", "[" * 100_000):
        story.server.message(content, format=2)
    assert story.told.contents == [b"{", b"NaN", b"[" * 100_000]


# MSG-4-9
def test_a_message_waits_for_the_announcement_of_its_sender_and_type_and_keeps_its_lanes_order(
    story: Story,
) -> None:
    story.server.connect(None, "bob")
    announcements = []
    for message in (control.Joined(3, "eve", 0), control.TypeName(1, "move")):
        head, body = control.encode_stream_control(message)
        announcements.append(story.server.stream.push(0, CONTROL, Delivery.ORDERED, body, head=head))
    story.server.message("from eve", sender=3)
    story.server.message("from bob, behind it", sender=2)
    story.server.message("unreliable overtakes", sender=2, kind=Delivery.UNRELIABLE)
    story.server.message("a new type", sender=2, type_index=1)
    assert story.told.contents == ["unreliable overtakes"]
    story.server.raw(CONTROL, Delivery.ORDERED, announcements[0])
    assert story.told.contents == ["unreliable overtakes", "from eve", "from bob, behind it"]
    story.server.raw(CONTROL, Delivery.ORDERED, announcements[1])
    assert story.told.contents[-1] == "a new type"


def test_a_parked_message_of_a_lane_holds_those_behind_it(story: Story) -> None:
    story.server.connect(None, "bob")
    news = []
    for index, name in ((3, "eve"), (4, "dan")):
        head, body = control.encode_stream_control(control.Joined(index, name, 0))
        news.append(story.server.stream.push(0, CONTROL, Delivery.ORDERED, body, head=head))
    story.server.message("from eve", sender=3)
    story.server.message("from dan", sender=4)
    story.server.raw(CONTROL, Delivery.ORDERED, news[1])
    assert story.told.contents == []
    story.server.raw(CONTROL, Delivery.ORDERED, news[0])
    assert story.told.contents == ["from eve", "from dan"]


def test_the_oldest_unreliable_message_gives_way_when_too_many_wait(story: Story) -> None:
    story.server.connect(None, "bob")
    for number in range(300):
        story.server.message(str(number), sender=9, kind=Delivery.UNRELIABLE)
    assert story.session.stats()["parked"] == 256
    story.server.joined(9, "late")
    assert story.told.contents == [str(number) for number in range(44, 300)]


# MSG-4-10
def test_a_last_message_of_an_agent_may_arrive_after_the_news_that_it_left(story: Story) -> None:
    story.server.connect(None, "bob")
    story.server.control(control.Left(2, "left"))
    story.server.message("goodbye", kind=Delivery.RELIABLE)
    assert story.told.contents == ["goodbye"]
    assert story.told.events("left") == [("bob", "left")]
    assert [agent.name for agent in story.session.roster.present()] == ["me"]


def test_presence_follows_the_server(story: Story) -> None:
    story.server.connect(None, "bob")
    story.server.control(control.Away(2))
    bob = story.session.roster.by_name("bob")
    assert bob is not None
    assert bob.away
    story.server.control(control.Back(2))
    assert story.told.events("away") == [("bob", True), ("bob", False)]


# Acknowledging what arrives


# MSG-5-3
def test_an_acknowledgement_waits_for_company_but_not_long(story: Story) -> None:
    link = story.server.connect(None, "bob")
    story.wait(0.2)
    before = len(link.acks)
    story.server.message("one")
    story.server.message("two")
    story.wait(0.049)
    assert len(link.acks) == before
    story.wait(0.002)
    assert link.acks[before:] == [4]  # two JOINED and two messages


def test_many_messages_are_acknowledged_at_once(story: Story) -> None:
    link = story.server.connect(None, "bob")
    story.wait(0.2)
    before = len(link.acks)
    for number in range(64):
        story.server.message(str(number))
    assert len(link.acks) == before + 1


# Sending


def test_a_receipt_comes_from_the_servers_acknowledgement(story: Story) -> None:
    story.server.connect()
    first = story.session.send("one")
    second = story.session.send(b"two", delivery=Delivery.RELIABLE)
    assert (first, second) == (1, 2)
    story.server.ack(1)
    assert story.told.events("acknowledged") == [(1,)]
    assert story.session.unacknowledged == 1


# MSG-3-4
def test_publications_say_what_the_program_said(story: Story) -> None:
    link = story.server.connect(None, "bob")
    story.session.send("text")
    story.session.send({"x": [1]}, to="bob", ephemeral=True, type="move")
    story.session.send(b"raw", delivery=Delivery.SEQUENCED, key=5, lane=20)
    (one, text), (two, json), (none, raw) = link.published
    assert (one, two, none) == (1, 2, 0)
    assert (text.type, text.content, text.format, text.persistent, text.to) == (0, b"text", 1, True, None)
    assert (json.type, json.content, json.persistent, json.to) == ("move", b'{"x":[1]}', False, 2)
    assert (raw.format, raw.persistent) == (0, False)
    assert link.sent[-1][0::3] == (20, 5)


def test_a_filter_goes_with_the_message_which_then_is_not_stored(story: Story) -> None:
    link = story.server.connect(None, "bob")
    story.session.send("go", filter="red-.*")
    ((_, published),) = link.published
    assert (published.filter, published.to, published.persistent) == ("red-.*", None, False)


@pytest.mark.parametrize(
    ("delivery", "to", "compressed"),
    [
        (Delivery.ORDERED, None, True),
        (Delivery.RELIABLE, None, True),
        (Delivery.ORDERED, "bob", False),
        (Delivery.UNRELIABLE, None, False),
    ],
)
def test_bulk_for_everyone_is_compressed(
    story: Story, delivery: Delivery, to: str | None, compressed: bool
) -> None:
    link = story.server.connect(None, "bob")
    bulk = "".join(f"tile {number} grass, " for number in range(60))
    story.session.send(bulk, delivery=delivery, to=to)
    ((_, published),) = link.published
    assert published.content == bulk.encode()
    assert (published.packed is not None) == compressed


# MSG-4-3
def test_a_type_is_sent_by_number_once_the_server_has_announced_it(story: Story) -> None:
    link = story.server.connect()
    story.session.send("1", type="move")
    story.server.control(control.TypeName(4, "move"))
    story.session.send("2", type="move")
    assert [publication.type for _, publication in link.published] == ["move", 4]


def test_a_message_for_a_local_agent_is_not_stored_unless_asked(story: Story) -> None:
    link = story.server.attach()
    story.server.welcome()
    story.server.joined(2, "game", local=True)
    story.server.joined(1, "me")
    story.session.send("go", to="game")
    assert link.published[0][1].persistent is False


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"content": {1, 2}}, "JSON"),
        ({"content": float("nan")}, "JSON"),
        ({"content": "\ud800"}, "Unicode"),
        ({"content": bytes(262_144)}, "limit"),
        ({"content": "x", "type": "a\nb"}, "control character"),
        ({"content": "x", "type": ""}, "bytes"),
        ({"content": "x", "lane": 7}, "lane is 7"),
        ({"content": "x", "lane": 11}, "lane 11 is unreliable"),
        ({"content": "x", "key": 3}, "sequenced"),
        ({"content": "x", "key": 1 << 30, "delivery": Delivery.SEQUENCED}, "key is"),
        ({"content": "x", "ephemeral": False, "delivery": Delivery.UNRELIABLE}, "stored"),
        ({"content": "x", "ephemeral": False, "filter": ".*"}, "not stored"),
        ({"content": "x", "to": "bob", "filter": ".*"}, "not both"),
        ({"content": "x", "filter": ""}, "filter has 0"),
        ({"content": "x", "filter": "a" * 257}, "filter has 257"),
    ],
)
def test_a_wrong_argument_is_a_value_error_that_names_it(
    story: Story, arguments: dict[str, object], sentence: str
) -> None:
    link = story.server.connect(None, "bob")
    with pytest.raises(ValueError, match=sentence):
        story.session.send(**arguments)  # type: ignore[arg-type]
    assert link.published == []


def test_nobody_can_be_addressed_who_is_not_here(story: Story) -> None:
    story.server.connect()
    with pytest.raises(UnknownAgent, match="'bob'"):
        story.session.send("hi", to="bob")


# MSG-5-8
def test_a_full_outbox_refuses_and_keeps_what_it_has(story: Story) -> None:
    story.server.connect()
    for number in range(1000):
        story.session.send(str(number))
    with pytest.raises(OutboxFull):
        story.session.send("one too many")
    story.server.ack(1)
    assert story.session.send("now") == 1001


def test_a_burst_is_spread_below_what_the_server_takes_from_one_agent(story: Story) -> None:
    link = story.server.connect()
    for number in range(1000):
        story.session.send(str(number))
    assert len(link.published) <= 400
    story.wait(1.0)
    assert [int(publication.content) for _, publication in link.published] == list(range(1000))
    assert link.flushed == len(link.sent)


def test_a_link_whose_queue_is_full_is_tried_again(story: Story) -> None:
    link = story.server.connect()
    link.room = 3
    for number in range(6):
        story.session.send(str(number))
    link.room = 100
    story.wait(0.1)
    assert [publication.content for _, publication in link.published] == [b"%d" % n for n in range(6)]


def test_a_refused_message_is_told_with_its_full_number(story: Story) -> None:
    story.server.connect()
    number = story.session.send("x")
    story.server.control(control.ErrorNotice(0x205, "nobody", number & 0xFFFF))
    story.server.control(control.ErrorNotice(0x207, "type", None))
    assert story.told.events("refused") == [(0x205, number), (0x207, None)]


# Another link


# MSG-5-5
def test_after_a_lost_link_everything_unacknowledged_is_sent_again_in_order(story: Story) -> None:
    story.server.connect()
    for text in ("a", "b", "c"):
        story.session.send(text)
    story.server.ack(1)
    story.server.attachment.link_closed(CloseCode.IDLE, "cut", False)
    assert story.session.state is SessionState.AWAY
    assert story.told.events("gone") == [(CloseCode.IDLE, True)]
    story.session.send("d")
    link = story.server.attach(ScriptedLink("websocket"))
    assert link.published == []
    story.server.welcome(received=2)
    assert [(number, publication.content) for number, publication in link.published] == [(3, b"c"), (4, b"d")]
    assert story.told.events("acknowledged") == [(1,), (2,)]
    assert story.told.events("resumed") == [(0,)]


def test_attach_says_what_has_arrived_and_a_replay_is_not_shown_twice(story: Story) -> None:
    story.server.connect(None, "bob")
    story.server.message("one")
    lane, again = story.server.prepare("two")
    story.server.raw(lane, Delivery.ORDERED, again)
    story.server.attachment.link_closed(CloseCode.IDLE, "cut", False)
    link = story.server.attach()
    assert link.controls == [control.Attach(4)]
    story.server.welcome()
    story.server.raw(lane, Delivery.ORDERED, again)
    story.server.message("three")
    assert story.told.contents == ["one", "two", "three"]
    assert story.session.stats()["duplicates"] == 1


def test_while_away_the_latest_of_each_key_waits_and_unreliable_messages_do_not(story: Story) -> None:
    story.server.connect()
    story.server.attachment.link_closed(CloseCode.IDLE, "cut", False)
    for value in ("1", "2"):
        story.session.send(value, delivery=Delivery.SEQUENCED, key=1)
        story.session.send(value, delivery=Delivery.UNRELIABLE)
    story.session.send("3", delivery=Delivery.SEQUENCED, key=2)
    link = story.server.attach()
    story.server.welcome()
    assert [publication.content for _, publication in link.published] == [b"2", b"3"]
    assert story.session.stats()["unsent"] == 2


def test_a_better_link_takes_over_without_loss(story: Story) -> None:
    old = story.server.connect(ScriptedLink("websocket"), "bob")
    old_attachment = story.server.attachment
    story.session.send("on the old link")
    new = story.server.attach(ScriptedLink("udp"))
    lane, late = story.server.prepare("still on the old link")
    old_attachment.link_message(lane, Delivery.ORDERED, 0, late)
    assert story.session.link is old
    story.server.welcome(received=0)
    assert story.session.link is new
    assert old.closed is not None
    assert [publication.content for _, publication in new.published] == [b"on the old link"]
    story.server.raw(lane, Delivery.ORDERED, late)
    old_attachment.link_message(
        4, Delivery.UNRELIABLE, 0, story.server.prepare("x", kind=Delivery.UNRELIABLE)[1]
    )
    assert story.told.contents == ["still on the old link"]
    assert story.told.events("resumed") == []
    assert story.told.events("live") == [("websocket",), ("udp",)]


def test_messages_that_came_over_the_old_link_after_attach_are_no_gap(story: Story) -> None:
    story.server.connect(None, "bob")
    old = story.server.attachment
    story.server.attach()
    lane, data = story.server.prepare("one")
    old.link_message(lane, Delivery.ORDERED, 0, data)
    story.server.welcome(recovered=False, missed=1)
    assert story.told.events("resumed") == []
    assert story.session.stats()["missed"] == 0


# MSG-5-6
def test_a_gap_is_told_and_presence_is_told_anew(story: Story) -> None:
    story.server.connect(None, "bob", "eve")
    story.server.attachment.link_closed(CloseCode.IDLE, "cut", False)
    for _ in range(5):
        story.server.prepare("lost")
    story.server.attach()
    story.server.welcome(recovered=False, missed=5)
    story.server.joined(2, "bob")
    story.server.joined(4, "dan")
    story.server.joined(1, "me")
    assert story.told.events("resumed") == [(5,)]
    assert story.told.events("left") == [("eve", "unknown")]
    assert story.told.events("joined") == [("bob",), ("eve",), ("me",), ("dan",)]
    story.server.message("after the gap")
    assert story.told.contents == ["after the gap"]


# MSG-5-7
def test_a_client_that_lost_its_state_goes_on_with_the_servers_numbers(story: Story) -> None:
    for _ in range(40_000):
        story.server.stream.push(0, 1, Delivery.ORDERED, b"", counted=False)
    story.server.connect(None, "bob", received=70_000, recovered=False, missed=40_000)
    assert story.session.ready
    assert story.told.events("resumed") == []
    assert story.session.send("x") == 70_001
    story.server.message("hello")
    assert story.told.contents == ["hello"]


@pytest.mark.parametrize(
    ("code", "error"),
    [(CloseCode.KICKED, Kicked), (CloseCode.REPLACED, Replaced), (0x381 & ~0x80, ChannelClosed)],
)
# ERR-1
def test_a_code_without_come_back_ends_the_session(
    story: Story, code: int, error: type[ChannelClosed]
) -> None:
    story.server.connect()
    story.server.attachment.link_closed(code, "told", True)
    assert type(story.session.closed) is error
    assert story.told.events("ended") == [(code, True)]
    with pytest.raises(error):
        story.session.send("x")
    with pytest.raises(error):
        story.session.attach_link(ScriptedLink())


# MSG-2-3
def test_replaced_by_ones_own_new_link_is_no_end(story: Story) -> None:
    story.server.connect()
    old = story.server.attachment
    story.server.attach()
    old.link_closed(CloseCode.REPLACED, "newer", True)
    assert story.session.closed is None
    story.server.welcome()
    assert story.session.state is SessionState.LIVE
    assert story.told.events("gone") == [(CloseCode.REPLACED, False)]


def test_replaced_by_ones_own_new_link_that_was_lost_before_its_welcome_is_no_end(story: Story) -> None:
    story.server.connect()
    old = story.server.attachment
    story.server.attach()
    story.server.attachment.link_closed(CloseCode.IDLE, "lost", False)
    old.link_closed(CloseCode.REPLACED, "newer", True)
    assert story.session.state is SessionState.AWAY
    assert story.told.log[-1] == ("gone", CloseCode.REPLACED, True)
    story.server.attach()
    story.server.welcome()
    story.server.attachment.link_closed(CloseCode.REPLACED, "another client", True)
    assert type(story.session.closed) is Replaced


def test_a_failed_upgrade_leaves_the_old_link_at_work(story: Story) -> None:
    old = story.server.connect()
    story.server.attach()
    story.server.attachment.link_closed(CloseCode.NOT_ALLOWED, "no", True)
    assert story.session.link is old
    assert story.told.events("gone") == [(CloseCode.NOT_ALLOWED, False)]
    story.session.send("x")
    assert len(old.published) == 1


def test_a_link_given_up_is_closed_and_heard_no_more(story: Story) -> None:
    story.server.connect(None, "bob")
    link = story.server.attach()
    story.session.give_up_link(link)
    story.server.welcome()
    assert link.closed is not None
    assert story.session.link is not link


def test_the_end_of_a_session_that_cannot_be_resumed_has_its_own_error(story: Story) -> None:
    story.server.connect()
    story.session.end(0x381, "gone")
    assert isinstance(story.session.closed, SessionLost)


# Bad bytes


@pytest.mark.parametrize(
    ("lane", "kind", "data"),
    [
        (0, Delivery.ORDERED, b""),
        (0, Delivery.ORDERED, b"\x40\x00"),
        (0, Delivery.ORDERED, b"\x99\x00\x01\x90"),
        (0, Delivery.RELIABLE, b"\x03\x81"),
        (1, Delivery.ORDERED, b"\x00"),
        (1, Delivery.ORDERED, b"\x00\x03" + b"\xff" * 8),
        (1, Delivery.UNRELIABLE, b"\x00" * 8),
        (5, Delivery.ORDERED, b"x"),
        (8, Delivery.ORDERED, b"x"),
        (6, Delivery.UNRELIABLE, b"\x07"),
        (6, Delivery.UNRELIABLE, b"\x01" + bytes(8)),
    ],
)
def test_bad_bytes_close_the_link_and_the_session_without_a_traceback(
    story: Story, lane: int, kind: Delivery, data: bytes
) -> None:
    link = story.server.connect()
    story.server.raw(lane, kind, data)
    assert link.closed is not None
    assert story.session.closed is not None
    assert story.session.stats()["bad_messages"] == 1


@pytest.mark.parametrize("message", [control.Attach(1), control.StreamAck(99)])
# MSG-1-2
def test_control_messages_of_the_wrong_side_or_number_are_refused(
    story: Story, message: control.LinkMessage
) -> None:
    link = story.server.connect()
    story.server.raw(CONTROL, Delivery.ORDERED, control.encode_link_control(message))
    assert link.closed == (CloseCode.PROTOCOL_VIOLATION, link.closed[1] if link.closed else "")


# The clock


def test_the_servers_clock_is_known_after_some_answers(story: Story) -> None:
    link = story.server.connect()
    answered = 0
    for _ in range(40):
        story.wait(0.05)
        requests = [data for lane, _, data, _ in link.sent if lane == TIME]
        for request in requests[answered:]:
            story.server.answer_time(request, story.time.now, offset_s=5000.0)
        answered = len(requests)
    assert answered >= 16
    assert story.session.clock.remote_time(story.time.now) == pytest.approx(story.time.now + 5000.0, abs=0.01)
    assert story.session.rtt_s is not None
    link.rtt_s = 0.123
    assert story.session.rtt_s == 0.123


# Leaving


def test_leave_is_said_when_everything_before_it_has_arrived(story: Story) -> None:
    link = story.server.connect()
    story.session.send("last words")
    story.session.leave()
    assert control.Leave() not in link.controls
    with pytest.raises(ChannelClosed):
        story.session.send("too late")
    story.server.ack(1)
    assert link.controls[-1] == control.Leave()
    story.server.ack(2)
    assert story.told.events("ended") == [(CloseCode.NORMAL, False)]


def test_leaving_does_not_wait_for_ever(story: Story) -> None:
    link = story.server.connect()
    story.session.send("never acknowledged")
    story.session.leave()
    story.wait(1.01)
    assert control.Leave() in link.controls
    story.wait(1.01)
    assert story.session.state is SessionState.ENDED
    assert link.closed == (CloseCode.NORMAL, "left")


def test_the_servers_close_answers_a_leave(story: Story) -> None:
    story.server.connect()
    story.session.leave()
    story.server.attachment.link_closed(CloseCode.NORMAL, "left", True)
    assert story.told.events("ended") == [(CloseCode.NORMAL, False)]


def test_a_session_without_a_link_leaves_at_once(story: Story) -> None:
    story.server.connect()
    story.server.attachment.link_closed(CloseCode.IDLE, "cut", False)
    story.session.leave()
    assert story.session.state is SessionState.ENDED


# Encryption

KEY = bytes(range(32))


def test_with_a_key_content_leaves_sealed_for_the_members() -> None:
    story = Story(message_key=KEY)
    link = story.server.connect(None, "bob", readable=False)
    story.session.send("secret", to="bob")
    ((_, publication),) = link.published
    assert publication.encrypted
    assert b"secret" not in publication.content
    names: dict[str, Any] = {"sender": "me", "type": "chat-text", "format": 1, "recipient": "bob"}
    assert ContentOpener(KEY, "c1").open(publication.content, stored=True, **names) == b"secret"


def test_sealed_messages_are_opened_and_forged_or_repeated_ones_are_dropped() -> None:
    story, other = Story(message_key=KEY), Story(message_key=KEY)
    story.server.connect(None, "bob", readable=False)
    other.server.connect(None, "me", readable=False, agent_name="bob")
    other.session.send("hello", ephemeral=True)
    sealed = other.server.link.published[0][1].content
    for content in (sealed, sealed, b"forged" * 9):
        lane, data = story.server.prepare(content, encrypted=True)
        story.server.raw(lane, Delivery.ORDERED, data)
    assert [(message.content, message.encrypted) for message in story.told.messages] == [("hello", True)]
    assert story.session.stats()["unopened"] == 2


def test_a_type_is_sealed_in_the_form_in_which_it_is_announced() -> None:
    story = Story(message_key=KEY)
    link = story.server.connect(readable=False)
    story.session.send("x", type="cafe\u0301")
    ((_, publication),) = link.published
    assert publication.type == "caf\u00e9"
    opener = ContentOpener(KEY, "c1")
    assert opener.open(publication.content, sender="me", type="caf\u00e9", format=1, stored=True) == b"x"


def test_a_key_without_randomness_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="random"):
        ClientSession(Recorder(), clock=Time(), message_key=KEY)


# E2E-2-5
def test_where_the_server_reads_along_nothing_is_sealed() -> None:
    story = Story(message_key=KEY)
    link = story.server.connect(readable=True)
    story.session.send("plain")
    assert link.published[0][1].content == b"plain"


def test_without_a_key_sealed_content_stays_bytes(story: Story) -> None:
    story.server.connect(None, "bob")
    story.server.message("sealed", encrypted=True)
    assert [(message.content, message.encrypted) for message in story.told.messages] == [(b"sealed", True)]
