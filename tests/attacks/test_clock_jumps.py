"""A41: clocks that jump or lie end no connection, and no token before or after its time."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from hub.keys import KeyRing
from messaging.control import Away
from netcore.address import Address
from netcore.aio import open_udp
from netcore.client import ClientEndpoint
from netcore.config import ConnectionConfig
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.server import ServerConfig, ServerEndpoint
from netcore.token import Credentials, TokenGate, TokenKey, seal_token
from netplay import server as netplay_server
from netplay.clock import steady_wall
from netplay.config import Config
from netplay.mint import TokenMint
from simnet.world import World
from tests.integration.raw_agents import AGENTS, http_connect
from tests.netcore.endpoints import APP_ID, Net, Recorder
from tests.netcore.seeded import seeded
from tests.support.hub_world import HubWorld

HOUR_S = 3600.0
DAY_S = 86_400.0


def skewed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the machine's time of day is off by, from now on. Monotonic time goes on as it does."""
    offset, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    return offset


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S, DAY_S, -DAY_S])
def test_a_token_lives_as_long_as_it_should_while_the_time_of_day_jumps(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    offset, elapsed, real = skewed(monkeypatch), [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + elapsed[0])
    wall = steady_wall()
    mint = TokenMint(os.urandom, wall)
    tokens = [mint.mint("websocket", b"%d" % n).token for n in range(4)]
    mint.gate.redeem(tokens[0], wall())
    offset[0] = jump_s
    assert mint.gate.redeem(tokens[1], wall()).claims == b"1"
    assert mint.gate.redeem(mint.mint("websocket", b"new").token, wall()).claims == b"new"
    elapsed[0] = 29.0
    assert mint.gate.redeem(tokens[2], wall()).claims == b"2"
    elapsed[0] = 36.0
    for token in (tokens[0], tokens[3]):
        with pytest.raises(Exception, match="token_expired"):
            mint.gate.redeem(token, wall())
    offset[0] = 0.0  # and back again: what was forgotten meanwhile shuts nobody out
    assert mint.gate.redeem(mint.mint("websocket", b"last").token, wall()).claims == b"last"


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
async def test_a_server_whose_time_of_day_jumps_keeps_its_agents_and_lets_new_ones_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jump_s: float
) -> None:
    """Offers from before the jump open their links after it, on each transport; later offers do as well."""
    offset = skewed(monkeypatch)
    keys = KeyRing()
    key = keys.issue("tester", os.urandom)
    server = netplay_server.NetplayServer(Config(port=0, state_dir=tmp_path, shutdown_s=0.1), keys)
    await server.start()
    base = f"http://127.0.0.1:{server.http_port}"
    agents = []
    try:
        offers = {name: await http_connect(base, key, f"before-{name}", name) for name in AGENTS}
        for name in AGENTS:
            agents.append(await AGENTS[name].open(await http_connect(base, key, f"there-{name}", name)))
            agents[-1].attach()
            await agents[-1].until(lambda: agents[-1].welcome is not None)
        offset[0] = jump_s
        for name in AGENTS:
            for offer in (offers[name], await http_connect(base, key, f"after-{name}", name)):
                agents.append(await AGENTS[name].open(offer))
                agents[-1].attach()
                await agents[-1].until(lambda: agents[-1].welcome is not None)
        agents[0].publish(Delivery.ORDERED, b"still here")
        await agents[1].until(lambda: agents[1].texts() == ["still here"])
        assert [agent.closes for agent in agents] == [[]] * len(agents)
        assert not any(isinstance(news, Away) for agent in agents for news in agent.control)
    finally:
        for agent in agents:
            await agent.stop()
        await server.stop()


def test_a_day_in_which_the_server_stood_still_ends_nobody_whose_packets_wait() -> None:
    """Monotonic time jumps by 24 h; the pings of all who live lie in the socket's buffer and are read first."""
    net = Net()
    joined = [net.joined(("198.51.100.9", 1000 + n)) for n in range(50)]
    silent = [net.joined(("198.51.100.10", 1000 + n)) for n in range(3)]
    waiting = []
    for client, _ in joined:
        connection = client.handler.connection
        assert connection is not None
        connection.send(8, Delivery.ORDERED, b"there")
        connection.flush()
        waiting += [(data, client.address) for data, _ in client.endpoint.datagrams_to_send(net.now)]
    net.now += DAY_S
    for data, address in waiting:
        net.server.receive_datagram(data, address, net.now)
    net.server.handle_timer(net.now)
    net.from_server()
    assert [recorder.texts for _, recorder in joined] == [[b"there"]] * len(joined)
    assert not any(recorder.closed for _, recorder in joined)
    assert all(recorder.closed for _, recorder in silent)
    newcomer = net.client(address=("198.51.100.11", 1))
    net.settle()
    assert newcomer.handler.connection is not None


