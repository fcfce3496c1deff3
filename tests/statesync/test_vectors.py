"""The published vectors are what the script writes."""

from __future__ import annotations

from scripts import write_statesync_vectors


def test_the_file_is_what_the_script_writes():
    assert write_statesync_vectors.TARGET.read_text() == write_statesync_vectors.document()
