"""A19, A20: guessing a channel's password is slow and tells nothing; an id neither reveals nor meets another."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from hub.access import channel_id
from hub.config import HubConfig
from hub.errors import ChannelError, ErrorCode
from messaging.secrets import derive, salt_for
from tests.support.hub_world import HubWorld

ADDRESSES = 10
GUESSES = 10_000
MINUTE_S = 60.0


def guesses(seed: int) -> Iterator[bytes]:
    draw = random.Random(seed)
    while True:
        yield draw.randbytes(32)


def test_ten_thousand_guesses_from_ten_addresses_are_answered_at_the_pace_of_creating() -> None:
    """A19: of each (key, address) 30 at once, then one in two seconds; all others are 429 before any look-up."""
    world = HubWorld(max_channels=100_000)
    config = HubConfig()
    world.client("owner", proof=b"the right proof".ljust(32))
    answered, refused = 0, 0
    proofs = guesses(1)
    for number in range(GUESSES):
        try:
            answer = world.connect(
                f"guess-{number}", proof=next(proofs), remote_address=f"192.0.2.{number % ADDRESSES}"
            )
            assert answer.created  # a wrong password is an empty channel of one's own
            answered += 1
        except ChannelError as error:
            assert error.code == ErrorCode.THROTTLED
            assert error.retry_after_s is not None and error.retry_after_s <= 2.0
            refused += 1
        world.clock.advance(MINUTE_S / GUESSES)
    assert answered + refused == GUESSES
    allowed = ADDRESSES * (config.creates_burst + config.creates_per_s * MINUTE_S)
    assert 0.9 * allowed < answered <= allowed


def test_once_throttled_the_right_password_is_refused_like_a_wrong_one() -> None:
    """A19: the same code, status and text: who guesses cannot tell that one of them was right."""
    world = HubWorld()
    right = b"the right proof".ljust(32)
    world.client("owner", proof=right, remote_address="198.51.100.1")
    proofs = guesses(2)
    answers = []
    for number in range(60):
        proof = right if number in (40, 50) else next(proofs)
        try:
            answers.append(world.connect(f"guess-{number}", proof=proof).created)
        except ChannelError as error:
            answers.append((error.code, error.http_status, error.text))
    assert answers[:30] == [True] * 30
    assert len(set(answers[30:])) == 1


def test_a_whole_ipv6_network_is_one_caller_and_one_who_guesses_harms_nobody_else() -> None:
    world = HubWorld()
    proofs = guesses(3)
    refused = 0
    for number in range(100):
        try:
            world.connect(f"g{number}", proof=next(proofs), remote_address=f"2001:db8::{number:x}")
        except ChannelError:
            refused += 1
    assert refused == 70
    assert world.connect("honest", channel="another", remote_address="2001:db8:0:1::1").created


def test_a_guess_costs_the_guesser_six_hundred_thousand_rounds_and_the_server_none() -> None:
    """A19: the slow hash runs at the client; the server sees a proof, made with the channel's own salt."""
    assert salt_for("room", "private") != salt_for("other", "private") != salt_for("other", "public")
    one, two = derive("password", "room", "private"), derive("password", "other", "private")
    assert one.proof != two.proof
    assert one.proof != one.message_key


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(texts, texts, texts, st.binary(min_size=32, max_size=32), st.integers(0, 20), st.integers(0, 20))
def test_no_other_split_of_the_same_characters_is_the_same_channel(
    name: str, developer: str, scope: str, proof: bytes, cut: int, move: int
) -> None:
    """A20: every field has its length in front, so ("ab", "c") and ("a", "bc") never meet."""
    joined = developer + name
    at = cut % (len(joined) + 1)
    other = joined[:at], joined[at:]
    same = other == (developer, name)
    ids = [channel_id(b"s" * 32, "private", d, n, proof) for d, n in ((developer, name), other)]
    assert (ids[0] == ids[1]) == same
    # Characters moved between the name and the proof.
    tail = name[-(move % 4) :] if move % 4 else ""
    shorter = name[: len(name) - len(tail)]
    moved = (tail.encode() + proof)[:32]
    if tail:
        assert channel_id(b"s" * 32, "private", developer, shorter, moved) != ids[0]


def test_an_id_says_nothing_without_the_servers_secret_and_admits_nobody() -> None:
    """A20: the id is a MAC; knowing it is no way in."""
    proof = bytes(32)
    ids = {channel_id(bytes([n]) * 32, "private", "dev", "room", proof) for n in range(50)}
    assert len(ids) == 50
    world = HubWorld()
    owner = world.client("owner")
    for attempt in ({"channel": owner.answer.channel_id}, {"proof": owner.answer.channel_id.encode()[:32]}):
        try:
            answer = world.connect("eve", **attempt)
        except ChannelError as error:
            assert error.code == ErrorCode.REQUEST_INVALID
        else:
            assert answer.channel_id != owner.answer.channel_id
    assert [agent.name for agent in world.hub.agents(owner.session_id)] == ["owner"]
