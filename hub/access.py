"""Access: whose key it is, which channel name and proof open, and how fast channels may be created."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from ipaddress import IPv6Address, ip_address
from typing import Final

from hub.config import HubConfig
from hub.errors import ChannelError, ErrorCode
from hub.keys import KeyRecord, KeyRing
from hub.throttle import Throttle
from messaging.secrets import SCOPES

PROOF_BYTES: Final = 32
_LABEL = b"netplay channel id v1"
_CHANNEL_ID_BYTES = 18


def channel_id(secret: bytes, scope: str, developer: str, name: str, proof: bytes) -> str:
    """The channel that these open: 24 characters that reveal none of them.

    A MAC over length-prefixed fields, so no two different sets of fields can meet. In scope `public` the
    developer does not count: one channel across developers.
    """
    tenant = developer if scope == "private" else ""
    parts = (_LABEL, scope.encode(), tenant.encode(), name.encode(), proof)
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    mac = hmac.digest(secret, message, "sha256")[:_CHANNEL_ID_BYTES]
    return urlsafe_b64encode(mac).decode("ascii")


class Access:
    """Checks who asks, before anything is made for them."""

    __slots__ = ("_creates", "_keys", "_secret", "_trusted")

    def __init__(self, config: HubConfig, keys: KeyRing, secret: bytes) -> None:
        self._keys = keys
        self._secret = secret
        self._creates = Throttle(config.creates_per_s, config.creates_burst)
        self._trusted = config.trusted()

    def key(self, api_key: str) -> KeyRecord:
        """The record of the key. Raises ChannelError(KEY_REFUSED)."""
        record = self._keys.verify(api_key)
        if record is None:
            raise ChannelError(ErrorCode.KEY_REFUSED)
        return record

    def channel_id(self, key: KeyRecord, scope: str, name: str, proof: bytes) -> str:
        """The id of the channel asked for. Raises ChannelError where scope or proof have no valid form."""
        if scope not in SCOPES:
            raise ChannelError(ErrorCode.SCOPE_INVALID, "scope must be private or public")
        if len(proof) != PROOF_BYTES:
            raise ChannelError(
                ErrorCode.REQUEST_INVALID, f"proof has {len(proof)} bytes, must have {PROOF_BYTES}"
            )
        return channel_id(self._secret, scope, key.developer, name, proof)

    def check_pace(self, key: KeyRecord, address: str, now: float) -> None:
        """Raises ChannelError(THROTTLED) where this caller has created too many channels lately.

        Asked before the channel is looked up: one who guesses passwords must not learn which is right.
        """
        caller = self._caller(key, address)
        wait = self._creates.wait_s(caller, now) if caller else 0.0
        if wait > 0.0:
            raise ChannelError(
                ErrorCode.THROTTLED, "too many new channels from this address; try again later", wait
            )

    def note_create(self, key: KeyRecord, address: str, now: float) -> None:
        """A channel was created."""
        caller = self._caller(key, address)
        if caller:
            self._creates.draw(caller, now)

    def _caller(self, key: KeyRecord, address: str) -> tuple[str, str] | None:
        """Whose bucket counts; None for trusted networks. An IPv6 caller has a whole /64 to choose from."""
        try:
            ip = ip_address(address.partition("%")[0])
        except ValueError:
            return key.key_id, ""
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if any(ip in network for network in self._trusted):
            return None
        if isinstance(ip, IPv6Address):
            return key.key_id, str(IPv6Address(int(ip) >> 64 << 64))
        return key.key_id, str(ip)
