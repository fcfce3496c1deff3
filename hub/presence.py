"""Presence: the states of an agent's stay as a table, and the roster of a channel.

docs/protocol/messaging.md, section 6.3.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

from hub.errors import ChannelError, ErrorCode
from hub.ports import AgentInfo


class Stay(enum.Enum):
    """Where an agent's session stands."""

    NEW = "new"
    """Connected, not yet seen: no link has come."""
    HERE = "here"
    AWAY = "away"
    """Its link is gone; the others know."""
    GONE = "gone"
    """Left, as far as the others know; name and outbox are kept."""
    ENDED = "ended"


class Event(enum.Enum):
    """What happens to a session."""

    ATTACH = "attach"
    """A link is there."""
    LINK_LOST = "link lost"
    LEAVE_DUE = "leave due"
    """It was away for too long to be still shown."""
    END = "end"
    """Left by its own wish, by the server's, or because nothing is kept any longer."""


class Announce(enum.Enum):
    """What the others are told."""

    NOTHING = "nothing"
    JOINED = "joined"
    REJOINED = "joined, resumed"
    AWAY = "away"
    BACK = "back"
    LEFT = "left"


TRANSITIONS: Final[dict[tuple[Stay, Event], tuple[Stay, Announce]]] = {
    (Stay.NEW, Event.ATTACH): (Stay.HERE, Announce.JOINED),
    (Stay.NEW, Event.END): (Stay.ENDED, Announce.NOTHING),
    (Stay.HERE, Event.ATTACH): (Stay.HERE, Announce.NOTHING),
    (Stay.HERE, Event.LINK_LOST): (Stay.AWAY, Announce.AWAY),
    (Stay.HERE, Event.END): (Stay.ENDED, Announce.LEFT),
    (Stay.AWAY, Event.ATTACH): (Stay.HERE, Announce.BACK),
    (Stay.AWAY, Event.LEAVE_DUE): (Stay.GONE, Announce.LEFT),
    (Stay.AWAY, Event.END): (Stay.ENDED, Announce.LEFT),
    (Stay.GONE, Event.ATTACH): (Stay.HERE, Announce.REJOINED),
    (Stay.GONE, Event.END): (Stay.ENDED, Announce.NOTHING),
}
"""(state, event) → (next state, announcement). What is not listed changes nothing."""


def step(stay: Stay, event: Event) -> tuple[Stay, Announce]:
    """The next state and what to announce."""
    return TRANSITIONS.get((stay, event), (stay, Announce.NOTHING))


class Member(Protocol):
    """Whoever has a place in a channel: a session or a local agent."""

    @property
    def info(self) -> AgentInfo:
        """As the others see it."""

    @property
    def visible(self) -> bool:
        """Whether the others know of it: here or away."""


M = TypeVar("M", bound=Member)
MAX_INDEX: Final = 0xFFFF


class Roster(Generic[M]):
    """Who has a name and an index in the channel, seen or not."""

    __slots__ = ("_by_index", "_by_name", "_last_index", "name_bytes", "version")

    def __init__(self) -> None:
        self._by_index: dict[int, M] = {}
        self._by_name: dict[str, M] = {}
        self._last_index = 0
        self.version = 0
        """Another number after every change of who is here."""
        self.name_bytes = 0
        """Bytes of all names, each with one more."""

    def __len__(self) -> int:
        return len(self._by_index)

    def __iter__(self) -> Iterator[M]:
        return iter(tuple(self._by_index.values()))

    def next_index(self) -> int:
        """An index that nobody has: rising, so that one is not reused while someone may refer to it.

        Raises ChannelError(CHANNEL_FULL) where all are taken.
        """
        if len(self._by_index) >= MAX_INDEX:
            raise ChannelError(ErrorCode.CHANNEL_FULL)
        index = self._last_index
        while True:
            index = index % MAX_INDEX + 1
            if index not in self._by_index:
                self._last_index = index
                return index

    def add(self, member: M) -> None:
        """Give `member` the place that its info names. Raises ChannelError(NAME_TAKEN)."""
        info = member.info
        if info.name in self._by_name:
            raise ChannelError(ErrorCode.NAME_TAKEN)
        self._by_name[info.name] = member
        self._by_index[info.index] = member
        self._changed(len(info.name.encode()) + 1)

    def remove(self, member: M) -> None:
        """Free the place."""
        info = member.info
        del self._by_name[info.name]
        del self._by_index[info.index]
        self._changed(-len(info.name.encode()) - 1)

    def _changed(self, name_bytes: int) -> None:
        self.version += 1
        self.name_bytes += name_bytes

    def named(self, name: str) -> M | None:
        """Whoever has the name."""
        return self._by_name.get(name)

    def visible_at(self, index: int) -> M | None:
        """The member with the index, if the others know of it."""
        member = self._by_index.get(index)
        return member if member is not None and member.visible else None

    def visible(self) -> list[AgentInfo]:
        """Everyone that the others know of, in order of index."""
        members = (self._by_index[index] for index in sorted(self._by_index))
        return [member.info for member in members if member.visible]
