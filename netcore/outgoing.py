"""Outgoing packets: what goes into the next ones, how many may leave, and the record of them.

docs/protocol/ncp.md, sections 7 to 12. A packet holds an owed acknowledgement first, then control frames,
then messages; the last message runs to the end of the packet and so needs no length.
"""

from __future__ import annotations

from itertools import islice
from typing import Final, Protocol

from netcore.acks import ReceivedPackets
from netcore.congestion import CongestionController
from netcore.frames import MSG_TO_END, PING, close_frame, path_response_frame
from netcore.pacing import Pacer
from netcore.packet import MAX_UNACKED_PNS, PacketSealer
from netcore.recovery import CIRCUIT_BREAKER_TIMEOUTS, Part, Recovery
from netcore.send_lanes import Draft
from netcore.stats import ConnectionStats

PING_EVERY_ACKS: Final = 8
"""Every so many packets with nothing but an ACK carry a PING, so that the ACKs get acknowledged."""
MAX_PATH_RESPONSES: Final = 4
_MAX_PROBE_PARTS: Final = 256
_PING: Final = bytes((PING,))
_TO_END: Final = tuple(bytes((head | MSG_TO_END,)) for head in range(256))


class SendLane(Protocol):
    """A lane as the packets see it."""

    ready: bool
    """There is something to send."""

    def fill(self, draft: Draft, now: float) -> bool:
        """Write what fits; False where the packet is full and more is left."""

    def stamp(self, now: float) -> None:
        """Not everything could be sent at `now`."""


