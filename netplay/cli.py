"""The command line. Each command loads its implementation when it runs: `--help` and `version` stay quick."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from netplay import __version__
from netplay.refusal import ConfigError

if TYPE_CHECKING:
    from netplay.config import Loaded

USAGE_EXIT = 2
"""Exit code for a command or configuration that cannot be used as given."""

app = typer.Typer(
    name="netplay",
    help="Real-time multiplayer networking server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bench_app = typer.Typer(help="Measure, compare, and hold against bars.", no_args_is_help=True)
keys_app = typer.Typer(help="The developer keys that production accepts.", no_args_is_help=True)
config_app = typer.Typer(help="Show, check and describe the configuration.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")
app.add_typer(keys_app, name="keys")
app.add_typer(config_app, name="config")

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file; else ./netplay.toml if there.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other key, such as limits.message_bytes=1000."),
]
StateDir = Annotated[str | None, typer.Option("--state-dir", help="Directory of what survives a restart.")]
Mode = Annotated[str | None, typer.Option("--mode", help="development or production.")]


@app.command()
def serve(
    config: ConfigFile = None,
    mode: Mode = None,
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[str | None, typer.Option(help="Port for TCP and UDP; 0: any free one.")] = None,
    lan: Annotated[
        bool | None, typer.Option("--lan", help="All addresses, HTTPS with a self-made certificate, QR code.")
    ] = None,
    tls_cert: Annotated[str | None, typer.Option(help="PEM file of a certificate: HTTPS.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="PEM file of its private key.")] = None,
    metrics_port: Annotated[
        str | None, typer.Option(help="Port of /metrics, auto (the one after the port), or off.")
    ] = None,
    state_dir: StateDir = None,
    log_format: Annotated[str | None, typer.Option(help="auto, human or json.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    advertise_tcp_port: Annotated[str | None, typer.Option(help="TCP port that clients are told.")] = None,
    advertise_udp_port: Annotated[str | None, typer.Option(help="UDP port that clients are told.")] = None,
    retry: Annotated[str | None, typer.Option(help="auto or always.")] = None,
    relay_tick_ms: Annotated[str | None, typer.Option(help="Wait for company in larger channels.")] = None,
    replays_dir: Annotated[str | None, typer.Option(help="Record finished matches here.")] = None,
    set_: Assignments = None,
) -> None:
    """Serve channels over UDP, WebSocket and HTTP until a signal says stop."""
    given = {
        name: value
        for name, value in locals().items()
        if name not in ("config", "set_") and value is not None
    }
    loaded = _loaded(config, given, set_)
    from netplay.serve import serve as run_server

    raise typer.Exit(run_server(loaded))


@app.command()
def demo(
    game: Annotated[str, typer.Argument(help="air-hockey")],
    teams: Annotated[int, typer.Option(min=1, max=3, help="Players a side.")] = 1,
    loss: Annotated[float, typer.Option(min=0, max=0.9, help="Share of datagrams lost, each way.")] = 0.0,
    delay: Annotated[float, typer.Option(min=0, max=5000, help="Delay each way, ms.")] = 0.0,
    jitter: Annotated[float, typer.Option(min=0, max=5000, help="Jitter of the delay, ms.")] = 0.0,
    goals: Annotated[int, typer.Option(min=1, max=10, help="Goals that win the match: 3, 5, 7 or 10.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the game, the bots and the link.")] = 1,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Play on a virtual clock, twice, and compare.")
    ] = False,
    time_limit: Annotated[float, typer.Option(min=1, help="Longest match, seconds.")] = 120.0,
    record: Annotated[Path | None, typer.Option(help="Record the match to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Let bots play over an impaired link; exit 0 only if the match ended by its rules."""
    from netplay.demo import DemoOptions, run

    _exit_with(
        lambda: run(
            DemoOptions(
                game=game,
                teams=teams,
                loss=loss,
                delay_s=delay / 1000,
                jitter_s=jitter / 1000,
                goals=goals,
                seed=seed,
                virtual=virtual,
                time_limit_s=time_limit,
                record=record,
                as_json=as_json,
            ),
            Console(),
        )
    )


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recorded match.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Play a recorded match again and compare its state hash; exit 0 only if they are equal."""
    from netplay.replay import replay_file

    _exit_with(lambda: replay_file(file, as_json=as_json, console=Console()))


@app.command()
def version(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Print the version."""
    facts = {"netplay": __version__, "python": platform.python_version(), "platform": platform.platform()}
    typer.echo(json.dumps(facts) if as_json else f"netplay {__version__} (Python {facts['python']})")


@app.command()
def impair(
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where clients come in; port 0: any.")],
    to: Annotated[str, typer.Option(metavar="HOST:PORT", help="The server behind the impaired link.")],
    protocol: Annotated[str, typer.Option(help="udp, tcp or both: both on one port number.")] = "both",
    preset: Annotated[str | None, typer.Option(help="A named path; what else is given changes it.")] = None,
    delay: Annotated[float | None, typer.Option(help="Delay each way, ms.")] = None,
    jitter: Annotated[float | None, typer.Option(help="Up to so much longer, ms. UDP only.")] = None,
    loss: Annotated[float | None, typer.Option(help="Share of datagrams lost, each way. UDP only.")] = None,
    duplicate: Annotated[float | None, typer.Option(help="Share of datagrams doubled. UDP only.")] = None,
    reorder: Annotated[float | None, typer.Option(help="Share of datagrams held back. UDP only.")] = None,
    rate: Annotated[float | None, typer.Option(help="Bottleneck each way, kbit/s.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is lost, doubled and late.")] = 1,
    duration: Annotated[
        float | None, typer.Option(min=0, help="End after so many seconds; else at Ctrl-C.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Counters at the end as one JSON object.")] = False,
) -> None:
    """Put an impaired link in front of any server that speaks UDP or TCP; print counters at the end.

    TCP mends losses by itself below any proxy, so TCP connections get the delay and the rate only.
    """
    from netplay.impair import ImpairOptions, run

    _exit_with(
        lambda: run(
            ImpairOptions(
                listen=listen,
                to=to,
                protocol=protocol,
                preset=preset,
                delay_ms=delay,
                jitter_ms=jitter,
                loss=loss,
                duplicate=duplicate,
                reorder=reorder,
                rate_kbit_per_s=rate,
                seed=seed,
                duration_s=duration,
                as_json=as_json,
            ),
            Console(),
        )
    )


