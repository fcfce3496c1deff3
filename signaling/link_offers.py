"""Links in answers: the hub's offers with the ports and paths that clients reach them by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.requests import Request

from hub.errors import ChannelError, ErrorCode
from hub.requests import LinkOffer
from signaling.addresses import keeps_secrets
from signaling.schemas import LinkOut, encode_base64url
from signaling.settings import LINKS_PATH, HttpSettings


class LinkOffers:
    """Knows which transports this server has and where clients find them."""

    def __init__(self, settings: HttpSettings, *, long_poll: bool = False) -> None:
        self._settings = settings
        self._long_poll = long_poll

    def wanted(self, request: Request, asked: Sequence[str] | None) -> list[str]:
        """The transports to mint tokens for: those asked for that exist here and may be told to this client.

        A UDP token comes with its key, and whoever reads both reads the link: over plain HTTP they are given
        to this machine alone. Raises `ChannelError` where nothing is left.
        """
        present = []
        if self._settings.udp_port is not None:
            present.append("udp")
        if self._settings.websocket_path is not None:
            present.append("websocket")
        if self._long_poll:
            present.append("long-poll")
        possible = present if asked is None or not asked else [name for name in asked if name in present]
        allowed = [name for name in possible if name != "udp" or keeps_secrets(request.scope)]
        if allowed:
            return list(dict.fromkeys(allowed))
        if possible:
            raise ChannelError(
                ErrorCode.REQUEST_INVALID,
                "UDP links are given over HTTPS only; ask by HTTPS, or for websocket.",
            )
        raise ChannelError(
            ErrorCode.REQUEST_INVALID, f"None of these transports is here; there are: {', '.join(present)}."
        )

    def rendered(self, request: Request, offers: Iterable[LinkOffer]) -> list[LinkOut]:
        """The offers as JSON."""
        links = []
        for offer in offers:
            port, path = self._place(request, offer.transport)
            if port is None:
                continue
            links.append(
                LinkOut(
                    transport=offer.transport,
                    port=port,
                    path=path,
                    token=encode_base64url(offer.token),
                    psk=None if offer.psk is None else encode_base64url(offer.psk),
                    app_id=f"{offer.app_id:016x}",
                    steer=offer.steer,
                    expires_at=offer.expires_at,
                )
            )
        return links

    def _place(self, request: Request, transport: str) -> tuple[int | None, str | None]:
        settings = self._settings
        if transport == "udp":
            return settings.udp_port, None
        server = request.scope.get("server")
        arrived_at = server[1] if server else None
        path = LINKS_PATH if transport == "long-poll" else settings.websocket_path
        return settings.tcp_port or arrived_at, path
