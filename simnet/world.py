"""A world: nodes and links on one virtual clock. The same seed and script give the same run."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any, Protocol

from simnet.chance import Chance
from simnet.eventlog import Address, Event, EventKind, EventLog
from simnet.link import LinkModel, LinkProfile
from simnet.node import Host, Node, StuckNode
from simnet.trace import Transmitter

_NS = 1_000_000_000
_MAX_DATAGRAM = 65_507
_MAX_EVENTS_AT_ONE_INSTANT = 200_000
_MAX_ROUNDS = 1000
"""How often nodes may wake themselves while they are asked what they send."""
_DEFAULT_LINK = LinkProfile(delay_s=0.001)


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has happened."""


class _Call:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class World:
    """Nodes, links and virtual time. Also a clock (`now`, `wall`, `call_at`) for whatever else lives in it.

    At each instant everything due happens in the order in which it was scheduled: arrivals, timers, calls.
    Then every node concerned is asked once for what it sends, in the order in which nodes were added, as a
    driver does at the end of a wake-up. Whoever uses a node from outside (a test that sends a message between
    two runs, a call scheduled with `call_at`) relies on the node to call its `wake`, or says `poke`.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        default_link: LinkProfile = _DEFAULT_LINK,
        record: bool = False,
        start_s: float = 0.0,
        wall_start_s: float = 1_800_000_000.0,
        max_timers_per_s: int = 100_000,
    ) -> None:
        """`default_link` joins every pair that `connect` did not; `record` keeps every event in `events`."""
        self.seed = seed
        self.log = EventLog(record)
        self.default_link = default_link
        self.after_instant: Callable[[], None] | None = None
        """Called after each instant in which something happened: the place to check invariants."""
        self._now_ns = round(start_s * _NS)
        self._wall_start_s = wall_start_s - start_s
        self._max_timers_per_s = max_timers_per_s
        self._heap: list[tuple[int, int, Any, Any, Any]] = []
        self._order = itertools.count()
        self._hosts: dict[Address, Host] = {}
        self._touched: dict[Host, None] = {}
        self._links: dict[tuple[Host, Host], Transmitter] = {}
        self._healed = False

    # -- the clock ---------------------------------------------------------------------------------------

    def now(self) -> float:
        """Virtual seconds."""
        return self._now_ns / _NS

    def wall(self) -> float:
        """Virtual seconds since the Unix epoch."""
        return self._wall_start_s + self._now_ns / _NS

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once at virtual `when`, or as soon as the world runs where that is past."""
        call = _Call(callback)
        self._push(max(_ceil_ns(when), self._now_ns), self._run_call, call, None)
        return call

    def random(self, label: str) -> Callable[[int], bytes]:
        """A source of random bytes for one node: the same for the same seed and label."""
        return Chance(self.seed, f"bytes/{label}").take

    # -- building ----------------------------------------------------------------------------------------

    def add(
        self, node: Node, address: Address, *, clock_offset_s: float = 0.0, clock_rate: float = 1.0
    ) -> None:
        """Let `node` live at `address`. Its own clock shows `clock_offset_s + clock_rate * now()`.

        Raises `ValueError` where the address is taken.
        """
        if address in self._hosts:
            raise ValueError(f"{address} is taken")
        host = Host(node, address, len(self._hosts), clock_offset_s, clock_rate)
        self._hosts[address] = host
        node.wake = lambda: self._touch(host)
        self.log.add(self._now_ns, EventKind.ADDED, address)
        self._touch(host)

    def remove(self, address: Address) -> None:
        """Take the node away; what is on its way to it is lost."""
        host = self._host(address)
        del self._hosts[address]
        self._touched.pop(host, None)
        host.gone = True

    def rebind(self, old: Address, new: Address) -> None:
        """Give the node at `old` the address `new`, as a forgetful NAT does. Its links stay; what is on
        its way to the old address is lost."""
        if new in self._hosts:
            raise ValueError(f"{new} is taken")
        host = self._host(old)
        del self._hosts[old]
        self._hosts[new] = host
        host.address = new
        self.log.add(self._now_ns, EventKind.REBOUND, old, new)

    def connect(
        self, a: Address, b: Address, forward: Transmitter, backward: Transmitter | None = None
    ) -> None:
        """Let datagrams from `a` to `b` take `forward`, those back `backward` (left out: as before)."""
        self._links[self._host(a), self._host(b)] = forward
        if backward is not None:
            self._links[self._host(b), self._host(a)] = backward

    def link(self, source: Address, destination: Address) -> Transmitter:
        """The link that datagrams from `source` to `destination` take."""
        return self._link(self._host(source), self._host(destination))

    def cut(self, a: Address, b: Address, down: bool = True) -> None:
        """Pull the cable between `a` and `b` (`down=False`: plug it in). For links that are `LinkModel`s."""
        for link in (self.link(a, b), self.link(b, a)):
            if not isinstance(link, LinkModel):
                raise ValueError(f"only a LinkModel can be cut, not {type(link).__name__}")
            link.down = down

    def outage(self, a: Address, b: Address, seconds: float) -> None:
        """Cut the links between `a` and `b` now, for `seconds`."""
        self.cut(a, b)
        self.call_at(self.now() + seconds, lambda: self.cut(a, b, False))

    def heal(self) -> None:
        """Make every `LinkModel` perfect from now on, also those of pairs that have not spoken yet."""
        self._healed = True
        for link in self._links.values():
            if isinstance(link, LinkModel):
                link.heal()

    # -- putting things in from outside ------------------------------------------------------------------

    def poke(self, address: Address) -> None:
        """Ask the node at `address` what it sends, at the present instant."""
        self._touch(self._host(address))

    def inject(self, data: bytes, source: Address, destination: Address) -> None:
        """Let `data` arrive now at `destination` as if `source` had sent it, past every link."""
        self.log.add(self._now_ns, EventKind.INJECTED, source, destination, data)
        self._push(self._now_ns, self._arrive, source, (destination, data))

    # -- running -----------------------------------------------------------------------------------------

    def run_until(self, when: float) -> None:
        """Let everything happen up to virtual `when`, and set the clock to it. Raises `StuckNode`."""
        end = _ceil_ns(when)
        self._flush()
        heap = self._heap
        while heap and heap[0][0] <= end:
            self._instant(heap[0][0])
        self._now_ns = max(self._now_ns, end)

    def run_for(self, seconds: float) -> None:
        """`run_until` for a stretch of time from now."""
        self.run_until((self._now_ns + round(seconds * _NS)) / _NS)

    def run_until_true(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Run until `condition()` holds after some instant, for at most `timeout_s`; whether it does."""
        end = self._now_ns + round(timeout_s * _NS)
        self._flush()
        while not condition():
            if not self._heap or self._heap[0][0] > end:
                self._now_ns = max(self._now_ns, end)
                return condition()
            self._instant(self._heap[0][0])
        return True

    def step(self) -> bool:
        """Let the next instant happen; False where nothing is left to happen."""
        self._flush()
        if not self._heap:
            return False
        self._instant(self._heap[0][0])
        return True

    def digest(self) -> str:
        """The fingerprint of everything that happened."""
        return self.log.digest()

    @property
    def events(self) -> list[Event]:
        """The recorded events. Raises `ValueError` where the world does not record."""
        if self.log.events is None:
            raise ValueError("this world records nothing; make it with record=True")
        return self.log.events

    # -- inside ------------------------------------------------------------------------------------------

    def _instant(self, at_ns: int) -> None:
        """Everything that is due at `at_ns`, and whatever that leads to without any time passing."""
        heap, self._now_ns = self._heap, at_ns
        happened = 0
        while heap and heap[0][0] <= at_ns:
            while heap and heap[0][0] <= at_ns:
                _, _, action, first, second = heapq.heappop(heap)
                action(first, second)
                happened += 1
            if happened > _MAX_EVENTS_AT_ONE_INSTANT:
                raise StuckNode(
                    f"time stands still at {self.now():.9f} s: {happened} events in one instant "
                    "(two nodes that answer each other over a link without delay?)"
                )
            self._flush()
        if self.after_instant is not None:
            self.after_instant()

    def _flush(self) -> None:
        """Ask the nodes that woke what they send, and when they want to be called again."""
        for _ in range(_MAX_ROUNDS):
            if not self._touched:
                return
            touched = sorted(self._touched, key=lambda host: host.number)
            self._touched.clear()
            for host in touched:
                if host.gone:
                    continue
                for data, destination in host.node.datagrams_to_send(host.local(self._now_ns)):
                    self._send(host, data, destination)
                self._arm(host)
        raise StuckNode(
            f"the nodes at {[host.address for host in self._touched]} wake without end at {self.now():.9f} s: "
            "each datagrams_to_send asks to be called again"
        )

    def _send(self, host: Host, data: bytes, destination: Address) -> None:
        now_ns = self._now_ns
        if len(data) > _MAX_DATAGRAM:
            raise ValueError(f"a UDP datagram holds at most {_MAX_DATAGRAM} bytes, got {len(data)}")
        receiver = self._hosts.get(destination)
        if receiver is None:
            self.log.add(now_ns, EventKind.UNROUTED, host.address, destination, data)
            return
        self.log.add(now_ns, EventKind.SENT, host.address, destination, data)
        source = host.address
        for when, copy in self._link(host, receiver).transmit(data, now_ns / _NS):
            self._push(max(round(when * _NS), now_ns), self._arrive, source, (destination, copy))

    def _arrive(self, source: Address, what: tuple[Address, bytes]) -> None:
        destination, data = what
        host = self._hosts.get(destination)
        if host is None:
            self.log.add(self._now_ns, EventKind.UNROUTED, source, destination, data)
            return
        self.log.add(self._now_ns, EventKind.ARRIVED, source, destination, data)
        host.node.receive_datagram(data, source, host.local(self._now_ns))
        self._touched[host] = None

    def _arm(self, host: Host) -> None:
        """See to it that the node's timer is looked at when it is due; an early look arms it anew."""
        due = host.node.next_timer()
        if due is None:
            return
        due_ns = max(host.world_ns(due), self._now_ns)
        if host.armed_ns is None or due_ns < host.armed_ns:
            host.armed_ns = due_ns
            self._push(due_ns, self._fire, host, due_ns)

    def _fire(self, host: Host, armed_ns: int) -> None:
        if host.armed_ns != armed_ns or host.gone:
            return
        host.armed_ns = None
        local = host.local(self._now_ns)
        due = host.node.next_timer()
        if due is not None and due <= local:
            host.count_timer(self._now_ns, self._max_timers_per_s)
            self.log.add(self._now_ns, EventKind.TIMER, host.address)
            host.node.handle_timer(local)
        self._touched[host] = None

    def _run_call(self, call: _Call, _: None) -> None:
        callback, call.callback = call.callback, None
        if callback is not None:
            self.log.add(self._now_ns, EventKind.CALLED)
            callback()

    def _touch(self, host: Host) -> None:
        self._touched[host] = None

    def _link(self, source: Host, destination: Host) -> Transmitter:
        link = self._links.get((source, destination))
        if link is None:
            label = f"link/{source.number}/{destination.number}"
            made = self.default_link.link(Chance(self.seed, label).u64())
            if self._healed:
                made.heal()
            link = self._links[source, destination] = made
        return link

    def _host(self, address: Address) -> Host:
        try:
            return self._hosts[address]
        except KeyError:
            raise ValueError(f"nobody lives at {address}") from None

    def _push(self, at_ns: int, action: Callable[[Any, Any], None], first: object, second: object) -> None:
        heapq.heappush(self._heap, (at_ns, next(self._order), action, first, second))


def _ceil_ns(seconds: float) -> int:
    """The first nanosecond at which the clock shows at least `seconds`."""
    ns = round(seconds * _NS)
    while ns / _NS < seconds:
        ns += 1
    return ns
