"""Message type names of a channel, interned: a name travels once, then its index."""

from __future__ import annotations

from collections.abc import Iterator

from hub.errors import ChannelError, ErrorCode
from messaging.envelope import CHAT_TEXT, MAX_TYPE_INDEX
from messaging.names import check_name


class TypeNames:
    """Grows only, for as long as the channel lives. Index 0 is `chat-text`."""

    __slots__ = ("_indexes", "_limit", "_makers", "_names", "_per_maker")

    def __init__(self, limit: int, per_maker: int) -> None:
        self._limit = min(limit, MAX_TYPE_INDEX + 1)
        self._per_maker = per_maker
        self._names = [CHAT_TEXT]
        self._indexes = {CHAT_TEXT: 0}
        self._makers: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        """The name of a known index. IndexError where it is unknown."""
        return self._names[index]

    def known(self) -> Iterator[tuple[int, str]]:
        """Every (index, name) that has to be told: all but index 0."""
        return ((index, self._names[index]) for index in range(1, len(self._names)))

    def intern(self, name: str, maker: int) -> tuple[int, bool]:
        """(index, whether it is new). `maker` is the agent who brings the name.

        Raises ChannelError(TYPE_REFUSED) for a bad name, and at the limits of the channel and of one agent.
        """
        index = self._indexes.get(name)
        if index is not None:
            return index, False
        try:
            name = check_name(name, "type")
        except ValueError as error:
            raise ChannelError(ErrorCode.TYPE_REFUSED, str(error)) from None
        index = self._indexes.get(name)
        if index is not None:
            return index, False
        if len(self._names) >= self._limit or self._makers.get(maker, 0) >= self._per_maker:
            raise ChannelError(ErrorCode.TYPE_REFUSED, "too many message types in this channel")
        index = len(self._names)
        self._names.append(name)
        self._indexes[name] = index
        self._makers[maker] = self._makers.get(maker, 0) + 1
        return index, True
