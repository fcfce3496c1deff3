"""A42: whatever lies in a file or a store that we read back, it is taken whole, or refused with one sentence.

The message log is in this process today (`stores.memory`), behind a port that only types guard; what crosses
the process's border are files: recordings, keys, the reset key, the certificate, the configuration.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games.airhockey.game import AirHockey
from games.recording import InputTrack, Recording, RecordingError
from games.replay import replay
from hub.keys import KeyRecord, KeyRing
from netplay.certificate import SelfMadeCertificate
from netplay.config import Config, load
from netplay.keys_file import read_keys
from netplay.refusal import ConfigError
from netplay.reset_key import FILE_NAME, RESET_KEY_BYTES, reset_key
from netplay.tls import server_tls

KEY = '[[keys]]\nid = "0123456789ab"\ndeveloper = "dev"\nhash = "sha256:{}:{}"\n'.format("0" * 32, "1" * 64)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def mutations(good: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Bytes turned, cut, doubled, put in, in copies of something good."""
    draw = random.Random(seed)
    for _ in range(count):
        made = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(made) + 1)
            match draw.randrange(5):
                case 0 if at < len(made):
                    made[at] ^= 1 << draw.randrange(8)
                case 1:
                    del made[at : at + draw.randint(1, 40)]
                case 2:
                    made[at:at] = draw.randbytes(draw.randint(1, 8))
                case 3:
                    made[at:at] = made[max(0, at - 60) : at]
                case _:
                    del made[at:]
        yield bytes(made)


GARBAGE = {
    "empty": b"",
    "one zero": b"\0",
    "zeros, as after a crash": bytes(4096),
    "no UTF-8": b"\xff\xfe\x80" * 40,
    "a byte order mark": b"\xef\xbb\xbf",
    "another's file": b"\x7fELF" + bytes(60),
    "arrays without end": b"a = " + b"[" * 100_000,
    "tables without end": b"a = " + b"{a = " * 50_000,
    "a table of many parts": b"[" + b"a." * 4_000 + b"a]\n",
    "a number of ten thousand digits": b"port = " + b"9" * 10_000,
    "an impossible date": b"port = 2026-13-45T99:99:99Z",
    "a doubled table": b"[limits]\n[limits]\n",
    "lone surrogate": b'developer = "\\ud800"',
    "nested MessagePack": b"\x91" * 100_000,
}
garbage = pytest.mark.parametrize("content", list(GARBAGE.values()), ids=list(GARBAGE))


def one_sentence(error: Exception) -> None:
    """What an operator is shown: short, printable, one line."""
    text = str(error)
    assert text and len(text) < 600, text[:600]
    assert "\n" not in text and text.isprintable(), repr(text)
    assert "Traceback" not in text


def taken_or_refused(read: Callable[[], Any], refused: type[Exception]) -> Any:
    """What `read` gives, or None where it refused as it should."""
    try:
        return read()
    except refused as error:
        one_sentence(error)
        return None


# Recordings and replays.


def recording() -> bytes:
    game = AirHockey({"win_score": 3})
    made = Recording("air-hockey", game.version, game.options, 7, 60, [InputTrack(4), InputTrack(4)])
    state, draw = game.start(7), random.Random(3)
    for _ in range(60):
        inputs = [draw.randbytes(4) for _ in range(2)]
        for track, data in zip(made.tracks, inputs, strict=True):
            track.append(data)
        state = game.step(state, inputs)
    made.final_hash = game.state_hash(state)
    return made.encode()


@garbage
def test_garbage_is_no_recording(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "match.replay"
    file.write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        replay(file)
    one_sentence(caught.value)


def test_a_damaged_recording_is_refused_or_replays_to_its_own_end(tmp_path: Path) -> None:
    file, good = tmp_path / "match.replay", recording()
    verdicts = set()
    for content in mutations(good, 1, 200):
        file.write_bytes(content)
        report = taken_or_refused(lambda: replay(file), RecordingError)
        verdicts.add(report if report is None else report.matches)
    assert {None, False} <= verdicts


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=12), inner, max_size=3),
        st.binary(max_size=9),
    ),
    max_leaves=6,
)


