"""The development key: made once, readable by its owner alone, the same at each start."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from netplay.development import FILE_NAME, development_key, existing_development_key
from netplay.refusal import ConfigError


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_the_first_start_makes_a_key_and_the_next_ones_find_it(tmp_path: Path) -> None:
    state = tmp_path / "a" / "b"
    assert existing_development_key(state) is None
    key = development_key(state, os.urandom)
    assert key.startswith("npk_")
    assert development_key(state, os.urandom) == key
    assert existing_development_key(state) == key


def test_only_the_owner_can_read_the_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        development_key(tmp_path / "state", os.urandom)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "state" / FILE_NAME) == 0o600
    assert mode_of(tmp_path / "state") == 0o700


def test_nothing_but_the_key_is_left_behind(tmp_path: Path) -> None:
    development_key(tmp_path, os.urandom)
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_a_key_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    key = development_key(tmp_path, os.urandom)
    (tmp_path / FILE_NAME).chmod(0o644)
    assert development_key(tmp_path, os.urandom) == key
    assert mode_of(tmp_path / FILE_NAME) == 0o600


def test_two_servers_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    other: list[str] = []

    def slow_random(size: int) -> bytes:
        if not other:
            other.append("")
            other[0] = development_key(tmp_path, os.urandom)
        return os.urandom(size)

    assert development_key(tmp_path, slow_random) == other[0]


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\xff" * 100, b"npk_x" * 10_000])
def test_a_file_without_a_key_is_told_and_not_overwritten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ConfigError, match="holds no key; delete it"):
        development_key(tmp_path, os.urandom)
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(development_key(tmp_path / "other", os.urandom))
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="cannot keep the development key"):
        development_key(tmp_path, os.urandom)


def test_a_directory_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot keep the development key: Not a directory"):
        development_key(tmp_path / "file" / "state", os.urandom)
