"""The one error for bytes that a remote sent and that mean nothing."""

from __future__ import annotations


class MalformedInput(ValueError):
    """An input message that breaks a rule of docs/protocol/statesync.md. Drop the message and count it."""
