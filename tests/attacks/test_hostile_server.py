"""A server that cheats on encrypting agents: what it rewrites, repeats, moves or strips is noticed.

docs/protocol/e2ee.md, section 3, row by row, and what is not noticed too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messaging_agent.errors import ServerReadsAlong
from messaging_agent.history import Sealed
from messaging_agent.session_core import ClientSession, SessionState

from messaging import control
from messaging.envelope import encode_delivery, flags_of
from messaging.lanes import TO_CLIENT
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.messaging_agent.loopback import serving
from tests.messaging_agent.scripted_server import Recorder, ScriptedServer, Time

KEY = bytes(range(32))
ADA, BOB, CEM = 1, 2, 3
MOVE = 1  # index of a second type, "move"


class Member:
    """An honest agent with the channel's key, and its end of the dishonest server."""

    def __init__(self, name: str, index: int, *, channel: str = "c1", accept_plain: bool = False) -> None:
        self.told = Recorder()
        salt = bytes([index]) * 16
        self.session = ClientSession(
            self.told,
            clock=Time(),
            message_key=KEY,
            random=lambda size: salt[:size],
            readable=False,
            accept_plain=accept_plain,
        )
        self.server = ScriptedServer(self.session)
        self.name = name
        self.server.attach()
        self.server.welcome(readable=False, index=index, agent_name=name, channel_id=channel)
        self.server.control(control.TypeName(MOVE, "move"))
        for other, other_name in ((ADA, "ada"), (BOB, "bob"), (CEM, "cem")):
            if other != index:
                self.server.joined(other, other_name)
        self.server.joined(index, name)

    def refused(self) -> float:
        """How many messages it dropped."""
        counts = self.session.stats()
        return counts["unopened"] + counts["plain_refused"]


@dataclass(frozen=True)
class Envelope:
    """What the server says of a message; everything in it is the server's to rewrite."""

    kind: Delivery
    content: bytes
    sender: int = ADA
    type_index: int = 0
    lane: int = 8
    key: int = 0
    format: int = 1
    encrypted: bool = True
    targeted: bool = False
    stored: bool = False
    offset: int = 7
    time_ms: int = 1_700_000_000_000

    def deliver(self, member: Member) -> None:
        """Hand it to a member over its link."""
        flags = flags_of(self.format, encrypted=self.encrypted, stored=self.stored, targeted=self.targeted)
        data = encode_delivery(
            flags,
            self.sender,
            self.type_index,
            self.lane,
            self.content,
            key=self.key if self.kind is Delivery.SEQUENCED else None,
            offset=self.offset,
            time_ms=self.time_ms,
        )
        link_lane = TO_CLIENT[self.kind]
        if self.kind.is_reliable:
            data = member.server.stream.push(0.0, link_lane, self.kind, data)
        member.server.raw(link_lane, self.kind, data)


def sealed_by(
    ada: Member, text: str = "pay 5", *, to: str | None = None, stored: bool = False, **options: Any
) -> Envelope:
    """What an honest server would deliver of a message that ada sends."""
    kind = options.setdefault("delivery", Delivery.ORDERED)
    ada.session.send(text, to=to, ephemeral=not stored, **options)
    lane, _, data, key = ada.server.link.sent[-1]
    (_, publication) = ada.server.link.published[-1]
    assert publication.encrypted and text.encode() not in data
    return Envelope(
        kind, publication.content, lane=lane, key=key, targeted=to is not None, stored=stored and kind >= 2
    )


Rewrite = Callable[[Envelope], Envelope]


def content_at(position: int) -> Rewrite:
    """One bit of the sealed content turned over."""

    def rewrite(envelope: Envelope) -> Envelope:
        content = bytearray(envelope.content)
        content[position] ^= 1
        return replace(envelope, content=bytes(content))

    return rewrite


