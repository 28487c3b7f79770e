"""Saving settings in an rc file (client, section 10)."""

from __future__ import annotations

import pytest

from watchword.dialects.fwknop.client_options import parse
from watchword.dialects.fwknop.client_settings import Given, KeyForm, KeyWord
from watchword.dialects.fwknop.rcfile_read import read
from watchword.dialects.fwknop.rcfile_write import INITIAL, at_stake, save, variables
from watchword.errors import OperatorError

FILE = """\
# top comment
[default]
; c
[foo]
# c1
KEY_BASE64   YWJj
ACCESS tcp/22

SPA_SERVER_PORT 55
[bar]
ACCESS tcp/33
"""


def test_a_new_stanza_is_appended_after_an_empty_line() -> None:
    assert save("[default]\n", "x", {"ACCESS": "tcp/1", "USE_HMAC": "Y"}, anew=False) == (
        "[default]\n\n[x]\nACCESS                      tcp/1\nUSE_HMAC                    Y\n"
    )


def test_a_file_without_a_last_end_of_line_gets_one() -> None:
    assert save("[default]", "x", {}, anew=False) == "[default]\n\n[x]\n"
    assert save("", "x", {}, anew=False) == "[x]\n"


def test_what_is_not_given_this_time_stays_and_so_do_comments() -> None:
    changed = save(FILE, "FOO", {"ACCESS": "udp/53", "FW_TIMEOUT": "9"}, anew=False)
    assert changed == FILE.replace("ACCESS tcp/22", "ACCESS                      udp/53").replace(
        "SPA_SERVER_PORT 55\n", "SPA_SERVER_PORT 55\nFW_TIMEOUT                  9\n"
    )


def test_force_takes_every_other_variable_out_and_leaves_other_stanzas_alone() -> None:
    changed = save(FILE, "foo", {"ACCESS": "udp/53"}, anew=True)
    assert changed == (
        "# top comment\n[default]\n; c\n[foo]\n# c1\n\nACCESS                      udp/53\n"
        "[bar]\nACCESS tcp/33\n"
    )


def test_a_key_replaces_every_other_form_of_it() -> None:
    text = "[x]\nKEY abc\nACCESS tcp/1\nKEY_FILE /k\n"
    assert save(text, "x", {"KEY_BASE64": "YWJk"}, anew=False) == (
        "[x]\nACCESS tcp/1\nKEY_BASE64                  YWJk\n"
    )


def test_of_a_variable_that_stands_twice_the_one_that_counts_is_replaced() -> None:
    text = "[x]\nACCESS tcp/1\n[y]\n[x]\nACCESS tcp/2\n"
    changed = save(text, "x", {"ACCESS": "tcp/3"}, anew=False)
    assert changed == "[x]\n[y]\n[x]\nACCESS                      tcp/3\n"


@pytest.mark.parametrize(
    ("wanted", "stake"),
    [
        ({"KEY_BASE64": "eHl6"}, [("KEY_BASE64", "KEY_BASE64")]),
        ({"KEY_BASE64": "YWJj"}, []),
        ({"KEY": "x"}, [("KEY_BASE64", "KEY")]),
        ({"HMAC_KEY": "x"}, []),
        ({"ACCESS": "tcp/1"}, []),
    ],
)
def test_a_key_that_would_change_is_at_stake(
    wanted: dict[str, str], stake: list[tuple[str, str]]
) -> None:
    assert at_stake(FILE, "foo", wanted) == stake
    assert at_stake(FILE, "nowhere", wanted) == []


