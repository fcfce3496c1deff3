"""Name filters: anchored regular expressions over agent names, by RE2, with bounded work for each.

docs/protocol/messaging.md, section 4.6. RE2 has no backtracking: its time is bounded by the size of the compiled
program times the length of the text. Both are bounded here.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import re2

from hub.errors import ChannelError, ErrorCode
from messaging.envelope import MAX_FILTER_CHARS

MAX_FILTERS: Final = 1024
"""Compiled filters that a node keeps, refused ones too; the one used longest ago goes."""
MAX_MEMORY: Final = 128 * 1024
"""Bytes that RE2 may take for one filter. It bounds the time of compiling too: 2 ms, where 1 MiB allows 35."""
_HINTS: Final = (
    ("invalid perl operator: (?", "look-ahead and look-behind are not supported"),
    ("invalid escape sequence: \\", "back-references and this escape are not supported"),
    ("pattern too large", "the filter is too complex; use fewer or smaller repetitions"),
    ("bad repetition operator", "possessive and repeated quantifiers are not supported"),
    ("invalid repetition size", "a repetition is too large; 1,000 is the most"),
)
_BASE_COST: Final = 5_000
_COST_PER_INSTRUCTION: Final = 60
_REFUSED_COST: Final = 120_000

_OPTIONS: Final = re2.Options()
_OPTIONS.max_mem = MAX_MEMORY
_OPTIONS.log_errors = False  # the pattern may be anyone's, and belongs into no log
_OPTIONS.never_capture = True


class NameFilter:
    """One compiled filter, or why there is none.

    Work is counted in steps: one instruction of the program against one byte of a name, some 10 ns at worst.
    """

    __slots__ = ("_regexp", "compile_steps", "refusal", "size")

    def __init__(self, pattern: str) -> None:
        self.refusal: str | None = None
        """What to tell the sender; None for a filter that works."""
        self.size = 0
        """Instructions of the compiled program."""
        try:
            if len(pattern) > MAX_FILTER_CHARS:
                raise ValueError(f"the filter has more than {MAX_FILTER_CHARS} characters")
            self._regexp = re2.compile(pattern, _OPTIONS)
            self.size = self._regexp.programsize
        except re2.error as error:
            self.refusal = _explained(error)
        except ValueError as error:
            self.refusal = str(error)
        self.compile_steps = (
            _REFUSED_COST if self.refusal is not None else _BASE_COST + _COST_PER_INSTRUCTION * self.size
        )
        """What making this has cost."""

    def matches(self, name: str) -> bool:
        """Whether the whole of `name` matches. Only for a filter that was not refused."""
        return self._regexp.fullmatch(name) is not None


def _explained(error: Exception) -> str:
    """One sentence for whoever wrote the filter."""
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    hint = next((hint for start, hint in _HINTS if text.startswith(start)), "see the syntax of RE2")
    return f"the filter cannot be used ({text[:80]}): {hint}"


class NameFilters:
    """The node's compiled filters, the newest used last."""

    __slots__ = ("_filters",)

    def __init__(self) -> None:
        self._filters: OrderedDict[str, NameFilter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._filters)

    def known(self, pattern: str) -> NameFilter | None:
        """The filter, if it was compiled before."""
        found = self._filters.get(pattern)
        if found is not None:
            self._filters.move_to_end(pattern)
        return found

    def compile(self, pattern: str) -> NameFilter:
        """Compile and keep the filter."""
        made = self._filters[pattern] = NameFilter(pattern)
        if len(self._filters) > MAX_FILTERS:
            self._filters.popitem(last=False)
        return made


def refused(text: str) -> ChannelError:
    """The error for a filter that cannot be used."""
    return ChannelError(ErrorCode.FILTER_REFUSED, text)
