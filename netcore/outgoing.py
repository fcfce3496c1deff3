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
from netcore.redundancy import Repeats
from netcore.send_lanes import Draft
from netcore.stats import ConnectionStats

PING_EVERY_ACKS: Final = 8
"""Every so many packets with nothing but an ACK carry a PING, so that the ACKs get acknowledged."""
MAX_PATH_RESPONSES: Final = 4
_MAX_PROBE_PARTS: Final = 256
_PING: Final = bytes((PING,))
_TO_END: Final = tuple(bytes((head | MSG_TO_END,)) for head in range(256))


class SendLane(Protocol):
    """A lane as the packets see it. It puts itself into its `ready_lanes` when it gets something to send."""

    def fill(self, draft: Draft, now: float) -> bool:
        """Write what fits; False where the packet is full and more is left. True takes it off
        `ready_lanes`."""

    def stamp(self, now: float) -> None:
        """Not everything could be sent at `now`."""


class Outgoing:
    """Fills, seals and records packets."""

    __slots__ = (
        "_acks",
        "_acks_alone",
        "_congestion",
        "_draft",
        "_max_packet",
        "_pacer",
        "_path_responses",
        "_priorities",
        "_ready",
        "_recovery",
        "_room",
        "_sealer",
        "_stats",
        "ping",
        "probes",
        "release_at",
        "repeats",
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
        self._ready: list[list[SendLane]] = [
            []
        ]  # with something to send: one list a priority, the highest first
        self._priorities = [0]  # of each of those lists
        self.repeats: list[Repeats] = []
        """Of lanes with redundancy: what may fill the room that is left in a packet."""
        self._path_responses: list[bytes] = []
        self._acks_alone = 0
        self.ping = False
        """Some packet must go that the remote has to acknowledge."""
        self.probes = 0
        """Probe packets to send past window and pacing."""
        self.release_at: float | None = None
        """When pacing lets the next packet leave, where something waits for that."""

    def ready_lanes(self, priority: int) -> list[SendLane]:
        """Where lanes of this priority put themselves when they have something to send; the first goes first."""
        at = 0
        while at < len(self._priorities) and self._priorities[at] > priority:
            at += 1
        if at == len(self._priorities) or self._priorities[at] != priority:
            self._priorities.insert(at, priority)
            self._ready.insert(at, [])
        return self._ready[at]

    def answer_path(self, data: bytes) -> None:
        """Queue a PATH_RESPONSE; challenges above a handful are not answered."""
        if len(self._path_responses) < MAX_PATH_RESPONSES:
            self._path_responses.append(data)

    def packets(self, now: float) -> list[bytes]:
        """Everything that may leave now, sealed."""
        out: list[bytes] = []
        if self.probes:
            self._send_probes(now, out)
        acks, classes, recovery = self._acks, self._ready, self._recovery
        sealer, draft, stats = self._sealer, self._draft, self._stats
        budget = self._budget(now) if any(classes) else 0.0
        full = True
        while full:
            full = False
            parts = draft.parts = []
            draft.room = self._room
            told = -1
            if acks.pending and (acks.due or budget > 0 or self.ping):
                told = acks.largest
                frame = acks.take(now)
                parts.append(frame)
                draft.room -= len(frame)
            if self._path_responses:
                self._put_path_responses(draft)
            fixed = len(parts)
            draft.chunks = None
            draft.whole = 0
            if budget > 0:
                draft.messages = 0
                for ready in classes:
                    while ready:
                        if not ready[0].fill(draft, now):
                            full = True
                            break
                        del ready[0]
                    if full:
                        break
                if self.repeats and not full and len(parts) > fixed:
                    for repeats in self.repeats:
                        repeats.fill(draft, now)
            if len(parts) > fixed:
                if draft.whole != len(parts):
                    head = parts[-3]
                    parts[-3] = _TO_END[head[0]] + head[1:]
                    parts[-2] = b""
                stats.messages_out += draft.messages
                eliciting = True
            elif fixed > (told >= 0):  # a PATH_RESPONSE
                eliciting = True
            elif self.ping or (told >= 0 and self._ping_with_ack(full)):
                parts.append(_PING)
                eliciting = True
            elif told >= 0:
                eliciting = False
            else:
                break
            # _seal, inline: this runs for every packet.
            pn = sealer.next_pn
            packet = sealer.seal(b"".join(parts))
            size = len(packet)
            if eliciting:
                self.ping = False
                recovery.on_sent(pn, now, size, draft.chunks, told)
            self._pacer.tokens -= size
            budget -= size
            stats.packets_out += 1
            stats.bytes_out += size
            out.append(packet)
            if full:
                # Other lanes of this priority go first in the next packet.
                ready.append(ready.pop(0))
                if budget <= 0:
                    budget = self._budget(now)  # the bucket may not have been filled up for a while
                    full = budget > 0
        if any(classes):
            self._wait(now)
        return out

    def _budget(self, now: float) -> float:
        """Bytes of messages that window and pacing let go now. Above 0 a whole packet may go."""
        recovery, pacer, congestion = self._recovery, self._pacer, self._congestion
        self.release_at = None
        recovery.blocked = False
        congestion.app_limited = True
        if pacer.tokens < pacer.low:  # also where nothing may go: `_wait` reckons from here
            pacer.refill(congestion.pacing_rate, now)
        if (
            recovery.probe_count >= CIRCUIT_BREAKER_TIMEOUTS
            or self._sealer.next_pn - recovery.largest_acked >= MAX_UNACKED_PNS
        ):
            return 0.0
        budget = congestion.cwnd - recovery.bytes_in_flight - self._max_packet
        return budget if budget < pacer.tokens else pacer.tokens

    def _wait(self, now: float) -> None:
        """Some lanes could not send everything: remember what they wait for."""
        for ready in self._ready:
            for lane in ready:
                lane.stamp(now)
        self._congestion.app_limited = False
        if self._pacer.tokens > 0:
            self._recovery.blocked = True
        else:
            self.release_at = self._pacer.release_at(self._congestion.pacing_rate)

    def _ping_with_ack(self, more: bool) -> bool:
        """An ACK goes alone: True where a PING must go with it. `more` follows at once that it left no room for."""
        self._stats.ack_only_packets += 1
        # Nobody notices when this packet is lost: the next one with something else in it repeats the ACK.
        self._acks.pending = not more
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
        self._pacer.tokens -= size
        self._stats.packets_out += 1
        self._stats.bytes_out += size
        return packet

    def _put_path_responses(self, draft: Draft) -> None:
        for data in self._path_responses:
            draft.parts.append(path_response_frame(data))
            draft.room -= len(draft.parts[-1])
        self._path_responses.clear()

    def _send_probes(self, now: float, out: list[bytes]) -> None:
        """Oldest unacknowledged parts that matter, or a PING, whatever window and pacing say."""
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
                draft.parts.append(self._acks.take(now))
                draft.room -= len(draft.parts[0])
            while at < len(parts) and parts[at][0].repeat(draft, parts[at][1], parts[at][2]):
                self._stats.retransmitted += 1
                at += 1
            if at == len(parts):
                at = 0
            if draft.chunks is not None:
                if draft.whole != len(draft.parts):
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
            frames = self._acks.take(now) + frames
        return self._seal(frames, False, None, told, now)
