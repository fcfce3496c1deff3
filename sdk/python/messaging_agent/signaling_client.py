"""The client's HTTP side: connect, more links, leave, who is there, read the log (base path /api/v1)."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp
from yarl import URL

from messaging_agent.errors import ServerUnreachable, UnexpectedAnswer, request_refused
from messaging_agent.grants import LinksGrant, SessionGrant

BASE_PATH: Final = "/api/v1"
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
"""An answer longer than this is not read to its end."""


class SignalingClient:
    """Requests to one server under one API key, by aiohttp.

    `api_url` is the server's base address (`http://127.0.0.1:7777`); a trailing `/api/v1` is understood too.
    `ssl_context` is for servers whose certificate the machine does not know; `certificate_sha256` (hexadecimal)
    instead takes exactly that one certificate, whoever made it. Every request raises
    `ServerUnreachable` where no answer came within `timeout_s`, a `RequestRefused` for a problem, and
    `UnexpectedAnswer` where the answer is not a netplay server's.
    """

    def __init__(
        self,
        api_url: str,
        api_key: str,
        *,
        ssl_context: ssl.SSLContext | None = None,
        certificate_sha256: str | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        base = URL(api_url.rstrip("/").removesuffix(BASE_PATH))
        if base.scheme not in ("http", "https") or not base.host:
            raise ValueError(f"api_url has to look like http://host:port or https://host, not {api_url!r}")
        self.base = base
        self._api_key = api_key
        self._ssl = _trusted(base, ssl_context, certificate_sha256)
        self._timeout_s = timeout_s
        self._http: aiohttp.ClientSession | None = None
        self._sockets: list[socket.socket] = []
        self._address: str | None = None

    async def connect(
        self,
        *,
        channel_name: str,
        proof: bytes,
        agent_name: str,
        scope: str,
        transports: Sequence[str],
        poll_source: str,
        custom_event_type: str | Sequence[str] | None = None,
        session_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        game: str | None = None,
        game_options: Mapping[str, Any] | None = None,
    ) -> SessionGrant:
        """Join a channel, or take up `session_id` again."""
        body: dict[str, Any] = {
            "channel_name": channel_name,
            "proof": base64.urlsafe_b64encode(proof).rstrip(b"=").decode(),
            "agent_name": agent_name,
            "scope": scope,
            "transports": list(transports),
            "poll_source": poll_source,
        }
        optional = {
            "custom_event_type": (
                custom_event_type
                if custom_event_type is None or isinstance(custom_event_type, str)
                else list(custom_event_type)
            ),
            "session_id": session_id,
            "metadata": metadata,
            "game": game,
            "game_options": game_options,
        }
        body.update({name: value for name, value in optional.items() if value is not None})
        return SessionGrant.parse(await self._request("POST", "/sessions", self._api_key, body))

    async def mint_links(self, session_id: str, transports: Sequence[str]) -> LinksGrant:
        """New links for a living session. The answer's session id replaces the one used here."""
        body = {"transports": list(transports)}
        return LinksGrant.parse(await self._request("POST", "/sessions/links", session_id, body))

    async def leave(self, session_id: str) -> None:
        """End a session."""
        await self._request("POST", "/sessions/leave", session_id)

    async def agents(self, session_id: str) -> Any:
        """Who is in the session's channel, as the server's JSON."""
        return await self._request("GET", "/sessions/agents", session_id)

    async def messages(
        self, session_id: str, *, after: int | None, limit: int | None, poll_source: str | None
    ) -> dict[str, Any]:
        """A stretch of the channel's log, as the server's JSON object."""
        query = {"after": after, "limit": limit, "poll_source": poll_source}
        answer = await self._request(
            "GET",
            "/sessions/messages",
            session_id,
            query={name: str(value) for name, value in query.items() if value is not None},
        )
        if not isinstance(answer, dict):
            raise UnexpectedAnswer("The server's log answer is not a JSON object.")
        return answer

    async def close(self) -> None:
        """Let go of the HTTP connections. Harmless when called again."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def server_address(self) -> str:
        """The IP address that HTTP reached: the links go to the same machine."""
        for used in reversed(self._sockets):
            try:
                self._address = used.getpeername()[0]
                break
            except OSError:
                continue
        if self._address is None:
            try:
                found = await asyncio.get_running_loop().getaddrinfo(
                    self.base.host, self.base.port, type=socket.SOCK_STREAM
                )
            except OSError as error:
                raise ServerUnreachable(
                    f"The name {self.base.host!r} leads to no address: {error}"
                ) from error
            self._address = str(found[0][4][0])
        return self._address

    def websocket_url(self, port: int, path: str) -> URL:
        """The WebSocket address of a link; TLS as the HTTP address has it."""
        return self._link_url("wss" if self.base.scheme == "https" else "ws", port, path or "/link")

    def long_poll_url(self, port: int, path: str) -> URL:
        """The address below which a link over long poll is used; TLS as the HTTP address has it."""
        return self._link_url(self.base.scheme, port, path or BASE_PATH + "/links")

    def _link_url(self, scheme: str, port: int, path: str) -> URL:
        host = self.base.host
        assert host is not None  # checked in __init__
        return URL.build(scheme=scheme, host=host, port=port, path=path)

    async def http(self) -> aiohttp.ClientSession:
        """The HTTP session, made when first needed, so that it belongs to the running loop."""
        if self._http is None:
            connector = aiohttp.TCPConnector(ssl=self._ssl, socket_factory=self._make_socket, limit=8)
            self._http = aiohttp.ClientSession(connector=connector)
        return self._http

    def _make_socket(self, info: Any) -> socket.socket:
        family, kind, protocol, _, _ = info
        made = socket.socket(family, kind, protocol)
        self._sockets = [used for used in self._sockets if used.fileno() >= 0][-7:]
        self._sockets.append(made)
        return made

    async def _request(
        self,
        method: str,
        path: str,
        bearer: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        http = await self.http()
        url = self.base.with_path(self.base.path.rstrip("/") + BASE_PATH + path)
        try:
            async with http.request(
                method,
                url,
                json=body,
                params=query,
                headers={"Authorization": f"Bearer {bearer}", "Accept": "application/json"},
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                allow_redirects=False,
            ) as response:
                text = await _read_bounded(response)
                retry_after = response.headers.get("Retry-After")
        except TimeoutError as error:
            raise ServerUnreachable(
                f"No answer from {self.base} within {self._timeout_s:g} s. Is the server overloaded?"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ServerUnreachable(
                f"Cannot reach {self.base}: {error}. Is the server running, and is this its address?"
            ) from error
        if response.status == 204:
            return None
        if not 200 <= response.status < 300:
            raise _problem(response.status, text, retry_after)
        return _json(text)


def _trusted(
    base: URL, context: ssl.SSLContext | None, certificate_sha256: str | None
) -> ssl.SSLContext | aiohttp.Fingerprint | bool:
    """What aiohttp takes for `ssl`. Raises `ValueError` for what is no fingerprint, or would not be looked at."""
    if certificate_sha256 is None:
        return True if context is None else context
    if context is not None:
        raise ValueError("give ssl_context or certificate_sha256, not both")
    if base.scheme != "https":
        raise ValueError(f"certificate_sha256 means nothing without https: api_url is {str(base)!r}")
    try:
        return aiohttp.Fingerprint(bytes.fromhex(certificate_sha256.replace(":", "")))
    except ValueError:
        raise ValueError(
            f"certificate_sha256 has to be 64 hexadecimal digits, not {certificate_sha256[:80]!r}"
        ) from None


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_chunked(65536):
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise UnexpectedAnswer(f"The server's answer is longer than {MAX_ANSWER_BYTES} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UnexpectedAnswer(
            "The answer is not JSON. Is this the address of a netplay server, without a path?"
        ) from None


def _problem(status: int, text: bytes, retry_after: str | None) -> Exception:
    """The exception for a refused request; the answer may be anything, for a proxy may have written it."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        fields = {}
    detail = fields.get("detail") or fields.get("title") or "no reason given."
    wait = fields.get("retry_after_s")
    if not isinstance(wait, (int, float)) and retry_after is not None and retry_after.isdigit():
        wait = int(retry_after)
    code = fields.get("code")
    return request_refused(
        status,
        str(detail)[:500],
        slug=str(fields.get("type", ""))[:200],
        code=code if isinstance(code, int) else None,
        retry_after_s=float(wait) if isinstance(wait, (int, float)) else None,
        may_retry=fields.get("come_back") is True or status in (429, 502, 503, 504),
    )
