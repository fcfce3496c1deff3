"""The world: order, timers, determinism, faults from outside, and nodes that never come to rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.ports import Clock
from simnet.eventlog import EventKind
from simnet.link import LinkModel, LinkProfile
from simnet.node import StuckNode
from simnet.presets import preset
from simnet.trace import FateTrace, TraceLink
from simnet.world import World

A, B = ("10.0.0.1", 1000), ("10.0.0.2", 2000)


class Silent:
    """Hears, and says only what it is told to."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self.heard: list[tuple[float, bytes, tuple]] = []
        self.outbox: list[tuple[bytes, tuple]] = []
        self.asked = 0

    def say(self, data: bytes, to: tuple) -> None:
        self.outbox.append((data, to))
        self.wake()

    def receive_datagram(self, data, addr, now):
        self.heard.append((now, data, addr))

    def datagrams_to_send(self, now):
        self.asked += 1
        out, self.outbox = self.outbox, []
        return out

    def next_timer(self):
        return None

    def handle_timer(self, now):
        raise AssertionError("no timer was set")


class Echo(Silent):
    """Answers everything."""

    def receive_datagram(self, data, addr, now):
        super().receive_datagram(data, addr, now)
        self.outbox.append((b"re:" + data, addr))


class Ticker(Silent):
    """Sends a numbered datagram at a fixed rate."""

    def __init__(self, peer, hz: float, start: float = 0.0) -> None:
        super().__init__()
        self.peer, self.period, self.due, self.number = peer, 1 / hz, start, 0
        self.fired: list[float] = []

    def next_timer(self):
        return self.due

    def handle_timer(self, now):
        assert now >= self.due
        self.fired.append(now)
        self.due += self.period
        self.outbox.append((self.number.to_bytes(4, "big"), self.peer))
        self.number += 1


def two(world: World, a, b, forward=None, backward=None):
    world.add(a, A)
    world.add(b, B)
    if forward is not None:
        world.connect(A, B, forward, backward)
    return a, b


def test_a_datagram_takes_the_delay_of_its_link_and_the_answer_that_of_its_own():
    world = World()
    a, b = two(world, Silent(), Echo(), LinkModel(delay_s=0.025), LinkModel(delay_s=0.010))
    a.say(b"hello", B)
    world.run_until(1.0)
    assert b.heard == [(0.025, b"hello", A)]
    assert a.heard == [(0.035, b"re:hello", B)]
    assert world.now() == 1.0


def test_nothing_happens_before_its_time():
    world = World()
    a, b = two(world, Silent(), Silent(), LinkModel(delay_s=0.025))
    a.say(b"x", B)
    world.run_until(0.024999999)
    assert b.heard == []
    world.run_for(0.000000001)
    assert len(b.heard) == 1


def test_pairs_without_a_link_of_their_own_get_the_default_each_way_its_own():
    world = World(default_link=LinkProfile(delay_s=0.5))
    a, _b = two(world, Silent(), Echo())
    a.say(b"x", B)
    world.run_until(2)
    assert [now for now, _, _ in a.heard] == [1.0]
    assert world.link(A, B) is not world.link(B, A)


def test_all_that_arrives_in_one_instant_is_answered_in_one_flush():
    world = World()
    a, b = two(world, Silent(), Echo(), LinkModel(delay_s=0.1), LinkModel(delay_s=0.1))
    world.run_until(0)
    before = b.asked
    for number in range(5):
        a.say(bytes([number]), B)
    world.run_until(1)
    assert b.asked == before + 1
    assert [data for _, data, _ in a.heard] == [b"re:" + bytes([number]) for number in range(5)]


def test_timers_fire_when_due_and_not_before():
    world = World()
    ticker, listener = two(world, Ticker(B, 60), Silent(), LinkModel())
    world.run_until(10)
    assert len(ticker.fired) == 601 or len(ticker.fired) == 600
    for number, fired in enumerate(ticker.fired):
        assert fired == pytest.approx(number / 60, abs=2e-9)
    assert len(listener.heard) == len(ticker.fired)


