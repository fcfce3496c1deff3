"""Receipts: what a send gives back, to be awaited or not."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator

from messaging_agent.errors import ChannelClosed, MessageRefused, MessagingError


class Receipt:
    """The fate of one sent message.

    `await receipt` returns the receipt itself when the server has the message (at once for unreliable and
    sequenced ones, which nobody acknowledges), and raises `MessageRefused` where the server would not pass
    it on and a `ChannelClosed` where the session ended first. Never awaiting it is fine: nothing is logged
    or leaked.
    """

    __slots__ = ("_error", "_waiters", "done", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        """The message's number in the session stream; 0 where it is not in it."""
        self.done = number == 0
        """True when the fate is known."""
        self._error: MessagingError | None = None
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def error(self) -> MessagingError | None:
        """Why the message was not passed on, as far as known."""
        return self._error

    def __await__(self) -> Generator[object, None, Receipt]:
        if not self.done:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            yield from waiter
        if self._error is not None:
            raise self._error
        return self

    def settle(self, error: MessagingError | None = None) -> None:
        """The fate is known; the first word counts."""
        if self.done:
            return
        self.done = True
        self._error = error
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class ReceiptBook:
    """The receipts that are still open, in the order of their numbers."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: deque[Receipt] = deque()

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, number: int) -> Receipt:
        """A receipt for the message just sent."""
        receipt = Receipt(number)
        if number:
            self._open.append(receipt)
        return receipt

    def acknowledged(self, up_to: int) -> None:
        """The server has everything up to this number."""
        while self._open and self._open[0].number <= up_to:
            self._open.popleft().settle()

    def refused(self, number: int, error: MessageRefused) -> bool:
        """The server refused one message; False where its receipt is not open any more."""
        for receipt in self._open:
            if receipt.number == number:
                receipt.settle(error)
                return True
        return False

    def ended(self, error: ChannelClosed) -> None:
        """The session is over: what is open stays unknown."""
        while self._open:
            self._open.popleft().settle(error)
