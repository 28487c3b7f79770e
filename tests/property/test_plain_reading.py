"""What the client reads without patterns and addresses is what those would say of any text."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from watchword.dialects.fwknop import client_values, rcfile
from watchword.wire.spa import checks, grammar
from watchword.wire.spa.message import MessageType

SECTION = re.compile(r"[ \t]*\[([^]]*)\]")
VARIABLE = re.compile(r"[ \t]*([^ \t;#\r\n]+)[ \t]+([^ \t;#\r\n]+)")
VALUE = re.compile(r"[^ \t;#\r\n]+")
NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]{1,18})")
BASE64 = re.compile(r"[A-Za-z0-9+/=]+")
BRACKETED = re.compile(r"\[([^][]+)\](?::([0-9]{1,5}))?")

LINES = st.text(st.sampled_from("aB[]:;# \t\r\x0b\xa0=é"), min_size=1, max_size=16)
NUMBERS = st.text(st.sampled_from("+-0123456789 \t\x0b٣²a"), max_size=24)
KEYS = st.text(st.sampled_from("aZ09+/=-é٣\udc80 "), max_size=12)
SERVERS = st.text(st.sampled_from("[]:a0123456789٣"), max_size=12)
PARTS = st.sampled_from(
    ["0", "1", "10", "255", "256", "00", "01", "010", "0x1", "", "٣", "-1", "1e1", " 1"]
)
ADDRESSES = st.one_of(
    st.lists(PARTS, min_size=3, max_size=5).map(".".join),
    st.ip_addresses().map(str),
    st.sampled_from(["::", "::1", "2001:db8::7", "2001:DB8::7", "fe80::1%eth0", "0.0.0.0"]),
)
ITEMS = st.sampled_from(
    ["tcp/22", "udp/00053", "TCP/22", "tcp/0", "tcp/65536", "tcp", "icmp/1", ""]
)


def said(read: Callable[..., object], *arguments: object) -> str | None:
    """What is wrong with a text, and of which kind; None: nothing."""
    try:
        read(*arguments)
    except ValueError as error:
        return f"{type(error).__name__}: {error}"
    return None


@given(LINES)
@example("[a")
@example("NAME ;x")
@example("NAME;x value")
@example(": value")
def test_a_line_of_an_rc_file_sets_what_its_pattern_finds(text: str) -> None:
    (line, *_) = rcfile.lines(text)
    if text[0] in "#;\r":
        assert (line.head, line.name, line.broken) == (False, "", False)
    elif found := SECTION.match(text):
        assert (line.head, line.section, line.broken) == (True, found[1], False)
    elif found := VARIABLE.match(text):
        name = found[1].removesuffix(":")
        assert (line.name, line.broken) == (name, not name)
        assert line.value == found[2] or line.broken
    else:
        assert (line.name, line.value, line.broken) == ("", "", True)


@given(LINES)
def test_a_value_can_be_written_if_the_pattern_finds_the_whole_of_it(text: str) -> None:
    assert rcfile.is_value(text) is bool(VALUE.fullmatch(text) and text.isprintable())


@given(NUMBERS)
def test_a_number_is_what_c_reads(text: str) -> None:
    found = NUMBER.match(text)
    assert client_values.leading_number(text) == (int(found[1]) if found else 0)


@given(KEYS)
def test_a_key_in_base64_has_letters_of_the_alphabet_and_padding_at_its_end(text: str) -> None:
    fits = BASE64.fullmatch(text) and "=" not in text.rstrip("=")
    assert (said(client_values.base64_key, text, "HMAC") is None) is bool(fits)


@given(SERVERS)
@example("[::1]:62201")
@example("[::1]")
@example("[::1]:123456")
def test_an_address_in_brackets_is_one_as_the_pattern_has_it(text: str) -> None:
    try:
        found = client_values.server(text)
    except ValueError:
        return  # a port that is none, which the unit tests look at
    if wanted := BRACKETED.fullmatch(text):
        assert (found.host, found.port) == (wanted[1], int(wanted[2]) if wanted[2] else None)
    else:
        assert found.host in (text, text.partition(":")[0])


@given(ADDRESSES)
def test_an_allow_address_is_checked_as_it_is_parsed(text: str) -> None:
    assert said(checks.check_allow, text) == said(grammar.parse_allow, text)


@given(ADDRESSES, st.lists(ITEMS, max_size=3))
def test_an_access_list_is_checked_as_it_is_parsed(address: str, items: list[str]) -> None:
    text = ",".join([address, *items])
    wanted = said(grammar.parse_access.__wrapped__, text)
    assert said(checks.check_text, text, MessageType.ACCESS) == wanted


@given(ADDRESSES, st.text(max_size=4))
def test_a_command_is_checked_as_it_is_parsed(address: str, command: str) -> None:
    text = f"{address},{command}"
    wanted = said(grammar.parse_command, text)
    assert said(checks.check_text, text, MessageType.COMMAND) == wanted
