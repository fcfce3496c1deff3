"""The errors of the core: one for bad bytes from the network, one for a full queue."""

from __future__ import annotations

from netcore.codes import CloseCode


class ProtocolError(Exception):
    """Bytes from the network that break a rule: the only exception a parser here ever raises.

    The catcher counts it under `text` and drops the datagram, or closes the connection with `code`.
    """

    def __init__(self, code: CloseCode, text: str) -> None:
        """`text` is a short constant such as `hello_length`: a counter's name, never bytes from outside."""
        super().__init__(text)
        self.code = code
        self.text = text


class QueueFull(Exception):
    """A connection's queue of reliable messages is at its cap: the receiver does not keep up."""
