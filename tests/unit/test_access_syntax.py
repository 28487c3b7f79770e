"""access.conf: lines, names, stanzas, includes."""

from __future__ import annotations

import pytest

from tests.fwknopd_files import (
    CONFIG,
    HMAC_KEY,
    KEY,
    KEYS,
    QUIET,
    STANZA,
    complaints,
    configure,
    fatal,
    remarks,
)
from tests.values import symmetric
from watchword.dialects.fwknop.access_conf_table import KNOWN, RESTRICTIONS
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import load
from watchword.errors import OperatorError, Place
from watchword.model.services import Service


@pytest.mark.requirement("2.8")
def test_the_file_of_the_tutorial_loads_as_it_is() -> None:
    text = f"""\
#### fwknopd access.conf stanzas ###

SOURCE                     ANY
OPEN_PORTS                 tcp/1234
REQUIRE_SOURCE_ADDRESS     Y
REQUIRE_USERNAME           root
FW_ACCESS_TIMEOUT          30
KEY_BASE64                 {KEY}
HMAC_KEY_BASE64            {HMAC_KEY}
"""
    loaded = configure("", text)
    [terms] = loaded.policy.stanzas
    assert (terms.number, terms.place, terms.label) == (1, Place("access.conf", 3), "ANY")
    assert terms.open_services == frozenset({Service.parse("tcp/1234")})
    assert terms.source_required
    assert terms.users == {"root"}
    assert terms.default_seconds == 30
    assert len(symmetric(terms).key) == 32
    assert terms.mac_key is not None
    assert len(terms.mac_key) == 64
    assert loaded.complaints == ()


@pytest.mark.requirement("2.9")
@pytest.mark.parametrize(
    "lines",
    [
        "REQUIRE_USERNAME alice",
        "REQUIRE_USERNAME alice;",
        "REQUIRE_USERNAME: alice; # she",
        "\tREQUIRE_USERNAME\talice \t;",
        "REQUIRE_USERNAME alice\r",
        "REQUIRE_USERNAME bob\nREQUIRE_USERNAME alice",
        "   \n\t\n  # so\nREQUIRE_USERNAME alice",
    ],
)
def test_one_line_may_be_written_in_many_ways(lines: str) -> None:
    assert configure("", STANZA + lines).policy.stanzas[0].users == {"alice"}


def test_the_style_of_the_old_line_loads() -> None:
    text = f"SOURCE: ANY;\nKEY: 0726354819fbdace;\nHMAC_KEY: fdebca9786543120;\n{QUIET}"
    assert configure("", text).complaints == ()


def test_a_passphrase_keeps_inner_blanks_and_hashes_and_ends_at_the_semicolon() -> None:
    text = f"SOURCE ANY\nKEY  a # b  c, of a length ; d\nHMAC_KEY fedcba9876543210\n{QUIET}"
    [terms] = configure("", text).policy.stanzas
    assert symmetric(terms).key.reveal() == b"a # b  c, of a length"


def test_a_passphrase_in_another_encoding_survives() -> None:
    word = b"pass\xe4word of \xff bytes".decode("utf-8", "surrogateescape")
    text = f"SOURCE ANY\nKEY {word}\nHMAC_KEY fedcba9876543210\n{QUIET}"
    [terms] = configure("", text).policy.stanzas
    assert symmetric(terms).key.reveal() == b"pass\xe4word of \xff bytes"


@pytest.mark.parametrize("line", ["REQUIRE_USERNAME", "ENABLE_CMD_EXEC;", "KEY ;", "SOURCE"])
def test_a_name_without_a_value_is_refused(line: str) -> None:
    [told] = fatal("", STANZA + line)
    assert told.startswith(
        "access.conf:6: [*] Invalid access file entry in access.conf at line 6.\n - '"
    )


