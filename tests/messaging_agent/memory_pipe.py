"""A link in memory between a real hub and a real client session: delays, reorders between lanes, and can be
cut."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

from messaging_agent.session_core import ClientSession
from messaging_agent.session_timer import SessionTimer

from hub.ports import SharedBlock
from hub.requests import ConnectAnswer
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.messaging_agent.scripted_server import Recorder
from tests.support.hub_world import HubWorld


class PipeEnd:
    """One side's link. Messages of a lane stay in order; lanes overtake each other."""

    def __init__(self, pipe: Pipe, transport: str) -> None:
        self.pipe = pipe
        self.transport = transport
        self.rtt_s: float | None = None
        self.handler: Any = None
        self.other: PipeEnd
        self.open = True
        self.mute = False
        """Nothing that it sends arrives any more."""
        self.waiting: list[tuple[int, Delivery, bytes, int]] = []
        self.arrives: dict[int, float] = {}

    def shared_sender(self, lane: int) -> Callable[[SharedBlock], None]:
        def send(block: SharedBlock) -> None:
            for message in block.messages:
                self.send(lane, Delivery.SEQUENCED, message.data, message.key)

        return send

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        if self.open:
            self.waiting.append((lane, kind, data, key))

    def flush(self) -> None:
        waiting, self.waiting = self.waiting, []
        clock = self.pipe.clock
        for lane, kind, data, key in waiting:
            if not kind.is_reliable and self.pipe.random.random() < self.pipe.loss:
                continue
            at = max(clock.now() + self.pipe.random.uniform(0.01, 0.05), self.arrives.get(lane, 0.0))
            self.arrives[lane] = at

            def arrive(lane: int = lane, kind: Delivery = kind, data: bytes = data, key: int = key) -> None:
                if not self.mute and self.other.open and self.other.handler is not None:
                    self.other.handler.link_message(lane, kind, key, data)

            clock.call_at(at, arrive)

    def close(self, code: int, reason: str = "") -> None:
        if self.open:
            self.flush()
            self.open = False
            at = max([self.pipe.clock.now() + 0.05, *self.arrives.values()])
            self.pipe.clock.call_at(at, lambda: self.other.closed(code, reason, remote=True))

    def closed(self, code: int, reason: str, *, remote: bool) -> None:
        if self.open:
            self.open = False
            if self.handler is not None:
                self.handler.link_closed(code, reason, remote)

    def stats(self) -> dict[str, float]:
        return {}


class Pipe:
    """Both ends. `cut` loses everything under way; each side notices for itself, some time later."""

    def __init__(self, world: HubWorld, transport: str, seed: int, loss: float = 0.0) -> None:
        self.clock = world.clock
        self.random = random.Random(seed)
        self.loss = loss
        self.client, self.server = PipeEnd(self, transport), PipeEnd(self, transport)
        self.client.other, self.server.other = self.server, self.client

    def cut(self, client_after_s: float = 0.3, server_after_s: float = 0.6, ways: str = "both") -> None:
        """`ways`: whose messages are lost, `client`, `server` or `both`."""
        self.client.mute = self.client.mute or ways != "server"
        self.server.mute = self.server.mute or ways != "client"
        for end, after_s in ((self.client, client_after_s), (self.server, server_after_s)):
            notice = functools.partial(end.closed, CloseCode.IDLE, "cut", remote=False)
            self.clock.call_at(self.clock.now() + after_s, notice)


class Member:
    """An agent: a real session in a real hub, that comes back by itself when it is stranded."""

    def __init__(
        self, world: HubWorld, name: str, seed: int = 1, loss: float = 0.0, session_id: str | None = None
    ) -> None:
        self.world = world
        self.seed = seed
        self.loss = loss
        self.comes_back = True
        self.told = MemberRecorder(self)
        self.session = ClientSession(self.told, clock=world.clock.now)
        SessionTimer(self.session, world.clock.now, world.clock.call_at)
        self.answer: ConnectAnswer = world.connect(name, session_id=session_id)
        self.session_id = self.answer.session_id
        self.pipe: Pipe
        self.open(self.answer.links[0].token)

    def open(self, token: bytes, transport: str = "udp") -> Pipe:
        self.seed += 1
        pipe = self.pipe = Pipe(self.world, transport, self.seed, self.loss)
        claims = token.removeprefix(b"token:")
        pipe.server.handler = self.world.hub.attach(claims, pipe.server)
        pipe.client.handler = self.session.attach_link(pipe.client)
        return pipe

    def reopen(self, transport: str = "udp") -> Pipe:
        answer = self.world.hub.mint_links(self.session_id, [transport])
        self.session_id = answer.session_id
        return self.open(answer.links[0].token, transport)

    def come_back(self) -> None:
        if self.comes_back and self.session.closed is None and self.session.link is None:
            self.reopen()


class MemberRecorder(Recorder):
    """Brings a stranded member back after a moment."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.member = member

    def link_gone(self, link: Any, code: int, reason: str, *, stranded: bool) -> None:
        super().link_gone(link, code, reason, stranded=stranded)
        if stranded:
            clock = self.member.world.clock
            clock.call_at(clock.now() + 0.2, self.member.come_back)
