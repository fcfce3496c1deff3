"""What arrives in a session: application messages decoded, deduplicated, parked until they are understood."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from messaging.envelope import Delivered, decode_delivery
from messaging.errors import ProtocolError
from messaging.lanes import TO_CLIENT
from messaging.sealed_content import ContentOpener, Place
from messaging.stream import StreamReceiver
from messaging_agent.history import Sealed
from messaging_agent.messages import Message, decode_content
from messaging_agent.parking import Parking
from messaging_agent.roster import Roster
from netcore.codes import CloseCode
from netcore.delivery import Delivery

_log: Final = logging.getLogger("messaging_agent")

KIND_OF_LANE: Final = {lane: kind for kind, lane in TO_CLIENT.items()}
"""The kind that each lane toward the client has."""


class Incoming:
    """Takes application messages off the lanes and hands them on as `Message`, each once and in order."""

    __slots__ = (
        "_deliver",
        "_parking",
        "_roster",
        "agent_name",
        "messages",
        "opener",
        "plain_refused",
        "sealed_only",
        "stream",
        "unopened",
    )

    def __init__(self, roster: Roster, deliver: Callable[[Message], None]) -> None:
        self._roster = roster
        self._deliver = deliver
        self._parking = Parking(self._is_known)
        self.stream = StreamReceiver()
        self.messages = 0
        """Messages handed on."""
        self.agent_name = ""
        """This agent's own name: whom targeted messages are sealed for."""
        self.opener: ContentOpener | None = None
        """Opens sealed content; None where this client has no key."""
        self.unopened = 0
        """Messages dropped because no member sealed them so, or because they were shown before."""
        self.sealed_only = False
        """Drop what did not come sealed: the server could have written it (E2E-2-6)."""
        self.plain_refused = 0
        """Messages dropped for that."""

    @property
    def parked(self) -> int:
        """Messages that wait for an announcement."""
        return len(self._parking)

    def take(self, lane: int, kind: Delivery, data: bytes) -> bool:
        """One application message; False where it was here before. Raises ProtocolError for bad bytes."""
        if kind.is_reliable:
            if len(data) < 2:
                raise ProtocolError(CloseCode.FRAME_ENCODING, "stream_number_missing")
            if not self.stream.accept(int.from_bytes(data[:2], "big"), len(data)):
                return False
            data = data[2:]
        envelope = decode_delivery(data, lane)
        if self._parking.admit(lane, envelope):
            self._hand_on(kind, envelope)
        return True

    def release(self) -> None:
        """Something was announced: hand on what waited for it."""
        if self._parking:
            for lane, envelope in self._parking.released():
                self._hand_on(KIND_OF_LANE[lane], envelope)

    def open_stored(self, stored: Sealed) -> tuple[Any, bytes, bool]:
        """(content, its bytes, authentic) of a message of the channel's log.

        Authentic is what a member sealed under just these names; other sealed content stays the bytes that it is.
        """
        raw = stored.raw
        if not stored.encrypted:
            return decode_content(stored.format, raw), raw, False
        opened = None
        if self.opener is not None:
            opened = self.opener.open(
                raw,
                sender=stored.sender,
                type=stored.type,
                format=stored.format,
                stored=True,
                recipient=stored.to,
                once=False,
            )
        if opened is None:
            return raw, raw, False
        return decode_content(stored.format, opened), opened, True

    def _is_known(self, envelope: Delivered) -> bool:
        roster = self._roster
        return (
            roster.by_index(envelope.sender) is not None and roster.type_name(envelope.type_index) is not None
        )

    def _hand_on(self, kind: Delivery, envelope: Delivered) -> None:
        sender = self._roster.by_index(envelope.sender)
        type_name = self._roster.type_name(envelope.type_index)
        if sender is None or type_name is None:
            return
        raw = envelope.content
        readable = not envelope.encrypted
        if readable and self.sealed_only:
            self._refuse_plain(sender.name)
            return
        if envelope.encrypted and self.opener is not None:
            opened = self.opener.open(
                raw,
                sender=sender.name,
                type=type_name,
                format=envelope.format,
                place=Place(kind, envelope.lane, envelope.key or 0),
                stored=envelope.offset is not None,
                recipient=self.agent_name if envelope.targeted else None,
            )
            if opened is None:
                self.unopened += 1
                return
            raw, readable = opened, True
        self.messages += 1
        self._deliver(
            Message(
                sender=sender.name,
                type=type_name,
                content=decode_content(envelope.format, raw) if readable else raw,
                raw=raw,
                delivery=kind,
                lane=envelope.lane,
                key=envelope.key or 0,
                to_me=envelope.targeted,
                encrypted=envelope.encrypted,
                offset=envelope.offset,
                time=None if envelope.time_ms is None else envelope.time_ms / 1000,
            )
        )

    def _refuse_plain(self, sender: str) -> None:
        if not self.plain_refused:
            _log.warning(
                "dropped a message that claims to come from %r and is not encrypted end to end; "
                "accept_plain=True shows such messages",
                sender,
            )
        self.plain_refused += 1
