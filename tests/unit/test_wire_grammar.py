"""What a message may ask for: addresses, services, commands, hosts."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from watchword.model.services import Service
from watchword.wire.spa.checks import BadAddressError, parse_port
from watchword.wire.spa.grammar import (
    ANY_SOURCE,
    parse_access,
    parse_allow,
    parse_command,
    parse_nat,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        (str(ANY_SOURCE), "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("010.0.0.1", "8.0.0.1"),
        ("0377.1.1.1", "255.1.1.1"),
        ("001.002.003.004", "1.2.3.4"),
        ("00.0.0.1", "0.0.0.1"),
        ("224.0.0.1", "224.0.0.1"),
    ],
)
def test_an_allow_address_is_read_as_inet_aton_reads_it(text: str, address: str) -> None:
    assert parse_allow(text) == IPv4Address(address)


@pytest.mark.parametrize(
    "text",
    [
        "", "1.2.3", "1.2.3.4.5", "1..2.3", ".1.2.3", "1.2.3.", "256.0.0.1", "08.1.1.1",
        "0400.1.1.1", "0x7f.0.0.1", "1.2.3.4 ", " 1.2.3.4", "+1.2.3.4", "1.2.3.-4", "1.2.3.4/8",
        "0192.0002.001.10", "2130706433", "localhost", "١.٢.٣.٤", "1.2.3.4\n",
    ],
)  # fmt: skip
def test_what_is_no_ipv4_address_is_refused(text: str) -> None:
    with pytest.raises(BadAddressError):
        parse_allow(text)


@pytest.mark.requirement("9.3", partial=True)
@pytest.mark.parametrize("text", ["2001:db8::1", "fe80::1", "fd00::", "64:ff9b::c000:20a"])
def test_an_allow_address_may_be_canonical_ipv6(text: str) -> None:
    assert parse_allow(text) == IPv6Address(text)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("2001:DB8::1", "upper case"),
        ("2001:db8:0:0:0:0:0:1", "not shortened"),
        ("2001:0db8::1", "leading zero"),
        ("fe80::1%eth0", "zone"),
        ("::ffff:192.0.2.1", "IPv4 in disguise"),
        ("::ffff:c000:201", "IPv4 in disguise"),
        ("::", "nobody"),
        ("::1", "the server itself"),
        ("ff02::1", "multicast"),
        ("2001:db8::/64", "a network"),
        ("[2001:db8::1]", "brackets"),
        (":", "nothing"),
    ],
)
def test_ipv6_has_one_spelling_and_belongs_to_a_caller(text: str, because: str) -> None:
    with pytest.raises(BadAddressError):
        parse_allow(text)


def test_an_access_message_names_who_and_what_in_the_order_of_the_packet() -> None:
    assert parse_access("192.0.2.10,udp/53,tcp/00022,udp/53") == (
        IPv4Address("192.0.2.10"),
        (Service.parse("udp/53"), Service.parse("tcp/22"), Service.parse("udp/53")),
    )


@pytest.mark.parametrize(
    "items",
    [
        "", "tcp", "tcp/", "tcp/0", "tcp/65536", "tcp/000022", "TCP/22", "tcp/22,", ",tcp/22",
        "tcp/22,,udp/53", "icmp/8", "none/0", "any", "tcp/any", "tcp/22-25", " tcp/22", "tcp/ 22",
        "tcp/+22", "tcp/2²", "tcp/22/udp", "tcp/22\0",
    ],
)  # fmt: skip
def test_what_is_no_list_of_services_is_refused(items: str) -> None:
    with pytest.raises(ValueError):
        parse_access(f"192.0.2.10,{items}")


def test_a_message_needs_something_after_the_address() -> None:
    for parse in (parse_access, parse_command):
        with pytest.raises(ValueError, match="no "):
            parse("192.0.2.10")


def test_a_command_is_everything_after_the_first_comma() -> None:
    text = "192.0.2.10,echo a,b:c\n'\"$(id)"
    assert parse_command(text) == (IPv4Address("192.0.2.10"), "echo a,b:c\n'\"$(id)")


@pytest.mark.parametrize("text", ["192.0.2.10,", "id", ",id", "::1,id", "192.0.2.10,a\0b"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_command(text)


@pytest.mark.parametrize(("text", "port"), [("1", 1), ("65535", 65535), ("00022", 22)])
def test_a_port_is_one_to_five_digits(text: str, port: int) -> None:
    assert parse_port(text) == port


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.5,22", "10.0.0.5", 22),
        ("inside,00022", "inside", 22),
        ("db-1.internal.example.,5432", "db-1.internal.example.", 5432),
        ("2001:db8::5,22", "2001:db8::5", 22),
        (f"{'h' * 63},1", "h" * 63, 1),
    ],
)
def test_a_nat_message_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert parse_nat(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "", "host", "host,", ",22", "host,0", "host,65536", "host,22,", "host,22,23", "host, 22",
        "-h,22", "h-,22", "a..b,22", "a_b,22", "h\x01,22", "hé,22", "a/b,22", "a'b,22", "a b,22",
        "10.0.0.1:22", "2001:DB8::5,22", "fe80::1%eth0,22", f"{'h' * 64},22",
        f"{'a.' * 35}a,22",
    ],
)  # fmt: skip
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_nat(text)
