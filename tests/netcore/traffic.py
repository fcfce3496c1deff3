"""Endpoints in a virtual world with traffic of all four kinds, and the promises of delivery checked on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from netcore.client import ClientEndpoint
from netcore.config import ConnectionConfig
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.errors import QueueFull
from netcore.server import ServerConfig, ServerEndpoint
from netcore.token import Credentials, TokenGate, TokenKey, seal_token
from simnet.chance import Chance
from simnet.link import LinkProfile
from simnet.presets import PathProfile
from simnet.world import World

APP_ID = 7
SERVER = ("192.0.2.1", 7777)
LANES = {
    8: Delivery.UNRELIABLE,
    9: Delivery.SEQUENCED,
    10: Delivery.RELIABLE,
    11: Delivery.ORDERED,
    12: Delivery.ORDERED,
}
KEYS = 3
PERFECT = PathProfile(LinkProfile(delay_s=0.02), LinkProfile(delay_s=0.02))


class Side:
    """One end of a connection: sends numbered messages, checks those it gets against what the other end sent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.connection: Connection | None = None
        self.peer: Side
        self.sent: dict[int, list[bytes]] = defaultdict(list)
        self.got: dict[int, list[bytes]] = defaultdict(list)
        self.got_set: dict[int, set[bytes]] = defaultdict(set)
        self.newest: dict[tuple[int, int], int] = {}
        self.closed: list[tuple[int, str, bool]] = []
        self.connects = 0

    def connected(self, connection: Connection) -> None:
        assert self.connects == 0
        self.connects += 1
        self.connection = connection

    def send(self, lane: int, length: int) -> None:
        """One message: its place, its sender, then filling that depends on both."""
        assert self.connection is not None
        number = len(self.sent[lane])
        head = f"{self.name}/{lane}/{number}/".encode()
        data = head + bytes((number + place) & 0xFF for place in range(max(0, length - len(head))))
        key = number % KEYS if LANES[lane] is Delivery.SEQUENCED else 0
        try:
            self.connection.send(lane, LANES[lane], data, key)
        except QueueFull:
            return
        self.sent[lane].append(data)

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        assert not self.closed, "a message after the end"
        assert kind is LANES[lane]
        name, told_lane, number = data.split(b"/", 3)[:3]
        place, sent = int(number), self.peer.sent[lane]
        assert (name.decode(), int(told_lane)) == (self.peer.name, lane), "a message crossed over"
        assert sent[place] == data, "bytes that nobody sent"
        if kind is Delivery.ORDERED:
            assert place == len(self.got[lane]), "a gap or a repetition on an ordered lane"
        elif kind is Delivery.RELIABLE:
            assert data not in self.got_set[lane], "a repetition on a reliable lane"
        elif kind is Delivery.SEQUENCED:
            assert key == place % KEYS
            assert place > self.newest.get((lane, key), -1), "an older message on a sequenced lane"
            self.newest[lane, key] = place
        self.got[lane].append(data)
        self.got_set[lane].add(data)

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        self.closed.append((code, reason, remote))

    def missing(self) -> dict[int, int]:
        """What the other end sent reliably and this end has not got, by lane."""
        return {
            lane: len(self.peer.sent[lane]) - len(self.got[lane])
            for lane, kind in LANES.items()
            if kind.is_reliable and len(self.got[lane]) != len(self.peer.sent[lane])
        }


class NcpWorld:
    """One server and its clients, each over a path of its own, all on one virtual clock."""

    def __init__(
        self,
        seed: int,
        path: PathProfile = PERFECT,
        *,
        clients: int = 1,
        record: bool = False,
        server: ServerConfig | None = None,
        connection: ConnectionConfig | None = None,
    ) -> None:
        self.seed = seed
        self.world = World(seed, record=record)
        self.gate = TokenGate([TokenKey(1, bytes(range(32)))], APP_ID)
        self.sides: dict[bytes, Side] = {}
        self.server = ServerEndpoint(
            server or ServerConfig(),
            self.gate,
            self._accept,
            random=self.world.random("server"),
            wall=self.world.wall,
        )
        self.world.add(self.server, SERVER)
        self.clients: list[ClientEndpoint] = []
        self.pairs: list[tuple[Side, Side]] = []
        for number in range(clients):
            self._add_client(number, path, connection)

    def _add_client(self, number: int, path: PathProfile, config: ConnectionConfig | None) -> None:
        near, far = Side(f"client{number}"), Side(f"server{number}")
        near.peer, far.peer = far, near
        claims = b"%d" % number
        self.sides[claims] = far
        random = self.world.random(f"client{number}")
        endpoint = ClientEndpoint(
            self.credentials(claims), SERVER, near, config=config, random=random, now=self.world.now()
        )
        self.clients.append(endpoint)
        self.pairs.append((near, far))
        address = self.address(number)
        self.world.add(endpoint, address)
        self.world.connect(address, SERVER, *path.links(self.seed * 1000 + number))

    def credentials(self, claims: bytes) -> Credentials:
        token, psk = seal_token(
            TokenKey(1, bytes(range(32))),
            app_id=APP_ID,
            claims=claims,
            expires_unix=int(self.world.wall()) + 30,
            random=self.world.random(f"token/{claims!r}"),
        )
        return Credentials(token, psk, APP_ID, 0)

    @staticmethod
    def address(number: int) -> tuple[str, int]:
        return ("198.51.100.5", 40000 + number)

    def _accept(self, connection: Connection) -> Side:
        side = self.sides[connection.claims]
        side.connected(connection)
        return side

    def join(self, timeout_s: float = 15.0) -> None:
        """Run until every client is connected at both ends."""
        sides = [side for pair in self.pairs for side in pair]
        assert self.world.run_until_true(lambda: all(side.connects for side in sides), timeout_s)

    def chat(self, seconds: float, *, hz: float = 30.0, sizes: Callable[[Chance], int] | None = None) -> None:
        """Let every side send a little of everything for a while, then let it rest."""
        chance = Chance(self.seed, "traffic")
        size = sizes or (lambda chance: 20 + chance.below(200) + (3000 if chance.below(20) == 0 else 0))
        end = self.world.now() + seconds

        def turn(side: Side) -> None:
            if side.closed or self.world.now() >= end:
                return
            for lane in LANES:
                if chance.below(3):
                    side.send(lane, size(chance))
            assert side.connection is not None
            side.connection.flush()
            self.world.call_at(self.world.now() + 1 / hz, lambda: turn(side))

        for pair in self.pairs:
            for side in pair:
                turn(side)
        self.world.run_until(end)

    def settle(self, seconds: float = 20.0) -> None:
        """Heal every link, then wait until all that was promised is there."""
        self.world.heal()
        sides = [side for pair in self.pairs for side in pair]
        done = self.world.run_until_true(
            lambda: all(side.closed or not side.missing() for side in sides), seconds
        )
        assert done, {side.name: side.missing() for side in sides}

    def drops(self) -> Counter[str]:
        """Datagrams that endpoints refused, by reason."""
        total: Counter[str] = Counter()
        for endpoint in (self.server, *self.clients):
            total.update(endpoint.stats.dropped)
        return total