REWRITES: dict[str, Rewrite] = {
    "sender": lambda envelope: replace(envelope, sender=CEM),
    "type": lambda envelope: replace(envelope, type_index=MOVE),
    "format": lambda envelope: replace(envelope, format=2),
    "lane": lambda envelope: replace(envelope, lane=envelope.lane + 1),
    "kind": lambda envelope: replace(
        envelope, kind=Delivery.RELIABLE if envelope.kind is Delivery.ORDERED else Delivery.UNRELIABLE
    ),
    "key": lambda envelope: replace(envelope, kind=Delivery.SEQUENCED, key=envelope.key + 1, stored=False),
    "flag encrypted": lambda envelope: replace(envelope, encrypted=False),
    "flag targeted": lambda envelope: replace(envelope, targeted=not envelope.targeted),
    "flag stored": lambda envelope: replace(
        envelope, stored=not envelope.stored, kind=max(envelope.kind, Delivery(2))
    ),
    "suite": content_at(0),
    "salt": content_at(1),
    "counter": content_at(17),
    "sealed kind and lane": content_at(18),
    "ciphertext": content_at(20),
    "tag": content_at(-1),
    "cut short": lambda envelope: replace(envelope, content=envelope.content[:-1]),
    "made longer": lambda envelope: replace(envelope, content=envelope.content + b"\0"),
    "content of its own": lambda envelope: replace(envelope, content=b"pay 500"),
    "plain content of its own": lambda envelope: replace(envelope, content=b"pay 500", encrypted=False),
}


# E2E-2-1, E2E-2-2, E2E-2-6
@pytest.mark.parametrize("stored", [False, True], ids=["ephemeral", "stored"])
@pytest.mark.parametrize("name", REWRITES)
def test_a_rewritten_message_is_dropped_and_counted_and_the_true_one_still_shown(
    name: str, stored: bool
) -> None:
    ada, bob = Member("ada", ADA), Member("bob", BOB)
    true = sealed_by(ada, stored=stored)
    false = REWRITES[name](true)
    assert false != true
    false.deliver(bob)
    assert bob.told.contents == []
    assert bob.refused() == 1
    true.deliver(bob)
    assert bob.told.contents == ["pay 5"]
    assert bob.session.state is SessionState.LIVE


# E2E-2-1
def test_a_value_is_not_shown_under_another_key_or_as_another_kind() -> None:
    ada, bob = Member("ada", ADA), Member("bob", BOB)
    true = sealed_by(ada, delivery=Delivery.SEQUENCED, key=5)
    for false in (replace(true, key=6), replace(true, kind=Delivery.UNRELIABLE), replace(true, lane=11)):
        false.deliver(bob)
    assert (bob.told.contents, bob.refused()) == ([], 3)
    true.deliver(bob)
    (message,) = bob.told.messages
    assert (message.content, message.key, message.lane) == ("pay 5", 5, 10)


# E2E-2-1
def test_a_message_to_one_is_shown_to_nobody_else_and_not_as_one_to_everyone() -> None:
    ada, bob, cem = Member("ada", ADA), Member("bob", BOB), Member("cem", CEM)
    true = sealed_by(ada, to="bob")
    true.deliver(cem)
    replace(true, targeted=False).deliver(cem)
    replace(true, targeted=False).deliver(bob)
    assert (cem.told.contents, cem.refused(), bob.told.contents) == ([], 2, [])
    true.deliver(bob)
    assert bob.told.contents == ["pay 5"]


# E2E-2-1
def test_a_message_moved_to_another_channel_is_not_shown() -> None:
    """Not even where both channels have one password and one name, on two servers."""
    ada, elsewhere = Member("ada", ADA), Member("bob", BOB, channel="c2")
    sealed_by(ada).deliver(elsewhere)
    assert (elsewhere.told.contents, elsewhere.refused()) == ([], 1)


# E2E-2-3
def test_a_repeated_message_is_shown_once_however_it_is_repeated() -> None:
    ada, bob = Member("ada", ADA), Member("bob", BOB)
    first, second = sealed_by(ada, "first"), sealed_by(ada, "second")
    for envelope in (first, second, first, second, first):
        envelope.deliver(bob)
    assert bob.told.contents == ["first", "second"]
    assert bob.refused() == 3
    # Over a link of its own, after a resume: the session's memory is the same.
    bob.server.attachment.link_closed(CloseCode.IDLE, "cut", False)
    bob.server.attach()
    bob.server.welcome(readable=False, index=BOB, agent_name="bob")
    first.deliver(bob)
    assert bob.told.contents == ["first", "second"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30))
def test_whatever_the_order_of_delivery_each_message_is_shown_at_most_once(order: list[int]) -> None:
    ada, bob = Member("ada", ADA), Member("bob", BOB)
    messages = [sealed_by(ada, f"{number}") for number in range(6)]
    for number in order:
        messages[number].deliver(bob)
    assert bob.told.contents == [f"{number}" for number in dict.fromkeys(order)]