def test_a_timer_that_is_moved_to_a_later_time_fires_only_then():
    world = World()
    ticker, _ = two(world, Ticker(B, 1, start=1.0), Silent())
    world.run_until(0.5)
    ticker.due = 3.25
    world.run_until(5)
    assert ticker.fired == [3.25, 4.25]


def test_a_timer_that_is_moved_to_an_earlier_time_fires_then():
    world = World()
    ticker, _ = two(world, Ticker(B, 1, start=9.0), Silent())
    world.run_until(0.5)
    ticker.due = 2.0
    ticker.wake()
    world.run_until(2.5)
    assert ticker.fired == [2.0]


def busy_world(seed: int) -> World:
    world = World(seed)
    two(world, Ticker(B, 60), Ticker(A, 50), *preset("hostile").links(seed))
    world.run_until(5)
    return world


def test_same_seed_same_digest_and_other_seed_other_digest():
    assert busy_world(1).digest() == busy_world(1).digest()
    assert busy_world(1).digest() != busy_world(2).digest()


@given(st.integers(0, 2**32), st.lists(st.floats(0.001, 1.0), min_size=1, max_size=8))
@settings(max_examples=15)
def test_how_a_run_is_sliced_does_not_change_it(seed, slices):
    def world() -> World:
        made = World(seed)
        two(made, Ticker(B, 60), Ticker(A, 33), *preset("far").links(seed))
        return made

    whole, sliced, stepped = world(), world(), world()
    for seconds in slices:
        sliced.run_for(seconds)
    end = sliced.now()
    whole.run_until(end)
    while stepped._heap == [] or stepped._heap[0][0] <= round(end * 1e9):
        stepped.step()
    assert whole.digest() == sliced.digest() == stepped.digest()


def test_the_digest_covers_time_bytes_and_addresses():
    def digest(data: bytes, delay_s: float, to) -> str:
        world = World()
        a, _ = two(world, Silent(), Silent(), LinkModel(delay_s=delay_s))
        a.say(data, to)
        world.run_until(1)
        return world.digest()

    same = digest(b"x", 0.1, B)
    assert same == digest(b"x", 0.1, B)
    assert len({same, digest(b"y", 0.1, B), digest(b"x", 0.2, B), digest(b"x", 0.1, ("nobody", 1))}) == 4


def test_recorded_events_tell_what_happened():
    world = World(record=True)
    a, _ = two(world, Silent(), Silent(), LinkModel(delay_s=0.1))
    a.say(b"x", B)
    a.say(b"lost", ("nobody", 1))
    world.run_until(1)
    told = [(event.at_s, event.kind, event.destination, event.data) for event in world.events[2:]]
    assert told == [
        (0.0, EventKind.SENT, B, b"x"),
        (0.0, EventKind.UNROUTED, ("nobody", 1), b"lost"),
        (0.1, EventKind.ARRIVED, B, b"x"),
    ]
    with pytest.raises(ValueError, match="record=True"):
        _ = World().events


def test_it_is_a_clock_for_whatever_lives_in_it():
    world = World(start_s=5.0, wall_start_s=1000.0)
    clock: Clock = world
    called: list[tuple[str, float]] = []
    clock.call_at(7.0, lambda: called.append(("later", clock.now())))
    clock.call_at(6.0, lambda: called.append(("sooner", clock.now())))
    clock.call_at(1.0, lambda: called.append(("past", clock.now())))
    never = clock.call_at(6.5, lambda: called.append(("never", clock.now())))
    never.cancel()
    assert called == []
    world.run_until(10)
    assert called == [("past", 5.0), ("sooner", 6.0), ("later", 7.0)]
    assert (clock.now(), clock.wall()) == (10.0, 1005.0)
    never.cancel()