class SocketClient:
    """A client endpoint on a blocking socket, driven by hand: its clock stands still while nobody turns it."""

    def __init__(self, server: Address, key: TokenKey, number: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.server = server
        self.recorder = Recorder()
        token, psk = seal_token(
            key, app_id=APP_ID, claims=b"", expires_unix=int(time.time()) + 30, random=os.urandom
        )
        self.endpoint = ClientEndpoint(
            Credentials(token, psk, APP_ID),
            server,
            self.recorder,
            random=seeded(number),
            now=time.monotonic(),
        )

    def turn(self) -> None:
        now = time.monotonic()
        while True:
            try:
                self.endpoint.receive_datagram(self.socket.recv(2048), self.server, now)
            except BlockingIOError:
                break
        for data, _ in self.endpoint.datagrams_to_send(now):
            self.socket.sendto(data, self.server)


async def test_a_process_that_stood_still_reads_before_it_gives_anyone_up() -> None:
    """Longer than the idle timeout; fifty clients spoke meanwhile, and wait in the socket's buffer."""
    idle_s = 0.5
    key = TokenKey(1, bytes(32))
    accepted: list[Recorder] = []

    def accept(connection: Connection) -> Recorder:
        accepted.append(Recorder())
        accepted[-1].connection = connection
        return accepted[-1]

    config = ServerConfig(
        connection=ConnectionConfig(idle_timeout_s=idle_s), trusted_networks=("127.0.0.0/8",)
    )
    endpoint = ServerEndpoint(config, TokenGate([key], APP_ID), accept, random=os.urandom, wall=time.time)
    driver = await open_udp(endpoint, "127.0.0.1", 0)
    clients = [SocketClient(driver.address, key, number) for number in range(50)]
    try:
        async with asyncio.timeout(5):
            while len(accepted) < len(clients):
                for client in clients:
                    client.turn()
                await asyncio.sleep(0.005)
        for client in clients:
            connection = client.recorder.connection
            assert connection is not None
            connection.send(8, Delivery.ORDERED, b"there")
            connection.flush()
            client.turn()
        time.sleep(idle_s + 0.3)  # noqa: ASYNC251 - standing still is the test
        async with asyncio.timeout(2):
            while not all(recorder.texts or recorder.closed for recorder in accepted):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert not any(recorder.closed for recorder in accepted)
        assert [recorder.texts for recorder in accepted] == [[b"there"]] * len(clients)
        async with asyncio.timeout(5):  # who is silent while the server listens is let go all the same
            while endpoint.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        driver.close()
        for client in clients:
            client.socket.close()


@pytest.mark.parametrize("offset_s", [DAY_S, -900.0])
@pytest.mark.parametrize("rate", [1.0, 1.0005])
def test_two_ends_whose_clocks_differ_by_a_day_understand_each_other(offset_s: float, rate: float) -> None:
    """No time of one end is ever compared with one of the other's."""
    world = World(3, start_s=1000.0)
    net = Net(seed=3, now=1000.0 + max(offset_s, 0))
    recorder = Recorder()
    server, client = ("192.0.2.1", 7777), ("198.51.100.5", 1)
    endpoint = ClientEndpoint(net.credentials(), server, recorder, random=seeded(4), now=world.now())
    world.add(net.server, server, clock_offset_s=offset_s, clock_rate=rate)
    world.add(endpoint, client)
    assert world.run_until_true(lambda: recorder.connection is not None, 3)
    connection = recorder.connection
    assert connection is not None
    for number in range(60):
        connection.send(8, Delivery.ORDERED, b"%d" % number)
        connection.flush()
        world.run_for(0.5)
    assert net.accepted[0].texts == [b"%d" % number for number in range(60)]
    assert recorder.closed == [] and net.accepted[0].closed == []


def test_a_day_that_passes_at_once_ends_no_session_that_has_a_link() -> None:
    """The hub's own timers all fall due in one turn: who is attached stays, and may go away and come back."""
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    world.clock.advance(DAY_S)
    assert ann.link.closed is None and ben.link.closed is None
    ann.link.break_()
    ann.reattach()
    assert [agent.name for agent in world.hub.agents(ben.session_id)] == ["ann", "ben"]
