"""The ladder and the link keeper, with links that open, stall or fail as each story needs."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest
from messaging_agent.errors import (
    LinkFailed,
    NoTransport,
    ServerFault,
    ServerUnreachable,
    SessionGone,
    SessionLost,
)
from messaging_agent.grants import LinkGrant, LinksGrant
from messaging_agent.ladder import Ladder, WelcomeWatch
from messaging_agent.reconnect import LinkKeeper
from messaging_agent.session_core import ClientSession

from messaging import control
from messaging.lanes import CONTROL
from netcore.delivery import Delivery
from tests.messaging_agent.scripted_server import Recorder, ScriptedLink


def grant(transport: str) -> LinkGrant:
    return LinkGrant(transport, 1, "", b"token", b"", 0, 0, 0.0)


class LadderLink(ScriptedLink):
    """Answers ATTACH with a welcome when it is told to."""

    def __init__(self, transport: str, *, welcomes: bool = True) -> None:
        super().__init__(transport)
        self.welcomes = welcomes
        self.handler: Any = None

    def start(self, handler: Any) -> None:
        self.handler = handler
        if self.welcomes:
            welcome = control.Welcome(0, True, 0, 1, "me", "c", True, True, None, "e", 0)
            asyncio.get_running_loop().call_soon(
                handler.link_message, CONTROL, Delivery.ORDERED, 0, control.encode_link_control(welcome)
            )


class Watched(Recorder):
    """What a channel does with the session's calls about links."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = WelcomeWatch()
        self.keeper: LinkKeeper | None = None

    def link_live(self, link: Any) -> None:
        super().link_live(link)
        self.watch.live(link)
        if self.keeper is not None:
            self.keeper.live()

    def link_gone(self, link: Any, code: int, reason: str, *, stranded: bool) -> None:
        super().link_gone(link, code, reason, stranded=stranded)
        self.watch.gone(link, code, reason)
        if stranded and self.keeper is not None:
            self.keeper.stranded()

    def session_ended(self, code: int, reason: str, *, remote: bool) -> None:
        super().session_ended(code, reason, remote=remote)
        self.watch.all_gone(code, reason)


class Wall:
    """A session, a ladder, and openers that behave as scripted."""

    def __init__(self, fallback_after_s: float = 0.1) -> None:
        self.told = Watched()
        self.session = ClientSession(self.told, clock=time.monotonic)
        self.opened: list[LadderLink] = []
        self.cancelled: list[str] = []
        self.behaviour: dict[str, Any] = {"udp": 0.0, "websocket": 0.0}
        self.started: list[tuple[str, float]] = []
        self.ladder = Ladder(
            self.session,
            self.told.watch,
            {"udp": self.open, "websocket": self.open},
            fallback_after_s=fallback_after_s,
        )

    async def open(self, grant: LinkGrant) -> Any:
        self.started.append((grant.transport, time.monotonic()))
        behaviour = self.behaviour[grant.transport]
        try:
            if isinstance(behaviour, Exception):
                raise behaviour
            if isinstance(behaviour, LadderLink):
                self.opened.append(behaviour)
                return behaviour
            await asyncio.sleep(behaviour)
        except asyncio.CancelledError:
            self.cancelled.append(grant.transport)
            raise
        link = LadderLink(grant.transport)
        self.opened.append(link)
        return link

    async def climb(self) -> None:
        await self.ladder.climb([grant("udp"), grant("websocket")])

    @property
    def transport(self) -> str | None:
        return self.session.link.transport if self.session.link is not None else None


async def test_the_first_that_works_is_the_only_one_tried() -> None:
    wall = Wall()
    await wall.climb()
    assert wall.transport == "udp"
    assert [name for name, _ in wall.started] == ["udp"]


async def test_a_silent_one_is_left_for_the_next_after_a_moment() -> None:
    wall = Wall()
    wall.behaviour["udp"] = 30.0
    begun = time.monotonic()
    await wall.climb()
    assert wall.transport == "websocket"
    assert wall.cancelled == ["udp"]
    assert 0.09 < wall.started[1][1] - begun < 0.6


async def test_a_slow_one_may_still_win_against_a_slower_one() -> None:
    wall = Wall()
    wall.behaviour.update(udp=0.15, websocket=30.0)
    await wall.climb()
    assert wall.transport == "udp"
    assert wall.cancelled == ["websocket"]


async def test_a_failure_makes_room_at_once() -> None:
    wall = Wall(fallback_after_s=30.0)
    wall.behaviour["udp"] = LinkFailed("udp", 0x95, "refused")
    begun = time.monotonic()
    await wall.climb()
    assert wall.transport == "websocket"
    assert time.monotonic() - begun < 1.0


async def test_of_two_that_open_together_one_is_attached() -> None:
    wall = Wall(fallback_after_s=0.0)
    wall.behaviour.update(udp=0.05, websocket=0.05)
    await wall.climb()
    await asyncio.sleep(0.05)
    attached = [link for link in wall.opened if link.sent]
    assert len(wall.opened) == 2
    assert len(attached) == 1
    assert wall.transport == attached[0].transport


