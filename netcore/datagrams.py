"""The five datagrams outside an established connection: HELLO, RETRY, ACCEPT, VERSIONS, RESET.

docs/protocol/ncp.md, sections 3 and 5. Every decoder takes a whole datagram and raises `ProtocolError` for
anything but its one valid form.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from netcore.codes import CloseCode
from netcore.cookie import COOKIE_BYTES
from netcore.errors import ProtocolError
from netcore.noise import KEY_BYTES, MESSAGE_OVERHEAD
from netcore.token import MAX_TOKEN_BYTES, VERSION

DATA: Final = 0x04
"""First byte of DATA in key phase 0; 0x05 in phase 1."""
HELLO: Final = 0x08
RETRY: Final = 0x09
ACCEPT: Final = 0x0A
VERSIONS: Final = 0x0B
RESET: Final = 0x0C
QUIC_BIT: Final = 0x40

HELLO_BYTES: Final = 1200
RETRY_BYTES: Final = 38
RESET_BYTES: Final = 17
MIN_CLIENT_DATA_BYTES: Final = 24
"""0x04, connection id 4, number 2, one byte of frames, tag 16."""
MAX_DATAGRAM_BYTES: Final = 1452
ATTEMPT_ID_BYTES: Final = 8
RESET_TOKEN_BYTES: Final = 16
MAX_VERSIONS: Final = 16

_HELLO_FIXED: Final = struct.Struct(">BI8sQB")
_ANSWER: Final = struct.Struct(">BI8s")
_U16: Final = struct.Struct(">H")
_TOKEN_HEADER_BYTES: Final = 26
_RETRY_TAIL: Final = bytes((COOKIE_BYTES,))


class Hello(NamedTuple):
    """A HELLO whose lengths fit; nothing in it is authenticated yet."""

    version: int
    attempt_id: bytes
    app_id: int
    cookie: bytes
    """24 bytes, or none."""
    token: bytes
    message: bytes
    """Handshake message 1."""

    @property
    def ephemeral(self) -> bytes:
        """The client's ephemeral public key (e_c)."""
        return self.message[:KEY_BYTES]

    def encode(self) -> bytes:
        """The datagram, 1200 bytes. Raises `ValueError` where the parts do not fit."""
        data = b"".join(
            (
                _HELLO_FIXED.pack(HELLO, self.version, self.attempt_id, self.app_id, len(self.cookie)),
                self.cookie,
                _U16.pack(len(self.token)),
                self.token,
                _U16.pack(len(self.message)),
                self.message,
            )
        )
        if len(data) > HELLO_BYTES:
            raise ValueError(f"a HELLO of {len(data)} bytes; the limit is {HELLO_BYTES}")
        return data.ljust(HELLO_BYTES, b"\0")

    def prologue(self) -> bytes:
        """What both sides mix into the handshake before its first message (NCP-5-9)."""
        return handshake_prologue(self.version, self.attempt_id, self.app_id, self.token)


def handshake_prologue(version: int, attempt_id: bytes, app_id: int, token: bytes) -> bytes:
    """`"NCP" | version u32 | attempt_id 8 | app_id u64 | token`."""
    return b"NCP" + version.to_bytes(4, "big") + attempt_id + app_id.to_bytes(8, "big") + token


def decode_hello(data: bytes) -> Hello:
    """The parts of a HELLO. A version other than NCP/1 raises code `VERSION` before the rest is read."""
    if len(data) != HELLO_BYTES:
        raise _bad("hello_length")
    first, version, attempt_id, app_id, cookie_length = _HELLO_FIXED.unpack_from(data)
    if first != HELLO:
        raise _bad("hello_type")
    if version != VERSION:
        raise ProtocolError(CloseCode.VERSION, "version")
    if cookie_length not in (0, COOKIE_BYTES):
        raise _bad("hello_cookie_length")
    at = _HELLO_FIXED.size + cookie_length
    cookie = data[_HELLO_FIXED.size : at]
    token, at = _counted(data, at, _TOKEN_HEADER_BYTES, MAX_TOKEN_BYTES, "hello_token_length")
    message, at = _counted(data, at, MESSAGE_OVERHEAD, HELLO_BYTES, "hello_message_length")
    if data.count(0, at) != HELLO_BYTES - at:
        raise _bad("hello_padding")
    return Hello(version, attempt_id, app_id, cookie, token, message)


def _counted(data: bytes, at: int, low: int, high: int, text: str) -> tuple[bytes, int]:
    """`length u16 | bytes` at `at`, and where it ends."""
    if at + 2 > len(data):
        raise _bad(text)
    length = _U16.unpack_from(data, at)[0]
    end = at + 2 + length
    if not low <= length <= high or end > len(data):
        raise _bad(text)
    return data[at + 2 : end], end


def hello_attempt_id(data: bytes) -> bytes:
    """The attempt id of a HELLO of any version: its place never changes."""
    return data[5:13]


def encode_retry(attempt_id: bytes, cookie: bytes) -> bytes:
    """A RETRY, 38 bytes."""
    return _ANSWER.pack(RETRY, VERSION, attempt_id) + _RETRY_TAIL + cookie


def decode_retry(data: bytes) -> tuple[bytes, bytes]:
    """(attempt id, cookie)."""
    if len(data) != RETRY_BYTES or data[13] != COOKIE_BYTES:
        raise _bad("retry_length")
    return _answer_to(data, RETRY), data[14:]


def encode_accept(attempt_id: bytes, message: bytes) -> bytes:
    """An ACCEPT around handshake message 2."""
    return _ANSWER.pack(ACCEPT, VERSION, attempt_id) + message


def decode_accept(data: bytes) -> tuple[bytes, bytes]:
    """(attempt id, handshake message 2)."""
    if not _ANSWER.size + MESSAGE_OVERHEAD <= len(data) <= HELLO_BYTES:
        raise _bad("accept_length")
    return _answer_to(data, ACCEPT), data[_ANSWER.size :]


def encode_versions(attempt_id: bytes, versions: Sequence[int]) -> bytes:
    """A VERSIONS with 1 to 16 version numbers."""
    return b"".join(
        (bytes((VERSIONS,)), attempt_id, bytes((len(versions),)), *(v.to_bytes(4, "big") for v in versions))
    )


def decode_versions(data: bytes) -> tuple[bytes, tuple[int, ...]]:
    """(attempt id, versions)."""
    if len(data) < 14 or not 1 <= data[9] <= MAX_VERSIONS or len(data) != 10 + 4 * data[9]:
        raise _bad("versions_length")
    if data[0] != VERSIONS:
        raise _bad("versions_type")
    return data[1:9], tuple(item[0] for item in struct.iter_unpack(">I", data[10:]))


def encode_reset(token: bytes) -> bytes:
    """A RESET, 17 bytes."""
    return bytes((RESET,)) + token


def decode_reset(data: bytes) -> bytes:
    """The reset token."""
    if len(data) != RESET_BYTES or data[0] != RESET:
        raise _bad("reset_length")
    return data[1:]


def _answer_to(data: bytes, kind: int) -> bytes:
    first, version, attempt_id = _ANSWER.unpack_from(data)
    if first != kind or version != VERSION:
        raise _bad("answer_version")
    return bytes(attempt_id)


def _bad(text: str) -> ProtocolError:
    return ProtocolError(CloseCode.PROTOCOL_VIOLATION, text)