GOOD = msgpack.unpackb(recording())


@given(st.sampled_from(sorted(GOOD)), VALUES)
@settings(max_examples=100, deadline=None)
def test_every_field_of_a_recording_is_checked_whatever_its_type(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: Any
) -> None:
    fields = {**GOOD, field: value}
    file = tmp_path_factory.getbasetemp() / "poisoned.replay"
    file.write_bytes(msgpack.packb(fields))
    taken_or_refused(lambda: replay(file), RecordingError)


# Keys.


@garbage
def test_garbage_in_the_keys_file_is_refused_or_no_key(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_bytes(content)
    assert not taken_or_refused(lambda: read_keys(file), ConfigError)


def test_a_damaged_keys_file_gives_whole_keys_or_none(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    taken = 0
    for content in mutations(KEY.encode(), 2, 400):
        file.write_bytes(content)
        for key in taken_or_refused(lambda: read_keys(file), ConfigError) or ():
            taken += 1
            assert (len(key.id), len(key.hash)) == (12, 7 + 32 + 1 + 64)
            assert key.developer.isprintable()
            _, salt, digest = key.hash.split(":")
            KeyRing([KeyRecord(key.id, bytes.fromhex(salt), bytes.fromhex(digest), key.developer)])
    assert taken


# The reset key.


@garbage
def test_a_reset_key_of_another_length_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        reset_key(tmp_path, os.urandom)
    one_sentence(caught.value)


@pytest.mark.parametrize("kind", ["a folder", "a link", "a link to nothing"])
def test_what_is_no_file_is_no_reset_key(kind: str, tmp_path: Path) -> None:
    file, elsewhere = tmp_path / FILE_NAME, tmp_path / "elsewhere"
    if kind == "a folder":
        file.mkdir()
    else:
        if kind == "a link":
            elsewhere.write_bytes(bytes(RESET_KEY_BYTES))
        file.symlink_to(elsewhere)
    with pytest.raises(ConfigError) as caught:
        reset_key(tmp_path, os.urandom)
    one_sentence(caught.value)


# The certificate.


@garbage
def test_garbage_in_place_of_the_certificate_is_replaced(content: bytes, tmp_path: Path) -> None:
    made = SelfMadeCertificate(tmp_path, ["localhost"])
    made.renew(NOW)
    made.pair_file.write_bytes(content)
    assert made.renew(NOW)
    assert not made.renew(NOW)


def test_a_damaged_certificate_is_replaced_or_refused_and_never_served_in_part(tmp_path: Path) -> None:
    config = Config(state_dir=tmp_path, lan=True, port=0)
    made = server_tls(config)
    assert made is not None
    file = tmp_path / "tls" / "self-made.pem"
    good = file.read_bytes()
    served = 0
    for content in mutations(good, 3, 150):
        file.write_bytes(content)
        served += taken_or_refused(lambda: server_tls(config), ConfigError) is not None
    assert served


# The configuration.


@garbage
def test_garbage_is_no_configuration(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "netplay.toml"
    file.write_bytes(content)
    loaded = taken_or_refused(lambda: load(file=file), ConfigError)
    assert loaded is None or loaded.config == Config()


def test_a_damaged_configuration_is_whole_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "netplay.toml"
    good = 'port = 7777\nretry = "auto"\n[limits]\nmessage_bytes = 65536\n' + KEY
    taken = 0
    for content in mutations(good.encode(), 4, 300):
        file.write_bytes(content)
        loaded = taken_or_refused(lambda: load(file=file), ConfigError)
        if loaded is not None:
            taken += 1
            assert 0 <= loaded.config.port < 65_536 and loaded.config.limits.message_bytes > 0
    assert taken
