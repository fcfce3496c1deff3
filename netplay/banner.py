"""The banner: what a person who started the server needs to know, printed once when it is ready."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

ANY_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that stand for all of the machine's own, and the one of them to show."""


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


def show(facts: BannerFacts, console: Console) -> None:
    """Print the banner. Nothing in it is ever broken over two lines, so that it can be copied."""
    url = base_url(facts.host, facts.http_port)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ignore")
    table.add_row("HTTP, WebSocket", url)
    table.add_row("UDP", f"{_bracketed(_shown_host(facts.host))}:{facts.udp_port}")
    table.add_row("API documents", f"{url}/docs")
    if facts.games:
        table.add_row("games", ", ".join(facts.games))
    if facts.development_key:
        table.add_row("development key", Text(facts.development_key, style="bold green"))
        table.add_row("", f"kept in {facts.key_file}; `netplay key` prints it")
    lines = [
        f"\n[bold]netplay {facts.version}[/bold] serves in {facts.mode}",
        table,
        *_how_to_connect(url, facts.development_key),
        "Ctrl-C stops it.\n",
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def base_url(host: str, port: int) -> str:
    """The address that a client on this machine can use for a server bound to `host`."""
    return f"http://{_bracketed(_shown_host(host))}:{port}"


def _how_to_connect(url: str, key: str | None) -> list[Text]:
    snippet = f'connect("{url}", "{key or "<your key>"}", "lobby", "ada", "a password")'
    return [
        Text("\nConnect from Python:\n  from messaging_agent import connect"),
        Text(f"  async with {snippet} as channel: ..."),
    ]


def _shown_host(host: str) -> str:
    return ANY_HOSTS.get(host, host)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
