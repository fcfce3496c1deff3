"""Who gets a message: filters over names, chosen event types, and both with everything else."""

from __future__ import annotations

import asyncio

import pytest

from hub.audience import MAX_KEPT
from hub.errors import ChannelError, ErrorCode
from hub.event_types import MAX_EVENT_TYPES, parse_event_types
from hub.slots import SLOTS_TO_EVERYONE
from messaging.control import ErrorNotice
from messaging.envelope import encode_publication
from netcore.delivery import Delivery
from tests.hub.test_local import Rooms
from tests.support.hub_world import HubWorld

KINDS = list(Delivery)


def errors(client):
    return [news for news in client.news() if isinstance(news, ErrorNotice)]


def room_of(*names, **config):
    world = HubWorld(**config)
    return world, [world.client(name) for name in names]


# Filters.


@pytest.mark.parametrize("kind", KINDS)
# MSG-4-14
def test_a_filter_chooses_by_the_whole_name_and_never_the_sender(kind):
    _, (red_1, red_2, blue, infrared) = room_of("red-1", "red-2", "blue-1", "infra-red-3")
    red_1.send(b"team talk", kind, filter="red-.*", key=4 if kind is Delivery.SEQUENCED else 0)
    red_2.take()
    ((_, message),) = red_2.messages
    assert (message.content, message.sender, message.targeted) == (b"team talk", 1, False)
    assert message.key == (4 if kind is Delivery.SEQUENCED else None)
    assert red_1.contents() == blue.contents() == infrared.contents() == []
    assert errors(red_1) == []


@pytest.mark.parametrize("kind", KINDS)
# MSG-4-14
def test_a_filter_that_nobody_matches_is_no_error(kind):
    _, (ann, ben) = room_of("ann", "ben")
    ann.send(b"x", kind, filter="nobody")
    assert errors(ann) == []
    assert ben.contents() == []


def test_who_comes_later_is_matched_too_and_who_left_is_not():
    world, (ann, _) = room_of("ann", "red-1")
    ann.send(b"1", filter="red-.*")
    late = world.client("red-2")
    ann.send(b"2", filter="red-.*")
    assert late.contents() == [b"2"]
    late.leave()
    ann.send(b"3", filter="red-.*")
    assert world.hub.stats()["deliveries"] == 1 + 2 + 1


def test_a_filtered_stream_message_waits_for_who_is_away():
    world, (ann, ben) = room_of("ann", "ben")
    ben.link.break_()
    ann.send(b"later", filter="b.*")
    ben.attach()
    assert ben.contents() == [b"later"]
    assert world.hub.stats()["deliveries"] == 1


def test_a_filter_reaches_a_local_agent_by_its_name():
    rooms = Rooms()
    world = HubWorld(rooms=rooms)
    ann = world.client("ann", game="pong")
    ann.send(b"to the game", filter="po.*")
    ann.send(b"not to it", filter="pin.*")
    assert [inbound.content for inbound in rooms.made[0].inbox] == [b"to the game"]
    assert not rooms.made[0].inbox[0].targeted


@pytest.mark.parametrize("kind", KINDS)
# MSG-4-15
def test_an_unusable_filter_is_told_to_its_sender_with_a_hint(kind):
    _, (ann, ben) = room_of("ann", "ben")
    ann.send(b"x", kind, filter="(?!ann).*")
    (error,) = errors(ann)
    assert error.code == ErrorCode.FILTER_REFUSED
    assert "look-ahead" in error.text
    assert error.about == (1 if kind.is_reliable else None)
    assert ben.contents() == [] and ann.link.closed is None


# MSG-4-14
def test_a_filtered_message_is_not_stored():
    world, (ann, ben) = room_of("ann", "ben")
    ann.send(b"x", filter="ben", persistent=True)
    (error,) = errors(ann)
    assert error.code == ErrorCode.NOT_STORABLE
    assert ben.contents() == []
    assert world.log.position(ann.answer.channel_id)[1] == 0


