"""Every preset makes links that carry something and differ by direction."""

from __future__ import annotations

import pytest

from simnet.presets import PRESETS, preset


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_carries_datagrams_both_ways_and_repeats_with_its_seed(name):
    for one, other in zip(preset(name).links(4), preset(name).links(4), strict=True):
        outcome = [one.transmit(bytes(100), number / 60) for number in range(300)]
        assert outcome == [other.transmit(bytes(100), number / 60) for number in range(300)]
        assert sum(map(bool, outcome)) > 200


def test_the_two_directions_have_their_own_luck():
    up, down = preset("loss-5").links(1)
    assert [bool(up.transmit(b"x", 0)) for _ in range(200)] != [
        bool(down.transmit(b"x", 0)) for _ in range(200)
    ]


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'moon'.*bursts.*phone"):
        preset("moon")
