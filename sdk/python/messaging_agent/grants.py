"""Grants: what the server's HTTP answers give a client: a session, and links to reach it by.

Pure: parses decoded JSON and checks every field, so that the rest of the client handles typed values only.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from messaging_agent.errors import UnexpectedAnswer

MAX_LINKS: Final = 16
MAX_TOKEN_BYTES: Final = 4096

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LinkGrant:
    """The right to open one link over one transport, once, until `expires_at` (Unix seconds)."""

    transport: str
    port: int
    path: str
    token: bytes
    psk: bytes
    """The key that goes with the token where the transport encrypts by itself (`udp`), else empty."""
    app_id: int
    steer: int
    """First byte of the connection attempt's number: which of the server's workers answers."""
    expires_at: float

    @staticmethod
    def parse(value: object) -> LinkGrant:
        """From one entry of `links`; raises `UnexpectedAnswer`."""
        fields = _object(value, "links[]")
        return LinkGrant(
            transport=_take(fields, "transport", str),
            port=_bounded(_take(fields, "port", int), "port", 1, 65535),
            path=_take(fields, "path", str, ""),
            token=_base64url(_take(fields, "token", str), "token"),
            psk=_base64url(_take(fields, "psk", str, ""), "psk"),
            app_id=_hexadecimal(_take(fields, "app_id", str, "0"), "app_id"),
            steer=_bounded(_take(fields, "steer", int, 0), "steer", 0, 255),
            expires_at=float(_take(fields, "expires_at", (int, float), 0.0)),
        )


@dataclass(frozen=True, slots=True)
class LinksGrant:
    """More links for a session, under the session id's new secret."""

    session_id: str
    links: tuple[LinkGrant, ...]

    @staticmethod
    def parse(value: object) -> LinksGrant:
        """From the answer of `POST /sessions/links`; raises `UnexpectedAnswer`."""
        fields = _object(value, "the answer")
        return LinksGrant(_take(fields, "session_id", str), _links(fields))


@dataclass(frozen=True, slots=True)
class SessionGrant:
    """A session: who the agent is, where, and how to get there."""

    session_id: str
    """Opaque, secret: whoever has it can take the session over. Changes with every new set of links."""
    channel_id: str
    agent_name: str
    agent_index: int
    created: bool
    """True where this agent is the channel's first: nobody else is in a channel of that name and password."""
    resumed: bool
    readable: bool
    """True where the server can read the messages (a channel with a game, for example)."""
    game: str | None
    epoch: str
    offset: int
    poll_source: str
    served_by: str
    links: tuple[LinkGrant, ...]

    @staticmethod
    def parse(value: object) -> SessionGrant:
        """From the answer of `POST /sessions`; raises `UnexpectedAnswer`."""
        fields = _object(value, "the answer")
        game = fields.get("game")
        return SessionGrant(
            session_id=_take(fields, "session_id", str),
            channel_id=_take(fields, "channel_id", str),
            agent_name=_take(fields, "agent_name", str),
            agent_index=_bounded(_take(fields, "agent_index", int), "agent_index", 0, 65535),
            created=_take(fields, "created", bool),
            resumed=_take(fields, "resumed", bool, False),
            readable=_take(fields, "readable", bool, False),
            game=game if isinstance(game, str) else None,
            epoch=str(fields.get("epoch", "")),
            offset=_take(fields, "offset", int, 0),
            poll_source=_take(fields, "poll_source", str, "AUTO"),
            served_by=_take(fields, "served_by", str, ""),
            links=_links(fields),
        )


def _links(fields: Mapping[str, Any]) -> tuple[LinkGrant, ...]:
    entries = _take(fields, "links", list)
    if len(entries) > MAX_LINKS:
        raise UnexpectedAnswer(f"The answer offers {len(entries)} links, more than {MAX_LINKS}.")
    return tuple(LinkGrant.parse(entry) for entry in entries)


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UnexpectedAnswer(
            f"{where} should be a JSON object and is not. Is this the address of a netplay server?"
        )
    return value


_MISSING: Final[Any] = object()


def _take(
    fields: Mapping[str, Any], name: str, kind: type[_T] | tuple[type[Any], ...], default: Any = _MISSING
) -> Any:
    value = fields.get(name)
    if value is None and default is not _MISSING:
        return default
    wrong_bool = isinstance(value, bool) and kind is not bool
    if wrong_bool or not isinstance(value, kind):
        raise UnexpectedAnswer(f"The server's answer has no usable {name!r}. Is this a netplay server?")
    return value


def _bounded(value: int, name: str, low: int, high: int) -> int:
    if not low <= value <= high:
        raise UnexpectedAnswer(f"{name} in the server's answer is {value}, outside {low}..{high}.")
    return value


def _hexadecimal(text: str, name: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise UnexpectedAnswer(f"{name} in the server's answer is not a hexadecimal number.") from None


def _base64url(text: str, name: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise UnexpectedAnswer(f"{name} in the server's answer is not base64url.") from None
    if len(data) > MAX_TOKEN_BYTES:
        raise UnexpectedAnswer(f"{name} in the server's answer is longer than {MAX_TOKEN_BYTES} bytes.")
    return data
