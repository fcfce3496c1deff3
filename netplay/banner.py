"""The banner: what a person who started the server needs to know, printed once when it is ready."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


def show(facts: BannerFacts, console: Console) -> None:
    """Print the banner. Nothing in it is cut or broken over two lines, however narrow the terminal is."""
    console.print(
        f"\n[bold]netplay {facts.version}[/bold] serves in {facts.mode}", highlight=False, soft_wrap=True
    )
    for name, value in _rows(facts):
        line = Text.assemble((f"{name:<{NAME_WIDTH}}", "bold"), value)
        console.print(line, soft_wrap=True)
    for text in _how_to_connect(base_url(facts.host, facts.http_port), facts.development_key):
        console.print(Text(text), soft_wrap=True)


def _rows(facts: BannerFacts) -> list[tuple[str, Text | str]]:
    url = base_url(facts.host, facts.http_port)
    rows: list[tuple[str, Text | str]] = [
        ("HTTP, WebSocket", url),
        ("UDP", f"{_bracketed(_shown_host(facts.host))}:{facts.udp_port}"),
        ("API documents", f"{url}/docs"),
        ("games", ", ".join(facts.games) or "none"),
    ]
    if facts.development_key:
        rows.append(("development key", Text(facts.development_key, style="bold green")))
        rows.append(("", f"kept in {facts.key_file}; `netplay key` prints it"))
    return rows


def base_url(host: str, port: int) -> str:
    """The address that a client on this machine can use for a server bound to `host`."""
    return f"http://{_bracketed(_shown_host(host))}:{port}"


def _how_to_connect(url: str, key: str | None) -> list[str]:
    arguments = f'"{url}", "{key or "<your key>"}", "lobby", "ada", "a password"'
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
