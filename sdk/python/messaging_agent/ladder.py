"""The ladder: tries the offered transports, best first, and does not wait long for one that stays silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from messaging_agent.errors import LinkFailed, NoTransport
from messaging_agent.grants import LinkGrant
from messaging_agent.links import Link, LinkHandler
from messaging_agent.session_core import ClientSession
from netcore.codes import CloseCode

FALLBACK_AFTER_S: Final = 0.8
"""So long the better transport has alone before the next one is tried beside it."""
WELCOME_TIMEOUT_S: Final = 2.0
"""So long an open link may take to bring the server's welcome."""


class OpenedLink(Link, Protocol):
    """A link that is open and not read yet."""

    def start(self, handler: LinkHandler) -> None:
        """Begin to tell `handler` what comes."""

    async def finished(self) -> None:
        """Wait until nothing is left to be written, and release everything. For a closed or ended link."""


Opener = Callable[[LinkGrant], Awaitable[OpenedLink]]
"""Opens one link, or raises `LinkFailed`. Cleans up after itself when it is cancelled."""


class WelcomeWatch:
    """Turns the session's calls about its links into futures."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[Link, asyncio.Future[None]]] = {}

    def expect(self, link: Link) -> asyncio.Future[None]:
        """A future that ends with the link's welcome, or with `LinkFailed`."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[id(link)] = (link, future)
        future.add_done_callback(lambda _: self._waiting.pop(id(link), None))
        return future

    def live(self, link: Link) -> None:
        """The link was welcomed."""
        found = self._waiting.get(id(link))
        if found is not None and not found[1].done():
            found[1].set_result(None)

    def gone(self, link: Link, code: int, reason: str) -> None:
        """The link ended."""
        found = self._waiting.get(id(link))
        if found is not None and not found[1].done():
            found[1].set_exception(LinkFailed(link.transport, code, reason))

    def all_gone(self, code: int, reason: str) -> None:
        """The session ended, and every link with it."""
        for link, _ in list(self._waiting.values()):
            self.gone(link, code, reason)


class Ladder:
    """Brings a session onto the best link that works. Used at the start, to come back, and to move up."""

    def __init__(
        self,
        session: ClientSession,
        watch: WelcomeWatch,
        openers: dict[str, Opener],
        *,
        fallback_after_s: float = FALLBACK_AFTER_S,
    ) -> None:
        self._session = session
        self._watch = watch
        self._openers = openers
        self._fallback_after_s = fallback_after_s
        self._attaching = asyncio.Lock()

    async def climb(self, grants: Sequence[LinkGrant]) -> None:
        """Try `grants` in their order until the session lives on one of them. Raises `NoTransport`.

        A transport that fails makes room for the next at once; one that is silent does so after
        `fallback_after_s`, and may still win while the next one is being opened.
        """
        waiting = [grant for grant in grants if grant.transport in self._openers]
        attempts: set[asyncio.Task[None]] = set()
        failures: list[LinkFailed] = []
        won = asyncio.Event()
        try:
            while waiting or attempts:
                if waiting:
                    grant = waiting.pop(0)
                    task = asyncio.create_task(self._attempt(grant, won), name=f"open {grant.transport}")
                    attempts.add(task)
                done, attempts = await asyncio.wait(
                    attempts,
                    timeout=self._fallback_after_s if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for attempt in done:
                    failure = attempt.exception()
                    if failure is None:
                        return
                    if not isinstance(failure, LinkFailed):
                        raise failure
                    failures.append(failure)
        finally:
            for attempt in attempts:
                attempt.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)
        raise NoTransport(failures)

    async def _attempt(self, grant: LinkGrant, won: asyncio.Event) -> None:
        """Open one link and attach it. One at a time: a second one would take the first one's place."""
        link = await self._openers[grant.transport](grant)
        attached = False
        try:
            async with self._attaching:
                if won.is_set():
                    raise LinkFailed(grant.transport, CloseCode.NORMAL, "another one was quicker")
                welcomed = self._watch.expect(link)
                attachment = self._session.attach_link(link)
                attached = True
                link.start(attachment)
                try:
                    async with asyncio.timeout(WELCOME_TIMEOUT_S):
                        await welcomed
                except TimeoutError:
                    raise LinkFailed(grant.transport, CloseCode.IDLE, "open, but no welcome came") from None
                won.set()
        except BaseException:
            self._session.give_up_link(link)
            if not attached:
                link.close(CloseCode.NORMAL, "not needed")
            raise
