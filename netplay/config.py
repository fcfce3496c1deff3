"""Configuration: one frozen, documented object out of a TOML file, the environment and flags; the later win.

This is the only file that reads configuration text. Whatever is wrong with it ends in one `ConfigError` whose
text names the key, the value and where it came from. docs/configuration.md is written from the descriptions.
"""

from __future__ import annotations

import enum
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from netplay.refusal import ENVIRONMENT_PREFIX, ConfigError, Source, refusal, shown

FILE_VARIABLE = "NETPLAY_CONFIG"
DEFAULT_FILE = Path("netplay.toml")

NOT_SETTINGS = frozenset({FILE_VARIABLE, "NETPLAY_API_KEY", "NETPLAY_API_URL", "NETPLAY_REQUIRE"})
"""Variables under our prefix that configure something other than the server."""


def _listed(value: object) -> object:
    """A list given as text: JSON, or words between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"it is not valid JSON: {error}") from None
    return [word.strip() for word in value.split(",") if word.strip()]


def default_state_dir() -> Path:
    """Where state is kept unless configured: `$XDG_STATE_HOME/netplay`, else `~/.local/state/netplay`."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "netplay"


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("it should have no control characters")
    return value


def _metrics_port(value: object) -> object:
    """A port, `auto` or `off`; 0 and `none` are `off` too."""
    if isinstance(value, str) and value.strip().lower() in ("auto", "off", "none"):
        return "auto" if value.strip().lower() == "auto" else "off"
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if type(value) is int and 0 <= value <= 65_535:
        return value or "off"
    raise ValueError("it should be a port from 1 to 65535, auto or off")


class Mode(enum.StrEnum):
    """What the server is started for."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class ConfiguredKey(BaseModel):
    """A developer key of production, kept as its salted hash. `netplay keys new` makes one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{12}$", description="Public part of the key: 12 hexadecimal digits.")
    developer: Annotated[str, AfterValidator(_printable)] = Field(
        min_length=1,
        max_length=64,
        description="Who it belongs to; keys of one developer meet in one channel.",
    )
    hash: str = Field(
        pattern=r"^sha256:[0-9a-f]{32}:[0-9a-f]{64}$",
        repr=False,
        description="Salted hash of the secret part: `sha256:<salt>:<digest>` in hexadecimal.",
    )


