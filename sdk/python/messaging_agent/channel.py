"""A channel as a program sees it: send, receive, who is there, what happens. Made by `connect`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from messaging_agent.errors import ChannelClosed, MessageRefused
from messaging_agent.events import (
    AgentAway,
    AgentBack,
    AgentJoined,
    AgentLeft,
    Closed,
    Disconnected,
    Event,
    Reconnected,
    Refused,
    TransportChanged,
)
from messaging_agent.grants import SessionGrant
from messaging_agent.history import HistoryPage
from messaging_agent.inbox import Inbox
from messaging_agent.ladder import Ladder, OpenedLink, WelcomeWatch
from messaging_agent.links import Link
from messaging_agent.messages import Message
from messaging_agent.receipt import Receipt, ReceiptBook
from messaging_agent.reconnect import LinkKeeper
from messaging_agent.roster import Agent
from messaging_agent.session_core import ClientSession
from messaging_agent.session_handler import SessionHandler, Welcome
from messaging_agent.signaling_client import SignalingClient
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from statesync.clock import ClockSync

EVENT_LIMIT: Final = 1000
"""Events that wait for one reader; the oldest go first."""
CLOSE_TIMEOUT_S: Final = 3.0
LINK_FINISH_S: Final = 1.5

_log: Final = logging.getLogger("messaging_agent")


class EventStream:
    """One reader's view of a channel's events, from the moment it was asked for. `async for` ends with
    `Closed`."""

    def __init__(self, inbox: Inbox[Event]) -> None:
        self._inbox = inbox

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        return await self._inbox.get()


class Channel(SessionHandler):
    """An agent's stay in a channel.

    `async for message in channel` gives every message once, in the order each sender sent them; it ends when
    the channel is closed here, and raises a `ChannelClosed` where the server or the network ended it.
    Messages wait in an inbox while nobody iterates (`inbox_limit`, the oldest go first); with `on_message`
    set they are handed to that function instead. `on_event` gets every event. Both run in the loop's thread
    and must not block.

    Not thread-safe: use it from the loop it was made in. `AgentConnection` is the layer for other threads.
    """

    def __init__(
        self, name: str, grant: SessionGrant, signaling: SignalingClient, *, inbox_limit: int
    ) -> None:
        self.name = name
        self.on_message: Callable[[Message], None] | None = None
        self.on_event: Callable[[Event], None] | None = None
        self._grant = grant
        self._signaling = signaling
        self._inbox: Inbox[Message] = Inbox(inbox_limit)
        self._event_inboxes: list[Inbox[Event]] = []
        self._receipts = ReceiptBook()
        self._finishing: list[OpenedLink] = []
        self._transport: str | None = None
        self._stranded = False
        self._ready = asyncio.Event()
        self._over = asyncio.Event()
        self.watch = WelcomeWatch()
        self.session: ClientSession
        self.ladder: Ladder
        self.keeper: LinkKeeper

    # Facts

    @property
    def id(self) -> str:
        """The channel's id; it tells nothing about name and password."""
        return self._grant.channel_id

    @property
    def agent_name(self) -> str:
        """This agent's own name."""
        return self._grant.agent_name

    @property
    def session_id(self) -> str:
        """What resumes this session from another process. A secret; it changes with every reconnect."""
        return self.keeper.session_id

    @property
    def created(self) -> bool:
        """True where this agent is the first here. Perhaps the password was mistyped."""
        return self._grant.created

    @property
    def resumed(self) -> bool:
        """True where an earlier session goes on."""
        return self._grant.resumed

    @property
    def readable(self) -> bool:
        """True where the server can read the messages: content is not encrypted end to end here."""
        return self._grant.readable

    @property
    def game(self) -> str | None:
        """The game that the server runs in this channel."""
        return self._grant.game

    @property
    def transport(self) -> str | None:
        """What the session runs over now: `udp`, `websocket`, `long-poll`; None while there is no link."""
        return None if self._stranded else self._transport

    @property
    def rtt_s(self) -> float | None:
        """Round trip to the server in seconds; None before the first sample."""
        return self.session.rtt_s

    @property
    def clock(self) -> ClockSync:
        """The server's clock: `channel.clock.remote_time(time.monotonic())`."""
        return self.session.clock

    @property
    def agents(self) -> list[Agent]:
        """Everyone who is in the channel now, oneself included."""
        return self.session.roster.present()

    @property
    def me(self) -> Agent | None:
        """This agent as the others see it."""
        return self.session.roster.present_at(self.session.index)

    @property
    def server_time(self) -> float:
        """The server's monotonic seconds, as well as they are known."""
        return self.session.clock.remote_time(time.monotonic())

    def agent(self, name: str) -> Agent | None:
        """The agent of that name, if it is here."""
        return self.session.roster.by_name(name)

    def stats(self) -> dict[str, float]:
        """Plain counters of session and link."""
        return {
            **self.session.stats(),
            "unread": float(len(self._inbox)),
            "unread_dropped": float(self._inbox.dropped),
            "receipts_open": float(len(self._receipts)),
        }

    # Sending and receiving

    def send(
        self,
        content: object,
        *,
        type: str = "chat-text",
        to: str | Agent | None = None,
        delivery: str | Delivery = Delivery.ORDERED,
        key: int = 0,
        lane: int | None = None,
        ephemeral: bool | None = None,
        filter: str | None = None,
    ) -> Receipt:
        """Send text, bytes or a JSON value to everyone else, to one agent, or to those who match a filter.

        `filter` is a regular expression (RE2: no look-ahead, no back-references) that has to match the whole name:
        `"red-.*"`. What nobody matches goes nowhere; a filter that cannot be used makes the receipt fail.

        `delivery`: `ordered` (default), `reliable`, `sequenced` (latest of each `key` wins), `unreliable`.
        `ephemeral` messages are not stored; left out, ordered and reliable ones without a filter are. The receipt may
        be awaited: it is complete when the server has the message (stored, if it is to be stored). See
        `ClientSession.send` for limits and what is raised; nothing of it waits.
        """
        number = self.session.send(
            content,
            type=type,
            to=to.name if isinstance(to, Agent) else to,
            delivery=_delivery(delivery),
            key=key,
            lane=lane,
            ephemeral=ephemeral,
            filter=filter,
        )
        return self._receipts.enter(number)

    def __aiter__(self) -> Channel:
        return self

    async def __anext__(self) -> Message:
        return await self._inbox.get()

    async def next_message(self, timeout_s: float | None = None) -> Message:
        """The next message. Raises `TimeoutError`, and `ChannelClosed` where there will be none."""
        async with asyncio.timeout(timeout_s):
            try:
                return await self._inbox.get()
            except StopAsyncIteration:
                raise self._closed_error() from None

    def hand_over_unread(self) -> None:
        """Give `on_message` what came before it was set."""
        while self.on_message is not None and len(self._inbox):
            _call(self.on_message, self._inbox.take())

    def events(self) -> EventStream:
        """What happens from now on: joins, leaves, transport changes (see `messaging_agent.events`)."""
        inbox: Inbox[Event] = Inbox(EVENT_LIMIT)
        if self._over.is_set():
            inbox.end()
        self._event_inboxes.append(inbox)
        return EventStream(inbox)

    async def receive(
        self, *, after: int | None = None, limit: int = 100, poll_source: str | None = None
    ) -> HistoryPage:
        """Read the channel's log: up to `limit` stored messages with an offset above `after`, oldest first.

        `after` left out: from the oldest that is kept. `poll_source` is `AUTO`, `CACHE`, `KAFKA` or
        `DATABASE`; the page's `served_by` tells who answered.
        """
        answer = await self._signaling.messages(
            self.session_id, after=after, limit=limit, poll_source=poll_source or self._grant.poll_source
        )
        return HistoryPage.parse(answer, self.session.open_stored)

    # The end

    async def close(self) -> None:
        """Leave the channel: what was sent arrives first (for up to two seconds). Harmless when repeated."""
        self.session.leave()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._over.wait()
        except TimeoutError:
            self.session.end(CloseCode.NORMAL, "left")
        await self._release()

    async def wait_closed(self) -> ChannelClosed:
        """Wait for the end, whoever brings it, and say why."""
        await self._over.wait()
        return self._closed_error()

    async def __aenter__(self) -> Channel:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _release(self) -> None:
        await self.keeper.stop()
        await self.links_finished()
        await self._signaling.close()

    def _closed_error(self) -> ChannelClosed:
        return self.session.closed or ChannelClosed(CloseCode.NORMAL, remote=False)

    # What connect does with it

    def finish_at_close(self, link: OpenedLink) -> None:
        """Remember a link whose last bytes have to leave before the channel is really closed."""
        self._finishing.append(link)
        del self._finishing[:-4]

    async def links_finished(self) -> None:
        """Wait, not long, until closed links have written what they had."""
        waiting = [link.finished() for link in self._finishing]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINK_FINISH_S):
                await asyncio.gather(*waiting)

    async def wait_ready(self) -> None:
        """Wait until the server has told who is here. Raises `ChannelClosed` where the session ends."""
        ready = asyncio.ensure_future(self._ready.wait())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((ready, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            over.cancel()
        if not self._ready.is_set():
            raise self._closed_error()

    # Calls of the session

    def session_ready(self, welcome: Welcome) -> None:
        """The session is in its channel."""
        self._ready.set()

    def session_resumed(self, missed: int) -> None:
        """The session goes on."""
        self._tell(Reconnected(missed))

    def message(self, message: Message) -> None:
        """A message arrived."""
        if self.on_message is None:
            self._inbox.put(message)
        else:
            _call(self.on_message, message)

    def agent_joined(self, agent: Agent) -> None:
        """Somebody is there."""
        self._tell(AgentJoined(agent))

    def agent_left(self, agent: Agent, reason: str) -> None:
        """Somebody left."""
        self._tell(AgentLeft(agent, reason))

    def agent_away(self, agent: Agent, away: bool) -> None:
        """Somebody lost its link, or is back."""
        self._tell(AgentAway(agent) if away else AgentBack(agent))

    def acknowledged(self, up_to: int) -> None:
        """The server has what was sent."""
        self._receipts.acknowledged(up_to)

    def message_refused(self, code: int, text: str, number: int | None) -> None:
        """The server refused something."""
        if number is not None:
            self._receipts.refused(number, MessageRefused(code, text))
        self._tell(Refused(code, text))

    def link_live(self, link: Link) -> None:
        """A link carries the session."""
        previous = None if self._stranded else self._transport
        self._stranded = False
        self._transport = link.transport
        self.watch.live(link)
        if hasattr(self, "keeper"):
            self.keeper.live()
        self._tell(TransportChanged(link.transport, previous))

    def link_gone(self, link: Link, code: int, reason: str, *, stranded: bool) -> None:
        """A link ended."""
        self.watch.gone(link, code, reason)
        if stranded and self._transport is not None and not self._stranded:
            self._stranded = True
            self._tell(Disconnected(code, reason))
        if stranded and hasattr(self, "keeper"):
            self.keeper.stranded()

    def session_ended(self, code: int, reason: str, *, remote: bool) -> None:
        """The session is over."""
        self._over.set()
        self.watch.all_gone(code, reason)
        error = self._closed_error()
        self._receipts.ended(error)
        self._tell(Closed(code, reason, remote))
        by_us = code == CloseCode.NORMAL and not remote
        self._inbox.end(None if by_us else error)
        for inbox in self._event_inboxes:
            inbox.end()

    def _tell(self, event: Event) -> None:
        for inbox in self._event_inboxes:
            inbox.put(event)
        if self.on_event is not None:
            _call(self.on_event, event)


def _delivery(value: str | Delivery) -> Delivery:
    if isinstance(value, Delivery):
        return value
    try:
        return Delivery[value.upper()]
    except (KeyError, AttributeError):
        known = ", ".join(kind.name.lower() for kind in Delivery)
        raise ValueError(f"delivery is {value!r}, must be one of {known}") from None


def _call(function: Callable[[Any], None], value: object) -> None:
    """Call a program's function. Its defects are logged, not spread into the network's code."""
    try:
        function(value)
    except Exception:
        _log.exception("a callback raised")
