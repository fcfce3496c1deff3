"""What arrives in a session: application messages decoded, deduplicated, parked until they are understood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from messaging.envelope import Delivered, decode_delivery
from messaging.errors import ProtocolError
from messaging.lanes import TO_CLIENT
from messaging.stream import StreamReceiver
from messaging_agent.messages import Message, decode_content
from messaging_agent.parking import Parking
from messaging_agent.roster import Roster
from netcore.codes import CloseCode
from netcore.delivery import Delivery

KIND_OF_LANE: Final = {lane: kind for kind, lane in TO_CLIENT.items()}
"""The kind that each lane toward the client has."""


class Incoming:
    """Takes application messages off the lanes and hands them on as `Message`, each once and in order."""

    __slots__ = ("_deliver", "_parking", "_roster", "messages", "stream")

    def __init__(self, roster: Roster, deliver: Callable[[Message], None]) -> None:
        self._roster = roster
        self._deliver = deliver
        self._parking = Parking(self._is_known)
        self.stream = StreamReceiver()
        self.messages = 0
        """Messages handed on."""

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
        self.messages += 1
        self._deliver(
            Message(
                sender=sender.name,
                type=type_name,
                content=raw if envelope.encrypted else decode_content(envelope.format, raw),
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
