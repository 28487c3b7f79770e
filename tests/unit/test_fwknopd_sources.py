"""fwknopd.conf on the ways by which packets come."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.fwknopd_files import STANZA, configure, fatal, remarks
from watchword.dialects.fwknop.explain_words import policy_in_words
from watchword.model.services import Proto, Service
from watchword.model.settings import HttpRequests, TcpPort, UdpPort


@pytest.mark.requirement("1.2", partial=True)
def test_a_tcp_port_stands_beside_the_udp_port() -> None:
    loaded = configure("ENABLE_TCP_SERVER Y\nTCPSERV_PORT 80\nUDPSERV_PORT 53\n")
    assert loaded.settings.sources == (UdpPort(53), TcpPort(80))
    words = list(policy_in_words(loaded.settings, loaded.policy))
    assert "packets are received on TCP port 80, IPv4 and IPv6" in words
    assert configure("TCPSERV_PORT 80").settings.sources == (UdpPort(62201),)


def test_our_own_ports_stay_reachable_when_everything_else_is_hidden() -> None:
    both = "ENABLE_TCP_SERVER Y\nTCPSERV_PORT 80\nGUARD_SERVICES ALL\nGUARD_PUBLIC tcp/443\n"
    assert configure(both).settings.firewall.public == (
        Service(Proto.TCP, 80),
        Service(Proto.TCP, 443),
        Service(Proto.UDP, 62201),
    )


def test_a_port_of_our_own_cannot_be_hidden() -> None:
    tcp = "ENABLE_TCP_SERVER Y\nTCPSERV_PORT 22\n"
    [told] = fatal(tcp)
    assert "OPEN_PORTS would hide tcp/22, the port that packets come to" in told
    [told] = fatal(f"{tcp}GUARD_SERVICES tcp/22,tcp/80\n")
    assert "GUARD_SERVICES would hide tcp/22" in told


def test_requests_are_looked_into_only_if_that_is_asked_for() -> None:
    assert configure().settings.requests is None
    assert configure("ENABLE_SPA_OVER_HTTP N").settings.requests is None
    assert configure("ENABLE_SPA_OVER_HTTP Y").settings.requests == HttpRequests()
    any_agent = configure("ENABLE_SPA_OVER_HTTP Y\nALLOW_ANY_USER_AGENT Y").settings.requests
    assert any_agent == HttpRequests(any_agent=True)


def test_a_proxy_is_believed_only_if_it_is_listed() -> None:
    asked = "ENABLE_SPA_OVER_HTTP Y\nENABLE_X_FORWARDED_FOR Y\n"
    [told] = remarks(asked)
    assert "ENABLE_X_FORWARDED_FOR has no effect without TRUSTED_PROXIES" in told
    requests = configure(f"{asked}TRUSTED_PROXIES 192.0.2.7, 2001:db8:7::/64\n").settings.requests
    assert requests is not None
    assert requests.proxies == (ip_network("192.0.2.7"), ip_network("2001:db8:7::/64"))
    alone = configure("ENABLE_SPA_OVER_HTTP Y\nTRUSTED_PROXIES 192.0.2.7").settings.requests
    assert alone == HttpRequests()
    [told] = fatal(f"{asked}TRUSTED_PROXIES 192.0.2.7,proxy.example")
    assert "'proxy.example', which is no address" in told


@pytest.mark.parametrize("name", ["ENABLE_X_FORWARDED_FOR", "ALLOW_ANY_USER_AGENT"])
def test_what_needs_requests_to_be_looked_into_says_so(name: str) -> None:
    [told] = remarks(f"{name} Y")
    assert f"{name} has no effect without ENABLE_SPA_OVER_HTTP Y" in told
    assert remarks(f"{name} N", STANZA) == []
