"""The sample configuration files: what they say is so, and what they show can be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.daemon import base64
from tests.fwknopd_files import STANZA, fatal
from tests.values import KEY, MAC_KEY
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import Configuration, load

ETC = Path(__file__).parents[2] / "packaging" / "etc"
SERVER, ACCESS = ((ETC / name).read_text("utf-8") for name in ("fwknopd.conf", "access.conf"))
ONLY_IF_GIVEN = {"IPT_CMD_ALARM"}
"""Changes something in being there at all, and the words above it say so."""
ACTIONS = re.sub("^#(?=ACTION)", "", (ETC / "actions.conf").read_text("utf-8"), flags=re.MULTILINE)
DEFAULTS = re.findall(r"^#([A-Za-z0-9_]+) +([^< \n][^\n]*);$", SERVER, re.MULTILINE)


def loaded(access: str, server: str = SERVER) -> Configuration:
    ring = {"/root/.gnupg/pubring.kbx": "", "/usr/bin/gpg": "", "/actions.conf": ACTIONS}
    if re.search("^ACTIONS ", access, re.MULTILINE):
        server += "ACTIONS_FILE /actions.conf;\n"
    texts = {"fwknopd.conf": server, "access.conf": access} | ring
    return load(Sources.of(texts), parse(["-c", "fwknopd.conf", "-a", "access.conf"]))


def with_keys(text: str) -> str:
    for name, key in (("KEY_BASE64", KEY), ("HMAC_KEY_BASE64", MAC_KEY)):
        text = re.sub(rf"^({name} +)__CHANGEME__", rf"\g<1>{base64(key)}", text, flags=re.MULTILINE)
    return text


def examples() -> list[tuple[str, str]]:
    """Each stanza that is commented out, by the heading above it."""
    found = re.findall(r"^# --- (.*) ---\n#\n((?:#.*\n)+)", ACCESS, re.MULTILINE)
    return [(title, re.sub(r"^#", "", lines, flags=re.MULTILINE)) for title, lines in found]


def test_every_default_that_the_sample_shows_is_the_one_that_counts() -> None:
    """Written out one by one, and all at once, they change nothing."""
    assert len(DEFAULTS) > 50
    plain = loaded(STANZA, "")
    defaults = [each for each in DEFAULTS if each[0] not in ONLY_IF_GIVEN]
    for name, value in defaults:
        found = loaded(STANZA, f"{name} {value};\n")
        assert (found.settings, found.policy) == (plain.settings, plain.policy), name
    lines = "".join(f"{name} {value};\n" for name, value in defaults)
    together = loaded(STANZA, lines)
    assert (together.settings, together.policy) == (plain.settings, plain.policy)
    assert [each for each in together.complaints if "unknown" in each.message] == []


def test_the_sample_of_settings_sets_nothing_by_itself() -> None:
    lines = [line for line in SERVER.splitlines() if line and not line.startswith("#")]
    assert lines == []


def test_the_sample_of_stanzas_wants_keys_before_anything_starts() -> None:
    told = fatal("", ACCESS)
    assert any("KEY_BASE64 value is not properly set in stanza source 'ANY'" in t for t in told)


def test_with_keys_it_opens_one_port_to_whoever_has_them_and_nothing_is_remarked_on() -> None:
    found = loaded(with_keys(ACCESS))
    [terms] = found.policy.stanzas
    assert [str(each) for each in terms.open_services or ()] == ["tcp/22"]
    assert (terms.default_seconds, terms.source_required) == (30, True)
    assert found.complaints == ()


@pytest.mark.parametrize(("title", "lines"), examples(), ids=lambda text: str(text)[:30])
def test_each_stanza_that_it_shows_can_be_used(title: str, lines: str) -> None:
    found = loaded(with_keys(lines))
    assert len(found.policy.stanzas) == 1, title
    assert [each for each in found.complaints if each.fatal] == []


def test_it_shows_some_stanzas() -> None:
    assert len(examples()) == 10