def test_what_a_call_lets_a_node_say_goes_out_in_the_same_instant():
    world = World()
    a, b = two(world, Silent(), Silent(), LinkModel(delay_s=0.1))
    world.call_at(2.0, lambda: a.say(b"called", B))
    world.run_until(3)
    assert b.heard == [(2.1, b"called", A)]


def test_a_node_that_cannot_wake_the_world_is_poked():
    world = World()
    a, b = two(world, Silent(), Silent(), LinkModel(delay_s=0.1))
    world.run_until(1)
    a.outbox.append((b"x", B))
    world.run_until(2)
    assert b.heard == []
    world.poke(A)
    world.run_until(3)
    assert b.heard == [(2.1, b"x", A)]


def test_run_until_true_stops_at_the_instant_that_makes_it_true():
    world = World()
    a, b = two(world, Ticker(B, 10), Silent(), LinkModel(delay_s=0.05))
    assert world.run_until_true(lambda: len(b.heard) == 3, timeout_s=5)
    assert world.now() == pytest.approx(0.25, abs=1e-8)
    assert not world.run_until_true(lambda: a.number > 1000, timeout_s=5)
    assert world.now() == pytest.approx(5.25)


def test_step_goes_on_until_nothing_is_left():
    world = World()
    a, b = two(world, Silent(), Silent(), LinkModel(delay_s=0.1, duplicate=1.0, jitter_s=0.1))
    a.say(b"x", B)
    steps = 0
    while world.step():
        steps += 1
    assert steps == len(b.heard) == 2


def test_invariants_are_checked_after_every_instant():
    world = World()
    _, b = two(world, Ticker(B, 10), Silent(), LinkModel(delay_s=0.05))
    seen: list[int] = []
    world.after_instant = lambda: seen.append(len(b.heard))
    world.run_until(0.26)
    assert seen == [0, 1, 1, 2, 2, 3]


def test_an_outage_loses_what_is_sent_and_ends():
    world = World()
    _, b = two(world, Ticker(B, 10), Silent(), LinkModel(delay_s=0.01), LinkModel())
    world.run_until(1.05)
    before = len(b.heard)
    world.outage(A, B, 2.0)
    world.run_until(3.0)
    assert len(b.heard) == before
    world.run_until(4.06)
    assert len(b.heard) == before + 10 or len(b.heard) == before + 11


def test_cutting_wants_links_that_can_be_cut():
    world = World()
    two(world, Silent(), Silent(), TraceLink(FateTrace(((0,),))), LinkModel())
    with pytest.raises(ValueError, match="TraceLink"):
        world.cut(A, B)


def test_after_heal_nothing_is_lost_any_more():
    world = World(default_link=LinkProfile(delay_s=0.01, loss=1.0))
    a, b = two(world, Silent(), Silent())
    a.say(b"lost", B)
    world.run_until(1)
    world.heal()
    a.say(b"kept", B)
    b.say(b"first of its direction", A)
    world.run_until(2)
    assert [data for _, data, _ in b.heard] == [b"kept"]
    assert len(a.heard) == 1


def test_a_rebound_node_keeps_its_links_and_is_heard_under_its_new_address():
    world = World()
    a, b = two(world, Silent(), Echo(), LinkModel(delay_s=0.1), LinkModel(delay_s=0.1))
    a.say(b"one", B)
    world.run_until(0.15)
    new = ("203.0.113.9", 4)
    world.rebind(A, new)
    world.run_until(1)
    assert a.heard == []
    a.say(b"two", B)
    world.run_until(2)
    assert [addr for _, _, addr in b.heard] == [A, new]
    assert [(now, data) for now, data, _ in a.heard] == [(1.2, b"re:two")]


def test_a_removed_node_hears_and_says_nothing():
    world = World()
    a, b = two(world, Ticker(B, 10), Silent(), LinkModel(delay_s=0.05))
    world.run_until(0.12)
    world.remove(B)
    world.run_until(1)
    assert len(b.heard) == 1
    world.remove(A)
    fired = len(a.fired)
    world.run_until(2)
    assert len(a.fired) == fired


