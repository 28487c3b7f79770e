"""The rc file as the client reads it (client, section 9)."""

from __future__ import annotations

import pytest

from watchword.dialects.fwknop import rcfile
from watchword.dialects.fwknop.client_settings import (
    Allow,
    AllowKind,
    Given,
    KeyForm,
    KeyWord,
    combine,
)
from watchword.dialects.fwknop.rcfile_read import read
from watchword.errors import OperatorError
from watchword.model.crypto import CipherMode, Digest

SEED = """\
[default]
[192.168.21.132]
KEY_BASE64                  jnj2fAYu4eR/Npp+LmElj4Tzw6ph9PHmb98vxCGb9+o=
HMAC_KEY_BASE64             OBoveH9PuOUcA2fc1g4xD5LoeRi1ZbZIYcShCWAvS0sXfeeTE+MT18K/iYFt3w==
ALLOW_IP                    192.168.21.128
ACCESS                      tcp/1234
SPA_SERVER                  192.168.21.132
USE_HMAC                    Y
"""


def given(text: str, name: str = "x") -> Given:
    [section] = read(text, "rc", name)
    assert section is not None
    return section.given


def complaints(text: str, *names: str) -> list[str]:
    with pytest.raises(OperatorError) as caught:
        read(text, "rc", *(names or ("default",)))
    return [each.message for each in caught.value.complaints]


@pytest.mark.requirement("2.6", partial=True)
def test_the_tutorials_stanza_is_read_in_any_order_of_its_lines() -> None:
    head, name, *lines = SEED.splitlines(keepends=True)
    shuffled = "".join([head, name, *reversed(lines)])

    found = given(SEED, "192.168.21.132")

    assert found == given(shuffled, "192.168.21.132")
    assert found.server == "192.168.21.132"
    assert found.access == "tcp/1234"
    assert found.allow == Allow(AllowKind.ADDRESS, "192.168.21.128")
    assert found.use_hmac
    assert found.key == KeyWord(KeyForm.BASE64, "jnj2fAYu4eR/Npp+LmElj4Tzw6ph9PHmb98vxCGb9+o=")


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("ACCESS tcp/22", "ACCESS", "tcp/22"),
        ("  ACCESS\t tcp/22", "ACCESS", "tcp/22"),
        ("ACCESS: tcp/22", "ACCESS", "tcp/22"),
        ("ACCESS tcp/22 udp/53", "ACCESS", "tcp/22"),
        ("ACCESS tcp/22;udp/53", "ACCESS", "tcp/22"),
        ("ACCESS tcp/22# a comment", "ACCESS", "tcp/22"),
        ("ACCESS tcp/22\r", "ACCESS", "tcp/22"),
    ],
)
def test_a_value_ends_at_the_first_blank_semicolon_or_hash(
    line: str, name: str, value: str
) -> None:
    [head, found] = rcfile.lines(f"[x]\n{line}\n")
    assert head.head
    assert (found.name, found.value) == (name, value)


@pytest.mark.parametrize("line", ["# c", "; c", "", "\r", "#KEY x"])
def test_comments_and_empty_lines_say_nothing(line: str) -> None:
    assert given(f"[x]\n{line}\nACCESS tcp/1\n") == Given(access="tcp/1")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("ACCESS", "ACCESS"),
        ("ACCESS ;", "ACCESS"),
        ("   ", ""),
        ("\t# indented", "#"),
        ("KEY=secret", "(not shown)"),
        ("secret", "(not shown)"),
    ],
)
def test_a_line_without_a_value_ends_the_reading_and_shows_no_secret(line: str, shown: str) -> None:
    assert complaints(f"[default]\n{line}\nFOO bar\n") == [f"*Invalid entry in '{shown}'"]


def test_every_wrong_value_is_reported_with_its_line() -> None:
    text = (
        "[default]\nVERBOSE 7\nUSE_HMAC maybe\nDIGEST_TYPE sha224\nALLOW_IP foo\n"
        "FW_TIMEOUT 65537\nNAT_PORT -1\nSPA_SERVER_PROTO foo\nENCRYPTION_MODE pcbc\n"
        "TIME_OFFSET 100000\nFOO bar\n"
    )
    with pytest.raises(OperatorError) as caught:
        read(text, "rc", "default")
    assert all(each.hint for each in caught.value.complaints)
    assert complaints(text) == [
        "Parameter error in rc, line 2: var=VERBOSE, val=7",
        "Parameter error in rc, line 4: var=DIGEST_TYPE, val=sha224",
        "Parameter error in rc, line 5: var=ALLOW_IP, val=foo",
        "Parameter error in rc, line 6: var=FW_TIMEOUT, val=65537",
        "Parameter error in rc, line 7: var=NAT_PORT, val=-1",
        "Parameter error in rc, line 8: var=SPA_SERVER_PROTO, val=foo",
        "Parameter error in rc, line 9: var=ENCRYPTION_MODE, val=pcbc",
        "Parameter error in rc, line 10: var=TIME_OFFSET, val=100000",
        "Parameter error in rc, line 11: var=FOO, val=(not shown)",
    ]