def test_half_of_a_key_on_a_line_of_its_own_is_not_shown() -> None:
    for text in (
        f"{STANZA}{KEY}\n",
        f"{STANZA}jnj2fAYu4eR\n",
        f"{STANZA}{KEY} x\n",
        f"{STANZA}KEY_BASE64 {KEY}!\n",
    ):
        told = "\n".join(str(each) for each in complaints("", text))
        assert "(not shown)" in told
        assert KEY[:8] not in told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("WHATEVER x", "'WHATEVER' in access.conf (correct the name, or remove the line)"),
        ("Key x", "'Key' in access.conf (did you mean KEY?)"),
        ("KEY_BASE_64 x", "'KEY_BASE_64' in access.conf (did you mean KEY_BASE64?)"),
        ("GPG_HOMEDIR x", "'GPG_HOMEDIR' in access.conf (did you mean GPG_HOME_DIR?)"),
    ],
)
def test_an_unknown_name_is_ignored_with_a_guess(line: str, told: str) -> None:
    assert remarks("", STANZA + line) == [
        f"access.conf:6: [*] Ignoring unknown access parameter: {told}"
    ]


@pytest.mark.parametrize("name", sorted(RESTRICTIONS))
def test_a_misspelt_restriction_is_refused_because_ignoring_it_would_open_more(name: str) -> None:
    for wrong in (name[:-1], name.lower(), name[:3] + name[4:], name + "S"):
        if wrong in KNOWN:
            continue
        said = [each for each in complaints("", f"{STANZA}{wrong} x") if each.fatal]
        assert said[0].message == f"[*] unknown access parameter: '{wrong}' in access.conf"
        assert said[0].place == Place("access.conf", 6)
        assert said[0].hint.startswith("did you mean ")


@pytest.mark.parametrize("name", sorted(KNOWN - {"%include", "%include_folder", "%include_keys"}))
def test_every_known_name_is_known(name: str) -> None:
    said = [each.message for each in complaints("", f"{STANZA}{name} x")]
    assert not [each for each in said if "unknown" in each]


def test_a_line_before_the_first_source_is_ignored_and_said() -> None:
    assert remarks("", f"OPEN_PORTS tcp/80\n{STANZA}") == [
        "access.conf:1: OPEN_PORTS stands before the first SOURCE and is ignored "
        "(move it below the SOURCE of the stanza that it is for)"
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n"])
def test_a_file_without_a_stanza_is_refused(text: str) -> None:
    [told] = fatal("", text)
    assert told.startswith(
        "access.conf: [*] Could not find valid SOURCE stanza in access file: 'access.conf'"
    )


def test_a_thousand_unknown_names_are_given_up() -> None:
    told = complaints("", STANZA + "".join(f"NAME_{n} x\n" for n in range(1000)))
    assert [each.place for each in told if each.fatal] == [Place("access.conf", 106)]


def test_ten_thousand_stanzas_load() -> None:
    loaded = configure("", STANZA * 10_000)
    assert [each.number for each in loaded.policy.stanzas] == list(range(1, 10_001))
    assert loaded.policy.terms(9_999).place == Place("access.conf", 9_998 * 5 + 1)


def loaded_from(texts: dict[str, str]) -> list[tuple[int, str]]:
    """Number and label of each stanza of ``a``."""
    policy = load(Sources.of({"f": CONFIG, **texts}), parse(["-c", "f", "-a", "a"])).policy
    return [(each.number, each.label) for each in policy.stanzas]


def one(source: str) -> str:
    return f"SOURCE {source}\n{KEYS}{QUIET}"


def test_included_stanzas_come_in_their_place_and_the_open_one_stays_open() -> None:
    texts = {
        "a": f"SOURCE 192.0.2.1\n{KEYS}REQUIRE_SOURCE_ADDRESS Y\n%include b\n{one('192.0.2.4')}",
        "b": f"OPEN_PORTS tcp/22\n{one('192.0.2.2')}%include c\n",
        "c": one("192.0.2.3"),
    }
    assert loaded_from(texts) == [(n, f"192.0.2.{n}") for n in (1, 2, 3, 4)]


def test_the_fourth_level_is_refused() -> None:
    texts = {"f": CONFIG, "a": f"{STANZA}%include b", "b": "%include c", "c": "%include d"}
    with pytest.raises(OperatorError) as caught:
        load(Sources.of(texts | {"d": ""}), parse(["-c", "f", "-a", "a"]))
    [told] = caught.value.complaints
    assert told.message == "[*] Refusing to go deeper than 3 levels. Lost in Limbo: 'c'"
    assert told.place == Place("c", 1)


@pytest.mark.parametrize("directive", ["%include a", "%include_folder x/"])
def test_files_that_include_each_other_end(directive: str) -> None:
    reads = 0
    texts = {"f": CONFIG, "a": f"{directive}\n" * 300, "x/b.conf": "%include a\n" * 300}

    def read(path: str) -> str:
        nonlocal reads
        reads += 1
        return texts[path]

    sources = Sources(read, lambda path: ["b.conf"], bool, bool, bool)
    with pytest.raises(OperatorError) as caught:
        load(sources, parse(["-c", "f", "-a", "a"]))
    assert reads < 20
    assert len(caught.value.complaints) == 101


def test_a_folder_is_read_by_name_and_only_its_conf_files() -> None:
    names = ["b.conf", "a.conf", "c.configuration", ".conf.swp", "d.conf.bak", "e"]
    texts = {f"dir/{name}": one(f"192.0.2.{n}") for n, name in enumerate(names, 1)}
    texts["a"] = one("192.0.2.9") + "%include_folder dir/\n"
    assert loaded_from(texts) == [(1, "192.0.2.9"), (2, "192.0.2.2"), (3, "192.0.2.1")]


@pytest.mark.parametrize("argv", [["--access-folder", "dir"], ["-O", "more"]])
def test_a_folder_takes_the_place_of_the_file(argv: list[str]) -> None:
    texts = {"f": CONFIG, "more": "ACCESS_FOLDER dir/\n", "dir/x.conf": STANZA, "a": STANZA * 2}
    loaded = load(Sources.of(texts), parse(["-c", "f", *argv]))
    assert len(loaded.policy.stanzas) == 1
    assert loaded.policy.stanzas[0].place.file == "dir/x.conf"


def test_an_empty_folder_is_refused() -> None:
    texts = {"f": CONFIG, "dir/readme": ""}
    with pytest.raises(OperatorError, match="could not find any valid"):
        load(Sources.of(texts), parse(["-c", "f", "--access-folder", "dir"]))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%include gone", "[*] Access file: 'gone' was not found."),
        ("%include_folder gone", "[*] Access folder: 'gone' could not be opened."),
    ],
)
def test_a_missing_include_is_refused_where_it_is_asked_for(line: str, told: str) -> None:
    [said] = fatal("", STANZA + line)
    assert said.startswith(f"access.conf:6: {told}")


