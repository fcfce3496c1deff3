"""DATA packets: header, seal and open (docs/protocol/ncp.md, section 7).

client to server   first byte | CID 4 | PN u16 | ChaCha20-Poly1305(frames) | tag 16
server to client   first byte |         PN u16 | ChaCha20-Poly1305(frames) | tag 16
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from netcore.datagrams import DATA
from netcore.keys import PacketKeys
from netcore.replay import ReplayWindow
from netcore.varint import restore_u16

CID_LENGTH = 4
TAG_LENGTH = 16
TO_SERVER_OVERHEAD = 1 + CID_LENGTH + 2 + TAG_LENGTH
TO_CLIENT_OVERHEAD = 1 + 2 + TAG_LENGTH
MAX_UNACKED_PNS = 16_384
"""A sender stays within this many packet numbers above the largest acknowledged, so that 16 bits suffice."""


def destination_cid(data: bytes) -> int:
    """The connection id of a DATA packet to the server. `data` must hold 5 bytes or more."""
    return int.from_bytes(data[1:5], "big")


class PacketSealer:
    """Seals the packets of one direction and owns its packet numbers, so that no nonce is used twice.

    A key update swaps `_encrypt`, `_iv` and the first byte of `_prefix`; packet numbers run on.
    """

    __slots__ = ("_encrypt", "_iv", "_prefix", "next_pn", "overhead")

    def __init__(self, keys: PacketKeys, cid: int | None) -> None:
        """`cid` goes into packets to the server; None for packets to a client."""
        self.next_pn = 0
        self._prefix = bytes([DATA]) + (b"" if cid is None else cid.to_bytes(CID_LENGTH, "big"))
        self._encrypt = ChaCha20Poly1305(keys.key).encrypt
        self._iv = int.from_bytes(keys.iv, "big")
        self.overhead = len(self._prefix) + 2 + TAG_LENGTH

    def seal(self, frames: bytes) -> bytes:
        """The packet with the next packet number."""
        pn = self.next_pn
        self.next_pn = pn + 1
        header = self._prefix + (pn & 0xFFFF).to_bytes(2, "big")
        return header + self._encrypt((self._iv ^ pn).to_bytes(12, "big"), frames, header)


class PacketOpener:
    """Opens the packets of one direction, each once.

    A key update keeps the present `_decrypt` and `_iv` for packets of the old phase for a while.
    """

    __slots__ = ("_decrypt", "_header_length", "_iv", "_replay", "duplicates", "pn", "undecryptable")

    def __init__(self, keys: PacketKeys, *, has_cid: bool) -> None:
        """`has_cid` is True at the server."""
        self._decrypt = ChaCha20Poly1305(keys.key).decrypt
        self._iv = int.from_bytes(keys.iv, "big")
        self._header_length = 3 + (CID_LENGTH if has_cid else 0)
        self._replay = ReplayWindow()
        self.pn = -1
        """Packet number of the packet opened last."""
        self.duplicates = 0
        """Packets refused as repeated or too old."""
        self.undecryptable = 0
        """Packets that failed authentication, were too short or of a key phase there is no key for."""

    @property
    def largest_pn(self) -> int:
        """The largest packet number opened so far, -1 before the first."""
        return self._replay.largest

    def open(self, data: bytes) -> bytes | None:
        """The frames inside `data`, with `pn` set; None, counted, where it is repeated or not authentic."""
        start = self._header_length
        if len(data) < start + TAG_LENGTH or data[0] != DATA:
            self.undecryptable += 1
            return None
        replay = self._replay
        pn = replay.largest + 1
        wire = data[start - 2] << 8 | data[start - 1]
        if wire != pn & 0xFFFF:
            pn = restore_u16(wire, pn)
            if replay.seen(pn):
                self.duplicates += 1
                return None
        try:
            frames = self._decrypt((self._iv ^ pn).to_bytes(12, "big"), data[start:], data[:start])
        except InvalidTag:
            self.undecryptable += 1
            return None
        if pn == replay.largest + 1:
            replay.largest = pn  # commit, inline
        else:
            replay.commit(pn)
        self.pn = pn
        return frames
