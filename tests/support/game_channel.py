"""A channel in virtual time for game rooms: a fake port, and members behind simulated links.

Ephemeral messages suffer what the links do to them (sequenced ones also yield to newer ones); reliable ones
only take their time, as the lower layers see to the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from games.airhockey.player import BotPlayer
from games.room import GameRoom
from hub.ports import AgentInfo, Clock, Inbound
from netcore.delivery import Delivery
from simnet.link import LinkProfile
from simnet.world import World

PERFECT = LinkProfile()


def agent(index: int, name: str | None = None, **metadata: Any) -> AgentInfo:
    return AgentInfo(index, name or f"agent{index}", 0, metadata, away=False, local=False)


def inbound(
    sender: AgentInfo,
    type: str,
    content: bytes,
    kind: Delivery = Delivery.UNRELIABLE,
    *,
    encrypted: bool = False,
) -> Inbound:
    return Inbound(sender, 11, kind, 0, type, 0, encrypted, content, targeted=False)


class FakePort:
    """Fills `hub.ports.LocalPort`: keeps what the room sends, and hands it to listeners at each flush."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.agent = AgentInfo(1, "game", 0, {}, away=False, local=True)
        self.sent: list[tuple[Delivery, str, bytes]] = []
        self.told: list[str | None] = []
        """To whom each of `sent` went; None: to everyone."""
        self.listeners: list[Callable[[Delivery, str, bytes, str | None], None]] = []
        self._queued: list[tuple[Delivery, str, bytes, str | None]] = []

    def send(
        self,
        kind: Delivery,
        type: str,
        content: bytes,
        *,
        format: int = 0,
        key: int = 0,
        lane: int | None = None,
        to: str | None = None,
        flush: bool = True,
    ) -> None:
        self._queued.append((kind, type, content, to))
        if flush:
            self.flush()

    def flush(self) -> None:
        queued, self._queued = self._queued, []
        for kind, type, content, to in queued:
            self.sent.append((kind, type, content))
            self.told.append(to)
            for listener in list(self.listeners):
                listener(kind, type, content, to)

    def agents(self) -> list[AgentInfo]:
        return [self.agent]


class Member:
    """A bot behind a link of its own."""

    def __init__(self, channel: GameChannel, info: AgentInfo, profile: LinkProfile, seed: int) -> None:
        self.channel = channel
        self.info = info
        self.up = profile.link(seed * 2)
        self.down = profile.link(seed * 2 + 1)
        self.delay_s = profile.delay_s
        self.bot = BotPlayer(self.send, index=info.index, seed=seed)
        self.bot.rtt_s = 2 * profile.delay_s
        self._sequence = self._newest = 0
        self._armed: float | None = None
        channel.port.listeners.append(self.from_room)

    def from_room(self, kind: Delivery, type: str, content: bytes, to: str | None) -> None:
        if to not in (None, self.info.name):
            return
        now = self.channel.world.now()
        if kind.is_reliable:
            self.channel.world.call_at(now + self.delay_s, lambda: self.receive(type, content))
            return
        self._sequence += 1
        number = self._sequence
        for when, data in self.down.transmit(content, now):
            self.channel.world.call_at(when, partial(self.receive_sequenced, number, type, data))

    def receive_sequenced(self, number: int, type: str, content: bytes) -> None:
        if number > self._newest:
            self._newest = number
            self.receive(type, content)

    def receive(self, type: str, content: bytes) -> None:
        self.bot.receive(type, content, self.channel.world.now())
        self.arm()

    def arm(self) -> None:
        when = self.bot.next_timer
        if when is not None and when != self._armed:
            self._armed = when
            self.channel.world.call_at(when, lambda: self.wake(when))

    def wake(self, when: float) -> None:
        if when == self._armed:
            self._armed = None
            self.bot.handle_timer(self.channel.world.now())
            self.arm()

    def send(self, kind: Delivery, type: str, content: bytes, key: int) -> None:
        now = self.channel.world.now()
        arrivals = [(now + self.delay_s, content)] if kind.is_reliable else self.up.transmit(content, now)
        for when, data in arrivals:
            message = inbound(self.info, type, data, kind)
            self.channel.world.call_at(when, partial(self.channel.room.message, message))


class GameChannel:
    """A room, its members, and their virtual time."""

    def __init__(self, room: GameRoom) -> None:
        self.world = World(seed=0)
        self.port = FakePort(self.world)
        self.room = room
        room.started(self.port)

    def join(self, profile: LinkProfile = PERFECT, seed: int = 1) -> Member:
        info = agent(2 + len(self.port.listeners))
        member = Member(self, info, profile, seed)
        self.room.agent_joined(info)
        return member

    def play(self, timeout_s: float) -> bool:
        """Run until a match is over everywhere; False where that takes too long."""
        members = [listener.__self__ for listener in self.port.listeners]  # type: ignore[attr-defined]
        return self.world.run_until_true(lambda: all(member.bot.matches for member in members), timeout_s)
