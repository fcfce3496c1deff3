"""`netplay serve`: one server from its start to its clean end."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

import structlog
from rich.console import Console

from netplay import __version__, banner, logs
from netplay.config import Config, Loaded
from netplay.development import FILE_NAME
from netplay.keys import ServerKeys, server_keys
from netplay.local_addresses import reachable_address
from netplay.refusal import ConfigError
from netplay.server import NetplayServer
from netplay.tls import ServerTls, server_tls

log = structlog.get_logger("netplay.serve")

STOP_MARGIN_S = 2.0
"""What stopping may take beside waiting for the queues, before the process ends all the same."""


def serve(loaded: Loaded) -> int:
    """Serve until a signal says stop; the process's exit code. Raises `ConfigError`."""
    config = loaded.config
    logs.configure(config.log_format, config.log_level)
    keys = server_keys(config, os.urandom)
    tls = server_tls(config)
    for variable in loaded.unknown_environment:
        log.warning("unknown_environment_variable", variable=variable)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_run(config, keys, tls))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (it does not exist on Windows), else asyncio's own."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


async def _run(config: Config, keys: ServerKeys, tls: ServerTls | None) -> int:
    stop = asyncio.Event()
    _on_stop_signals(stop.set)
    _on_reload_signal(lambda: _reload(keys, tls))
    server = NetplayServer(config, keys.ring, __version__, tls)
    try:
        await server.start()
    except OSError as error:
        reason = error.strerror or error
        host = config.bind_host or "any address"
        print(f"netplay: cannot serve on {host}, port {config.port}: {reason}.", file=sys.stderr)
        return 1
    try:
        _show_banner(config, keys, server, tls)
        log.info(
            "serving",
            host=config.bind_host or "*",
            http_port=server.http_port,
            udp_port=server.udp_port,
            metrics_port=server.metrics_port,
            tls=tls is not None,
        )
        await stop.wait()
        log.info("stopping")
    finally:
        clean = await _stopped(server, config.shutdown_s)
    log.info("stopped", clean=clean)
    return 0 if clean else 1


async def _stopped(server: NetplayServer, shutdown_s: float) -> bool:
    """Stop within the time allowed: agents told, queues flushed. False where that took too long."""
    try:
        async with asyncio.timeout(shutdown_s + STOP_MARGIN_S):
            await server.stop()
    except TimeoutError:
        log.error("stop_took_too_long", limit_s=shutdown_s + STOP_MARGIN_S)
        return False
    return True


def _on_stop_signals(stop: Callable[[], None]) -> None:
    """The first SIGINT or SIGTERM asks for a clean end; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    asked = False

    def received(number: int, _frame: FrameType | None = None) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        loop.call_soon_threadsafe(stop)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, received, number)
        except NotImplementedError:  # Windows' loops have no signal handlers.
            signal.signal(number, received)


def _on_reload_signal(reload: Callable[[], None]) -> None:
    """SIGHUP, where there is one: keys and certificates are read again."""
    if hasattr(signal, "SIGHUP"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


def _reload(keys: ServerKeys, tls: ServerTls | None) -> None:
    """Read what may change while the server runs. What cannot be used is logged, and the old one stays."""
    try:
        keys.reload()
        if tls is not None:
            tls.reload()
    except ConfigError as error:
        log.error("not_reloaded", reason=str(error))
    else:
        log.info("reloaded", keys=len(keys.ring))


def _show_banner(config: Config, keys: ServerKeys, server: NetplayServer, tls: ServerTls | None) -> None:
    facts = banner.BannerFacts(
        version=__version__,
        mode=config.mode.value,
        host=_shown_host(config),
        http_port=server.http_port,
        udp_port=server.udp_port,
        metrics_port=server.metrics_port,
        metrics_host=config.metrics_host,
        fingerprint=tls.fingerprint if tls is not None else None,
        certificate_file=tls.self_made.public_file if tls is not None and tls.self_made else None,
        qr_code=config.lan,
        development_key=keys.development_key,
        key_file=config.state_dir / FILE_NAME if keys.development_key else None,
        games=config.games,
    )
    banner.show(facts, Console())
    sys.stdout.flush()


def _shown_host(config: Config) -> str:
    """The address to show: where every one is bound, the one that others reach."""
    if config.bind_host is None or (config.lan and config.host in banner.ANY_HOSTS):
        return reachable_address() or "127.0.0.1"
    return config.host
