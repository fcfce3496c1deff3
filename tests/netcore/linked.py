"""Two connections past their handshake, in a virtual world or joined by hand."""

from __future__ import annotations

from collections.abc import Callable

from netcore.address import Address
from netcore.config import ConnectionConfig
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.frames import message_frame
from netcore.keys import packet_keys
from netcore.packet import PacketOpener, PacketSealer
from netcore.params import Params
from simnet.link import LinkProfile
from simnet.world import World
from tests.netcore.seeded import seeded

CLIENT: Address = ("198.51.100.5", 40000)
SERVER: Address = ("192.0.2.1", 7777)
CID = 0xC0FFEE
SECRET_UP, SECRET_DOWN = bytes(range(32)), bytes(range(32, 64))

Message = tuple[int, Delivery, int, bytes]


class Listener:
    """A handler that keeps what it is told, and when."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.messages: list[Message] = []
        self.times: list[float] = []
        self.closed: list[tuple[int, str, bool]] = []
        self.closed_at = 0.0
        self.clock = clock

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        assert not self.closed, "a message after the end"
        self.messages.append((lane, kind, key, data))
        self.times.append(self.clock())

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        self.closed.append((code, reason, remote))
        self.closed_at = self.clock()

    def texts(self, lane: int | None = None) -> list[bytes]:
        """The data of the messages, of one lane or of all."""
        return [message[3] for message in self.messages if lane is None or message[0] == lane]


class ConnectionNode:
    """One connection as a node of a world. Checks that a timer which fired lies ahead afterwards.

    An acknowledgement may leave one that is due: it ends the doubling of probe timeouts (RFC 9002 section 6.2.1).
    """

    def __init__(self, connection: Connection, peer: Address) -> None:
        self.connection = connection
        self.peer = peer
        self.wake: Callable[[], None] = lambda: None
        self.timers = 0
        self.dirty = False
        self._fired = False

    def receive_datagram(self, data: bytes, addr: Address, now: float) -> None:
        self._fired = False
        self.connection.receive_packet(data, addr, now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        if not self.dirty:
            return []  # an endpoint asks only who said so
        self.dirty = False
        packets = self.connection.datagrams_to_send(now)
        assert all(len(packet) <= 1200 for packet in packets)
        due = self.connection.next_timer()
        assert not self._fired or due is None or due > now, "a timer in the past"
        return [(packet, self.peer) for packet in packets]

    def next_timer(self) -> float | None:
        return self.connection.next_timer()

    def handle_timer(self, now: float) -> None:
        self.timers += 1
        self._fired = True
        self.connection.handle_timer(now)


def make_connection(
    *,
    is_client: bool,
    local: Params | None = None,
    remote: Params | None = None,
    config: ConnectionConfig | None = None,
    now: float = 0.0,
    rtt_s: float | None = None,
    dirty: Callable[[Connection], None] = lambda connection: None,
) -> Connection:
    """One end, with keys that fit the other end's."""
    return Connection(
        is_client=is_client,
        cid=CID,
        send_secret=SECRET_UP if is_client else SECRET_DOWN,
        recv_secret=SECRET_DOWN if is_client else SECRET_UP,
        local=local or Params(),
        remote=remote or Params(),
        config=config or ConnectionConfig(),
        address=SERVER if is_client else CLIENT,
        now=now,
        rtt_s=rtt_s,
        random=seeded(1),
        dirty=dirty,
    )


class LinkedPair:
    """A client's and a server's connection in a world, the first PING already on its way."""

    def __init__(
        self,
        seed: int = 0,
        link: LinkProfile | None = None,
        *,
        client: ConnectionConfig | None = None,
        server: ConnectionConfig | None = None,
        client_params: Params | None = None,
        server_params: Params | None = None,
    ) -> None:
        self.world = World(seed)
        now = self.world.now()
        near, far = client_params or Params(), server_params or Params()
        self.client = make_connection(
            is_client=True, local=near, remote=far, config=client, now=now, dirty=self._wake
        )
        self.server = make_connection(
            is_client=False, local=far, remote=near, config=server, now=now, dirty=self._wake
        )
        self.nodes = {
            self.client: ConnectionNode(self.client, SERVER),
            self.server: ConnectionNode(self.server, CLIENT),
        }
        self.at_client, self.at_server = Listener(self.world.now), Listener(self.world.now)
        self.client.handler, self.server.handler = self.at_client, self.at_server
        self.world.add(self.nodes[self.client], CLIENT)
        self.world.add(self.nodes[self.server], SERVER)
        profile = link or LinkProfile(delay_s=0.025)
        self.world.connect(CLIENT, SERVER, profile.link(2 * seed), profile.link(2 * seed + 1))
        self.client.flush()

    def _wake(self, connection: Connection) -> None:
        node = self.nodes[connection]
        assert not node.dirty, "dirty is said once until the next flush"
        node.dirty = True
        node.wake()

    def run(self, seconds: float) -> None:
        self.world.run_for(seconds)

    def heal(self) -> None:
        """The paths lose, bend and repeat nothing any more."""
        self.world.heal()


class Forger:
    """A remote that may say anything: it has the right keys and writes packets by hand."""

    def __init__(self, *, as_client: bool = True) -> None:
        secret = SECRET_UP if as_client else SECRET_DOWN
        self.sealer = PacketSealer(packet_keys(secret), CID if as_client else None)
        self.opener = PacketOpener(
            packet_keys(SECRET_DOWN if as_client else SECRET_UP), has_cid=not as_client
        )
        self.address = CLIENT if as_client else SERVER

    def packet(self, *frames: bytes, skip: int = 0) -> bytes:
        """A packet with these frames; `skip` leaves out packet numbers before it."""
        self.sealer.next_pn += skip
        return self.sealer.seal(b"".join(frames))


def message(lane: int, kind: Delivery, number: int, data: bytes, key: int = 0, **more: object) -> bytes:
    """A MSG frame."""
    return message_frame(kind << 6 | lane, number, key, data, **more)  # type: ignore[arg-type]
