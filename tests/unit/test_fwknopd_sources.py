"""fwknopd.conf on the ways by which packets come."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.fwknopd_files import STANZA, configure, fatal, remarks
from watchword.dialects.fwknop.explain_words import policy_in_words
from watchword.model.filters import Direction, PortIs
from watchword.model.services import Proto, Service
from watchword.model.settings import (
    CaptureFile,
    HttpRequests,
    KnockLog,
    PacketQueue,
    Sniffer,
    TcpPort,
    UdpPort,
)


@pytest.mark.requirement("1.2", partial=True)
def test_a_tcp_port_stands_beside_the_udp_port() -> None:
    loaded = configure("ENABLE_TCP_SERVER Y\nTCPSERV_PORT 80\nUDPSERV_PORT 53\n")
    assert loaded.settings.sources == (TcpPort(80), UdpPort(53))
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
    listed = f"{asked}TRUSTED_PROXIES 192.0.2.7, 2001:db8:7::/64\n"
    requests = configure(listed).settings.requests
    assert requests is not None
    assert requests.proxies == (ip_network("192.0.2.7"), ip_network("2001:db8:7::/64"))
    [told] = remarks(listed)
    assert "counts for connections to ENABLE_TCP_SERVER only" in told
    assert remarks(f"{listed}ENABLE_TCP_SERVER Y\n") == []
    assert not requests.connections
    beside = configure(f"{listed}ENABLE_TCP_SERVER Y\n").settings.requests
    assert beside is not None
    assert beside.connections
    alone = configure("ENABLE_SPA_OVER_HTTP Y\nTRUSTED_PROXIES 192.0.2.7").settings.requests
    assert alone == HttpRequests()
    [told] = fatal(f"{asked}TRUSTED_PROXIES 192.0.2.7,proxy.example")
    assert "'proxy.example', which is no address" in told


@pytest.mark.parametrize("name", ["ENABLE_X_FORWARDED_FOR", "ALLOW_ANY_USER_AGENT"])
def test_what_needs_requests_to_be_looked_into_says_so(name: str) -> None:
    [told] = remarks(f"{name} Y")
    assert f"{name} has no effect without ENABLE_SPA_OVER_HTTP Y" in told
    assert remarks(f"{name} N", STANZA) == []


@pytest.mark.requirement("2.10", "2.12", partial=True)
def test_what_is_said_of_sniffing_is_taken_over() -> None:
    loaded = configure(
        "ENABLE_UDP_SERVER N\nPCAP_INTF ens37, wlan0\nPCAP_FILTER udp dst portrange 1-9;\n"
        "ENABLE_PCAP_PROMISC Y\nENABLE_PCAP_ANY_DIRECTION Y\nMAX_SNIFF_BYTES 2000\n"
        "EXIT_AT_INTF_DOWN Y\n"
    )
    [sniffer] = loaded.settings.sources
    assert isinstance(sniffer, Sniffer)
    assert sniffer.interfaces == ("ens37", "wlan0")
    assert sniffer.filter.text == "udp dst portrange 1-9"
    assert sniffer.filter.tests == PortIs(1, 9, frozenset({17}), direction=Direction.DESTINATION)
    assert sniffer.promiscuous
    assert sniffer.both_directions
    assert sniffer.ends_with_interface
    assert sniffer.longest == 2000
    words = "\n".join(policy_in_words(loaded.settings, loaded.policy))
    assert "by sniffing on ens37, wlan0 with the filter udp dst portrange 1-9" in words
    assert loaded.complaints == ()


@pytest.mark.parametrize("named", ["any", "eth0,any"])
def test_any_stands_for_every_interface(named: str) -> None:
    [sniffer] = configure("ENABLE_UDP_SERVER N", STANZA, "-i", named).settings.sources
    assert isinstance(sniffer, Sniffer)
    assert sniffer.interfaces == ()


def test_sniffing_leaves_no_port_of_ours_to_be_reached() -> None:
    loaded = configure("ENABLE_UDP_SERVER N\nGUARD_SERVICES ALL")
    assert loaded.settings.firewall.public == ()
    words = "\n".join(policy_in_words(loaded.settings, loaded.policy))
    assert "everything new from outside is dropped except what is granted" in words
    access = STANZA.replace("tcp/22", "udp/62201")
    assert fatal("ENABLE_UDP_SERVER N", access) == []
    assert fatal("ENABLE_UDP_SERVER Y", access) != []


def test_the_original_s_choice_of_one_way_can_be_widened() -> None:
    both = configure("PACKET_SOURCES udp, sniff,udp\nENABLE_UDP_SERVER N").settings.sources
    assert [type(each) for each in both] == [UdpPort, Sniffer]
    [told] = fatal("PACKET_SOURCES udp,pigeon")
    assert "'pigeon', which is no way" in told
    [told] = fatal("PACKET_SOURCES ,")
    assert "no packet would ever come" in told


@pytest.mark.parametrize("name", ["a-name-that-is-too-long", "vlan/5", "eth 0"])
def test_an_interface_that_cannot_be_is_refused(name: str) -> None:
    [told] = fatal(f"ENABLE_UDP_SERVER N\nPCAP_INTF {name}")
    assert "cannot be the name of an interface" in told


@pytest.mark.parametrize(("option", "value"), [("-i", "eth7"), ("-P", "udp port 9")])
def test_an_option_about_sniffing_is_remarked_on_when_nothing_is_sniffed(
    option: str, value: str
) -> None:
    [told] = remarks("", STANZA, option, value)
    assert "has no effect: packets come to a socket" in told
    assert remarks("ENABLE_UDP_SERVER N", STANZA, option, value) == []


def test_a_filter_that_is_not_understood_is_kept_with_the_reason() -> None:
    [sniffer] = configure("ENABLE_UDP_SERVER N\nPCAP_FILTER udp[8] == 56").settings.sources
    assert isinstance(sniffer, Sniffer)
    assert sniffer.filter.tests is None
    assert "udp[8]" in sniffer.filter.puzzle


FILE = "ENABLE_UDP_SERVER N\nPCAP_FILE /var/log/c.pcap\n"


@pytest.mark.requirement("8.9", partial=True)
def test_a_capture_file_is_read_instead_of_sniffing_and_packets_may_be_old() -> None:
    loaded = configure(FILE)
    [file] = loaded.settings.sources
    assert isinstance(file, CaptureFile)
    assert (str(file.path), file.filter.text) == ("/var/log/c.pcap", "udp port 62201")
    assert loaded.policy.max_age is None
    [told] = remarks(FILE)
    assert "packets from a capture file may be of any age" in told
    aged = configure(f"{FILE}ENABLE_SPA_PACKET_AGING Y")
    assert (aged.policy.max_age, aged.complaints) == (120, ())
    words = list(policy_in_words(loaded.settings, loaded.policy))
    assert any("from the capture file /var/log/c.pcap as it grows" in each for each in words)


def test_the_option_names_the_file_too_and_udp_wins_over_it() -> None:
    [file] = configure("ENABLE_UDP_SERVER N", STANZA, "--pcap-file", "/a.pcap").settings.sources
    assert isinstance(file, CaptureFile)
    assert configure("PCAP_FILE /a").settings.sources == (UdpPort(62201),)
    [told] = remarks("PCAP_FILE /a")
    assert "PCAP_FILE has no effect" in told
    [told] = fatal("PACKET_SOURCES file")
    assert "PCAP_FILE is not set" in told


@pytest.mark.requirement("8.9", partial=True)
@pytest.mark.parametrize("mode", ["FILE_PCAP", "ULOG_PCAP"])
def test_the_perl_line_s_modes_follow_a_file_and_keep_the_limit_of_age(mode: str) -> None:
    loaded = configure(f"ENABLE_UDP_SERVER N\nAUTH_MODE {mode}\n")
    [file] = loaded.settings.sources
    assert isinstance(file, CaptureFile)
    assert str(file.path) == "/var/log/sniff.pcap"
    assert loaded.policy.max_age == 120
    named = configure(f"ENABLE_UDP_SERVER N\nAUTH_MODE {mode}\nPCAP_PKT_FILE /x.pcap\n")
    [file] = named.settings.sources
    assert isinstance(file, CaptureFile)
    assert str(file.path) == "/x.pcap"


def test_sockets_of_the_perl_line_and_nothing_is_sniffed() -> None:
    off = "ENABLE_UDP_SERVER N\nAUTH_MODE SOCKET\n"
    assert configure(f"{off}ENABLE_TCP_SERVER Y\n").settings.sources == (TcpPort(62201),)
    assert configure("AUTH_MODE SOCKET\n").settings.sources == (UdpPort(62201),)
    assert "no packet would ever come" in fatal(off)[0]


def test_a_mode_of_the_perl_line_that_wants_knocks_takes_no_spa_packets() -> None:
    assert configure("AUTH_MODE KNOCK\n").settings.sources == (KnockLog(Path("/var/log/messages")),)
    assert remarks("AUTH_MODE PCAP") == []


def test_a_queue_is_asked_for_in_the_original_s_words_and_wins_over_a_udp_port() -> None:
    loaded = configure(
        "ENABLE_NFQ_CAPTURE Y\nNFQ_INTERFACE eth0\nNFQ_PORT 53\nNFQ_QUEUE_NUMBER 7\n"
        "NFQ_CHAIN MINE\nNFQ_TABLE raw\n"
    )
    queue = PacketQueue(53, "eth0", 7, "raw", "MINE")
    assert loaded.settings.sources == (queue,)
    words = list(policy_in_words(loaded.settings, loaded.policy))
    assert any("to UDP port 53 on eth0, from netfilter queue 7" in each for each in words)
    assert configure("", STANZA, "-n").settings.sources == (PacketQueue(),)
    assert configure("ENABLE_NFQ_CAPTURE Y\nGUARD_SERVICES ALL").settings.firewall.public == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("NFQ_CHAIN a b", "cannot be the name of a chain"),
        ('NFQ_CHAIN x"; flush ruleset', "cannot be the name of a chain"),
        ('NFQ_INTERFACE e" drop', "cannot be the name of an interface"),
    ],
)
def test_names_that_would_be_more_than_names_to_nft_are_refused(line: str, said: str) -> None:
    [told] = fatal(f"ENABLE_NFQ_CAPTURE Y\n{line}")
    assert said in told


def test_a_table_that_comes_too_late_is_refused() -> None:
    [told] = fatal("ENABLE_NFQ_CAPTURE Y\nNFQ_TABLE filter")
    assert "NFQ_TABLE is 'filter': the rules have to stand before the firewall's" in told


def test_a_capture_file_is_named_with_its_whole_path() -> None:
    told = fatal("ENABLE_UDP_SERVER N\nPCAP_FILE c.pcap")
    assert any("Path 'c.pcap' is not absolute." in each for each in told)


@pytest.mark.parametrize(
    "also", ["PACKET_SOURCES udp,file", "PACKET_SOURCES file,sniff", "ENABLE_TCP_SERVER Y"]
)
def test_a_capture_file_beside_other_ways_lifts_no_age_limit_from_their_packets(also: str) -> None:
    assert configure(FILE).policy.max_age is None
    assert configure(FILE + also).policy.max_age == 120
    assert not [each for each in remarks(FILE + also) if "any age" in each]


def test_the_policy_knows_of_whom_a_forwarded_address_is_believed() -> None:
    line = "TRUSTED_PROXIES 192.0.2.7,2001:db8:7::/64;\nENABLE_SPA_OVER_HTTP Y;\n"
    believed = configure(f"{line}ENABLE_X_FORWARDED_FOR Y;\nENABLE_TCP_SERVER Y;\n", STANZA)
    assert [str(each) for each in believed.policy.proxies] == ["192.0.2.7/32", "2001:db8:7::/64"]
    assert configure(line, STANZA).policy.proxies == ()


def test_a_filter_that_moves_to_another_line_is_the_same_to_what_is_open() -> None:
    sniffed = "ENABLE_UDP_SERVER N\nPCAP_FILTER "
    before, moved, other = (
        configure(text).settings.sources
        for text in (f"{sniffed}udp port 5", f"# a line more\n{sniffed}udp port 5", f"{sniffed}tcp")
    )
    assert before == moved != other
    assert {*before} == {*moved}
