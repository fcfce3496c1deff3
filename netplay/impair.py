"""`netplay impair`: the link model as a proxy in front of any server, over UDP and TCP."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import json
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from netcore.aio import event_loop_factory
from netplay.impairment import UdpImpairment
from netplay.tcp_impairment import TcpImpairment
from simnet.link import LinkModel, LinkProfile
from simnet.presets import PathProfile, preset

PROTOCOLS: Final = ("udp", "tcp", "both")
_BYTES_PER_KBIT: Final = 125.0
_QUEUE_S: Final = 0.25
"""What the bottleneck holds where `--rate` is given: so much time's worth of bytes, at least 16 KiB."""
_PORT_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class ImpairOptions:
    """What was asked for. None: as the preset has it, or a perfect link's."""

    listen: str
    to: str
    protocol: str = "both"
    preset: str | None = None
    delay_ms: float | None = None
    jitter_ms: float | None = None
    loss: float | None = None
    duplicate: float | None = None
    reorder: float | None = None
    rate_kbit_per_s: float | None = None
    seed: int = 1
    duration_s: float | None = None
    as_json: bool = False

    def path(self) -> PathProfile:
        """Both ways of the link. Raises `ValueError` for what no link has."""
        base = preset(self.preset) if self.preset is not None else PathProfile(LinkProfile(), LinkProfile())
        changes: dict[str, Any] = {
            "delay_s": None if self.delay_ms is None else self.delay_ms / 1000,
            "jitter_s": None if self.jitter_ms is None else self.jitter_ms / 1000,
            "loss": self.loss,
            "duplicate": self.duplicate,
            "reorder": self.reorder,
        }
        if self.rate_kbit_per_s is not None:
            rate = self.rate_kbit_per_s * _BYTES_PER_KBIT
            changes["rate_bytes_per_s"] = rate
            changes["queue_bytes"] = max(int(rate * _QUEUE_S), 16_384)
        given = {name: value for name, value in changes.items() if value is not None}
        return PathProfile(dataclasses.replace(base.up, **given), dataclasses.replace(base.down, **given))


def run(options: ImpairOptions, console: Console) -> int:
    """Stand between until asked to stop. Raises `ValueError` for bad options, OSError for bad addresses."""
    if options.protocol not in PROTOCOLS:
        raise ValueError(f"--protocol is {options.protocol!r}, not {', '.join(PROTOCOLS)}")
    listen, to = parse_address(options.listen), parse_address(options.to)
    path = options.path()
    with asyncio.Runner(loop_factory=event_loop_factory() or asyncio.SelectorEventLoop) as runner:
        counters = runner.run(_run(options, path, listen, to, console))
    _show(counters, options.as_json, console)
    return 0


def parse_address(text: str) -> tuple[str, int]:
    """`host:port` or `[IPv6]:port`. Raises `ValueError`."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{text!r} is no address: write HOST:PORT, or [IPv6]:PORT")
    return host, int(port)


async def _run(
    options: ImpairOptions,
    path: PathProfile,
    listen: tuple[str, int],
    to: tuple[str, int],
    console: Console,
) -> dict[str, dict[str, int]]:
    udp = UdpImpairment(_models(path, options.seed)) if options.protocol != "tcp" else None
    tcp = TcpImpairment(path.up, path.down) if options.protocol != "udp" else None
    stop = asyncio.Event()
    _on_signals(stop.set)
    target = await _numeric(to)
    for one in (udp, tcp):
        if one is not None:
            one.target = target
    host = (await _numeric(listen))[0]
    try:
        port = await _bind(udp, tcp, host, listen[1])
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        _tell(
            options.as_json,
            console,
            f"impairing {shown} to {options.to} ({options.protocol}); Ctrl-C ends it",
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.duration_s):
                await stop.wait()
    finally:
        if udp is not None:
            udp.close()
        if tcp is not None:
            await tcp.close()
    return _counters(udp, tcp)


def _models(path: PathProfile, seed: int) -> Callable[[int], LinkModel]:
    """The n-th link, as `UdpImpairment` asks for them: even ones go there, odd ones come back."""

    def model(number: int) -> LinkModel:
        profile = path.down if number % 2 else path.up
        return profile.link((seed << 20) + number)

    return model


async def _bind(udp: UdpImpairment | None, tcp: TcpImpairment | None, host: str, port: int) -> int:
    """Bind both to one number: the one asked for, or any that both can have. Raises OSError."""
    for attempt in range(_PORT_TRIES):
        bound = port
        if udp is not None:
            await udp.start(host, bound)
            bound = udp.port
        try:
            if tcp is not None:
                await tcp.start(host, bound)
                bound = tcp.port
            return bound
        except OSError as error:
            if udp is not None:
                udp.close()
            if port or attempt == _PORT_TRIES - 1 or error.errno != errno.EADDRINUSE:
                raise
    raise AssertionError("unreachable")


async def _numeric(address: tuple[str, int]) -> tuple[str, int]:
    """The first numeric address of a host. Raises OSError where it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(*address, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise OSError(f"{address[0]!r} is no host: {error.strerror}") from None
    return str(found[0][4][0]), address[1]


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C ends it without counters
            loop.add_signal_handler(number, stop)


def _counters(udp: UdpImpairment | None, tcp: TcpImpairment | None) -> dict[str, dict[str, int]]:
    told: dict[str, dict[str, int]] = {}
    if udp is not None:
        for way, stats in zip(("there", "back"), udp.totals(), strict=True):
            told[f"udp {way}"] = dataclasses.asdict(stats)
        told["udp"] = {
            "clients": udp.clients_seen,
            "clients_refused": udp.clients_refused,
            "overflows": udp.overflows,
        }
    if tcp is not None:
        told["tcp"] = dataclasses.asdict(tcp.counts)
    return told


def _show(counters: dict[str, dict[str, int]], as_json: bool, console: Console) -> None:
    if as_json:
        print(json.dumps(counters))
        return
    table = Table("way", "counter", "", box=None, pad_edge=False)
    for way, values in counters.items():
        for name, value in values.items():
            table.add_row(way, name.replace("_", " "), f"{value:,}")
    console.print(table)


def _tell(as_json: bool, console: Console, text: str) -> None:
    """The line that says it is ready; on standard error where standard output is for a program."""
    if as_json:
        print(text, file=sys.stderr, flush=True)
    else:
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        console.file.flush()
