"""Seeded randomness is SplitMix64, evenly spread and independent by label."""

from __future__ import annotations

from simnet.chance import Chance


def test_it_is_splitmix64():
    chance = Chance(0)
    chance._state = 1234567
    # The reference values published with the algorithm for the seed 1234567.
    assert [chance.u64() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_streams_differ_by_seed_and_by_label_and_repeat():
    assert Chance(1, "a").take(32) == Chance(1, "a").take(32)
    assert len({Chance(1, "a").take(32), Chance(2, "a").take(32), Chance(1, "b").take(32)}) == 3


def test_bytes_have_the_length_asked_for():
    chance = Chance(3)
    assert [len(chance.take(length)) for length in (0, 1, 7, 8, 9, 33)] == [0, 1, 7, 8, 9, 33]


def test_uniform_is_uniform():
    chance = Chance(5)
    buckets = [0] * 10
    for _ in range(10_000):
        buckets[int(chance.uniform() * 10)] += 1
    assert all(850 < count < 1150 for count in buckets)
    assert {chance.below(6) for _ in range(200)} == set(range(6))
