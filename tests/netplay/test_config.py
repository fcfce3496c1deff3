"""Configuration: TOML < environment < flags, and one sentence for whatever is wrong."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.config import HubConfig
from netplay.config import (
    Config,
    ConfigError,
    Limits,
    Mode,
    environment_name,
    load,
    shown_values,
)


@pytest.fixture(autouse=True)
def clean_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("NETPLAY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    def write(text: str, name: str = "here.toml") -> Path:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return file

    return write


def refused(flags: dict[str, Any] | None = None, file: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(flags, file)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_with_nothing_given_every_value_is_the_default() -> None:
    loaded = load()
    assert loaded.config.port == 7777
    assert loaded.config.host == "127.0.0.1"
    assert loaded.config.mode is Mode.DEVELOPMENT
    assert loaded.origins == {}


def test_flags_win_over_the_environment_and_the_environment_over_the_file(
    toml: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = toml('port = 1\nhost = "::1"\nlog_level = "error"\n[limits]\nchannels = 1\nmessage_bytes = 300')
    monkeypatch.setenv("NETPLAY_PORT", "2")
    monkeypatch.setenv("NETPLAY_HOST", "0.0.0.0")
    monkeypatch.setenv("NETPLAY_LIMITS__CHANNELS", "2")
    loaded = load({"port": 3}, file)
    assert (loaded.config.port, loaded.config.host, loaded.config.log_level) == (3, "0.0.0.0", "error")
    assert (loaded.config.limits.channels, loaded.config.limits.message_bytes) == (2, 300)
    assert loaded.origins == {
        "port": "--port",
        "host": "NETPLAY_HOST",
        "log_level": str(file),
        "limits.channels": "NETPLAY_LIMITS__CHANNELS",
        "limits.message_bytes": str(file),
    }


def test_a_file_beside_the_server_is_read_without_being_named(toml: Any) -> None:
    toml("port = 9", name="netplay.toml")
    assert load().config.port == 9


def test_a_variable_names_the_file(toml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPLAY_CONFIG", str(toml("port = 8")))
    assert load().config.port == 8


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPLAY_ADVERTISE_UDP_PORT", "")
    assert load().config.advertise_udp_port is None


def test_lists_in_the_environment_are_words_between_commas_or_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPLAY_GAMES", "air-hockey, other")
    monkeypatch.setenv("NETPLAY_LIMITS__TRUSTED_NETWORKS", '["10.0.0.0/8", "fd00::/8"]')
    config = load().config
    assert config.games == ("air-hockey", "other")
    assert config.trusted_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_loopback_is_trusted_in_development_alone() -> None:
    assert ip_network("127.0.0.0/8") in Config().trusted_networks
    assert Config(mode=Mode.PRODUCTION).trusted_networks == ()


def test_the_configuration_cannot_be_changed() -> None:
    config = Config()
    with pytest.raises(ValidationError):
        config.port = 1
    with pytest.raises(ValidationError):
        config.limits.channels = 1


def test_constructing_reads_neither_environment_nor_file(monkeypatch: pytest.MonkeyPatch, toml: Any) -> None:
    monkeypatch.setenv("NETPLAY_PORT", "5")
    toml("port = 6", name="netplay.toml")
    assert Config().port == 7777


def test_a_bad_flag_is_named_with_its_value() -> None:
    assert refused({"port": "70000"}) == "port = 70000 (from --port) is refused: it should be at most 65535."


def test_a_bad_variable_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPLAY_LIMITS__MESSAGE_BYTES", "many")
    source = "limits.message_bytes = many (from NETPLAY_LIMITS__MESSAGE_BYTES)"
    assert refused() == f"{source} is refused: it should be a whole number."


def test_a_bad_value_in_the_file_names_the_file(toml: Any) -> None:
    file = toml('mode = "prod"')
    assert refused(file=file) == (
        f"mode = prod (from {file}) is refused: it should be 'development' or 'production'."
    )


def test_a_misspelt_key_is_refused_with_what_was_meant(toml: Any) -> None:
    file = toml("[limits]\nmesage_bytes = 4096")
    assert refused(file=file) == (
        f"limits.mesage_bytes (from {file}) is refused: "
        "there is no such key; perhaps limits.message_bytes is meant."
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('mode = "prod', "is not valid TOML"),
        ("limits = 3", "limits = 3 (from {file}) is refused: it should be a table."),
        ("host = 3", "host = 3 (from {file}) is refused: it should be text."),
        ("retry = true", "it should be 'auto' or 'always'."),
        ("relay_tick_ms = -1", "it should be at least 0."),
        ("relay_tick_ms = nan", "relay_tick_ms = NaN (from {file}) is refused"),
        (
            '[[keys]]\nid = "0123456789ab"\nhash = "x"',
            "keys.0 (from {file}) is refused: developer is missing.",
        ),
        ('[limits]\ntrusted_networks = ["10.0.0.0/33"]', "it should be a network such as 10.0.0.0/8."),
    ],
)
def test_whatever_is_wrong_in_a_file_is_one_sentence(text: str, reason: str, toml: Any) -> None:
    file = toml(text)
    assert reason.format(file=file) in refused(file=file)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    assert refused(file=tmp_path / "none.toml") == (
        f"{tmp_path / 'none.toml'} cannot be read: No such file or directory."
    )
    assert "cannot be read: Is a directory." in refused(file=tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    assert "is not valid TOML" in refused(file=tmp_path / "bytes.toml")


def test_json_that_is_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPLAY_KEYS", '[{"id":')
    assert refused() == 'keys = [{"id": (from NETPLAY_KEYS) is refused: it is not valid JSON.'


def test_a_refusal_never_shows_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPLAY_KEYS", '[{"id": "0123456789ab", "developer": "bob", "hash": "npk_secret"}]')
    text = refused()
    assert "npk_secret" not in text
    assert "from NETPLAY_KEYS" in text


def test_what_a_refusal_shows_is_escaped_and_cut() -> None:
    text = refused({"log_level": "\x1b[31m\n" + "a" * 500})
    assert "\\x1b[31m\\n" in text
    assert len(text) < 250


def test_a_misspelt_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NETPLAY_PROT", "NETPLAY_REQUIRE", "NETPLAY_API_KEY", "NETPLAY_HOST"):
        monkeypatch.setenv(name, "x")
    assert load().unknown_environment == ("NETPLAY_PROT",)
    monkeypatch.setenv("NETPLAY_LIMITS__CHANELS", "x")
    assert "perhaps limits.channels is meant" in refused()


def test_any_key_can_be_set_by_assignment_and_the_last_one_wins() -> None:
    given = ["limits.channels=7", "limits.message_bytes = 512", "limits.channels=8", "shutdown_s=2"]
    loaded = load({"port": "1", "shutdown_s": 1}, assignments=given)
    config = loaded.config
    assert (config.port, config.limits.channels, config.limits.message_bytes) == (1, 8, 512)
    assert config.shutdown_s == 2
    assert loaded.origins["shutdown_s"] == "--set shutdown_s"


def test_a_bad_assignment_is_named_as_one() -> None:
    with pytest.raises(
        ConfigError, match=r"^port = x \(from --set port\) is refused: it should be a whole number\.$"
    ):
        load({"port": 1}, assignments=["port=x"])


@pytest.mark.parametrize("text", ["port", "=1", "limits..channels=1", ""])
def test_an_assignment_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        load(assignments=[text])


def test_every_key_has_a_variable_that_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment_name("limits.message_bytes") == "NETPLAY_LIMITS__MESSAGE_BYTES"
    for key in shown_values(Config()):
        monkeypatch.setenv(environment_name(key), "x")
    assert load_is_refused_or_knows_all()


def load_is_refused_or_knows_all() -> bool:
    try:
        return load().unknown_environment == ()
    except ConfigError as error:
        return "no such key" not in str(error)


def test_every_key_is_described() -> None:
    for model in (Config, Limits):
        for name, field in model.model_fields.items():
            assert field.description, name
            assert field.description.endswith("."), name


def test_the_defaults_are_the_hubs() -> None:
    limits, hub = Limits(), HubConfig()
    assert limits.agents_per_channel == hub.agents_per_channel
    assert limits.channels == hub.max_channels
    assert limits.message_bytes == hub.max_message_bytes
    assert limits.messages_per_s == hub.ingress_messages_per_s
    assert limits.messages_burst == hub.ingress_messages_burst
    assert limits.bytes_per_s == hub.ingress_bytes_per_s
    assert limits.bytes_burst == hub.ingress_bytes_burst
    assert limits.creating_connects_per_s == hub.creates_per_s
    assert limits.creating_connects_burst == hub.creates_burst
    assert Config().relay_tick_ms / 1000 == hub.relay_tick_s


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*Config.model_fields, "nonsense"]), JSON_LIKE)
@settings(max_examples=150, deadline=None)
def test_no_value_whatever_ends_in_anything_but_a_config_or_a_refusal(key: str, value: Any) -> None:
    try:
        load({key: value})
    except ConfigError as error:
        assert "\n" not in str(error)