EVERY_OPTION = [
    *("-m", "SHA512", "-P", "UDP", "-p", "1234", "-S", "44", "-f", "30", "-a", "192.0.2.1"),
    *("--time-offset-minus", "2h", "-M", "ctr", "-U", "bob", "-A", "tcp/22,udp/53"),
    *("-D", "host.example", "-r", "--hmac-digest-type", "md5", "--server-resolve-ipv4"),
    *("-N", "192.0.2.5:55", "--nat-local", "--nat-rand-port", "--nat-port", "44", "-v", "-v"),
    *("--no-save-args", "--use-wget-user-agent", "-u", "agent", "--resolve-url", "http://x/y"),
    *("--resolve-http-only", "-w", "/bin/wget", "-Q", "192.0.2.9", "--gpg-agent"),
    *("--gpg-recipient-key", "AA", "--gpg-signer-key", "BB", "--gpg-home-dir", "/g"),
    *("--gpg-exe", "/bin/gpg", "--gpg-no-signing-pw"),
]
KEYS = {
    "text": ["--key-rijndael", "abc", "--key-hmac", "def"],
    "base64": ["--key-base64-rijndael", "YWJj", "--key-base64-hmac", "YWJk"],
    "file": ["-G", "/k", "--get-hmac-key", "/h"],
    "none": [],
}


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS.keys())
@pytest.mark.parametrize("who", [[], ["-s"]], ids=["-a", "-s"])
def test_every_option_that_is_saved_is_loaded_as_it_was(who: list[str], keys: list[str]) -> None:
    typed = parse([*EVERY_OPTION, *who, *keys]).given
    [loaded] = read(save(INITIAL, "x", variables(typed), anew=False), "rc", "x")
    assert loaded is not None
    assert loaded.given == typed


def test_variables_are_written_in_the_originals_order() -> None:
    names = list(variables(parse([*EVERY_OPTION, *KEYS["text"]]).given))
    assert names == [
        "DIGEST_TYPE", "SPA_SERVER_PROTO", "SPA_SERVER_PORT", "SPA_SOURCE_PORT", "FW_TIMEOUT",
        "ALLOW_IP", "TIME_OFFSET", "ENCRYPTION_MODE", "USE_GPG", "USE_GPG_AGENT",
        "GPG_RECIPIENT", "GPG_SIGNER", "GPG_HOMEDIR", "GPG_EXE", "GPG_NO_SIGNING_PW",
        "SPOOF_USER", "SPOOF_SOURCE_IP", "ACCESS", "SPA_SERVER", "RAND_PORT", "KEY",
        "HMAC_DIGEST_TYPE", "HMAC_KEY", "USE_HMAC", "USE_WGET_USER_AGENT", "NAT_ACCESS",
        "HTTP_USER_AGENT", "RESOLVE_URL", "SERVER_RESOLVE_IPV4", "NAT_LOCAL", "NAT_RAND_PORT",
        "NAT_PORT", "VERBOSE", "RESOLVE_HTTP_ONLY", "WGET_CMD", "NO_SAVE_ARGS",
    ]  # fmt: skip


def test_names_are_written_in_the_originals_spelling() -> None:
    said = variables(parse(["-m", "sha512", "-M", "LEGACY", "-P", "udpRAW", "-v"]).given)
    assert said == {
        "DIGEST_TYPE": "SHA512",
        "SPA_SERVER_PROTO": "udpraw",
        "ENCRYPTION_MODE": "legacy",
        "VERBOSE": "Y",
    }


@pytest.mark.parametrize("phrase", ["two words", "semi;colon", "ha#sh", "schlüssel"])
def test_a_passphrase_that_a_line_cannot_hold_is_saved_in_base64(phrase: str) -> None:
    said = variables(Given(key=KeyWord(KeyForm.TEXT, phrase)))
    assert list(said) == ["KEY_BASE64"]


@pytest.mark.parametrize("value", ["two words", "a;b", "a#b", "", "x\ny", "x" * 1100])
def test_any_other_value_that_a_line_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(OperatorError, match="SPOOF_USER cannot be saved"):
        variables(Given(user=value))


def test_the_initial_file_says_nothing() -> None:
    [default] = read(INITIAL, "rc", "default")
    assert default is not None
    assert default.given == Given()
