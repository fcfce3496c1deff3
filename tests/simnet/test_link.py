"""The link model: each fault by itself, exactly where it can be exact, within bounds where it is chance."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simnet.link import LinkModel, LinkProfile
from simnet.loss import GilbertElliott

DATA = bytes(range(100))

profiles = st.builds(
    LinkProfile,
    delay_s=st.floats(0, 0.5),
    jitter_s=st.floats(0, 0.2),
    loss=st.one_of(
        st.floats(0, 1), st.builds(GilbertElliott, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
    ),
    duplicate=st.floats(0, 1),
    reorder=st.floats(0, 1),
    corrupt=st.floats(0, 1),
    rate_bytes_per_s=st.none() | st.floats(1e3, 1e7),
    queue_bytes=st.none() | st.integers(0, 10_000),
    mtu=st.none() | st.integers(1, 2000),
)
offers = st.lists(st.tuples(st.integers(0, 1500), st.floats(0, 0.05)), max_size=60)


def play(link: LinkModel, calls: list[tuple[int, float]]) -> list[list[tuple[float, bytes]]]:
    now, arrivals = 0.0, []
    for length, gap in calls:
        now += gap
        arrivals.append(link.transmit(bytes(length), now))
    return arrivals


def fates(link: LinkModel, datagrams: int) -> list[bool]:
    return [bool(link.transmit(DATA, number * 0.01)) for number in range(datagrams)]


@given(profiles, st.integers(0, 2**64), offers)
@settings(max_examples=60)
def test_same_seed_and_calls_give_the_same_arrivals(profile, seed, calls):
    assert play(profile.link(seed), calls) == play(profile.link(seed), calls)


@given(profiles, st.integers(0, 2**32), offers)
@settings(max_examples=60)
def test_nothing_arrives_before_it_was_sent_and_every_datagram_is_accounted_for(profile, seed, calls):
    link = profile.link(seed)
    now = 0.0
    for (_, gap), arrivals in zip(calls, play(link, calls), strict=True):
        now += gap
        assert all(when >= now + profile.delay_s - 1e-12 for when, _ in arrivals)
        assert len(arrivals) <= 2
    stats = link.stats
    assert stats.offered == len(calls)
    once = stats.arrived - stats.duplicated
    assert once + stats.lost + stats.oversize + stats.queue_dropped == stats.offered


def test_another_seed_has_other_losses():
    assert fates(LinkModel(1, loss=0.3), 200) != fates(LinkModel(2, loss=0.3), 200)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_independent_loss_keeps_its_rate(rate):
    datagrams = 20_000
    lost = fates(LinkModel(7, loss=rate), datagrams).count(False)
    assert abs(lost - rate * datagrams) < 4 * math.sqrt(datagrams * rate * (1 - rate))


def test_burst_loss_keeps_its_rate_and_comes_in_bursts():
    model = GilbertElliott(p=0.01, r=0.25, h=0.5)
    assert model.loss_rate == pytest.approx(0.01 / 0.26 * 0.5)
    got = fates(LinkModel(3, loss=model), 60_000)
    rate = got.count(False) / len(got)
    assert rate == pytest.approx(model.loss_rate, rel=0.15)
    after_a_loss = [later for earlier, later in itertools.pairwise(got) if not earlier]
    assert after_a_loss.count(False) / len(after_a_loss) > 10 * rate


def test_a_burst_model_that_never_leaves_the_good_state_loses_by_its_k():
    assert GilbertElliott(p=0, r=0, k=0.9).loss_rate == pytest.approx(0.1)
    got = fates(LinkModel(3, loss=GilbertElliott(p=0, r=0, h=0, k=1)), 100)
    assert all(got)


def test_losses_do_not_depend_on_the_other_faults():
    plain = LinkModel(5, loss=0.2)
    faulty = LinkModel(5, loss=0.2, jitter_s=0.1, duplicate=0.5, reorder=0.5, corrupt=0.5)
    slow = LinkModel(5, loss=0.2, rate_bytes_per_s=1e6)
    expected = fates(plain, 500)
    assert fates(faulty, 500) == expected
    assert fates(slow, 500) == expected


def test_a_dropped_datagram_uses_up_its_place_in_the_loss_pattern():
    plain, narrow = LinkModel(5, loss=0.2), LinkModel(5, loss=0.2, mtu=50)
    for number in range(300):
        wanted = bool(plain.transmit(bytes(20), number * 0.01))
        if number % 3 == 0:
            assert narrow.transmit(bytes(60), number * 0.01) == []
        else:
            assert bool(narrow.transmit(bytes(20), number * 0.01)) == wanted


def test_jitter_stays_within_its_span_and_uses_all_of_it():
    link = LinkModel(1, delay_s=0.1, jitter_s=0.05)
    delays = [link.transmit(DATA, 0.0)[0][0] for _ in range(2000)]
    assert 0.1 <= min(delays) < 0.101
    assert 0.149 < max(delays) < 0.15
    assert sum(delays) / len(delays) == pytest.approx(0.125, abs=0.002)


def test_duplicates_arrive_twice_each_with_its_own_jitter():
    link = LinkModel(1, duplicate=1.0, jitter_s=0.01)
    arrivals = link.transmit(DATA, 1.0)
    assert [data for _, data in arrivals] == [DATA, DATA]
    assert arrivals[0][0] != arrivals[1][0]
    assert link.stats.duplicated == 1


def test_a_reordered_datagram_is_overtaken_by_the_next():
    link = LinkModel(4, delay_s=0.01, reorder=0.3, reorder_s=0.025)
    arrivals = [link.transmit(DATA, number * 0.01)[0][0] for number in range(1000)]
    overtaken = sum(later < earlier for earlier, later in itertools.pairwise(arrivals))
    assert link.stats.reordered == pytest.approx(300, abs=60)
    assert overtaken > 150


def test_corruption_flips_exactly_one_bit_and_leaves_the_length():
    link = LinkModel(2, corrupt=1.0)
    positions = set()
    for _ in range(300):
        [(_, damaged)] = link.transmit(DATA, 0.0)
        difference = int.from_bytes(damaged, "big") ^ int.from_bytes(DATA, "big")
        assert len(damaged) == len(DATA)
        assert difference.bit_count() == 1
        positions.add(difference.bit_length())
    assert len(positions) > 200
    assert LinkModel(2, corrupt=1.0).transmit(b"", 0.0) == [(0.0, b"")]


def test_the_bottleneck_sends_one_after_the_other_at_its_rate():
    link = LinkModel(delay_s=0.5, rate_bytes_per_s=1000)
    assert [link.transmit(bytes(100), 1.0)[0][0] for _ in range(3)] == pytest.approx([1.6, 1.7, 1.8])
    assert link.transmit(bytes(250), 2.0)[0][0] == pytest.approx(2.75)


def test_the_queue_drops_at_its_tail_and_empties_at_the_rate():
    link = LinkModel(rate_bytes_per_s=1024, queue_bytes=1024)
    accepted = [bool(link.transmit(bytes(256), 0.0)) for _ in range(6)]
    assert accepted == [True] * 4 + [False] * 2
    assert link.stats.queue_dropped == 2
    assert link.queued_bytes(0.0) == 1024
    assert link.queued_bytes(0.2499) == 1024
    assert link.queued_bytes(0.25) == 768
    assert link.transmit(bytes(257), 0.25) == []
    assert link.transmit(bytes(256), 0.25) == [(1.25, bytes(256))]
    assert link.queued_bytes(1.25) == 0


@given(offers, st.sampled_from([500.0, 10_000.0, 125_000.0]), st.sampled_from([None, 0, 1500, 4000]))
@settings(max_examples=60)
def test_the_bottleneck_equals_a_reference(calls, rate, limit):
    link = LinkModel(rate_bytes_per_s=rate, queue_bytes=limit)
    now, free_at, held = 0.0, 0.0, []
    for length, gap in calls:
        now += gap
        held = [(when, size) for when, size in held if when > now]
        arrivals = link.transmit(bytes(length), now)
        if limit is not None and sum(size for _, size in held) + length > limit:
            assert arrivals == []
            continue
        free_at = max(now, free_at) + length / rate
        held.append((free_at, length))
        assert arrivals == [(free_at, bytes(length))]


def test_a_lost_datagram_still_takes_its_time_at_the_bottleneck():
    link = LinkModel(loss=1.0, rate_bytes_per_s=1000)
    assert link.transmit(bytes(500), 0.0) == []
    assert link.queued_bytes(0.4) == 500


def test_longer_than_the_mtu_vanishes():
    link = LinkModel(mtu=100)
    assert link.transmit(bytes(100), 0.0)
    assert not link.transmit(bytes(101), 0.0)
    assert link.stats.oversize == 1


def test_a_link_that_is_down_loses_all_and_up_again_goes_on_with_its_pattern():
    plain, cut = LinkModel(9, loss=0.5), LinkModel(9, loss=0.5)
    expected = fates(plain, 60)
    first = fates(cut, 20)
    cut.down = True
    assert not any(fates(cut, 20))
    cut.down = False
    assert first + fates(cut, 20) == expected[:20] + expected[40:]
    assert cut.stats.cut == 20


def test_a_healed_link_keeps_its_delay_and_nothing_else():
    link = LinkModel(
        1, delay_s=0.03, jitter_s=1, loss=1.0, duplicate=1, corrupt=1, mtu=10, rate_bytes_per_s=1
    )
    link.down = True
    link.heal()
    assert link.transmit(DATA, 2.0) == [(2.03, DATA)]


def test_a_changed_link_keeps_its_counters_and_what_waits():
    link = LinkModel(rate_bytes_per_s=100)
    link.transmit(bytes(100), 0.0)
    link.change(LinkProfile(rate_bytes_per_s=200), seed=4)
    assert link.transmit(bytes(100), 0.0)[0][0] == pytest.approx(1.5)
    assert link.stats.offered == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"delay_s": -1},
        {"jitter_s": float("nan")},
        {"reorder_s": float("inf")},
        {"loss": 1.01},
        {"duplicate": -0.1},
        {"corrupt": 2},
        {"rate_bytes_per_s": 0},
        {"queue_bytes": -1},
        {"mtu": 0},
    ],
)
def test_parameters_no_link_has_are_refused_with_their_name(wrong):
    [name] = wrong
    with pytest.raises(ValueError, match=name):
        LinkModel(**wrong)


def test_a_burst_model_wants_probabilities():
    with pytest.raises(ValueError, match="r must be within"):
        GilbertElliott(p=0.1, r=1.5)
