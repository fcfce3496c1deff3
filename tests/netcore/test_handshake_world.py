"""Whole endpoints on simulated networks: whatever the path does, the handshake converges or says that it did not."""

from __future__ import annotations

import pytest

from netcore.address import Address
from netcore.client import ClientEndpoint
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.server import ServerConfig, ServerEndpoint
from netcore.token import Credentials, TokenGate, TokenKey, seal_token
from simnet.presets import preset
from simnet.world import World
from tests.netcore.endpoints import APP_ID, SERVER, Recorder

CLIENTS = 6


class Hub:
    """A server in a world: greets who connects, notes by claims who did."""

    def __init__(self, world: World, config: ServerConfig) -> None:
        self.world = world
        self.random = world.random("tokens")
        self.key = TokenKey(1, bytes(32))
        self.handlers: dict[bytes, Recorder] = {}
        self.endpoint = ServerEndpoint(
            config,
            TokenGate([self.key], APP_ID),
            self.accept,
            random=world.random("server"),
            wall=world.wall,
        )
        world.add(self.endpoint, SERVER)

    def accept(self, connection: Connection) -> Recorder:
        assert connection.claims not in self.handlers, "one token, two connections"
        handler = self.handlers[connection.claims] = Recorder()
        handler.connection = connection
        connection.send(1, Delivery.ORDERED, b"hello " + connection.claims)
        connection.flush()
        return handler

    def credentials(self, name: bytes) -> Credentials:
        token, psk = seal_token(
            self.key,
            app_id=APP_ID,
            claims=name,
            expires_unix=int(self.world.wall()) + 30,
            random=self.random,
        )
        return Credentials(token, psk, APP_ID)


def run(path: str, seed: int, config: ServerConfig, seconds: float = 9.0) -> tuple[str, list[str]]:
    """What became of each client, and the world's digest."""
    world = World(seed)
    hub = Hub(world, config)
    clients: list[tuple[bytes, Recorder]] = []
    for index in range(CLIENTS):
        name, address = b"client %d" % index, (f"198.51.100.{index}", 4000)
        handler = Recorder()
        endpoint = ClientEndpoint(
            hub.credentials(name), SERVER, handler, random=world.random(f"client {index}"), now=world.now()
        )
        world.add(endpoint, address)
        world.connect(address, SERVER, *preset(path).links(seed * 100 + index))
        clients.append((name, handler))
    world.run_for(seconds)
    outcomes = []
    for name, handler in clients:
        assert len(handler.closed) <= 1
        if handler.connection is None:
            assert handler.closed, "neither connected nor told why not"
            outcomes.append("failed")
        elif handler.closed:
            outcomes.append("closed")
        else:
            assert handler.texts == [b"hello " + name]
            outcomes.append("connected")
    return world.digest(), outcomes


@pytest.mark.parametrize("retry", ["auto", "always"])
@pytest.mark.parametrize(
    "path", ["lan", "far", "awful", "bursts", "duplicates", "reorder", "corrupt", "small-mtu", "narrow"]
)
def test_every_client_gets_in(path: str, retry: str) -> None:
    for seed in range(3):
        _, outcomes = run(path, seed, ServerConfig(retry=retry))  # type: ignore[arg-type]
        assert outcomes == ["connected"] * CLIENTS


@pytest.mark.parametrize("seed", range(6))
def test_on_a_hostile_path_each_client_gets_in_or_is_told(seed: int) -> None:
    _, outcomes = run("hostile", seed, ServerConfig(), seconds=20.0)
    assert outcomes.count("connected") >= CLIENTS - 2


def test_the_same_seed_is_the_same_run() -> None:
    runs = [run("bursts", 5, ServerConfig()) for _ in range(2)]
    assert runs[0] == runs[1]
    assert run("bursts", 6, ServerConfig())[0] != runs[0][0]


def test_a_restarted_server_is_noticed_within_a_keepalive() -> None:
    world = World(3)
    hub = Hub(world, ServerConfig(reset_key=b"r" * 32))
    handler = Recorder()
    address: Address = ("198.51.100.1", 4000)
    endpoint = ClientEndpoint(
        hub.credentials(b"me"), SERVER, handler, random=world.random("me"), now=world.now()
    )
    world.add(endpoint, address)
    world.run_for(1.0)
    assert handler.connection is not None
    world.remove(SERVER)
    Hub(world, ServerConfig(reset_key=b"r" * 32))
    world.run_for(4.0)
    assert [closed[1] for closed in handler.closed] == ["the server no longer knows this connection"]
