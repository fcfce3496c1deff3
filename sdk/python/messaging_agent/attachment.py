"""An attachment: one link's tie to its session, from ATTACH to the link's end."""

from __future__ import annotations

from typing import Final, Protocol

from messaging.errors import ProtocolError
from messaging_agent.links import Link
from netcore.codes import CloseCode
from netcore.delivery import Delivery

MAX_EARLY_MESSAGES: Final = 2048
"""So many messages of a new link wait for its WELCOME."""


class AttachmentOwner(Protocol):
    """The session behind an attachment."""

    def link_received(self, attachment: Attachment, lane: int, kind: Delivery, data: bytes) -> None:
        """A message arrived on an open attachment."""

    def link_ended(self, attachment: Attachment, code: int, reason: str, *, remote: bool) -> None:
        """An open attachment's link ended; the attachment is closed already."""


class Attachment:
    """The handler that a link tells. Made by `ClientSession.attach_link`.

    Once closed it lets nothing through: a link that lost its place cannot disturb its successor.
    """

    __slots__ = ("_owner", "early", "is_open", "link", "received", "welcomed")

    def __init__(self, owner: AttachmentOwner, link: Link, received: int) -> None:
        self._owner = owner
        self.link = link
        self.received = received
        """What ATTACH said on this link: the stream number up to which everything had arrived."""
        self.welcomed = False
        self.is_open = True
        self.early: list[tuple[int, Delivery, bytes]] = []
        """What overtook the WELCOME, for lanes do not wait for each other."""

    def link_message(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        """One whole message arrived on the link."""
        if self.is_open:
            self._owner.link_received(self, lane, kind, data)

    def link_closed(self, code: int, reason: str, remote: bool) -> None:
        """The link ended."""
        if self.is_open:
            self.is_open = False
            self._owner.link_ended(self, code, reason, remote=remote)

    def keep_early(self, lane: int, kind: Delivery, data: bytes) -> None:
        """Keep a message until the WELCOME is there. Raises ProtocolError at the cap."""
        if len(self.early) >= MAX_EARLY_MESSAGES:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "messages_before_welcome")
        self.early.append((lane, kind, data))

    def close(self, code: int, reason: str) -> None:
        """Close the link and hear nothing of it any more."""
        if self.is_open:
            self.is_open = False
            self.link.close(code, reason)
