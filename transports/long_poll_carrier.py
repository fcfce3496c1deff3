"""One link over long poll: numbered batches up and down, each taken once however often it is sent.

The `Carrier` of a framed link. What is not asked for yet waits in the link's queue, where newer states replace
older ones; at most one batch is under way. docs/protocol/long-poll.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from messaging.poll_bodies import Batch, Close, decode_batch, decode_poll, encode_batch
from netcore.codes import CloseCode
from netcore.errors import ProtocolError
from transports.framed_link import FramedLink

if TYPE_CHECKING:
    from transports.long_poll import LongPollTransport

_log: Final = logging.getLogger("transports.long_poll")


class PollReplaced(Exception):
    """A newer poll of the same link is here: this one gets nothing."""


class LinkOver(Exception):
    """The link has ended; nothing more is taken."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.reason)
        self.close = close


Poll = asyncio.Future[bytes | None]
"""A poll that waits for its answer; None where there was nothing in time."""


class LongPollCarrier:
    """Takes uploads, answers polls, and ends the link when nobody asks any more."""

    __slots__ = (
        "_answered_at",
        "_awake",
        "_bytes_in",
        "_bytes_out",
        "_close",
        "_forget",
        "_poll",
        "_poll_timer",
        "_received",
        "_rest",
        "_rtt_s",
        "_sent",
        "_service",
        "_timer",
        "_under_way",
        "link",
    )

    def __init__(self, service: LongPollTransport, forget: Callable[[], object]) -> None:
        """`forget()` takes the link out of the transport: its secret means nothing any more."""
        self._service = service
        self._forget = forget
        self.link: FramedLink
        """Set by whoever makes it, before anything else happens."""
        self._received = 0  # number of the newest upload
        self._sent = 0  # number of the newest batch
        self._under_way: bytes | None = None  # that batch, until the next poll shows that it has arrived
        self._rest: deque[bytes] = deque()  # frames of a closed link
        self._close: Close | None = None
        self._poll: Poll | None = None
        self._poll_timer: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._awake = False
        self._answered_at: float | None = None
        self._rtt_s: float | None = None
        self._bytes_in = 0
        self._bytes_out = 0

    def begin(self) -> None:
        """The link is attached: from now on it has to be asked for."""
        self._watch()

    # What requests bring.

    def upload(self, body: bytes) -> None:
        """Take one batch of the client. One that was here before changes nothing.

        Raises ProtocolError for what breaks a rule (the link is then closed with its code) and LinkOver.
        """
        self._service.stats.uploads += 1
        self._bytes_in += len(body)
        self._watch()
        try:
            self._take(decode_batch(body))
        except ProtocolError as error:
            self._fail(error.code, error.text)
            raise
        except LinkOver:
            raise
        except Exception:
            _log.exception("an upload could not be handled")
            self._fail(CloseCode.INTERNAL, "internal error")
            raise

    def _take(self, batch: Batch) -> None:
        if batch.number <= self._received:
            self._service.stats.repeated += 1
            return
        if self._close is not None:
            raise LinkOver(self._close)
        if batch.number != self._received + 1:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "upload_number")
        self._received = batch.number
        if batch.frames:
            self.link.receive(batch.frames)
        if batch.close is not None and self._close is None:
            self._over(batch.close, ())
            self.link.ended(batch.close.code, batch.close.reason, True)

    def poll(self, body: bytes) -> Poll:
        """Ask for what follows the batch that the client has; the answer is a batch, or None after a while.

        A poll that waits already ends with PollReplaced. Whoever loses interest cancels the future. Raises
        ProtocolError for what breaks a rule; the link is then closed with its code.
        """
        self._service.stats.polls += 1
        self._bytes_in += len(body)
        try:
            answer = self._acknowledged(decode_poll(body))
        except ProtocolError as error:
            self._fail(error.code, error.text)
            raise
        self._replace_poll()
        poll: Poll = self._service.loop.create_future()
        answer = answer or self._next_answer()
        if answer is not None:
            self._watch()
            self._count(answer)
            poll.set_result(answer)
            return poll
        self._watch(False)
        self._poll = poll
        self._poll_timer = self._service.loop.call_later(self._service.config.wait_s, _answer, poll, None)
        poll.add_done_callback(self._poll_over)
        return poll

    def _acknowledged(self, received: int) -> bytes | None:
        """The client has batch `received`; the one after it where that was sent already."""
        if received == self._sent:
            if self._under_way is not None:
                self._under_way = None
                self._sample()
        elif received == self._sent - 1 and self._under_way is not None:
            self._service.stats.repeated += 1
            self._answered_at = None
            return self._under_way
        else:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "poll_number")
        return None

    def _replace_poll(self) -> None:
        poll = self._poll
        if poll is not None and not poll.done():
            self._service.stats.replaced += 1
            poll.set_exception(PollReplaced())
        self._poll = None
        if self._poll_timer is not None:
            self._poll_timer.cancel()
            self._poll_timer = None

    def _poll_over(self, poll: Poll) -> None:
        """A waiting poll was answered, replaced, or its client is gone."""
        if not poll.cancelled():
            poll.exception()  # whoever waited may have gone: then nobody else looks at it
        if self._poll is poll or self._poll is None:
            self._poll = None
            if self._poll_timer is not None:
                self._poll_timer.cancel()
                self._poll_timer = None
            self._watch()

    # What goes out.

    def _next_answer(self) -> bytes | None:
        """The next batch, of what waits; None where nothing does."""
        if self._close is None:
            frames = self.link.take(self._service.config.answer_budget_bytes)
            return self._batch(frames, None) if frames else None
        frames = self._rest.popleft() if self._rest else b""
        return self._batch(frames, None if self._rest else self._close)

    def _batch(self, frames: bytes, close: Close | None) -> bytes:
        self._sent += 1
        self._under_way = encode_batch(Batch(self._sent, frames, close))
        self._answered_at = self._service.clock()
        return self._under_way

    def _answer_poll(self) -> None:
        poll = self._poll
        if poll is not None and not poll.done():
            answer = self._next_answer()
            if answer is not None:
                self._count(answer)
                poll.set_result(answer)

    def _count(self, answer: bytes) -> None:
        self._bytes_out += len(answer)

    def woken(self) -> None:
        """The end of the wake-up that `wake` asked for."""
        self._awake = False
        self._answer_poll()

    # Carrier.

    @property
    def rtt_s(self) -> float | None:
        """From an answer to the poll that follows it, smoothed; None before the first."""
        return self._rtt_s

    def _sample(self) -> None:
        if self._answered_at is not None:
            sample = self._service.clock() - self._answered_at
            self._answered_at = None
            self._rtt_s = sample if self._rtt_s is None else self._rtt_s + (sample - self._rtt_s) / 8

    def wake(self) -> None:
        """Answer the waiting poll at the end of the present wake-up."""
        if not self._awake and self._poll is not None:
            self._awake = True
            self._service.wake(self)

    def drain(self) -> None:
        """Answer the waiting poll now."""
        self._answer_poll()

    def finish(self, code: int, reason: str) -> None:
        """The link closed: keep what it holds, and the code, for the polls of the next moments."""
        frames = []
        while payload := self.link.take(self._service.config.answer_budget_bytes):
            frames.append(payload)
        self._over(Close(code, reason), frames)
        self._service.loop.call_soon(self.link.ended, code, reason, False)

    def counters(self) -> dict[str, float]:
        """Bytes of bodies; HTTP around them not."""
        return {"bytes_in": self._bytes_in, "bytes_out": self._bytes_out}

    # Ending.

    def _over(self, close: Close, frames: list[bytes] | tuple[()]) -> None:
        self._close = close
        self._rest.extend(frames)
        self._set_timer(self._service.config.linger_s)
        self._answer_poll()

    def _fail(self, code: CloseCode, reason: str) -> None:
        """The client broke a rule, or we did: close with `code`."""
        self._service.stats.count_malformed(code)
        self.link.close(code, reason)

    def _watch(self, armed: bool = True) -> None:
        """Somebody is here. Count the time anew, or not at all while a poll waits."""
        if self._close is None:
            waits = self._poll is not None and not self._poll.done()
            self._set_timer(self._service.config.idle_timeout_s if armed and not waits else None)
        elif self._rest:
            self._set_timer(self._service.config.linger_s)

    def _set_timer(self, delay_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if delay_s is None else self._service.loop.call_later(delay_s, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._forget()
        self._replace_poll()
        if self._close is None:
            self._service.stats.idle += 1
            self._close = Close(CloseCode.IDLE, "nobody asks")
            self.link.ended(CloseCode.IDLE, "nobody asks", False)
        self._under_way = None
        self._rest.clear()


def _answer(poll: Poll, answer: bytes | None) -> None:
    if not poll.done():
        poll.set_result(answer)
