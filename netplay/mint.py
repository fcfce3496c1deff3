"""The mint of connect tokens: what the hub hands out, sealed under this process's own key."""

from __future__ import annotations

from collections.abc import Callable

from hub.requests import LinkOffer
from netcore.token import TokenGate, TokenKey, seal_token

APP_ID = 0x6E6574706C617901
"""Which application the tokens are for (`netplay`, 1). Two servers never share a token key, so one id serves all."""
TOKEN_LIFE_S = 30
WORKER = 0
"""The one worker there is: first byte of connection ids and of `attempt_id`."""

_ENCRYPTS_ITSELF = frozenset({"udp"})
"""Transports whose handshake needs the pre-shared key; the others run inside TLS or on loopback."""


class TokenMint:
    """Fills `hub.requests.LinkMint`. The key is new at each start: tokens of an earlier life open nothing."""

    def __init__(self, random: Callable[[int], bytes], wall: Callable[[], float]) -> None:
        self._random = random
        self._wall = wall
        self._key = TokenKey.generate(random)
        self.gate = TokenGate([self._key], APP_ID)
        """Opens these tokens, once each, whatever transport they come in on."""

    def mint(self, transport: str, claims: bytes) -> LinkOffer:
        """A fresh token for `transport` that carries `claims`, good for 30 s."""
        expires = int(self._wall()) + TOKEN_LIFE_S
        token, psk = seal_token(
            self._key, app_id=APP_ID, claims=claims, expires_unix=expires, random=self._random
        )
        key = psk if transport in _ENCRYPTS_ITSELF else None
        return LinkOffer(transport, token, key, APP_ID, WORKER, float(expires))
