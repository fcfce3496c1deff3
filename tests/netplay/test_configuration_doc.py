"""The configuration document is made from the code, and up to date."""

from __future__ import annotations

from netplay.config import Config, environment_name, shown_values
from scripts import write_configuration_doc


def test_the_document_is_what_the_script_writes() -> None:
    assert (
        write_configuration_doc.DOCUMENT.read_text(encoding="utf-8") == write_configuration_doc.document()
    ), "run `make docs`"


def test_every_key_stands_in_the_document() -> None:
    text = write_configuration_doc.document()
    for key in shown_values(Config()):
        assert f"`{key}`" in text
        assert environment_name(key) in text or key == "keys"