async def test_an_open_link_without_a_welcome_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messaging_agent.ladder.WELCOME_TIMEOUT_S", 0.1)
    wall = Wall()
    silent = wall.behaviour["udp"] = LadderLink("udp", welcomes=False)
    with pytest.raises(NoTransport, match="no welcome"):
        await wall.ladder.climb([grant("udp")])
    assert silent.closed is not None
    await wall.climb()
    assert wall.transport == "websocket"


async def test_when_all_fail_the_error_names_each() -> None:
    wall = Wall()
    wall.behaviour["udp"] = LinkFailed("udp", 0x88, "no answer")
    wall.behaviour["websocket"] = LinkFailed("websocket", 0x88, "connection refused")
    with pytest.raises(NoTransport, match=r"udp: no answer; websocket: connection refused"):
        await wall.climb()


class ScriptedSignaling:
    """Mints links, or refuses, as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str], float]] = []
        self.refusals: list[Exception] = []

    async def mint_links(self, session_id: str, transports: list[str]) -> LinksGrant:
        self.asked.append((session_id, list(transports), time.monotonic()))
        if self.refusals:
            raise self.refusals.pop(0)
        return LinksGrant(f"id.{len(self.asked)}", tuple(grant(name) for name in transports))


async def kept(wall: Wall, **options: Any) -> tuple[ScriptedSignaling, LinkKeeper]:
    await wall.climb()
    signaling = ScriptedSignaling()
    keeper = wall.told.keeper = LinkKeeper(
        wall.session,
        signaling,  # type: ignore[arg-type]
        wall.ladder,
        "id.0",
        ["udp", "websocket"],
        fraction=lambda: 0.0,
        **options,
    )
    keeper.start()
    await asyncio.sleep(0)
    return signaling, keeper


def lose(wall: Wall) -> None:
    link = wall.session.link
    assert isinstance(link, LadderLink)
    link.handler.link_closed(0x88, "cut", False)


# NCP-4-8
async def test_a_lost_link_is_replaced_at_once_under_the_new_secret() -> None:
    wall = Wall()
    signaling, keeper = await kept(wall)
    for round in range(2):
        lose(wall)
        await asyncio.sleep(0.05)
        assert wall.transport == "udp"
        assert signaling.asked[round][:2] == (f"id.{round}", ["udp", "websocket"])
    assert keeper.session_id == "id.2"
    await keeper.stop()


async def test_attempts_come_ever_less_often() -> None:
    wall = Wall()
    signaling, keeper = await kept(wall)
    signaling.refusals = [
        ServerUnreachable("down"),
        ServerFault(503, "starting", may_retry=True),
        NoTransport([]),
    ]
    lose(wall)
    await asyncio.sleep(1.3)
    assert wall.transport == "udp"
    times = [when for _, _, when in signaling.asked]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    for gap, wanted in zip(gaps, (0.125, 0.25, 0.5), strict=True):
        assert wanted <= gap < wanted + 0.12
    await keeper.stop()


async def test_the_servers_own_delay_is_kept() -> None:
    wall = Wall()
    signaling, keeper = await kept(wall)
    signaling.refusals = [ServerFault(503, "draining", retry_after_s=0.4, may_retry=True)]
    lose(wall)
    await asyncio.sleep(0.6)
    assert signaling.asked[1][2] - signaling.asked[0][2] >= 0.4
    await keeper.stop()


@pytest.mark.parametrize("refusal", [SessionGone(401, "ended"), ServerFault(500, "broken")])
async def test_a_refusal_for_good_ends_the_session(refusal: Exception) -> None:
    wall = Wall()
    signaling, keeper = await kept(wall)
    signaling.refusals = [refusal]
    lose(wall)
    await asyncio.sleep(0.05)
    assert isinstance(wall.session.closed, SessionLost)
    await keeper.stop()


async def test_a_defect_in_the_keeper_ends_the_session_instead_of_forgetting_it() -> None:
    wall = Wall()
    signaling, keeper = await kept(wall)
    signaling.refusals = [ZeroDivisionError("a defect")]
    lose(wall)
    await asyncio.sleep(0.05)
    assert wall.session.closed is not None
    assert "a defect" in wall.session.closed.reason
    await keeper.stop()


async def test_when_the_window_is_over_so_is_the_session() -> None:
    wall = Wall()
    signaling, keeper = await kept(wall, resume_window_s=0.3)
    signaling.refusals = [ServerUnreachable("down")] * 10
    lose(wall)
    await asyncio.sleep(0.5)
    assert isinstance(wall.session.closed, SessionLost)
    await keeper.stop()


async def test_on_a_lesser_transport_the_better_one_is_tried_again_and_less_often() -> None:
    wall = Wall()
    wall.behaviour["udp"] = LinkFailed("udp", 0x88, "no answer")
    signaling, keeper = await kept(wall, upgrade_after_s=0.1)
    assert wall.transport == "websocket"
    await asyncio.sleep(0.5)
    assert [asked[1] for asked in signaling.asked] == [["udp"], ["udp"]]  # after 0.1 and 0.3 s
    assert wall.transport == "websocket"
    wall.behaviour["udp"] = 0.0
    await asyncio.sleep(0.4)
    assert wall.transport == "udp"
    count = len(signaling.asked)
    await asyncio.sleep(0.3)
    assert len(signaling.asked) == count
    await keeper.stop()
