"""A10: a session id alone opens nothing, secrets die, and nobody is given a session that another has chosen."""

from __future__ import annotations

import base64
import logging
import random
from typing import Any

import pytest

from hub.errors import ChannelError, ErrorCode
from hub.identity import SECRET_BYTES, parse_session_text, session_text
from messaging.claims import SESSION_ID_BYTES
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.support.hub_world import Client, HubWorld


def refusal(world: HubWorld, session_id: str) -> ErrorCode:
    """With what a session id is refused, by every call that takes one."""
    codes = set()
    calls: list[Any] = [
        lambda: world.hub.mint_links(session_id),
        lambda: world.hub.agents(session_id),
        lambda: world.hub.disconnect(session_id),
    ]
    for call in calls:
        with pytest.raises(ChannelError) as caught:
            call()
        codes.add(caught.value.code)
    (code,) = codes
    return code


def forged(session_id: str, secret: bytes) -> str:
    parsed = parse_session_text(session_id)
    assert parsed is not None
    return session_text(parsed[0], secret)


def test_the_id_without_its_secret_is_refused_everywhere() -> None:
    world = HubWorld()
    ann = world.client("ann")
    head = ann.session_id.split(".")[0]
    for tried in (
        forged(ann.session_id, bytes(SECRET_BYTES)),
        forged(ann.session_id, b"\xff" * SECRET_BYTES),
    ):
        assert refusal(world, tried) == ErrorCode.SESSION_REFUSED
        with pytest.raises(ChannelError) as caught:
            world.connect("ann", session_id=tried)
        assert caught.value.code == ErrorCode.SESSION_REFUSED
    for tried in (head, head + ".", "." + ann.session_id.split(".")[1], ""):
        assert refusal(world, tried) == ErrorCode.SESSION_UNKNOWN
    assert ann.link.closed is None


def test_ids_and_secrets_are_random_and_long() -> None:
    """128 bits of id and 192 of secret, from the injected source of randomness, never from a counter."""
    assert (SESSION_ID_BYTES * 8, SECRET_BYTES * 8) == (128, 192)
    world = HubWorld()
    parsed = [parse_session_text(world.connect(f"agent-{n}", f"room-{n}").session_id) for n in range(25)]
    ids = {pair[0] for pair in parsed if pair is not None}
    secrets = {pair[1] for pair in parsed if pair is not None}
    assert len(ids) == len(secrets) == 25
    first_bits = [sum(value[position] & 1 for value in ids) for position in range(SESSION_ID_BYTES)]
    assert all(2 < count < 23 for count in first_bits)


@pytest.mark.parametrize("first_use", ["a call", "a link"])
def test_a_stolen_secret_is_dead_once_its_successor_was_used(first_use: str) -> None:
    """The successor is used by any call with it, or by ATTACH on a link that came in the same answer."""
    world = HubWorld()
    ann = world.client("ann")
    stolen = ann.session_id
    answer = world.hub.mint_links(stolen)
    assert world.hub.agents(stolen)  # the answer may still be lost on its way
    if first_use == "a call":
        world.hub.agents(answer.session_id)
    else:
        ann.claims = [offer.token.removeprefix(b"token:") for offer in answer.links]
        ann.attach("websocket")
    assert refusal(world, stolen) == ErrorCode.SESSION_REFUSED
    assert world.hub.agents(answer.session_id)
    assert ann.link.closed is None


def test_every_secret_that_ever_was_is_dead_but_the_last() -> None:
    world = HubWorld()
    ann = world.client("ann")
    old = []
    for turn in range(20):
        old.append(ann.session_id)
        answer = (
            world.hub.mint_links(ann.session_id)
            if turn % 2
            else world.connect("ann", session_id=ann.session_id)
        )
        ann.session_id = answer.session_id
        ann.claims = [offer.token.removeprefix(b"token:") for offer in answer.links]
        ann.attach()
    assert {refusal(world, session_id) for session_id in old} == {ErrorCode.SESSION_REFUSED}
    assert world.hub.agents(ann.session_id)


def test_a_thief_who_is_faster_is_noticed() -> None:
    """Who resumes with the stolen secret closes the owner's link, and the owner's next call is refused."""
    world = HubWorld()
    ann = world.client("ann")
    thief = Client(world, world.connect("ann", session_id=ann.session_id))
    thief.attach()
    assert ann.link.closed is not None and ann.link.closed[0] == CloseCode.REPLACED
    assert refusal(world, ann.session_id) == ErrorCode.SESSION_REFUSED


def test_the_tokens_of_an_older_answer_open_nothing_once_a_newer_link_is_there() -> None:
    world = HubWorld()
    ann = world.client("ann")
    older = world.hub.mint_links(ann.session_id)
    newer = world.hub.mint_links(ann.session_id)
    ann.claims = [offer.token.removeprefix(b"token:") for offer in newer.links]
    ann.attach()
    ann.claims = [offer.token.removeprefix(b"token:") for offer in older.links]
    with pytest.raises(ChannelError) as caught:
        ann.open()
    assert caught.value.code == ErrorCode.LINK_REFUSED


def test_nobody_is_given_a_session_that_another_has_chosen() -> None:
    """Fixation: an id that the server did not give out opens a new session under another id."""
    world = HubWorld()
    chosen = session_text(b"chosen by others", bytes(SECRET_BYTES))
    answer = world.connect("ann", session_id=chosen)
    assert not answer.resumed
    assert answer.session_id.split(".")[0] != chosen.split(".")[0]
    assert refusal(world, chosen) == ErrorCode.SESSION_UNKNOWN


def test_an_ended_session_is_not_revived_by_its_secret() -> None:
    world = HubWorld()
    ann = world.client("ann")
    world.hub.disconnect(ann.session_id)
    assert refusal(world, ann.session_id) == ErrorCode.SESSION_UNKNOWN
    assert not world.connect("ann", session_id=ann.session_id).resumed


def test_a_second_spelling_of_the_same_bytes_is_no_session() -> None:
    world = HubWorld()
    head, _, tail = world.connect("ann").session_id.partition(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(head[-1])
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = head[:-1] + alphabet[last ^ 1]
    assert base64.urlsafe_b64decode(other + "==") == base64.urlsafe_b64decode(head + "==")
    assert refusal(world, f"{other}.{tail}") == ErrorCode.SESSION_UNKNOWN


def test_no_log_line_holds_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Canaries: everything that was ever secret is looked for in everything that was logged."""
    caplog.set_level(logging.DEBUG)
    world = HubWorld()
    chance = random.Random(1)
    ann = world.client("ann")
    secrets = [world.key, ann.session_id, ann.session_id.split(".")[1]]
    for _ in range(5):
        answer = world.hub.mint_links(ann.session_id)
        ann.session_id = answer.session_id
        secrets += [answer.session_id, answer.session_id.split(".")[1]]
        secrets += [offer.token.hex() for offer in answer.links]
        ann.claims = [offer.token.removeprefix(b"token:") for offer in answer.links]
        ann.attach(chance.choice(("udp", "websocket")))
        ann.send(b"hello", Delivery.ORDERED)
        ann.link.break_()
    ann.attach()
    ann.raw(5, Delivery.ORDERED, b"a fault")
    with pytest.raises(ChannelError):
        world.hub.mint_links(secrets[1])
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "link_attached" in logged
    assert not [secret for secret in secrets if secret in logged]
