"""A01: whoever has not proved an address gets no more bytes there than came from it, on real sockets."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from pathlib import Path

import pytest

from netcore.client import ClientEndpoint
from netcore.datagrams import HELLO
from netcore.token import Credentials
from tests.integration.raw_agents import http_connect, unpadded
from tests.integration.raw_room import Room, open_room

SOURCES = 50


def shot(draw: random.Random) -> bytes:
    """A datagram that some part of a server might answer."""
    size = draw.choice((1, 3, 4, 20, 100, 1199, 1200, 1201, 1400))
    first = draw.choice((HELLO, HELLO, 4, 5, 0, 1, 0x40, 0xC0, draw.randrange(256)))
    body = draw.randbytes(size) if draw.random() < 0.7 else bytes(size)
    return (bytes((first,)) + body)[:size]


def hello_like(draw: random.Random, real: bytes) -> bytes:
    """A HELLO of the right form with some bytes changed."""
    data = bytearray(real)
    for _ in range(draw.randrange(4)):
        data[draw.randrange(1, len(data))] ^= draw.randrange(1, 256)
    return bytes(data)


def drained(source: socket.socket) -> int:
    """Bytes that have arrived."""
    total = 0
    while True:
        try:
            total += len(source.recv(2048))
        except BlockingIOError:
            return total


async def a_hello(room: Room) -> bytes:
    """The first datagram of an honest client that never sends another."""
    (link,) = (await http_connect(room.base, room.key, "ada", "udp"))["links"]
    credentials = Credentials(
        unpadded(link["token"]), unpadded(link["psk"]), int(link["app_id"], 16), link["steer"]
    )
    now = time.monotonic()
    endpoint = ClientEndpoint(credentials, ("127.0.0.1", link["port"]), _Nobody(), random=os.urandom, now=now)
    return endpoint.datagrams_to_send(now)[0][0]


class _Nobody:
    """A client's handler that does not care."""

    def connected(self, connection: object) -> None:
        """Never."""

    def message_received(self, lane: int, kind: object, key: int, data: bytes) -> None:
        """Never."""

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        """Never."""


async def test_from_fifty_sources_no_byte_more_comes_back_than_went_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(1)
    async with open_room("udp", tmp_path, monkeypatch, {"limits": {"trusted_networks": []}}) as room:
        target = ("127.0.0.1", room.server.udp_port)
        sources: list[socket.socket] = []
        sent, received = [0] * SOURCES, [0] * SOURCES
        real = await a_hello(room)
        try:
            for number in range(SOURCES):
                source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                source.setblocking(False)
                source.bind((f"127.0.1.{number + 1}", 0))
                sources.append(source)
            for turn in range(20):
                for number, source in enumerate(sources):
                    data = shot(draw) if draw.random() < 0.6 else hello_like(draw, real)
                    sent[number] += source.sendto(data, target)
                await asyncio.sleep(0.005 if turn < 19 else 0.3)
                for number, source in enumerate(sources):
                    received[number] += drained(source)
        finally:
            for source in sources:
                source.close()
        assert sum(received) > 0  # RETRY and VERSIONS are answers
        assert all(out <= into for out, into in zip(received, sent, strict=True))
        assert room.server.hub.stats()["sessions"] == 1
