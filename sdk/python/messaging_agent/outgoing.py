"""What leaves a session: checks and encodes messages, and keeps what has to wait for a link."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from messaging.envelope import MAX_KEY, encode_publication
from messaging.errors import StreamFull
from messaging.lanes import APPLICATION_FIRST, APPLICATION_LAST, DEFAULT_APPLICATION_LANE
from messaging.names import check_name
from messaging.sealed_content import ContentSealer, Place
from messaging.stream import StreamSender
from messaging_agent.errors import OutboxFull, UnknownAgent
from messaging_agent.roster import Agent, Roster
from netcore.delivery import Delivery

MAX_CONTENT_BYTES: Final = 256 * 1024 - 256
"""The largest content that fits a link's message with its envelope. A channel's own limit may be lower."""
MAX_LATEST: Final = 256
"""So many sequenced values wait for a link, one of each lane and key; the oldest goes."""


class Outgoing:
    """Turns sends into lane and bytes, numbers what is in the stream, keeps the latest of the rest."""

    __slots__ = ("_lane_kinds", "_latest", "_roster", "sealer", "stream")

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._lane_kinds: dict[int, Delivery] = {
            lane: kind for kind, lane in DEFAULT_APPLICATION_LANE.items()
        }
        self._latest: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self.sealer: ContentSealer | None = None
        """Encrypts content end to end; None where it is sent plain."""
        self.stream = StreamSender()

    def encode(
        self,
        raw: bytes,
        format: int,
        *,
        type: str,
        to: str | None,
        delivery: Delivery,
        key: int,
        lane: int | None,
        ephemeral: bool | None,
        filter: str | None = None,
    ) -> tuple[int, bytes]:
        """(lane, envelope) of one message. Raises `ValueError`, `UnknownAgent`; see `ClientSession.send`."""
        if len(raw) > MAX_CONTENT_BYTES:
            raise ValueError(f"content has {len(raw)} bytes, the limit is {MAX_CONTENT_BYTES}")
        if not 0 <= key <= MAX_KEY:
            raise ValueError(f"key is {key}, must be 0 to {MAX_KEY}")
        if key and delivery is not Delivery.SEQUENCED:
            raise ValueError(f"a key is for sequenced messages, this one is {delivery.name.lower()}")
        agent = None if to is None else self._agent_named(to)
        if ephemeral is None:
            # An agent inside the server has no log to read from; the log knows no filters.
            persistent = delivery.is_reliable and filter is None and not (agent is not None and agent.local)
        else:
            persistent = not ephemeral
        if persistent and not delivery.is_reliable:
            raise ValueError(f"a stored message has to be reliable or ordered, not {delivery.name.lower()}")
        if persistent and filter is not None:
            raise ValueError(
                "a message with a filter is not stored: ephemeral=False and filter= exclude each other"
            )
        number = self._roster.type_number(type)
        if number is None:
            type = check_name(type, "type")
        lane = self._lane_for(delivery, lane)
        if self.sealer is not None:
            raw = self.sealer.seal(
                raw,
                type=type,
                format=format,
                place=Place(delivery, lane, key),
                stored=persistent,
                recipient=to,
            )
        body = encode_publication(
            type if number is None else number,
            raw,
            format=format,
            encrypted=self.sealer is not None,
            persistent=persistent,
            to=None if agent is None else agent.index,
            filter=filter,
            compress=delivery.is_reliable,
        )
        return lane, body

    def push(self, now: float, lane: int, delivery: Delivery, body: bytes) -> bytes:
        """Number a stream message and keep it until it is acknowledged; returns its bytes on the link."""
        try:
            return self.stream.push(now, lane, delivery, body)
        except StreamFull:
            waiting = self.stream.unacknowledged
            raise OutboxFull(f"{waiting} messages wait for the server's acknowledgement.") from None

    def keep_latest(self, lane: int, key: int, body: bytes) -> None:
        """Keep a sequenced message until there is a link; a newer one of its lane and key replaces it."""
        self._latest.pop((lane, key), None)
        self._latest[lane, key] = body
        if len(self._latest) > MAX_LATEST:
            self._latest.popitem(last=False)

    def take_latest(self) -> Iterator[tuple[int, int, bytes]]:
        """(lane, key, body) of what `keep_latest` kept; it is forgotten."""
        kept, self._latest = self._latest, OrderedDict()
        for (lane, key), body in kept.items():
            yield lane, key, body

    def full_number(self, low16: int) -> int:
        """The newest stream number sent whose low 16 bits are these."""
        last = self.stream.last
        return last - ((last - low16) & 0xFFFF)

    def _lane_for(self, delivery: Delivery, lane: int | None) -> int:
        if lane is None:
            return DEFAULT_APPLICATION_LANE[delivery]
        if not APPLICATION_FIRST <= lane <= APPLICATION_LAST:
            raise ValueError(f"lane is {lane}, must be {APPLICATION_FIRST} to {APPLICATION_LAST}")
        kind = self._lane_kinds.setdefault(lane, delivery)
        if kind is not delivery:
            raise ValueError(f"lane {lane} is {kind.name.lower()}, take another for {delivery.name.lower()}")
        return lane

    def _agent_named(self, name: str) -> Agent:
        agent = self._roster.by_name(name)
        if agent is None:
            raise UnknownAgent(f"No agent named {name!r} is in the channel.")
        return agent