# E2E-2-6
def test_plain_messages_are_dropped_with_one_warning_unless_the_program_takes_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain = Envelope(Delivery.ORDERED, b"pay 500", encrypted=False)
    strict, lenient = Member("bob", BOB), Member("bob", BOB, accept_plain=True)
    with caplog.at_level(logging.WARNING, "messaging_agent"):
        plain.deliver(strict)
        plain.deliver(strict)
    assert (strict.told.messages, strict.session.stats()["plain_refused"]) == ([], 2)
    assert len(caplog.records) == 1
    assert "pay 500" not in caplog.text
    plain.deliver(lenient)
    (message,) = lenient.told.messages
    assert (message.content, message.encrypted) == ("pay 500", False)


# E2E-2-5
@pytest.mark.parametrize(
    "changed",
    [{"readable": True}, {"channel_id": "c2"}, {"agent_name": "eve"}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_welcome_that_changes_what_content_is_sealed_for_is_not_followed(changed: dict[str, Any]) -> None:
    ada = Member("ada", ADA)
    ada.server.attachment.link_closed(CloseCode.IDLE, "cut", False)
    link = ada.server.attach()
    facts: dict[str, Any] = {"readable": False, "index": ADA, "agent_name": "ada", "channel_id": "c1"}
    ada.server.welcome(**{**facts, **changed})
    assert link.closed is not None and link.closed[0] == CloseCode.PROTOCOL_VIOLATION
    assert link.published == []


# E2E-2-5
def test_a_first_welcome_that_says_readable_against_the_answer_to_the_connect_is_not_followed() -> None:
    session = ClientSession(Recorder(), clock=Time(), message_key=KEY, random=bytes, readable=False)
    server = ScriptedServer(session)
    link = server.attach()
    server.welcome(readable=True)
    assert link.closed is not None and link.closed[0] == CloseCode.PROTOCOL_VIOLATION
    assert session.state is SessionState.ENDED


# E2E-2-5
async def test_a_channel_that_the_server_reads_along_in_has_to_be_asked_for(tmp_path: Any) -> None:
    options = {"players": 2}
    async with (
        serving(tmp_path) as loopback,
        loopback.join("ada", "websocket", game="air-hockey", game_options=options) as ada,
    ):
        assert ada.readable
        with pytest.raises(ServerReadsAlong, match="air-hockey"):
            await loopback.join("bob", "websocket")
        assert [agent.name for agent in ada.agents if not agent.local] == ["ada"]
        async with loopback.join("bob", "websocket", encrypt=False) as bob:
            assert bob.readable
        async with loopback.join("cem", "websocket", game="air-hockey") as cem:
            assert cem.readable


# What is not noticed, and said so in section 3.


def test_a_client_that_was_not_there_cannot_tell_an_old_message_from_a_new_one() -> None:
    ada, bob = Member("ada", ADA), Member("bob", BOB)
    old = sealed_by(ada, "an hour ago")
    old.deliver(bob)
    late = Member("cem", CEM)
    old.deliver(late)
    assert late.told.contents == ["an hour ago"]


def test_offsets_times_and_what_is_withheld_are_the_servers_word() -> None:
    ada, bob = Member("ada", ADA), Member("bob", BOB)
    first, withheld, last = (sealed_by(ada, text, stored=True) for text in ("1", "2", "3"))
    replace(last, offset=1, time_ms=5).deliver(bob)
    first.deliver(bob)
    assert [(message.content, message.offset) for message in bob.told.messages] == [("3", 1), ("1", 7)]
    assert bob.refused() == 0 and withheld.stored


# The log


def log_entry(envelope: Envelope, **changed: Any) -> Sealed:
    facts: dict[str, Any] = {
        "sender": "ada",
        "type": "chat-text",
        "format": 1,
        "to": None,
        "encrypted": True,
        "raw": envelope.content,
    }
    return Sealed(**{**facts, **changed})


# E2E-2-1, E2E-2-6
def test_the_log_shows_as_authentic_only_what_a_member_stored_just_so() -> None:
    ada, bob = Member("ada", ADA), Member("bob", BOB)
    stored, ephemeral = sealed_by(ada, stored=True), sealed_by(ada)
    assert bob.session.open_stored(log_entry(stored)) == ("pay 5", b"pay 5", True)
    assert bob.session.open_stored(log_entry(stored)) == ("pay 5", b"pay 5", True)
    for forged in (
        log_entry(stored, sender="cem"),
        log_entry(stored, type="move"),
        log_entry(stored, format=2),
        log_entry(stored, to="bob"),
        log_entry(ephemeral),
    ):
        content, raw, authentic = bob.session.open_stored(forged)
        assert (content, authentic) == (raw, False)
    plain = log_entry(stored, encrypted=False, raw=b"pay 500")
    assert bob.session.open_stored(plain) == ("pay 500", b"pay 500", False)