def test_an_injected_datagram_arrives_under_the_address_it_claims():
    world = World()
    _, b = two(world, Silent(), Silent(), LinkModel(loss=1.0))
    world.inject(b"forged", ("6.6.6.6", 6), B)
    world.run_until(0.1)
    assert b.heard == [(0.0, b"forged", ("6.6.6.6", 6))]


def test_an_address_is_given_once_and_strangers_are_refused():
    world = World()
    two(world, Silent(), Silent())
    with pytest.raises(ValueError, match="taken"):
        world.add(Silent(), A)
    with pytest.raises(ValueError, match="taken"):
        world.rebind(A, B)
    with pytest.raises(ValueError, match="nobody lives"):
        world.connect(A, ("nowhere", 1), LinkModel())


def test_a_node_with_a_clock_of_its_own_sees_only_that():
    world = World()
    ticker = Ticker(B, 1, start=1000.0)
    listener = Silent()
    world.add(ticker, A, clock_offset_s=990.0, clock_rate=1.25)
    world.add(listener, B)
    world.connect(A, B, LinkModel())
    world.run_until(10.0)
    assert ticker.fired == pytest.approx([1000.0, 1001.0, 1002.0])
    assert [now for now, _, _ in listener.heard] == pytest.approx([8.0, 8.8, 9.6])
    with pytest.raises(ValueError, match="clock_rate"):
        world.add(Silent(), ("c", 1), clock_rate=0)


def test_randomness_for_nodes_repeats_with_the_seed_and_differs_by_label():
    assert World(1).random("a")(40) == World(1).random("a")(40)
    assert World(1).random("a")(40) != World(1).random("b")(40)
    assert World(1).random("a")(40) != World(2).random("a")(40)


class Stuck(Ticker):
    def handle_timer(self, now):
        self.fired.append(now)


class Crawling(Ticker):
    def handle_timer(self, now):
        self.due = now + 1e-9


def test_a_timer_that_does_not_move_is_an_error_that_names_the_node():
    world = World()
    two(world, Stuck(B, 1, start=0.5), Silent())
    with pytest.raises(StuckNode, match=r"'10.0.0.1', 1000.*Stuck.*does not move.*0.5"):
        world.run_until(1)


def test_a_timer_that_crawls_is_an_error():
    world = World(max_timers_per_s=1000)
    two(world, Crawling(B, 1), Silent())
    with pytest.raises(StuckNode, match="more than 1000 times"):
        world.run_until(1)


def test_a_timer_that_is_no_time_is_an_error():
    world = World()
    two(world, Ticker(B, 1, start=float("nan")), Silent())
    with pytest.raises(StuckNode, match="nan"):
        world.run_until(1)


def test_two_echoes_without_delay_are_an_error_not_a_hang():
    class Parrot(Echo):
        def receive_datagram(self, data, addr, now):
            self.outbox.append((data, addr))

    world = World()
    a, _ = two(world, Parrot(), Parrot(), LinkModel(), LinkModel())
    a.say(b"x", B)
    with pytest.raises(StuckNode, match="time stands still"):
        world.run_until(1)


def test_a_node_that_wakes_whenever_it_is_asked_is_an_error_not_a_hang():
    class Restless(Silent):
        def datagrams_to_send(self, now):
            self.wake()
            return []

    world = World()
    with pytest.raises(StuckNode, match=r"10\.0\.0\.1.*wake without end"):
        two(world, Restless(), Silent())
        world.run_until(1)


def test_a_datagram_no_socket_would_take_is_the_nodes_mistake():
    world = World()
    a, _ = two(world, Silent(), Silent())
    a.say(bytes(65_508), B)
    with pytest.raises(ValueError, match="65507"):
        world.run_until(1)


def test_a_pinned_run_stays_the_same_on_every_machine():
    world = busy_world(20)
    assert world.digest()[:16] == "70f1824dfc588019"
