"""Packets inside HTTP requests: what is written, what is found, what is nobody's."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from tests.sealing import sealed
from watchword.model.reasons import Reason
from watchword.wire.carriers.http import LONGEST, Carried, extract, request
from watchword.wire.spa.opening import flaw

PAYLOAD = b"8+/" + b"A" * 137
PATH = b"8-_" + b"A" * 137
AGENT = b"User-Agent: Fwknop/2.6.10"
HOST = b"Host: 198.51.100.1"


def asked(
    *lines: bytes, start: bytes = b"GET /" + PATH + b" HTTP/1.1", end: bytes = b"\r\n"
) -> bytes:
    return b"\r\n".join([start, *lines, b"", b""]).replace(b"\r\n", end)


def forwarded(*values: bytes) -> Carried:
    found = extract(asked(AGENT, *(b"X-Forwarded-For: " + value for value in values)))
    assert found is not None
    assert found.payload == PAYLOAD
    return found


@pytest.mark.requirement("6.1", partial=True)
def test_what_is_written_is_found_again() -> None:
    payload = sealed()
    assert extract(request(payload, "198.51.100.1")) == Carried(payload)


def test_the_path_has_nothing_that_a_url_would_have_to_escape() -> None:
    written = request(PAYLOAD, "spa.example.org").split(b" ")[1]
    assert written == b"/" + PATH


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("spa.example.org", b"spa.example.org"),
        ("198.51.100.1", b"198.51.100.1"),
        ("2001:db8::1", b"[2001:db8::1]"),
        ("fe80::1%eth0", b"[fe80::1]"),  # what an interface is called here is nobody's business
    ],
)
def test_a_host_is_named_as_urls_name_it(host: str, named: bytes) -> None:
    assert b"\r\nHost: " + named + b"\r\n" in request(PAYLOAD, host)
    by_proxy = request(PAYLOAD, host, proxy="proxy.example.org")
    assert by_proxy.startswith(b"GET http://" + named + b"/" + PATH + b" HTTP/1.0\r\n")
    assert b"\r\nHost: proxy.example.org\r\n" in by_proxy
    assert b"\r\nHost: " + named + b"\r\n" in request(PAYLOAD, "spa.example.org", proxy=host)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "a b", "a\r\nX-Forwarded-For: 192.0.2.1", "a\nb", "a\rb", "a\0b", "a\tb", "a/b",
        "a@b", "a:80", "[2001:db8::1]", "münchen.example", "x" * 256, "2001:db8::1\r\n",
        "::1%a\r\nb: c\r\n%",
    ],
)  # fmt: skip
def test_a_host_that_would_begin_another_word_or_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host"):
        request(PAYLOAD, text)
    with pytest.raises(ValueError, match="host"):
        request(PAYLOAD, text, proxy="proxy.example.org")
    with pytest.raises(ValueError, match="host"):
        request(PAYLOAD, "spa.example.org", proxy=text)


def test_a_zone_brings_no_line_into_the_request() -> None:
    assert request(PAYLOAD, "fe80::1%a\r\nb: c") == request(PAYLOAD, "fe80::1")


@pytest.mark.parametrize("agent", ["", " ", "a\r\nb: c", "a\nb", "a\x1bb", " a", "a ", "é"])
def test_an_agent_that_is_not_one_line_is_refused(agent: str) -> None:
    with pytest.raises(ValueError, match="user agent"):
        request(PAYLOAD, "spa.example.org", agent=agent)


@pytest.mark.parametrize("payload", [b"", b"A B", b"AAA=", b"A\r\n", b"a-b", b"a_b", b"\xff"])
def test_a_payload_that_is_no_packet_s_text_is_not_sent(payload: bytes) -> None:
    with pytest.raises(ValueError, match="base64"):
        request(payload, "spa.example.org")


@pytest.mark.parametrize(
    "octets",
    [
        asked(HOST, AGENT),
        asked(AGENT, b"Accept: */*", HOST),
        asked(AGENT, end=b"\n"),
        asked(AGENT, start=b"get /" + PATH + b" http/1.0"),
        asked(AGENT, start=b"GeT /" + PAYLOAD + b" HTTP/1.0"),  # not translated
        asked(AGENT, start=b"GET /" + PATH),
        asked(AGENT, start=b"GET /" + PATH + b"\tHTTP/1.1"),
        asked(b"User-Agent: FwknopXYZ"),
        asked(b"User-Agent: curl/8", AGENT),
        asked(AGENT) + b"a body that nobody asked for",
        asked(AGENT)[:-2],  # the blank line is in a segment to come
        asked(AGENT, b"Transfer-Encoding: chunked"),
        asked(b"Transfer-Encoding: chunked", AGENT) + b"5\r\nhello\r\n0\r\n\r\n",
        asked(AGENT, b"Content-Length: 5") + b"hello",
    ],
)
def test_a_request_is_read_whatever_the_order_and_the_rest(octets: bytes) -> None:
    assert extract(octets) == Carried(PAYLOAD)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        PAYLOAD,
        b"GET /",
        b"GET /" + PATH,
        asked(AGENT, start=b"POST /" + PATH + b" HTTP/1.1"),
        asked(AGENT, start=b"HEAD /" + PATH + b" HTTP/1.1"),
        asked(AGENT, start=b" GET /" + PATH + b" HTTP/1.1"),
        asked(AGENT, start=b"GET " + PATH + b" HTTP/1.1"),
        # Asked of a proxy, and overheard on its way there: it comes once more, from the proxy.
        asked(AGENT, start=b"GET http://198.51.100.1/" + PATH + b" HTTP/1.1"),
        asked(AGENT, start=b"GET HTTP://[2001:db8::1]:8080/" + PATH + b" HTTP/1.1"),
        asked(AGENT) + b"A" * LONGEST,
    ],
)
@pytest.mark.parametrize("any_agent", [False, True])
def test_what_is_no_request_of_this_kind_is_none(octets: bytes, any_agent: bool) -> None:
    assert extract(octets, any_agent=any_agent) is None


@pytest.mark.parametrize(
    "octets",
    [
        asked(HOST),
        asked(b"User-Agent: curl/8"),
        asked(b"user-agent: Fwknop/2.6.10"),
        asked(b"User-Agent: fwknop/2.6.10"),
        asked(b"X: " + AGENT),
        asked(HOST) + AGENT + b"\r\n\r\n",  # in the body
        asked(start=b"GET /" + PATH + b" " + AGENT),
        asked(AGENT)[:-4],  # cut off before its end
    ],
)
def test_another_agent_s_request_is_taken_only_if_any_agent_is(octets: bytes) -> None:
    assert extract(octets) is None
    assert extract(octets, any_agent=True) == Carried(PAYLOAD)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"", Reason.LENGTH),
        (PATH[:-1], Reason.LENGTH),
        (b"A" * 1501, Reason.LENGTH),
        (PATH + b"?q=1", Reason.ALPHABET),
        (PATH + b".html", Reason.ALPHABET),
        (PATH + b"%2b", Reason.ALPHABET),
        (PATH + b"=", Reason.ALPHABET),
        (PATH + b"\0", Reason.ALPHABET),
        (b"U2FsdGVkX1" + PATH, Reason.PREFIX),
        (b"hQ" + b"A" * 399, Reason.PREFIX),
        (PATH, None),
    ],
)
def test_what_is_found_has_to_pass_as_if_it_had_come_by_itself(
    path: bytes, reason: Reason | None
) -> None:
    found = extract(asked(AGENT, start=b"GET /" + path + b" HTTP/1.0"))
    assert found is not None
    assert flaw(found.payload) is reason


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (b"203.0.113.9", "203.0.113.9"),
        (b"  203.0.113.9\t", "203.0.113.9"),
        (b"2001:DB8:0::9", "2001:db8::9"),
        (b"::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_one_forwarded_address_of_either_family_is_claimed(value: bytes, address: str) -> None:
    found = forwarded(value)
    assert found.forwarded_for == ip_address(address)
    assert found.forwarded_text == value.strip().decode("ascii")


@pytest.mark.parametrize(
    "value",
    [
        b"203.0.113.9, 10.0.0.1", b"203.0.113.9 , 10.0.0.1", b"203.0.113.9 10.0.0.1",
        b"203.0.113.9,", b"203.0.113.9\r\n , 10.0.0.1", b"unknown", b"203.0.113", b"203.0.113.09",
        b"203.0.113.9:4711", b"203.0.113.9/32", b"[2001:db8::9]", b"fe80::9%1", b"0.0.0.0", b"::",
        b"3405803785", b"9" * 3800,
    ],
)  # fmt: skip
def test_a_list_a_name_or_worse_is_no_address_and_is_told_for_the_log(value: bytes) -> None:
    found = forwarded(value)
    assert found.forwarded_for is None
    assert 0 < len(found.forwarded_text) <= 64
    assert found.forwarded_text.isprintable()


def test_a_header_given_twice_is_a_list() -> None:
    """Some proxies add a line of their own below the one that their caller made up."""
    found = forwarded(b"203.0.113.9", b"198.51.100.7")
    assert (found.forwarded_for, found.forwarded_text) == (None, "203.0.113.9, 198.51.100.7")


def test_what_a_log_gets_to_see_is_short_and_harmless() -> None:
    found = forwarded(b"\x1b[2J\xff\0" + b"x" * 200)
    assert found.forwarded_text == "?[2J??" + "x" * 58


@pytest.mark.parametrize(
    "octets",
    [
        asked(AGENT),
        asked(AGENT, b"X-Forwarded-For:"),
        asked(AGENT, b"X-Forwarded-For : 203.0.113.9"),
        asked(AGENT, b"Forwarded: for=203.0.113.9"),
        asked(AGENT, b"X: X-Forwarded-For: 203.0.113.9"),
        asked(AGENT) + b"X-Forwarded-For: 203.0.113.9\r\n\r\n",  # in the body
        asked(AGENT, b"X-Forwarded-For: 203.0.113.9")[:-4],  # perhaps .91, had it not been cut
    ],
)
def test_an_address_elsewhere_is_no_claim(octets: bytes) -> None:
    assert extract(octets) == Carried(PAYLOAD)


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"X-FORWARDED-FOR"])
def test_the_header_s_name_counts_in_any_case(name: bytes) -> None:
    found = extract(asked(name + b":203.0.113.9", AGENT))
    assert found == Carried(PAYLOAD, ip_address("203.0.113.9"), "203.0.113.9")
