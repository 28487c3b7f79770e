"""A cell of the matrix becomes an rc file, a stanza and settings."""

from __future__ import annotations

import pytest

from watchword.conformance.cells import Cell, rc_text, settings_text, stanza_text

WORDS = {"server": "203.0.113.1", "services": "tcp/2210", "key": "a2V5", "mac": "bWFj"}


def test_a_cell_has_the_server_and_its_keys_in_its_rc_file() -> None:
    assert rc_text(Cell("mode", "CBC"), WORDS).splitlines() == [
        "[default]",
        "[cell]",
        "SPA_SERVER 203.0.113.1",
        "KEY_BASE64 a2V5",
        "HMAC_KEY_BASE64 bWFj",
        "USE_HMAC Y",
    ]


def test_a_line_takes_the_place_of_the_one_of_its_name() -> None:
    cell = Cell("refusal", "port", stanza=("OPEN_PORTS tcp/1", "ENCRYPTION_MODE CTR"))
    assert stanza_text(cell, WORDS).splitlines() == [
        "SOURCE ANY",
        "OPEN_PORTS tcp/1",
        "KEY_BASE64 a2V5",
        "HMAC_KEY_BASE64 bWFj",
        "ENCRYPTION_MODE CTR",
    ]


def test_a_name_alone_takes_the_line_away() -> None:
    cell = Cell("hmac", "none", rc=("HMAC_KEY_BASE64", "USE_HMAC"), stanza=("HMAC_KEY_BASE64",))
    assert "HMAC" not in rc_text(cell, WORDS) + stanza_text(cell, WORDS)


def test_the_cells_of_one_server_have_its_settings_in_common() -> None:
    forwarding, plain = Cell("type", "NAT", settings=("A Y",)), Cell("type", "access")
    assert settings_text([forwarding, plain, forwarding], ["B x"]) == "B x;\nA Y;\n"


def test_two_cells_cannot_want_different_things_of_one_server() -> None:
    cells = [Cell("type", "NAT", settings=("A Y",)), Cell("type", "access", settings=("A N",))]
    with pytest.raises(ValueError, match="type access wants A N, another cell Y"):
        settings_text(cells, [])
