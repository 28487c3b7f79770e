"""A stanza as one line of text: what travels, what stays, what is not taken from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watchword.dialects.fwknop import stanza_android, stanza_uri, stanza_words
from watchword.dialects.fwknop.client_settings import Given, KeyForm, KeyWord
from watchword.dialects.fwknop.rcfile_read import VARIABLES, read
from watchword.errors import OperatorError

KEY = "GFsBsyQpFFe3wOfTzTBdqNFlV+xX9dWmhqnpiKNjrlU="
MAC_KEY = "dF4SNJQO46PZBLCoZQYX0Q9J69QBi0ZuHCALZxItUgnhREX21WgBo+S+KhWw4iI7"
STANZA = f"""\
[gateway]
SPA_SERVER         gateway.example.org
SPA_SERVER_PORT    62202
ACCESS             tcp/22,udp/53
ALLOW_IP           resolve
FW_TIMEOUT         60
KEY_BASE64         {KEY}
HMAC_KEY_BASE64    {MAC_KEY}
HMAC_DIGEST_TYPE   sha512
"""
URI = (
    "watchword:v1?stanza=gateway&spa-server=gateway.example.org&spa-server-port=62202"
    "&access=tcp/22,udp/53&allow-ip=resolve&fw-timeout=60"
    "&key-base64=GFsBsyQpFFe3wOfTzTBdqNFlV%2BxX9dWmhqnpiKNjrlU%3D&use-hmac=Y"
    "&hmac-key-base64=dF4SNJQO46PZBLCoZQYX0Q9J69QBi0ZuHCALZxItUgnhREX21WgBo%2BS%2BKhWw4iI7"
    "&hmac-digest-type=SHA512"
)


def given(text: str) -> Given:
    [section] = read(text, "rc", "gateway")
    assert section is not None
    return section.given


def refusals(uri: str) -> list[str]:
    with pytest.raises(OperatorError) as caught:
        stanza_uri.read(uri)
    return [each.message for each in caught.value.complaints]


def test_a_stanza_is_one_line_and_is_read_back() -> None:
    assert stanza_uri.write("gateway", given(STANZA)) == URI
    carried = stanza_uri.read(URI)
    assert carried.name == "gateway"
    assert carried.given == given(STANZA)


def test_every_variable_of_the_rc_file_travels_or_is_known_to_stay() -> None:
    known = set(stanza_uri.CARRIED) | stanza_uri.STAYS | stanza_uri.OTHER_WORDS
    assert known == VARIABLES.keys()
    assert len(known) == sum(
        map(len, (stanza_uri.CARRIED, stanza_uri.STAYS, stanza_uri.OTHER_WORDS))
    )


def test_the_page_about_phones_names_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "phones.md").read_text("utf-8")
    told = page.partition("These fields exist:")[2].partition("\n- ")[0]
    assert re.findall(r"`([a-z0-9-]+)`", told) == [
        each.lower().replace("_", "-") for each in stanza_uri.CARRIED
    ]


def test_nothing_that_names_a_program_or_a_file_is_taken_from_elsewhere() -> None:
    for name in ("wget-cmd", "gpg-exe", "gpg-homedir", "ca-file", "key-file", "http-proxy"):
        assert refusals(f"{URI}&{name}=/bin/sh") == [
            f"the URI has {name}, which this program does not take from elsewhere"
        ]


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("", "this is no watchword URI"),
        ("otpauth://totp/x?secret=y", "this is no watchword URI"),
        ("watchword:v1", "this is no watchword URI"),
        (URI.replace("v1", "v2"), "the URI is of version 2, and this program knows version 1"),
        (URI + "&", "a part of the URI is not of the form name=value"),
        (URI + "&access", "a part of the URI is not of the form name=value"),
        (URI + "&fw-timeout=%6", "a part of the URI is not of the form name=value"),
        (URI + " ", "a part of the URI is not of the form name=value"),
        (URI + "\n", "a part of the URI is not of the form name=value"),
        (URI + "&spoof-user=ä", "a part of the URI is not of the form name=value"),
        (URI + "&access=tcp/23", "the URI has access twice"),
        (
            URI + "&colour=red",
            "the URI has colour, which this program does not take from elsewhere",
        ),
        (URI + "&spoof-user=%FF", "the value of spoof-user is not UTF-8"),
        (URI + "&spoof-user=a%20b", "the value of spoof-user cannot stand in an rc file"),
        (URI + "&spoof-user=a%0AGPG_EXE%20x", "the value of spoof-user cannot stand in an rc file"),
        (URI + "&spoof-user=", "the value of spoof-user cannot stand in an rc file"),
        (URI + "&nat-port=70000", "the value of nat-port cannot be"),
        (URI.replace("%2B", "*", 1), "the value of key-base64 cannot be"),
        (URI.replace("=gateway&", "=a%5Db&"), "no stanza can have the name that the URI gives it"),
        (URI + "&spoof-user=" + "x" * 2048, "this is longer than the 2048 characters that a URI "),
    ],
)
def test_what_is_not_such_a_uri_is_refused_with_the_reason(uri: str, reason: str) -> None:
    [said] = refusals(uri)
    assert said.startswith(reason)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(refusals(f"{URI}&access=tcp/1&colour=red&nat-port=70000")) == 3


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("key-base64=" + "A" * 48, "fwknop: fko_spa_data_final: Error 95 - Invalid key length"),
        ("key-base64=%3D%3D", "[*] Invalid key length: '0', must be in [1,128]"),
        ("hmac-key-base64=" + "A" * 172, "[*] Invalid key length: '129', must be in [1,128]"),
        (
            "key-base64=QUFBQQ%3D%3D&hmac-key-base64=QUFBQQ%3D%3D",
            "[*] The encryption passphrase and HMAC key should not be identical, ",
        ),
    ],
)  # fmt: skip
def test_keys_that_no_packet_could_be_sealed_with_are_refused_when_they_arrive(
    field: str, reason: str
) -> None:
    [said] = refusals(f"watchword:v1?stanza=x&{field}")
    assert said.startswith(reason)


@pytest.mark.parametrize(
    "uri",
    [
        URI + "&" + URI.partition("?")[2].replace("=", "==", 1),
        URI.replace("%2B", "!!", 1),
        URI.replace("&use-hmac", "%20&use-hmac"),
        URI.replace("key-base64=", "kee-base64=", 1),
        URI.replace("gateway.example.org", KEY),
    ],
)
def test_no_message_quotes_a_key(uri: str) -> None:
    try:
        carried = stanza_uri.read(uri)
    except OperatorError as error:
        said = " ".join(str(each) for each in error.complaints)
    else:
        said = repr(carried)
    for key in (KEY, MAC_KEY, KEY[:12], MAC_KEY[:12]):
        assert key not in said


def test_a_stanza_that_is_too_long_is_not_cut() -> None:
    with pytest.raises(OperatorError, match="too long for a URI"):
        stanza_uri.write("x", Given(access="a" * 900, server="s" * 900, nat_access="n" * 900))


# What its owner is told.


def told(text: str) -> list[str]:
    return [each.message for each in stanza_words.for_everybody("x", given(text), False)[1]]


def test_what_stays_behind_and_what_is_of_this_machine_is_said() -> None:
    assert told(STANZA + "WGET_CMD /usr/bin/wget\nVERBOSE 2\nALLOW_IP 192.0.2.1\n") == [
        "this holds the keys of stanza 'x': whoever sees it can knock with them",
        "left out, because another machine has its own: VERBOSE, WGET_CMD",
        "ALLOW_IP 192.0.2.1 goes along, and is where this machine is",
    ]
    assert told("[gateway]\nSPA_SERVER h\n") == ["stanza 'x' has no keys, so there are none in it"]
    gpg = "[gateway]\nUSE_GPG Y\nGPG_RECIPIENT 0123456789ABCDEF\n"
    assert told(gpg)[-1].startswith("GnuPG keys do not go along")


# The Android client.


def test_the_android_client_gets_two_keys_one_blank_between_and_nothing_behind() -> None:
    text, remarks = stanza_words.for_android("x", given(STANZA))
    assert text == f"KEY_BASE64:{KEY} HMAC_KEY_BASE64:{MAC_KEY}"
    assert remarks[1].message == (
        "the rest has to be typed in there: SPA_SERVER gateway.example.org, "
        "SPA_SERVER_PORT 62202, ACCESS tcp/22,udp/53, FW_TIMEOUT 60, HMAC_DIGEST_TYPE SHA512"
    )


def test_without_an_hmac_key_it_gets_one() -> None:
    only = Given(key=KeyWord(KeyForm.BASE64, "QUFBQUFBQUE="))
    assert stanza_words.for_android("x", only)[0] == "KEY_BASE64:QUFBQUFBQUE="


def test_it_gets_nothing_it_has_no_use_for() -> None:
    for settings in (
        Given(),
        Given(key=KeyWord(KeyForm.BASE64, "QUFB"), elsewhere={"USE_GPG": "Y"}),
    ):
        with pytest.raises(OperatorError):
            stanza_words.for_android("x", settings)


@pytest.mark.parametrize(
    "text",
    [
        f"KEY_BASE64:{KEY} HMAC_KEY_BASE64:{MAC_KEY}",
        f"KEY_BASE64: {KEY}\nHMAC_KEY_BASE64: {MAC_KEY}\n",
        f"KEY_BASE64: {KEY}\r\nHMAC_KEY_BASE64: {MAC_KEY} \r\n",
    ],
    ids=["the Android client's", "what --key-gen prints", "the same from elsewhere"],
)
def test_keys_are_read_from_either_form(text: str) -> None:
    assert stanza_android.looks_like_keys(text)
    found = stanza_android.read(text)
    assert (found.key, found.mac_key) == (given(STANZA).key, given(STANZA).mac_key)
    assert found.use_hmac is True


@pytest.mark.parametrize(
    "text", ["KEY_BASE64:", "KEY_BASE64: a b", "KEY_BASE64:A=A", f"KEY_BASE64:{'A' * 2000}"]
)
def test_what_is_no_pair_of_keys_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(OperatorError) as caught:
        stanza_android.read(text)
    assert "A=A" not in str(caught.value)


def test_a_stanza_for_gnupg_is_told_as_that_and_not_as_one_without_a_key() -> None:
    with pytest.raises(OperatorError, match="is for GnuPG, and the Android client"):
        stanza_words.for_android("x", given("[gateway]\nUSE_GPG Y\nGPG_RECIPIENT 01234567\n"))
    with pytest.raises(OperatorError, match="has no encryption key"):
        stanza_words.for_android("x", given("[gateway]\nSPA_SERVER h\n"))
