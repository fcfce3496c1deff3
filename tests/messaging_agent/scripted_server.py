"""A server that says exactly what a test tells it to, for the session core in virtual time."""

from __future__ import annotations

from typing import Any

from messaging_agent.attachment import Attachment
from messaging_agent.errors import OutboxFull
from messaging_agent.messages import Message
from messaging_agent.roster import Agent
from messaging_agent.session_core import ClientSession
from messaging_agent.session_handler import SessionHandler, Welcome

from messaging import control
from messaging.envelope import Published, decode_publication, encode_delivery, flags_of
from messaging.lanes import CONTROL, TIME, TO_CLIENT
from messaging.stream import StreamSender
from messaging.timecode import TimeRequest, decode_time, encode_time_answer
from netcore.delivery import Delivery


class Recorder(SessionHandler):
    """Keeps everything the session tells."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.log: list[tuple[Any, ...]] = []

    @property
    def contents(self) -> list[Any]:
        return [message.content for message in self.messages]

    def events(self, name: str) -> list[tuple[Any, ...]]:
        return [entry[1:] for entry in self.log if entry[0] == name]

    def session_ready(self, welcome: Welcome) -> None:
        self.log.append(("ready", welcome))

    def session_resumed(self, missed: int) -> None:
        self.log.append(("resumed", missed))

    def message(self, message: Message) -> None:
        self.messages.append(message)

    def agent_joined(self, agent: Agent) -> None:
        self.log.append(("joined", agent.name))

    def agent_left(self, agent: Agent, reason: str) -> None:
        self.log.append(("left", agent.name, reason))

    def agent_away(self, agent: Agent, away: bool) -> None:
        self.log.append(("away", agent.name, away))

    def acknowledged(self, up_to: int) -> None:
        self.log.append(("acknowledged", up_to))

    def message_refused(self, code: int, text: str, number: int | None) -> None:
        self.log.append(("refused", code, number))

    def link_live(self, link: Any) -> None:
        self.log.append(("live", link.transport))

    def link_gone(self, link: Any, code: int, reason: str, *, stranded: bool) -> None:
        self.log.append(("gone", code, stranded))

    def session_ended(self, code: int, reason: str, *, remote: bool) -> None:
        self.log.append(("ended", code, remote))


class ScriptedLink:
    """The client's link; what it sends is kept, decoded, in order."""

    def __init__(self, transport: str = "udp", room: int = 1_000_000) -> None:
        self.transport = transport
        self.rtt_s: float | None = None
        self.room = room
        self.sent: list[tuple[int, Delivery, bytes, int]] = []
        self.flushed = 0
        self.closed: tuple[int, str] | None = None

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        if kind.is_reliable and self.room <= 0:
            raise OutboxFull("full")
        self.room -= 1
        self.sent.append((lane, kind, data, key))

    def flush(self) -> None:
        self.flushed = len(self.sent)

    def close(self, code: int, reason: str = "") -> None:
        if self.closed is None:
            self.closed = (int(code), reason)

    def stats(self) -> dict[str, float]:
        return {"bytes_out": float(sum(len(data) for _, _, data, _ in self.sent))}

    @property
    def controls(self) -> list[control.ControlMessage]:
        return [control.decode_control(data)[0] for lane, _, data, _ in self.sent if lane == CONTROL]

    @property
    def acks(self) -> list[int]:
        return [message.received for message in self.controls if isinstance(message, control.StreamAck)]

    @property
    def published(self) -> list[tuple[int, Published]]:
        """(stream number or 0, publication) of every application message."""
        found = []
        for lane, kind, data, _ in self.sent:
            if lane >= 8:
                number = int.from_bytes(data[:2], "big") if kind.is_reliable else 0
                found.append((number, decode_publication(data[2:] if kind.is_reliable else data)))
        return found


class ScriptedServer:
    """The server's end of one session: numbers its stream, speaks over the newest attachment."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.stream = StreamSender()
        self.attachment: Attachment
        self.link: ScriptedLink

    def connect(self, link: ScriptedLink | None = None, *others: str, **fields: Any) -> ScriptedLink:
        """A first link: WELCOME, and presence that ends with the client itself."""
        link = self.attach(link)
        self.welcome(**fields)
        for index, name in enumerate(others, start=2):
            self.joined(index, name)
        self.joined(1, "me")
        return link

    def attach(self, link: ScriptedLink | None = None) -> ScriptedLink:
        self.link = link or ScriptedLink()
        self.attachment = self.session.attach_link(self.link)
        return self.link

    def welcome(self, **fields: Any) -> None:
        facts: dict[str, Any] = {
            "received": 0,
            "recovered": True,
            "missed": 0,
            "index": 1,
            "agent_name": "me",
            "channel_id": "c1",
            "created": True,
            "readable": True,
            "game": None,
            "epoch": "e",
            "offset": 0,
        }
        self.raw(
            CONTROL, Delivery.ORDERED, control.encode_link_control(control.Welcome(**{**facts, **fields}))
        )

    def raw(self, lane: int, kind: Delivery, data: bytes) -> None:
        self.attachment.link_message(lane, kind, 0, data)

    def control(self, message: control.StreamControl) -> None:
        head, body = control.encode_stream_control(message)
        self.raw(CONTROL, Delivery.ORDERED, self.stream.push(0.0, CONTROL, Delivery.ORDERED, body, head=head))

    def joined(self, index: int, name: str, **fields: Any) -> None:
        self.control(control.Joined(index, name, 1000, **fields))

    def ack(self, received: int) -> None:
        self.raw(CONTROL, Delivery.ORDERED, control.encode_link_control(control.StreamAck(received)))

    def message(
        self, content: str, *, sender: int = 2, kind: Delivery = Delivery.ORDERED, **more: Any
    ) -> None:
        lane, data = self.prepare(content, sender=sender, kind=kind, **more)
        self.raw(lane, kind, data)

    def prepare(
        self,
        content: str | bytes,
        *,
        sender: int = 2,
        kind: Delivery = Delivery.ORDERED,
        type_index: int = 0,
        key: int = 0,
        format: int = 1,
        **flags: bool,
    ) -> tuple[int, bytes]:
        """(lane, bytes) of a message as this server sends it next."""
        lane = TO_CLIENT[kind]
        raw = content.encode() if isinstance(content, str) else content
        envelope = encode_delivery(
            flags_of(format, **flags),
            sender,
            type_index,
            8,
            raw,
            key=key if kind is Delivery.SEQUENCED else None,
        )
        if kind.is_reliable:
            envelope = self.stream.push(0.0, lane, kind, envelope)
        return lane, envelope

    def answer_time(self, request: bytes, now: float, offset_s: float) -> None:
        asked = decode_time(request)
        assert isinstance(asked, TimeRequest)
        server_us = int((now + offset_s) * 1e6)
        answer = encode_time_answer(asked.sent_us, server_us, server_us)
        self.raw(TIME, Delivery.UNRELIABLE, answer)


class Time:
    """Virtual time that drives one session's timer."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_to(self, session: ClientSession, seconds: float) -> None:
        """Let time pass, calling the session whenever it asked for it."""
        end = self.now + seconds
        while True:
            due = session.next_timer()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            session.handle_timer(self.now)
        self.now = end