KEYLESS = f"SOURCE ANY\n{QUIET}%include_keys keys.conf\n"


def test_keys_may_be_in_a_file_of_their_own() -> None:
    loaded = configure("", KEYLESS, keys_conf=KEYS)
    assert symmetric(loaded.policy.stanzas[0]).mac_key is not None
    assert loaded.complaints == ()


def test_a_key_file_changes_nothing_but_keys() -> None:
    loaded = configure("", KEYLESS, keys_conf=f"{KEYS}OPEN_PORTS tcp/1\nSOURCE 192.0.2.1\n")
    assert loaded.policy.stanzas[0].open_services == frozenset({Service.parse("tcp/22")})
    assert [str(each) for each in loaded.complaints] == [
        f"keys.conf:{line}: Ignoring invalid entry: '{name}' (a key file holds keys and "
        "GPG settings)"
        for line, name in ((3, "OPEN_PORTS"), (4, "SOURCE"))
    ]


@pytest.mark.parametrize(
    "keys",
    ["", "KEY", "KEY __CHANGEME__\n", "KEY_BASE64 !!\n", "\x00", f"KEY a\nHMAC_KEY a\n{KEYS}x"],
    ids=["empty", "broken", "placeholder", "no base64", "binary", "broken last line"],
)
def test_a_broken_key_file_disables_its_stanza_and_no_other(keys: str) -> None:
    loaded = configure("", KEYLESS + one("192.0.2.2"), keys_conf=keys)
    assert [(each.number, each.label) for each in loaded.policy.stanzas] == [(2, "192.0.2.2")]
    [told] = [each for each in loaded.complaints if "out of use" in each.message]
    assert told.message.startswith("access stanza #1 is out of use: ")
    assert told.place == Place("access.conf", 4)


def test_a_missing_key_file_disables_its_stanza() -> None:
    loaded = configure("", KEYLESS + STANZA)
    assert [each.number for each in loaded.policy.stanzas] == [2]
    [told] = loaded.complaints
    assert "[*] Access file: 'keys.conf' was not found." in told.message


def test_a_mistake_outside_the_key_file_is_refused_as_ever() -> None:
    assert len(fatal("", KEYLESS + "REQUIRE_USERNAME ,", keys_conf="KEY")) == 1
