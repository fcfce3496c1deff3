"""Endpoints in memory for these tests: a recording handler, seeded randomness, a server with clients."""

from __future__ import annotations

from dataclasses import dataclass, field

from netcore.address import Address
from netcore.client import ClientEndpoint
from netcore.config import ConnectionConfig
from netcore.connection import Connection, ConnectionHandler
from netcore.delivery import Delivery
from netcore.endpoint import DatagramEndpoint
from netcore.server import Refusal, ServerConfig, ServerEndpoint
from netcore.token import Credentials, TokenGate, TokenKey, seal_token
from tests.netcore.seeded import seeded

APP_ID = 7
SERVER: Address = ("192.0.2.1", 7777)
CLIENT: Address = ("198.51.100.5", 40000)
WALL = 1_000_000.0


class Recorder:
    """A handler that keeps what it is told."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.messages: list[tuple[int, Delivery, int, bytes]] = []
        self.closed: list[tuple[int, str, bool]] = []

    def connected(self, connection: Connection) -> None:
        self.connection = connection

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        self.messages.append((lane, kind, key, data))

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        self.closed.append((code, reason, remote))

    @property
    def texts(self) -> list[bytes]:
        return [message[3] for message in self.messages]


@dataclass
class Client:
    """A client endpoint, its handler, and where it seems to sit."""

    endpoint: ClientEndpoint
    handler: Recorder
    address: Address = CLIENT


@dataclass
class Net:
    """A server and clients without a network between them: what one sends, the other has."""

    config: ServerConfig = field(default_factory=ServerConfig)
    seed: int = 1
    now: float = 100.0
    wall: float = WALL
    key: TokenKey = field(default_factory=lambda: TokenKey(1, bytes(range(32))))
    connection_config: ConnectionConfig = field(default_factory=ConnectionConfig)

    def __post_init__(self) -> None:
        self.random = seeded(self.seed)
        self.accepted: list[Recorder] = []
        self.refuse: Refusal | None = None
        self.gate = TokenGate([self.key], APP_ID)
        self.server = self.make_server()
        self.clients: list[Client] = []
        self.bytes_in: dict[Address, int] = {}
        self.bytes_out: dict[Address, int] = {}

    def make_server(self) -> ServerEndpoint:
        return ServerEndpoint(self.config, self.gate, self.accept, random=self.random, wall=lambda: self.wall)

    def accept(self, connection: Connection) -> ConnectionHandler | Refusal:
        recorder = Recorder()
        recorder.connection = connection
        self.accepted.append(recorder)
        return self.refuse or recorder

    def credentials(
        self, claims: bytes = b"claims", lifetime_s: int = 30, key: TokenKey | None = None
    ) -> Credentials:
        token, psk = seal_token(
            key or self.key,
            app_id=APP_ID,
            claims=claims,
            expires_unix=int(self.wall) + lifetime_s,
            random=self.random,
        )
        return Credentials(token, psk, APP_ID, 0)

    def client(self, credentials: Credentials | None = None, address: Address = CLIENT) -> Client:
        handler = Recorder()
        endpoint = ClientEndpoint(
            credentials or self.credentials(),
            SERVER,
            handler,
            config=self.connection_config,
            random=self.random,
            now=self.now,
        )
        client = Client(endpoint, handler, address)
        self.clients.append(client)
        return client

    def to_server(self, data: bytes, address: Address = CLIENT) -> list[tuple[bytes, Address]]:
        """Hand one datagram to the server; what it sends in that wake-up."""
        self.bytes_in[address] = self.bytes_in.get(address, 0) + len(data)
        self.server.receive_datagram(data, address, self.now)
        return self.from_server()

    def from_server(self) -> list[tuple[bytes, Address]]:
        out = self.server.datagrams_to_send(self.now)
        for data, address in out:
            self.bytes_out[address] = self.bytes_out.get(address, 0) + len(data)
        return out

    def step(self) -> None:
        """Everything that is to be sent now travels once, up and down."""
        for client in self.clients:
            for data, _ in client.endpoint.datagrams_to_send(self.now):
                for answer, address in self.to_server(data, client.address):
                    self.deliver(answer, address)
        for answer, address in self.from_server():
            self.deliver(answer, address)

    def deliver(self, data: bytes, address: Address) -> None:
        for client in self.clients:
            if client.address == address:
                client.endpoint.receive_datagram(data, SERVER, self.now)

    def settle(self, steps: int = 6) -> None:
        for _ in range(steps):
            self.step()

    def advance(self, seconds: float, step_s: float = 0.01) -> None:
        """Let time pass with due timers served and everything delivered."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step_s)
            self.wall += step_s
            endpoints: list[DatagramEndpoint] = [self.server, *(client.endpoint for client in self.clients)]
            for endpoint in endpoints:
                when = endpoint.next_timer()
                if when is not None and when <= self.now:
                    endpoint.handle_timer(self.now)
            self.step()

    def dropped(self) -> dict[str, int]:
        return self.server.stats.dropped

    def joined(self, address: Address = CLIENT) -> tuple[Client, Recorder]:
        """A client that is connected, and the server's handler for it."""
        client = self.client(address=address)
        self.settle()
        assert client.handler.connection is not None
        return client, self.accepted[-1]
