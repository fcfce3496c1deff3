"""The link keeper: brings a session back onto a link when it lost one, and onto a better one when there is
one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from messaging_agent.errors import (
    SESSION_UNKNOWN,
    ChannelClosed,
    MessagingError,
    RequestRefused,
    SessionGone,
)
from messaging_agent.ladder import Ladder
from messaging_agent.session_core import ClientSession
from messaging_agent.signaling_client import SignalingClient
from netcore.codes import CloseCode

RESUME_WINDOW_S: Final = 120.0
"""So long the server keeps a session without a link."""
FIRST_DELAY_S: Final = 0.25
LONGEST_DELAY_S: Final = 5.0
UPGRADE_AFTER_S: Final = 10.0
"""So long after a fall-back the better transport is tried again; each further try waits twice as long."""
LONGEST_UPGRADE_DELAY_S: Final = 300.0

_log: Final = logging.getLogger("messaging_agent")


class LinkKeeper:
    """Works in the background from the first link to the end of the session.

    `transports` is the order of preference. `fraction()` is a random number in 0..1, which spreads the
    retries of many clients. The session id is here because every new set of links changes its secret.
    """

    def __init__(
        self,
        session: ClientSession,
        signaling: SignalingClient,
        ladder: Ladder,
        session_id: str,
        transports: Sequence[str],
        *,
        fraction: Callable[[], float],
        upgrade_after_s: float = UPGRADE_AFTER_S,
        resume_window_s: float = RESUME_WINDOW_S,
    ) -> None:
        self.session_id = session_id
        self._session = session
        self._signaling = signaling
        self._ladder = ladder
        self._transports = list(transports)
        self._fraction = fraction
        self._upgrade_after_s = upgrade_after_s
        self._resume_window_s = resume_window_s
        self._stranded = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """The first link is there: look after it."""
        self._task = asyncio.create_task(self._keep(), name="link keeper")

    def stranded(self) -> None:
        """The session has no link."""
        self._stranded.set()

    def live(self) -> None:
        """The session has a link."""
        self._stranded.clear()

    async def stop(self) -> None:
        """The session is over."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self) -> None:
        try:
            await self._run()
        except Exception as error:  # a defect here must not leave a session that nobody looks after
            _log.exception("the link keeper failed")
            self._session.end(CloseCode.INTERNAL, f"the client's link keeper failed: {error!r}")

    async def _run(self) -> None:
        upgrade_delay_s = self._upgrade_after_s
        while self._session.closed is None:
            better = self._better_transports()
            try:
                async with asyncio.timeout(upgrade_delay_s if better else None):
                    await self._stranded.wait()
            except TimeoutError:
                if await self._try_upgrade(better):
                    upgrade_delay_s = self._upgrade_after_s
                else:
                    upgrade_delay_s = min(upgrade_delay_s * 2, LONGEST_UPGRADE_DELAY_S)
                continue
            await self._come_back()
            upgrade_delay_s = self._upgrade_after_s

    def _better_transports(self) -> list[str]:
        """Those that are preferred to the one in use."""
        link = self._session.link
        if link is None or link.transport not in self._transports:
            return []
        return self._transports[: self._transports.index(link.transport)]

    async def _try_upgrade(self, transports: Sequence[str]) -> bool:
        """Move to a better transport while the present one goes on."""
        try:
            await self._climb(transports)
        except MessagingError as error:
            _log.debug("no better transport yet: %s", error)
            return False
        return True

    async def _come_back(self) -> None:
        """Try until the session has a link again, or the server has forgotten it, or time is up."""
        deadline = time.monotonic() + self._resume_window_s
        delay_s = FIRST_DELAY_S
        while self._session.closed is None and self._stranded.is_set():
            wait_s = delay_s * (0.5 + 0.5 * self._fraction())
            try:
                await self._climb(self._transports)
                return
            except SessionGone as error:
                self._session.end(SESSION_UNKNOWN, error.detail)
                return
            except ChannelClosed:
                return
            except RequestRefused as error:
                if not error.may_retry:
                    self._session.end(SESSION_UNKNOWN, error.detail)
                    return
                wait_s = max(wait_s, error.retry_after_s or 0.0)
                _log.debug("not back yet: %s", error)
            except MessagingError as error:
                _log.debug("not back yet: %s", error)
            if time.monotonic() + wait_s > deadline:
                self._session.end(SESSION_UNKNOWN, f"no way back within {self._resume_window_s:g} s")
                return
            await asyncio.sleep(wait_s)
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    async def _climb(self, transports: Sequence[str]) -> None:
        grant = await self._signaling.mint_links(self.session_id, transports)
        self.session_id = grant.session_id
        by_name = {link.transport: link for link in grant.links}
        await self._ladder.climb([by_name[name] for name in transports if name in by_name])