@app.command()
def key(config: ConfigFile = None, state_dir: StateDir = None) -> None:
    """Print the development key, made where there is none yet."""
    from netplay.config import Mode as ServerMode
    from netplay.development import development_key

    settings = _loaded(config, {"state_dir": state_dir} if state_dir else {}).config
    if settings.mode is not ServerMode.DEVELOPMENT:
        raise ConfigError(
            "there is no development key in production; `netplay keys new DEVELOPER` makes a key."
        )
    typer.echo(development_key(settings.state_dir, os.urandom))


Developer = Annotated[str, typer.Argument(help="Whom the key belongs to.")]
Keep = Annotated[
    bool, typer.Option("--keep/--print", help="Write the hash into the keys file, or print it only.")
]


@keys_app.command("list")
def keys_list(
    config: ConfigFile = None,
    set_: Assignments = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Print every key that production accepts: its id and whom it belongs to."""
    from netplay.keys_commands import list_keys

    raise typer.Exit(list_keys(_loaded(config, {}, set_).config, as_json=as_json, console=Console()))


@keys_app.command("new")
def keys_new(
    developer: Developer, config: ConfigFile = None, set_: Assignments = None, keep: Keep = True
) -> None:
    """Make a key: it is shown once, its salted hash goes into the keys file."""
    from netplay.keys_commands import make_key

    settings = _loaded(config, {}, set_).config
    raise typer.Exit(make_key(settings, developer, os.urandom, keep=keep, console=Console()))


@keys_app.command("hash")
def keys_hash(
    developer: Developer, config: ConfigFile = None, set_: Assignments = None, keep: Keep = True
) -> None:
    """Accept a key that exists already, read from standard input."""
    from netplay.keys_commands import hash_key

    settings = _loaded(config, {}, set_).config
    raise typer.Exit(hash_key(settings, developer, sys.stdin, os.urandom, keep=keep, console=Console()))


@keys_app.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="The 12 digits that `netplay keys list` shows.")],
    config: ConfigFile = None,
    set_: Assignments = None,
) -> None:
    """Accept a key no more."""
    from netplay.keys_commands import revoke_key

    raise typer.Exit(revoke_key(_loaded(config, {}, set_).config, key_id, console=Console()))


@config_app.command("show")
def config_show(
    config: ConfigFile = None,
    set_: Assignments = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print every value in force and where it comes from."""
    from netplay.config_commands import show_config

    raise typer.Exit(show_config(_loaded(config, {}, set_), as_json=as_json))


@config_app.command("check")
def config_check(config: ConfigFile = None, set_: Assignments = None) -> None:
    """Find out whether a server would start with this configuration; exit 2 and one sentence where not."""
    from netplay.config_commands import check_config

    raise typer.Exit(check_config(_loaded(config, {}, set_)))


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration file."""
    from netplay.config_commands import schema

    typer.echo(schema())


@bench_app.command("list")
def bench_list() -> None:
    """Every scenario with its baseline and its bars."""
    from bench import cli

    _exit_with(lambda: cli.list_scenarios(Console()))


@bench_app.command("run")
def bench_run(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report to this file.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter.")
    ] = None,
) -> None:
    """Measure scenarios and print what they show."""
    from bench import cli

    _exit_with(lambda: cli.run(names, json_file, set_ or [], Console()))


@bench_app.command("compare")
def bench_compare(before: Path, after: Path) -> None:
    """Print how every metric changed between two reports."""
    from bench import cli

    _exit_with(lambda: cli.compare(before, after, Console()))


@bench_app.command("html")
def bench_html(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Reports of `bench run --json`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Write the page to this file.")],
) -> None:
    """Write reports as one HTML page with plots, complete in itself."""
    from bench import cli

    _exit_with(lambda: cli.html(files, out))


@bench_app.command("check")
def bench_check(names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]")] = None) -> None:
    """Measure scenarios (all by default) and hold them against their bars; exit 1 where one falls short."""
    from bench import cli

    _exit_with(lambda: cli.check(names or [], Console()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. A refused configuration is one sentence on standard error and exit code 2."""
    try:
        app(args=list(arguments) if arguments is not None else None)
    except ConfigError as error:
        print(f"netplay: {error}", file=sys.stderr)
        sys.exit(USAGE_EXIT)


def _exit_with(run: Callable[[], int]) -> None:
    """Exit with what `run` returns; names and files that it cannot use are the caller's mistake."""
    try:
        code = run()
    except (ValueError, OSError) as error:
        print(f"netplay: {error}", file=sys.stderr)
        code = USAGE_EXIT
    raise typer.Exit(code)


def _loaded(config: Path | None, flags: dict[str, Any], assignments: list[str] | None = None) -> Loaded:
    from netplay.config import load

    return load(flags, config, assignments or ())
