"""A bare sender: seals each message for each receiver and sends it in a packet of its own.

The least that any encrypted relay must do which sends every message to every receiver by itself.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_SLICES_PER_S = 240


def serve(pipe: Connection, ports: Sequence[int], rate_hz: int, payload_bytes: int, seconds: float) -> None:
    """Send for `seconds`: `rate_hz` times a second, a message from each of the receivers behind `ports` to the others.

    Says `ready` through `pipe` first, then `(messages, cpu seconds)` when done.
    """
    seals = [ChaCha20Poly1305(bytes([index]) * 32).encrypt for index in range(len(ports))]
    addresses = [("127.0.0.1", port) for port in ports]
    payload, header = bytes(payload_bytes), b"\x04\x00\x00"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        pipe.send("ready")
        send, number, turn = sender.sendto, 0, 0
        started, cpu_started = time.perf_counter(), time.process_time()
        slices = int(seconds * _SLICES_PER_S)
        for piece in range(slices):
            due = (piece + 1) * rate_hz * len(ports) // _SLICES_PER_S
            while turn < due:  # one sender's message, to everyone else
                source = turn % len(ports)
                turn += 1
                for index, address in enumerate(addresses):
                    if index != source:
                        number += 1
                        nonce = number.to_bytes(12, "big")
                        send(header + seals[index](nonce, payload, header), address)
            ahead = started + (piece + 1) / _SLICES_PER_S - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)
        pipe.send((number, time.process_time() - cpu_started))
        pipe.poll(60)  # until the other side has read it
