"""Event types: an agent's choice of the message types that are delivered to it.

docs/protocol/messaging.md, section 4.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.errors import ChannelError, ErrorCode
from hub.type_names import TypeNames
from messaging.names import check_name

MAX_EVENT_TYPES: Final = 32
"""Types that one agent may choose."""
_MAX_LIST_CHARS: Final = MAX_EVENT_TYPES * 257


def parse_event_types(chosen: str | Sequence[str]) -> frozenset[str]:
    """The names in a comma-separated text or a list, in normal form. Raises ChannelError(REQUEST_INVALID)."""
    if isinstance(chosen, str):
        if len(chosen) > _MAX_LIST_CHARS:
            raise _invalid("is too long")
        names: Sequence[str] = [part.strip() for part in chosen.split(",", MAX_EVENT_TYPES)]
    else:
        names = chosen
    if not 1 <= len(names) <= MAX_EVENT_TYPES:
        raise _invalid(f"must name 1 to {MAX_EVENT_TYPES} types")
    try:
        return frozenset(check_name(name, "a type") for name in names)
    except ValueError as error:
        raise _invalid(f"is not valid: {error}") from None


def _invalid(text: str) -> ChannelError:
    return ChannelError(ErrorCode.REQUEST_INVALID, f"custom_event_type {text}")


class EventTypes:
    """One agent's choice, asked by the relay with the channel's type indexes."""

    __slots__ = ("_chosen", "_names")

    def __init__(self, chosen: frozenset[str], names: TypeNames) -> None:
        self._chosen = chosen
        self._names = names

    def wants(self, type_index: int) -> bool:
        """Whether messages of this type are delivered to the agent."""
        return self._names.name(type_index) in self._chosen