def test_a_wrong_key_is_reported_without_its_value() -> None:
    assert complaints("[default]\nKEY_BASE64 !!!\n") == [
        "Parameter error in rc, line 2: var=KEY_BASE64, val=(not shown)"
    ]


def test_only_the_sections_in_use_are_looked_at() -> None:
    assert given("[y]\nFOO bar\n\t# broken\n[x]\nACCESS tcp/1\n") == Given(access="tcp/1")


def test_a_repeated_section_is_one_and_its_name_is_compared_without_case() -> None:
    text = "[Work] first\nACCESS tcp/1\nFW_TIMEOUT 5\n[y]\nACCESS tcp/9\n[WORK]\nACCESS tcp/2\n"
    assert given(text, "work") == Given(access="tcp/2", seconds=5)
    assert rcfile.section_names("[default]\n" + text) == ["Work", "y", "WORK"]


def test_lines_before_any_section_are_ignored() -> None:
    assert given("ACCESS tcp/1\n[x]\n") == Given()


def test_a_missing_section_is_none() -> None:
    assert read("[default]\n", "rc", "default", "x")[1] is None


@pytest.mark.parametrize("yes", ["Y", "y", "yes", "YES", "1", "true", "on"])
def test_a_switch_can_be_put_on_in_several_words(yes: str) -> None:
    assert given(f"[x]\nRAND_PORT {yes}\n").rand_port is True


@pytest.mark.parametrize("no", ["N", "n", "no", "0", "false", "maybe", "Yep"])
def test_everything_else_puts_it_off(no: str) -> None:
    assert given(f"[x]\nRAND_PORT {no}\n").rand_port is False


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60), ("-60", -60), ("2h", 7200), ("-1day", -86400)]
)
def test_a_time_offset_may_be_negative(text: str, seconds: int) -> None:
    assert given(f"[x]\nTIME_OFFSET {text}\n").time_offset == seconds


@pytest.mark.parametrize(("text", "level"), [("Y", 1), ("N", 0), ("0", 0), ("3", 3)])
def test_verbosity_is_a_word_or_a_number(text: str, level: int) -> None:
    assert given(f"[x]\nVERBOSE {text}\n").verbose == level


def test_names_of_algorithms_are_read_in_any_case() -> None:
    found = given("[x]\nDIGEST_TYPE Sha3_256\nHMAC_DIGEST_TYPE MD5\nENCRYPTION_MODE LEGACY\n")
    assert (found.digest, found.mac_digest, found.mode) == (
        Digest.SHA3_256,
        Digest.MD5,
        CipherMode.LEGACY,
    )


def test_the_hmac_key_file_is_not_the_key_file() -> None:
    found = given("[x]\nKEY_FILE /k\nHMAC_KEY_FILE /h\n")
    assert found.key == KeyWord(KeyForm.FILE, "/k")
    assert found.mac_key == KeyWord(KeyForm.FILE, "/h")


def test_the_sample_name_client_timeout_is_understood() -> None:
    assert given("[x]\nCLIENT_TIMEOUT 60\n").seconds == 60


def test_within_a_section_a_plain_key_beats_a_base64_one() -> None:
    assert given("[x]\nKEY abc\nKEY_BASE64 YWJk\n").key == KeyWord(KeyForm.TEXT, "abc")


def test_a_key_for_the_hmac_asks_for_the_hmac() -> None:
    assert given("[x]\nHMAC_KEY abc\n").use_hmac is True


# Layers: default, stanza, command line.


def test_the_more_specific_layer_wins_whatever_form_a_key_has() -> None:
    default = given("[x]\nKEY abc\nALLOW_IP 192.0.2.1\nUSE_HMAC Y\n")
    stanza = given("[x]\nKEY_BASE64 YWJk\nALLOW_IP resolve\nUSE_HMAC N\n")
    whole = combine(default, stanza, Given(allow=Allow(AllowKind.SOURCE)))
    assert whole.key == KeyWord(KeyForm.BASE64, "YWJk")
    assert whole.allow == Allow(AllowKind.SOURCE)
    assert whole.use_hmac is False


@pytest.mark.parametrize(
    ("default", "stanza", "typed", "level"),
    [(0, None, 2, 2), (1, None, 2, 2), (3, None, 1, 3), (3, 0, 1, 1), (None, None, None, 0)],
)
def test_of_the_wishes_for_verbosity_the_larger_counts(
    default: int | None, stanza: int | None, typed: int | None, level: int
) -> None:
    whole = combine(Given(verbose=default), Given(verbose=stanza), Given(verbose=typed))
    assert whole.verbose == level