def test_the_same_filter_costs_once_until_someone_comes_or_goes(monkeypatch):
    world, (ann, *_) = room_of(*(f"agent-{number}" for number in range(20)))
    asked = []
    from hub.name_filter import NameFilter

    matches = NameFilter.matches
    monkeypatch.setattr(NameFilter, "matches", lambda self, name: asked.append(name) or matches(self, name))
    for _ in range(5):
        ann.send(b"x", Delivery.UNRELIABLE, filter="agent-1.*")
    assert len(asked) == 20
    world.client("agent-20")
    ann.send(b"x", Delivery.UNRELIABLE, filter="agent-1.*")
    assert len(asked) == 20 + 21


def test_a_channel_keeps_few_results(monkeypatch):
    world, (ann, ben) = room_of("ann", "ben", filter_steps_burst=1e12)
    channel = world.hub._channels[ann.answer.channel_id]
    for number in range(MAX_KEPT + 10):
        ann.send(b"x", Delivery.UNRELIABLE, filter=f"ben|{number}")
    assert len(channel.publisher._audience._kept) == MAX_KEPT
    assert len(ben.contents()) == MAX_KEPT + 10


# MSG-4-15
def test_one_who_asks_for_ever_new_filters_is_throttled_and_recovers():
    world, (ann, ben) = room_of("ann", "ben")
    for number in range(400):
        ann.send(b"x", Delivery.RELIABLE, filter=f"ben|(?:a?){{900}}{number}")
    refused = {error.code for error in errors(ann)}
    assert refused == {ErrorCode.THROTTLED}
    came = len(ben.contents())
    assert 20 < came < 60
    ben.acknowledge()
    world.clock.advance(1.0)
    ann.send(b"x", filter="ben|other")
    assert len(ben.contents()) == 1
    assert world.hub._env.filters.known("ben|(?:a?){900}399") is None  # not even compiled


def test_a_filter_too_complex_for_a_full_room_is_refused():
    world = HubWorld()
    ann = world.client("a" * 64)
    for number in range(40):
        world.client(f"{number:064}")
    ann.send(b"x", filter=r"(?:.?){400}b")
    world.clock.advance(0.01)
    (error,) = errors(ann)
    assert (error.code, "so many agents" in error.text) == (ErrorCode.FILTER_REFUSED, True)


def test_a_filter_on_the_wire_stands_behind_the_type():
    assert encode_publication(0, b"c", filter="a.*").hex() == "8000" + "03" + b"a.*".hex() + "63"
    assert encode_publication("t", b"c", filter="ä").hex() == "c0" + "0174" + "02" + "ä".encode().hex() + "63"


# Event types.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [{}, {"to": 2}, {"filter": "ben"}])
# MSG-4-16
def test_an_agent_gets_only_the_types_it_chose_whatever_the_way(kind, way):
    world = HubWorld()
    ann = world.client("ann")
    ben = world.client("ben", custom_event_type="pos, goal")
    cem = world.client("cem")
    for type in ("pos", "chat-text", "goal", "other", "pos"):
        ann.send(type.encode(), kind, type=type, **way)
    assert ben.contents() == [b"pos", b"goal", b"pos"]
    assert cem.contents() == ([] if way else [b"pos", b"chat-text", b"goal", b"other", b"pos"])


def test_stored_messages_too_and_the_log_has_them_all():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben", custom_event_type=["goal"])
    ann.send(b"1", persistent=True)
    ann.send(b"2", persistent=True, type="goal")
    assert ben.contents() == [b"2"]
    assert world.log.position(ann.answer.channel_id)[1] == 2


# MSG-4-16
def test_presence_and_errors_come_whatever_was_chosen():
    world = HubWorld()
    ann = world.client("ann", custom_event_type="nothing-of-the-kind")
    ann.news()
    world.client("ben")
    ann.send(b"x", to=99)
    assert [type(news).__name__ for news in ann.news()] == ["Joined", "ErrorNotice"]


# MSG-4-16
def test_a_resume_keeps_the_choice_or_makes_another():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben", custom_event_type="a")
    for choice, expected in ((None, [b"a"]), ("b", [b"b"])):
        answer = world.connect("ben", session_id=ben.session_id, custom_event_type=choice)
        assert answer.resumed
        ben.session_id = answer.session_id
        for type in ("a", "b"):
            ann.send(type.encode(), type=type)
        assert ben.contents() == expected


