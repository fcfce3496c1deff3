"""The states of a stay, exhaustively, and the roster."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.errors import ChannelError, ErrorCode
from hub.ports import AgentInfo
from hub.presence import MAX_INDEX, TRANSITIONS, Announce, Event, Roster, Stay, step

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "protocol" / "messaging.md"


# MSG-6-5
def test_every_state_and_event_does_what_the_table_says_and_else_nothing():
    for stay, event in itertools.product(Stay, Event):
        expected = TRANSITIONS.get((stay, event), (stay, Announce.NOTHING))
        assert step(stay, event) == expected


def test_the_document_holds_the_same_table():
    events = {
        "ATTACH": Event.ATTACH,
        "ATTACH (another link)": Event.ATTACH,
        "link lost": Event.LINK_LOST,
        "30 s": Event.LEAVE_DUE,
        "end": Event.END,
        "end (120 s)": Event.END,
    }
    told = {
        "-": Announce.NOTHING,
        "JOINED": Announce.JOINED,
        "JOINED, resumed": Announce.REJOINED,
        "AWAY": Announce.AWAY,
        "BACK": Announce.BACK,
        "LEFT": Announce.LEFT,
        "LEFT, `timeout`": Announce.LEFT,
    }
    lines = DOCUMENT.read_text(encoding="utf-8").split("| state | event |")[1].splitlines()[2:]
    table = {}
    for line in itertools.takewhile(lambda line: line.startswith("|"), lines):
        stay, event, after, others = (cell.strip() for cell in line.strip("|").split("|"))
        table[Stay(stay), events[event]] = (Stay(after), told[others])
    assert table == TRANSITIONS


def test_the_end_is_final_and_nothing_leaves_twice():
    for event in Event:
        assert step(Stay.ENDED, event) == (Stay.ENDED, Announce.NOTHING)
    for path in itertools.product(Event, repeat=6):
        stay, seen = Stay.NEW, False
        for event in path:
            stay, announce = step(stay, event)
            if announce in (Announce.JOINED, Announce.REJOINED):
                assert not seen
                seen = True
            elif announce is not Announce.NOTHING:
                assert seen
                seen = announce is not Announce.LEFT
        assert seen == (stay in (Stay.HERE, Stay.AWAY))


@dataclass
class FakeMember:
    info: AgentInfo
    visible: bool = True


def member(roster, name, visible=True):
    added = FakeMember(AgentInfo(roster.next_index(), name, 0, {}, False, False), visible)
    roster.add(added)
    return added


# MSG-6-5
def test_indexes_rise_and_skip_the_living():
    roster = Roster()
    first, second = member(roster, "a"), member(roster, "b")
    assert (first.info.index, second.info.index) == (1, 2)
    roster.remove(first)
    assert member(roster, "c").info.index == 3
    roster._last_index = MAX_INDEX
    assert member(roster, "d").info.index == 1
    assert member(roster, "e").info.index == 4


def test_a_name_is_taken_until_its_holder_is_removed():
    roster = Roster()
    first = member(roster, "a")
    with pytest.raises(ChannelError) as caught:
        member(roster, "a")
    assert caught.value.code is ErrorCode.NAME_TAKEN
    roster.remove(first)
    member(roster, "a")


def test_only_the_visible_are_seen():
    roster = Roster()
    seen, hidden = member(roster, "a"), member(roster, "b", visible=False)
    assert roster.visible() == [seen.info]
    assert roster.visible_at(seen.info.index) is seen
    assert roster.visible_at(hidden.info.index) is None
    assert roster.visible_at(99) is None
    assert roster.named("b") is hidden
    assert len(roster) == 2