class Limits(BaseModel):
    """What one agent, channel or address may use at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agents_per_channel: int = Field(
        default=100, ge=2, le=10_000, description="Agents in one channel, those away included."
    )
    channels: int = Field(default=10_000, ge=1, le=1_000_000, description="Channels at the same time.")
    message_bytes: int = Field(
        default=65_536, ge=256, le=262_144, description="Largest content of a message that an agent sends."
    )
    messages_per_s: float = Field(
        default=1_000, gt=0, le=1e6, description="Messages one agent may send each second, averaged."
    )
    messages_burst: float = Field(
        default=500, ge=1, le=1e6, description="Messages one agent may send at once after a pause."
    )
    bytes_per_s: float = Field(
        default=1_048_576, gt=0, le=1e10, description="Bytes one agent may send each second, averaged."
    )
    bytes_burst: float = Field(
        default=524_288, ge=262_144, le=1e10, description="Bytes one agent may send at once after a pause."
    )
    creating_connects_per_s: float = Field(
        default=0.5,
        gt=0,
        le=1e6,
        description="Connects that open a new channel, each second, for each pair of key and address.",
    )
    creating_connects_burst: float = Field(
        default=30, ge=1, le=1e6, description="Such connects at once after a pause."
    )
    trusted_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...] | None, NoDecode, BeforeValidator(_listed)
    ] = Field(
        default=None,
        description="Networks without rate limits on unauthenticated work. Default: loopback in development.",
    )


class Config(BaseSettings):
    """Everything that can be configured. Constructing it reads nothing; `load` does."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    mode: Mode = Field(
        default=Mode.DEVELOPMENT,
        description="`development` makes and shows a key; `production` takes the configured `keys` only.",
    )
    host: Annotated[str, AfterValidator(_printable)] = Field(
        default="127.0.0.1", min_length=1, max_length=255, description="Address to bind, TCP and UDP."
    )
    port: int = Field(
        default=7777, ge=0, le=65_535, description="Port for TCP and UDP alike; 0 takes any free one."
    )
    advertise_udp_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="UDP port that clients are told, where a router maps it. Default: the bound one.",
    )
    advertise_tcp_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="TCP port that clients are told for links. Default: the one that their request came in on.",
    )
    lan: bool = Field(
        default=False,
        description="Bind every address of the machine (unless `host` is given) and speak HTTPS, with a self-made"
        " certificate unless `tls_cert` is given.",
    )
    tls_cert: Path | None = Field(
        default=None, description="PEM file of the certificate and its chain: HTTP becomes HTTPS."
    )
    tls_key: Path | None = Field(default=None, description="PEM file of the certificate's private key.")
    metrics_port: Annotated[int | Literal["auto", "off"], BeforeValidator(_metrics_port)] = Field(
        default="auto",
        description="TCP port of `/metrics`: a number, `auto` (the number after `port`), or `off`.",
    )
    metrics_host: Annotated[str, AfterValidator(_printable)] = Field(
        default="127.0.0.1", min_length=1, max_length=255, description="Address to bind for `/metrics`."
    )
    state_dir: Path = Field(
        default_factory=default_state_dir,
        description="Directory of what survives a restart. Default: `netplay` in `$XDG_STATE_HOME`.",
    )
    log_format: Literal["auto", "human", "json"] = Field(
        default="auto", description="`auto` writes lines for people to a terminal and JSON elsewhere."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged."
    )
    retry: Literal["auto", "always"] = Field(
        default="auto",
        description="When a UDP client must first prove its address: above a rate of handshakes, or always.",
    )
    relay_tick_ms: float = Field(
        default=5.0,
        ge=0,
        le=100,
        description="How long messages wait for company in channels of more than 8 agents; 0: not at all.",
    )
    games: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = Field(
        default=("air-hockey",), description="Games that channels may be opened with."
    )
    replays_dir: Path | None = Field(
        default=None,
        description="Directory that finished matches are recorded to. Default: matches are not recorded.",
    )
    shutdown_s: float = Field(
        default=5.0,
        ge=0,
        le=300,
        description="Longest time a stopping server waits for its queues to reach the agents.",
    )
    limits: Limits = Field(
        default=Limits(), description="What one agent, channel or address may use at most."
    )
    keys: tuple[ConfiguredKey, ...] = Field(
        default=(),
        max_length=10_000,
        description="Developer keys of production: tables of `id`, `developer` and `hash`.",
    )
    keys_file: Path | None = Field(
        default=None,
        description="File of more such keys, which `netplay keys` writes. Default: `keys.toml` in `state_dir`.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            missing = "tls_key" if self.tls_key is None else "tls_cert"
            raise ValueError(f"tls_cert and tls_key belong together, and {missing} is not set")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed in: `load` reads the sources itself, so that it can tell which one is wrong."""
        return (init_settings,)

    @property
    def bind_host(self) -> str | None:
        """The address to bind; None: every address of the machine."""
        return None if self.lan and "host" not in self.model_fields_set else self.host

    @property
    def used_keys_file(self) -> Path:
        """The file that `netplay keys` writes."""
        return self.keys_file or self.state_dir / "keys.toml"

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks in force: those configured, else loopback in development."""
        if self.limits.trusted_networks is not None:
            return self.limits.trusted_networks
        if self.mode is Mode.DEVELOPMENT:
            return (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
        return ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where it came from."""

    config: Config
    origins: Mapping[str, str]
    """Dotted key -> `--port`, `NETPLAY_PORT`, `netplay.toml`; keys at their default are absent."""
    unknown_environment: tuple[str, ...]
    """Variables under our prefix that mean nothing: probably misspelt."""


def load(
    flags: Mapping[str, Any] | None = None, file: Path | None = None, assignments: Iterable[str] = ()
) -> Loaded:
    """The configuration from TOML < environment < `flags` < `assignments`. Raises `ConfigError`.

    `flags` holds only what was given, nested like the file; an assignment reads `limits.channels=10`. `file`,
    else what `NETPLAY_CONFIG` names, else ./netplay.toml if it exists, is the TOML file.
    """
    assigned: dict[str, Any] = {}
    for text in assignments:
        assigned = _merge(assigned, _assignment(text))
    sources = [
        Source("assignment", assigned),
        Source("flag", flags or {}),
        Source("environment", _read_environment()),
        _read_file(file),
    ]
    merged: dict[str, Any] = {}
    for source in reversed(sources):
        merged = _merge(merged, source.values)
    try:
        config = Config(**merged)
    except ValidationError as error:
        raise refusal(error, sources, merged, {"": Config, "limits": Limits, "keys": ConfiguredKey}) from None
    origins: dict[str, str] = {}
    for source in reversed(sources):
        origins.update({key: source.label(key) for key in _leaves(source.values)})
    return Loaded(config, origins, _unknown_environment())


def environment_name(key: str) -> str:
    """The variable that sets the dotted `key`."""
    return Source("environment", {}).label(key)


def shown_values(config: Config) -> dict[str, str]:
    """Every key with its value as text; hashes of keys are not shown."""
    values: dict[str, str] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Limits):
            values.update({f"{name}.{part}": _plain(getattr(value, part)) for part in Limits.model_fields})
        else:
            values[name] = _plain(value)
    return values


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_plain(item) for item in value) or "(none)"
    if isinstance(value, ConfiguredKey):
        return f"{value.id} of {value.developer}"
    return "(not set)" if value is None else str(value)


def _assignment(text: str) -> dict[str, Any]:
    """`limits.message_bytes=1000` as a nested mapping."""
    key, equals, value = text.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise ConfigError(
            f"--set {shown(text)} is refused: write it as KEY=VALUE, such as limits.message_bytes=1000."
        )
    nested: Any = value.strip()
    for part in reversed(path):
        nested = {part: nested}
    return dict(nested)


def _read_environment() -> Mapping[str, Any]:
    try:
        return EnvSettingsSource(Config)()
    except SettingsError as error:
        text = str(error)
        for name in Config.model_fields:
            if f'"{name}"' in text:
                variable = environment_name(name)
                text = shown(os.environ.get(variable, ""))
                raise ConfigError(
                    f"{name} = {text} (from {variable}) is refused: it is not valid JSON."
                ) from None
        raise ConfigError(f"the environment is refused: {text}.") from None


def _read_file(file: Path | None) -> Source:
    path = file or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
    if path is None:
        if not DEFAULT_FILE.is_file():
            return Source(str(DEFAULT_FILE), {})
        path = DEFAULT_FILE
    try:
        return Source(str(path), tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        # tomllib has no error of its own for nesting without end and for numbers of thousands of digits.
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None


def _unknown_environment() -> tuple[str, ...]:
    known = {environment_name(name) for name in Config.model_fields} | NOT_SETTINGS
    nested = tuple(environment_name("limits." + name) for name in Limits.model_fields)
    names = (name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX))
    return tuple(sorted(name for name in names if name not in known and name not in nested))


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = (
            _merge(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
        )
    return merged


def _leaves(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in values.items():
        keys += _leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [prefix + key]
    return keys