def test_the_place_of_one_who_chose_goes_to_one_who_did_not():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben", custom_event_type="a")
    relay = world.hub._channels[ann.answer.channel_id].relay
    assert list(relay._choices) == [2]
    ben.leave()
    assert not relay._choices
    ann.send(b"x", Delivery.UNRELIABLE)
    assert world.client("cem").contents() == []


def test_one_who_chooses_gets_sequenced_messages_under_numbers_of_its_own():
    """Shared messages are counted once for all; one who leaves some out would see numbers jump."""
    world = HubWorld()
    ann, ben, cem = world.client("ann"), world.client("ben", custom_event_type="a"), world.client("cem")
    ann.send(b"1", Delivery.SEQUENCED, key=7, type="a")
    ((_, _, _, to_ben),) = [sent for sent in ben.link.flushed if sent[0] == 3]
    ((_, _, _, to_cem),) = [sent for sent in cem.link.flushed if sent[0] == 3]
    assert to_cem < SLOTS_TO_EVERYONE <= to_ben


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ("pos", {"pos"}),
        (" pos , goal ", {"pos", "goal"}),
        (["with, comma", "pos"], {"with, comma", "pos"}),
        ("cafe\u0301", {"caf\u00e9"}),
        (",".join(f"t{n}" for n in range(MAX_EVENT_TYPES)), {f"t{n}" for n in range(MAX_EVENT_TYPES)}),
    ],
)
def test_a_choice_is_a_list_or_a_text_with_commas(chosen, names):
    assert parse_event_types(chosen) == names


@pytest.mark.parametrize(
    "chosen",
    [
        "",
        ",",
        "a,,b",
        [],
        ["x" * 65],
        "a,\x07",
        "*",
        [f"t{n}" for n in range(MAX_EVENT_TYPES + 1)],
        ",".join(f"t{n}" for n in range(MAX_EVENT_TYPES + 1)),
        "," * 100_000,
    ],
)
def test_a_choice_that_means_nothing_is_refused(chosen):
    world = HubWorld()
    with pytest.raises(ChannelError) as caught:
        world.connect("ann", custom_event_type=chosen)
    assert caught.value.code == ErrorCode.REQUEST_INVALID
    assert "custom_event_type" in caught.value.text


# Compressed content.

BULK = b"".join(b"line %d of a level; " % number for number in range(200))


# MSG-4-17
def test_compressed_bulk_is_passed_on_as_it_is_and_stored_as_it_reads():
    world, (ann, ben) = room_of("ann", "ben")
    ann.send(BULK, compress=True, persistent=True)
    (sent,) = [data for lane, _, data, _ in ben.link.flushed if lane == 1]
    assert len(sent) < len(BULK) / 2
    ben.take()
    ((_, message),) = ben.messages
    assert (message.content, message.compressed, message.offset) == (BULK, True, 1)
    page = asyncio.run(world.hub.receive(ann.session_id))
    assert [record.content for record in page.messages] == [BULK]


# MSG-4-19
def test_a_local_agent_reads_compressed_content_and_sends_it_compressed_to_everyone_only():
    rooms = Rooms()
    world = HubWorld(rooms=rooms)
    ann = world.client("ann", game="pong")
    ann.send(BULK, compress=True)
    assert rooms.made[0].inbox[0].content == BULK
    ann.take(), ann.messages.clear()
    for to in (None, "ann"):
        for kind in KINDS:
            rooms.made[0].port.send(kind, "map", BULK, to=to)
    ann.take()
    assert [message.content for _, message in ann.messages] == [BULK] * 8
    assert (
        sorted((m.targeted, m.compressed) for _, m in ann.messages)
        == [(False, True)] * 4 + [(True, False)] * 4
    )


# MSG-4-5, MSG-4-18
def test_content_that_would_be_too_large_is_refused_however_small_it_came():
    _, (ann, ben) = room_of("ann", "ben", max_message_bytes=3000)
    ann.send(BULK[:3000], compress=True)
    ann.send(BULK[:3001], compress=True)
    (error,) = errors(ann)
    assert (error.code, error.about) == (ErrorCode.MESSAGE_TOO_LARGE, 2)
    assert ben.contents() == [BULK[:3000]]
