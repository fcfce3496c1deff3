"""The banner: what a person who started the server needs to know, printed once when it is ready."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import segno
from rich.console import Console
from rich.text import Text

ANY_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that stand for all of the machine's own, and the one of them to show."""
NAME_WIDTH = 17


@dataclass(frozen=True, slots=True)
class BannerFacts:
    """What the banner tells."""

    version: str
    mode: str
    host: str
    http_port: int
    udp_port: int
    development_key: str | None
    key_file: Path | None
    games: tuple[str, ...]
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    fingerprint: str | None = None
    """SHA-256 of the certificate in hexadecimal digits; None: plain HTTP."""
    certificate_file: Path | None = None
    """Where a self-made certificate is kept for clients to trust."""
    qr_code: bool = False

    @property
    def url(self) -> str:
        """The server's address, for people and for programs."""
        return base_url(self.host, self.http_port, secure=self.fingerprint is not None)


def show(facts: BannerFacts, console: Console) -> None:
    """Print the banner. Nothing in it is cut or broken over two lines, however narrow the terminal is."""
    console.print(
        f"\n[bold]netplay {facts.version}[/bold] serves in {facts.mode}", highlight=False, soft_wrap=True
    )
    for name, value in _rows(facts):
        line = Text.assemble((f"{name:<{NAME_WIDTH}}", "bold"), value)
        console.print(line, soft_wrap=True)
    url = facts.url
    if facts.qr_code and "utf" in console.encoding:
        console.print(Text("\n" + qr_code(url)), soft_wrap=True)
    for text in _how_to_connect(facts):
        console.print(Text(text), soft_wrap=True)


def _rows(facts: BannerFacts) -> list[tuple[str, Text | str]]:
    url = facts.url
    rows: list[tuple[str, Text | str]] = [
        ("HTTP, WebSocket", url),
        ("UDP", f"{_bracketed(_shown_host(facts.host))}:{facts.udp_port}"),
        ("API documents", f"{url}/docs"),
        ("games", ", ".join(facts.games) or "none"),
    ]
    if facts.metrics_port is not None:
        metrics_url = base_url(facts.metrics_host, facts.metrics_port)
        rows.append(("metrics", f"{metrics_url}/metrics"))
    if facts.fingerprint is not None:
        rows.append(("certificate", f"SHA-256 {facts.fingerprint}"))
    if facts.certificate_file is not None:
        rows.append(("", f"made by this server; kept in {facts.certificate_file}"))
    if facts.development_key:
        rows.append(("development key", Text(facts.development_key, style="bold green")))
        rows.append(("", f"kept in {facts.key_file}; `netplay key` prints it"))
    return rows


def base_url(host: str, port: int, *, secure: bool = False) -> str:
    """The address that a client on this machine can use for a server bound to `host`."""
    return f"http{'s' if secure else ''}://{_bracketed(_shown_host(host))}:{port}"


def qr_code(text: str) -> str:
    """`text` as a QR code of block characters, two rows of modules a line, for phones to read off the screen."""
    drawn = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(drawn, border=2, compact=True)
    return drawn.getvalue()


def _how_to_connect(facts: BannerFacts) -> list[str]:
    arguments = f'"{facts.url}", "{facts.development_key or "<your key>"}", "lobby", "ada", "a password"'
    if facts.certificate_file is not None:
        arguments += f', certificate_sha256="{facts.fingerprint}"'
    return [
        "\nConnect from Python:",
        "  from messaging_agent import connect",
        f"  async with connect({arguments}) as channel: ...",
        "\nCtrl-C stops it.\n",
    ]


def _shown_host(host: str) -> str:
    return ANY_HOSTS.get(host, host)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