class Outgoing:
    """Fills, seals and records packets."""

    __slots__ = (
        "_acks",
        "_acks_alone",
        "_congestion",
        "_draft",
        "_lanes",
        "_max_packet",
        "_pacer",
        "_path_responses",
        "_recovery",
        "_room",
        "_sealer",
        "_stats",
        "ping",
        "probes",
        "release_at",
        "window_blocked",
    )

    def __init__(
        self,
        sealer: PacketSealer,
        acks: ReceivedPackets,
        recovery: Recovery,
        congestion: CongestionController,
        pacer: Pacer,
        stats: ConnectionStats,
        max_packet: int,
    ) -> None:
        """`max_packet` bytes of UDP payload."""
        self._sealer = sealer
        self._acks = acks
        self._recovery = recovery
        self._congestion = congestion
        self._pacer = pacer
        self._stats = stats
        self._max_packet = max_packet
        self._room = max_packet - sealer.overhead
        self._draft = Draft()
        self._lanes: list[SendLane] = []
        self._path_responses: list[bytes] = []
        self._acks_alone = 0
        self.ping = False
        """Some packet must go that the remote has to acknowledge."""
        self.probes = 0
        """Probe packets to send past window and pacing."""
        self.release_at: float | None = None
        """When pacing lets the next packet leave, where something waits for that."""
        self.window_blocked = False
        """Something waits for acknowledgements."""

    def add_lane(self, lane: SendLane, *, first: bool) -> None:
        """Serve `lane` too; `first` for kinds that cannot wait."""
        if first:
            self._lanes.insert(0, lane)
        else:
            self._lanes.append(lane)

    def answer_path(self, data: bytes) -> None:
        """Queue a PATH_RESPONSE; challenges above a handful are not answered."""
        if len(self._path_responses) < MAX_PATH_RESPONSES:
            self._path_responses.append(data)

    def packets(self, now: float) -> list[bytes]:
        """Everything that may leave now, sealed."""
        out: list[bytes] = []
        if self.probes:
            self._send_probes(now, out)
        recovery, congestion, acks, pacer = self._recovery, self._congestion, self._acks, self._pacer
        sealer, stats, draft, lanes = self._sealer, self._stats, self._draft, self._lanes
        self.release_at = None
        self.window_blocked = False
        pacer.refill(congestion.pacing_rate, now)
        full = True
        while full:
            full = False
            parts = draft.parts = []
            draft.room = self._room
            draft.chunks = None
            draft.messages = 0
            told = -1
            if acks.pending:
                told = acks.largest
                frame = acks.frame(now)
                parts.append(frame)
                draft.room -= len(frame)
            if self._path_responses:
                self._put_path_responses(draft)
            fixed = len(parts)
            if (
                pacer.tokens > 0
                and recovery.bytes_in_flight + self._max_packet <= congestion.cwnd
                and recovery.probe_count < CIRCUIT_BREAKER_TIMEOUTS
                and sealer.next_pn - recovery.largest_acked < MAX_UNACKED_PNS
            ):
                for lane in lanes:
                    if lane.ready and not lane.fill(draft, now):
                        full = True
                        break
            else:
                self._note_blocked(now)
            if len(parts) > fixed:
                head = parts[-3]
                parts[-3] = _TO_END[head[0]] + head[1:]
                parts[-2] = b""
                stats.messages_out += draft.messages
                eliciting = True
            else:
                eliciting = fixed > (told >= 0)  # a PATH_RESPONSE
                if not eliciting:
                    if self.ping:
                        eliciting = True
                    elif told < 0 or not (acks.due or full):
                        break
                    else:
                        eliciting = self._ping_with_ack()
                    if eliciting:
                        parts.append(_PING)
            # _seal, inline: this runs for every packet.
            pn = sealer.next_pn
            packet = sealer.seal(b"".join(parts))
            size = len(packet)
            if eliciting:
                self.ping = False
                recovery.on_sent(pn, now, size, draft.chunks, told)
            if told >= 0:
                acks.told()
            pacer.tokens -= size
            stats.packets_out += 1
            stats.bytes_out += size
            out.append(packet)
            if full:
                # Other lanes go first in the next packet.
                lanes.remove(lane)
                lanes.append(lane)
        congestion.app_limited = not self.window_blocked and self.release_at is None
        return out

    def _ping_with_ack(self) -> bool:
        """An ACK goes alone: True where a PING must go with it."""
        self._stats.ack_only_packets += 1
        self._acks_alone += 1
        return self._acks_alone % PING_EVERY_ACKS == 0

    def _seal(
        self, frames: bytes, eliciting: bool, chunks: list[Part] | None, told: int, now: float
    ) -> bytes:
        pn = self._sealer.next_pn
        packet = self._sealer.seal(frames)
        size = len(packet)
        if eliciting:
            self.ping = False
            self._recovery.on_sent(pn, now, size, chunks, told)
        if told >= 0:
            self._acks.told()
        self._pacer.tokens -= size
        self._stats.packets_out += 1
        self._stats.bytes_out += size
        return packet

    def _put_path_responses(self, draft: Draft) -> None:
        for data in self._path_responses:
            draft.parts.append(path_response_frame(data))
            draft.room -= len(draft.parts[-1])
        self._path_responses.clear()

    def _note_blocked(self, now: float) -> None:
        """Remember why what is ready cannot go."""
        waiting = [lane for lane in self._lanes if lane.ready]
        for lane in waiting:
            lane.stamp(now)
        if waiting:
            if self._pacer.tokens > 0:
                self.window_blocked = True
            else:
                self.release_at = self._pacer.release_at(self._congestion.pacing_rate)

    def _send_probes(self, now: float, out: list[bytes]) -> None:
        """Oldest unacknowledged reliable parts, or a PING, whatever window and pacing say."""
        count, self.probes = self.probes, 0
        parts = list(dict.fromkeys(islice(self._recovery.unacked_parts(), _MAX_PROBE_PARTS)))
        if not parts:
            self.ping = True
            return
        at = 0
        draft = self._draft
        for _ in range(count):
            draft.reset(self._room)
            told = -1
            if self._acks.pending:
                told = self._acks.largest
                draft.parts.append(self._acks.frame(now))
                draft.room -= len(draft.parts[0])
            while at < len(parts) and parts[at][0].repeat(draft, parts[at][1], parts[at][2]):
                at += 1
            if at == len(parts):
                at = 0
            if draft.chunks is not None:
                head = draft.parts[-3]
                draft.parts[-3] = _TO_END[head[0]] + head[1:]
                draft.parts[-2] = b""
            elif told < 0:
                return
            out.append(self._seal(b"".join(draft.parts), draft.chunks is not None, draft.chunks, told, now))

    def close_packet(self, code: int, reason: str, now: float) -> bytes:
        """A packet with CLOSE, and the acknowledgement that is owed."""
        told = -1
        frames = close_frame(code, reason)
        if self._acks.pending:
            told = self._acks.largest
            frames = self._acks.frame(now) + frames
        return self._seal(frames, False, None, told, now)
