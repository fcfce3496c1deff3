"""Connection parameters: what each side tells the other inside the sealed handshake payload.

docs/protocol/ncp.md, section 5. A list of `varint id | varint length | value` with rising ids. Unknown ids
are skipped, so that later versions can add some; known ones are bounded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from netcore.codes import CloseCode
from netcore.config import ConnectionConfig
from netcore.errors import ProtocolError
from netcore.varint import decode_varint, encode_varint

MAX_PARAMS_BYTES: Final = 1024
MIN_UDP_PAYLOAD: Final = 1200
MAX_UDP_PAYLOAD: Final = 1452
MAX_VERSIONS: Final = 16
MAX_CLAIMS_ECHO_BYTES: Final = 512

IDLE_TIMEOUT: Final = 0x01
UDP_PAYLOAD: Final = 0x02
MAX_MESSAGE: Final = 0x03
RECV_BUDGET: Final = 0x04
VERSIONS: Final = 0x05
CID: Final = 0x10
RESET_TOKEN: Final = 0x11
SERVER_TIME: Final = 0x12
CLAIMS: Final = 0x13

_RANGES: Final = {
    IDLE_TIMEOUT: (100, 3_600_000),
    UDP_PAYLOAD: (MIN_UDP_PAYLOAD, 65_527),
    MAX_MESSAGE: (1, 1 << 30),
    RECV_BUDGET: (1, 1 << 30),
}
_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Params:
    """What one side promises to the other. A value that the sender left out has the default here."""

    idle_timeout_s: float = 10.0
    """Silence after which the connection is gone; the smaller of both sides holds."""
    max_udp_payload: int = MAX_UDP_PAYLOAD
    """Bytes of the largest datagram the sender of these parameters takes."""
    max_message: int = 262_144
    """Bytes of the largest message it takes."""
    recv_budget: int = 1 << 20
    """Bytes of reliable messages it buffers, counted from the oldest unacknowledged one on."""
    versions: tuple[int, ...] = ()
    """Every protocol version it speaks; empty means just the one in use."""
    cid: int | None = None
    """Server only: the connection id, u32."""
    reset_token: bytes = b""
    """Server only: 16 bytes that a later RESET must show."""
    server_time_us: int | None = None
    """Server only: its monotonic clock when it wrote ACCEPT, microseconds."""
    claims: bytes = b""
    """Server only, optional: the token's claims, or as much of them as it wants to show."""

    def encode(self) -> bytes:
        """The parameters as bytes. Raises `ValueError` for values out of range."""
        items: list[tuple[int, bytes]] = [
            (IDLE_TIMEOUT, _ranged(IDLE_TIMEOUT, round(self.idle_timeout_s * 1000))),
            (UDP_PAYLOAD, _ranged(UDP_PAYLOAD, self.max_udp_payload)),
            (MAX_MESSAGE, _ranged(MAX_MESSAGE, self.max_message)),
            (RECV_BUDGET, _ranged(RECV_BUDGET, self.recv_budget)),
        ]
        if self.versions:
            if len(self.versions) > MAX_VERSIONS:
                raise ValueError(f"{len(self.versions)} versions; the limit is {MAX_VERSIONS}")
            items.append((VERSIONS, b"".join(map(_U32.pack, self.versions))))
        if self.cid is not None:
            items.append((CID, _U32.pack(self.cid)))
        if self.reset_token:
            if len(self.reset_token) != 16:
                raise ValueError(f"a reset token has 16 bytes, not {len(self.reset_token)}")
            items.append((RESET_TOKEN, self.reset_token))
        if self.server_time_us is not None:
            items.append((SERVER_TIME, _U64.pack(self.server_time_us)))
        if self.claims:
            if len(self.claims) > MAX_CLAIMS_ECHO_BYTES:
                raise ValueError(f"claims of {len(self.claims)} bytes; the limit is {MAX_CLAIMS_ECHO_BYTES}")
            items.append((CLAIMS, self.claims))
        return b"".join(
            encode_varint(identifier) + encode_varint(len(value)) + value for identifier, value in items
        )

    @classmethod
    def decode(cls, data: bytes) -> Params:
        """The parameters in `data`. Raises `ProtocolError` for anything malformed or out of range."""
        values = _split(data)
        idle_ms = _number(values, IDLE_TIMEOUT)
        payload = _number(values, UDP_PAYLOAD)
        message = _number(values, MAX_MESSAGE)
        budget = _number(values, RECV_BUDGET)
        versions = _sized(values, VERSIONS, range(4, 4 * MAX_VERSIONS + 1, 4))
        cid = _sized(values, CID, (4,))
        time = _sized(values, SERVER_TIME, (8,))
        return cls(
            idle_timeout_s=10.0 if idle_ms is None else idle_ms / 1000,
            max_udp_payload=MAX_UDP_PAYLOAD if payload is None else payload,
            max_message=262_144 if message is None else message,
            recv_budget=1 << 20 if budget is None else budget,
            versions=tuple(item[0] for item in _U32.iter_unpack(versions)),
            cid=int.from_bytes(cid, "big") if cid else None,
            reset_token=_sized(values, RESET_TOKEN, (16,)),
            server_time_us=int.from_bytes(time, "big") if time else None,
            claims=_sized(values, CLAIMS, range(1, MAX_CLAIMS_ECHO_BYTES + 1)),
        )


def promise_of(config: ConnectionConfig) -> Params:
    """The parameters that a connection so configured announces."""
    return Params(idle_timeout_s=config.idle_timeout_s, max_message=config.max_message_bytes)


def _refused(text: str) -> ProtocolError:
    return ProtocolError(CloseCode.PROTOCOL_VIOLATION, text)


def _ranged(identifier: int, value: int) -> bytes:
    low, high = _RANGES[identifier]
    if not low <= value <= high:
        raise ValueError(f"parameter {identifier} is {value}; it must be {low} to {high}")
    return encode_varint(value)


def _split(data: bytes) -> dict[int, bytes]:
    """Cut the list into id -> value."""
    if len(data) > MAX_PARAMS_BYTES:
        raise _refused("params_length")
    values: dict[int, bytes] = {}
    at, last = 0, -1
    while at < len(data):
        identifier, at = decode_varint(data, at)
        length, at = decode_varint(data, at)
        if identifier <= last:
            raise _refused("params_order")
        if length > len(data) - at:
            raise _refused("params_length")
        values[identifier] = data[at : at + length]
        at += length
        last = identifier
    return values


def _number(values: dict[int, bytes], identifier: int) -> int | None:
    value = values.get(identifier)
    if value is None:
        return None
    number, end = decode_varint(value, 0)
    low, high = _RANGES[identifier]
    if end != len(value) or not low <= number <= high:
        raise _refused("params_value")
    return number


def _sized(values: dict[int, bytes], identifier: int, lengths: range | tuple[int, ...]) -> bytes:
    """The value, which must have one of these lengths; empty where it is absent."""
    value = values.get(identifier)
    if value is None:
        return b""
    if len(value) not in lengths:
        raise _refused("params_value")
    return value
