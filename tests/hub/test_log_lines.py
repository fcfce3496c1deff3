"""The hub's log: the name of an event, and ids in fields of their own, where programs find them."""

from __future__ import annotations

import logging
import re

import pytest

from tests.support.hub_world import HubWorld


def test_a_session_is_told_from_its_first_link_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "netplay.hub")
    world = HubWorld()
    ann = world.client("ann the agent")
    channel_id = ann.answer.channel_id
    ann.link.break_()
    ann.reattach()
    ann.leave()
    told = [record for record in caplog.records if record.name == "netplay.hub"]
    assert [record.getMessage() for record in told] == [
        "channel_created",
        "link_attached",
        "agent_away",
        "link_attached",
        "session_ended",
        "channel_ended",
    ]
    assert {record.__dict__["channel"] for record in told} == {channel_id}
    assert {record.__dict__["agent"] for record in told[1:-1]} == {1}
    assert [told[1].__dict__[name] for name in ("transport", "generation", "recovered")] == ["udp", 1, True]
    assert told[4].__dict__["reason"] == "left"


def test_no_event_has_words_of_a_user_in_its_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "netplay.hub")
    world = HubWorld()
    world.client("ann the agent").leave()
    assert caplog.records
    assert all(re.fullmatch(r"[a-z_]+", record.getMessage()) for record in caplog.records)
    assert "ann the agent" not in caplog.text
