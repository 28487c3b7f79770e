"""What networks say of lost packets."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from watchword.wire.carriers.headers import Ends, Ports, icmp_packet, udp_packet
from watchword.wire.carriers.unreachable import undelivered

HERE, THERE, ROUTER = ip_address("192.0.2.1"), ip_address("10.9.9.9"), ip_address("192.0.2.254")
HERE6, THERE6 = ip_address("2001:db8::1"), ip_address("2001:db8:9::9")
LOST = udp_packet(b"A" * 200, Ends(HERE, THERE), Ports(5555, 62201))
LOST6 = udp_packet(b"A" * 200, Ends(HERE6, THERE6), Ports(5555, 62201))


def message(kind: int, code: int) -> bytes:
    """From the router, as a raw socket gives it: the header of the lost packet and eight bytes."""
    return icmp_packet(LOST[:28], Ends(ROUTER, HERE), kind=kind, code=code)


def message6(kind: int, code: int) -> bytes:
    return icmp_packet(LOST6, Ends(THERE6, HERE6), kind=kind, code=code)[40:]


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (3, 0, "no route to it"), (3, 1, "no such host"), (3, 13, "forbidden"),
        (11, 0, "too far away"), (3, 3, ""), (3, 2, ""), (8, 0, ""), (0, 0, ""), (123, 123, ""),
    ],
)  # fmt: skip
def test_a_loss_is_told_and_a_closed_port_is_none(kind: int, code: int, reason: str) -> None:
    assert undelivered(message(kind, code), THERE) == reason


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (1, 0, "no route to it"), (1, 3, "no such host"), (1, 1, "forbidden"),
        (3, 0, "too far away"), (1, 4, ""), (128, 0, ""), (123, 123, ""),
    ],
)  # fmt: skip
def test_over_ipv6_too(kind: int, code: int, reason: str) -> None:
    assert undelivered(message6(kind, code), THERE6) == reason


def test_only_a_message_about_the_very_address_counts() -> None:
    assert undelivered(message(3, 1), ROUTER) == ""
    assert undelivered(message6(1, 3), HERE6) == ""


def test_whatever_is_cut_off_says_nothing() -> None:
    for whole, address in ((message(3, 1)[:48], THERE), (message6(1, 3)[:48], THERE6)):
        assert undelivered(whole, address) == "no such host"
        for size in range(len(whole)):
            assert undelivered(whole[:size], address) == ""
