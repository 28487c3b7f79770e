"""From options and variables to the routes that are taken: carriers, ports, relays."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from watchword.dialects.fwknop import client_routes
from watchword.dialects.fwknop.client_options import parse
from watchword.dialects.fwknop.client_settings import Given, combine, merge
from watchword.dialects.fwknop.client_verify import verify
from watchword.dialects.fwknop.rcfile_read import read
from watchword.dialects.fwknop.rcfile_write import INITIAL, save, variables
from watchword.errors import OperatorError
from watchword.model.crypto import Secret
from watchword.model.relays import Login, Relay, RelayKind
from watchword.model.routes import Carrier, Route

WHO = ("-A", "tcp/22", "-a", "192.0.2.1")


def routes_of(
    *argv: str, rc: str = "", environment: dict[str, str] | None = None
) -> tuple[Route, ...]:
    """The routes of a command line over a stanza."""
    line = parse([*WHO, *argv])
    [stanza] = read(f"[x]\n{rc}", "rc", "x")
    assert stanza is not None
    settings = combine(Given(), stanza.given, line.given)
    verify(line, settings)
    draw = itertools.count(10001)
    return client_routes.routes(line, settings, environment or {}, lambda: next(draw))


def route_of(*argv: str, **more: Any) -> Route:
    [route] = routes_of(*argv, **more)
    return route


def refused(*argv: str, rc: str = "") -> str:
    with pytest.raises(OperatorError) as caught:
        routes_of(*argv, rc=rc)
    return str(caught.value)


@pytest.mark.parametrize(
    ("argv", "carrier", "port"),
    [
        (("-D", "h"), "udp", 62201),
        (("-D", "h", "-P", "tcp"), "tcp", 62201),
        (("-D", "h", "-P", "HTTP"), "http", 80),
        (("-D", "h", "-P", "https"), "https", 443),
        (("-D", "h", "-P", "udpraw"), "udpraw", 62201),
        (("-D", "h", "-P", "icmp"), "icmp", 62201),
        (("-D", "h", "-P", "http", "-p", "8080"), "http", 8080),
        (("-D", "h:99"), "udp", 99),
        (("-D", "h:99", "-P", "https"), "https", 99),
        (("-D", "h", "-r"), "udp", 10001),
        (("-D", "h", "--socks", "s"), "tcp", 62201),
        (("-D", "h", "-H", "p"), "http", 80),
    ],
    ids=str,
)
def test_each_carrier_has_its_port(argv: tuple[str, ...], carrier: str, port: int) -> None:
    route = route_of(*argv)
    assert (route.carrier, route.port) == (carrier, port)
    assert route.host == "h"


def test_of_several_places_for_a_port_the_nearest_counts() -> None:
    rc = "SPA_SERVER h:7\nSPA_SERVER_PORT 8\n"
    assert route_of(rc=rc).port == 7
    assert route_of("-p", "9", rc=rc).port == 9
    assert route_of("-D", "g", rc=rc).port == 8
    assert route_of("-D", "g", "-P", "http", rc="SPA_SERVER_PORT 8\n").port == 8


def test_a_list_has_its_own_ports_and_those_of_the_web_are_its_own() -> None:
    found = routes_of("-D", "h", "-p", "9", "--via", "udp,TCP:443,http,https:8443,tcp")
    assert [(route.carrier, route.port) for route in found] == [
        ("udp", 9), ("tcp", 443), ("http", 80), ("https", 8443), ("tcp", 9),
    ]  # fmt: skip


def test_one_carrier_of_a_nearer_place_counts_more_than_a_list_and_the_other_way_round() -> None:
    assert route_of("-D", "h", "-P", "tcp", rc="VIA udp,https\n").carrier == "tcp"
    assert len(routes_of("-D", "h", "--via", "udp,https", rc="SPA_SERVER_PROTO tcp\n")) == 2
    assert len(routes_of("-D", "h", rc="VIA udp,https\nSPA_SERVER_PROTO tcp\n")) == 2


@pytest.mark.parametrize("text", ["", "udp,", "udp,pigeon", "udp:0", "udp:99999", "tcp,tcp", "a:b"])
def test_what_is_no_list_of_carriers_is_refused(text: str) -> None:
    with pytest.raises(OperatorError):
        parse(["--via", text])


@pytest.mark.parametrize("carrier", ["udpraw", "tcpraw", "icmp"])
def test_raw_packets_come_from_a_random_port_unless_one_is_named(carrier: str) -> None:
    drawn = route_of("-D", "h", "-P", carrier).source_port
    assert 10000 <= drawn <= 65534
    assert route_of("-D", "h", "-P", carrier, "-S", "99").source_port == 99


@pytest.mark.parametrize("carrier", ["udp", "tcp", "http", "https"])
def test_others_leave_the_source_port_to_the_system_unless_one_is_named(carrier: str) -> None:
    assert route_of("-D", "h", "-P", carrier).source_port == 0
    assert route_of("-D", "h", "-P", carrier, "-S", "99").source_port == 99


ALICE = Login("alice", Secret(b"p:a@ss"))


@pytest.mark.parametrize(
    ("written", "relay"),
    [
        ("p", Relay(RelayKind.HTTP, "p", 80)),
        ("http://p:3128/", Relay(RelayKind.HTTP, "p", 3128)),
        ("HTTP://alice:p:a%40ss@p", Relay(RelayKind.HTTP, "p", 80, ALICE)),
        ("[2001:db8::1]:3128", Relay(RelayKind.HTTP, "2001:db8::1", 3128)),
        ("alice@p", Relay(RelayKind.HTTP, "p", 80, Login("alice", Secret(b"")))),
    ],
)
def test_an_http_proxy_is_read_as_it_is_written(written: str, relay: Relay) -> None:
    for argv, rc in ((("-H", written), ""), ((), f"HTTP_PROXY {written}\n")):
        route = route_of("-D", "h", *argv, rc=rc)
        assert (route.carrier, route.relay) == (Carrier.HTTP, relay)


@pytest.mark.parametrize(
    ("written", "relay"),
    [
        ("127.0.0.1:9050", Relay(RelayKind.SOCKS5, "127.0.0.1", 9050)),
        ("socks5://s", Relay(RelayKind.SOCKS5, "s", 1080)),
        ("socks5h://alice:p:a%40ss@s:1", Relay(RelayKind.SOCKS5, "s", 1, ALICE)),
        ("socks4a://s", Relay(RelayKind.SOCKS4, "s", 1080)),
        ("socks4://[::1]:9", Relay(RelayKind.SOCKS4, "::1", 9)),
    ],
)
def test_a_socks_proxy_is_read_as_it_is_written(written: str, relay: Relay) -> None:
    for argv, rc in ((("--socks", written), ""), ((), f"SOCKS_PROXY {written}\n")):
        route = route_of("-D", "h", *argv, rc=rc)
        assert (route.carrier, route.relay) == (Carrier.TCP, relay)


@pytest.mark.parametrize("option", ["-H", "--socks"])
@pytest.mark.parametrize(
    "written",
    [
        "",
        "a b",
        "https://p",
        "ftp://p",
        "p:0",
        "p:70000",
        "p:x",
        "p/x",
        "::1",
        "[::::]",
        "u:secret@",
    ],
)
def test_what_is_no_proxy_is_refused_and_not_quoted(option: str, written: str) -> None:
    with pytest.raises(OperatorError) as caught:
        parse([option, written])
    assert "secret" not in str(caught.value)


def test_the_password_of_a_proxy_shows_nowhere() -> None:
    line = parse(["-H", "http://alice:s3cret@p", "--HTTP-proxy-password", "s3cret"])
    route = route_of("-D", "h", "-H", "http://alice:s3cret@p")
    assert "s3cret" not in f"{line!r} {route!r} {route} {route.relay}"
    text = "[x]\nHTTP_PROXY http://alice:s3cret@p:x\n"
    with pytest.raises(OperatorError) as caught:
        read(text, "rc", "x")
    assert "s3cret" not in f"{caught.value} {caught.value.complaints}"


def test_the_port_of_p_is_that_of_a_proxy_without_one_as_with_the_original() -> None:
    route = route_of("-D", "h", "-H", "p", "-p", "3128")
    assert route.relay is not None
    assert (route.relay.port, route.port) == (3128, 80)
    route = route_of("-D", "h", "-H", "p:3128", "-p", "8080")
    assert route.relay is not None
    assert (route.relay.port, route.port) == (3128, 8080)


def test_in_a_list_a_proxy_counts_for_the_web_only() -> None:
    found = routes_of("-D", "h", "--via", "udp,tcp,http,https", rc="HTTP_PROXY p\n")
    assert [route.relay is not None for route in found] == [False, False, True, True]


def test_the_nearer_of_two_relays_counts() -> None:
    route = route_of("-D", "h", "--socks", "s", rc="HTTP_PROXY p\nSPA_SERVER_PROTO http\n")
    assert route.relay == Relay(RelayKind.SOCKS5, "s", 1080)
    assert route.carrier is Carrier.HTTP


@pytest.mark.requirement("9.38", partial=True)
def test_a_proxy_of_the_environment_is_taken_only_where_it_is_asked_for() -> None:
    environment = {"http_proxy": "http://env.example:3128"}
    asked = ("-D", "h", "--HTTP", "--HTTP-proxy")
    assert route_of("-D", "h", "-P", "http", environment=environment).relay is None
    assert route_of(*asked, environment=environment).relay == Relay(
        RelayKind.HTTP, "env.example", 3128
    )
    with pytest.raises(OperatorError, match="has no http_proxy"):
        route_of(*asked)
    with pytest.raises(OperatorError, match="http_proxy in the environment: an HTTP proxy is"):
        route_of(*asked, environment={"http_proxy": "https://x"})


REFUSED = {
    ("-D", "h", "-Q", "192.0.2.1"): "Must set -P <udpraw|tcpraw|icmp> with a spoofed source IP",
    ("-D", "h", "-Q", "192.0.2.1", "-P", "tcp"): "Must set -P",
    ("-D", "h", "-Q", "192.0.2.1", "--via", "udpraw,udp"): "Must set -P",
    ("-D", "h", "-H", "p", "-P", "tcp"): "Cannot set --http-proxy with a non-HTTP protocol.",
    ("-D", "h", "--via", "udp,tcp", "-H", "p"): "Cannot set --http-proxy with a non-HTTP",
    ("-D", "h", "--socks", "s", "-P", "udp"): "A SOCKS proxy carries no udp.",
    ("-D", "h", "--socks", "s", "--via", "tcp,icmp"): "A SOCKS proxy carries no icmp.",
    ("-D", "h", "--socks", "s", "--all-addresses"): "--all-addresses needs the addresses",
    ("-D", "h", "-H", "p", "--all-addresses"): "--all-addresses needs the addresses",
    ("-D", "h", "-H", "p", "--via", "udp,http", "--all-addresses"): "--all-addresses needs",
}


@pytest.mark.parametrize("argv", REFUSED, ids=" ".join)
def test_what_contradicts_itself_is_refused(argv: tuple[str, ...]) -> None:
    assert refused(*argv).startswith(REFUSED[argv])


def test_a_socks_proxy_of_a_stanza_is_never_passed_by() -> None:
    """It may be there to hide who knocks."""
    assert refused("-D", "h", "-P", "udp", rc="SOCKS_PROXY s\n") == "A SOCKS proxy carries no udp."


def test_an_http_proxy_of_a_stanza_is_passed_by_where_another_carrier_is_chosen() -> None:
    assert route_of("-D", "h", "-P", "udp", rc="HTTP_PROXY p\n").relay is None


@pytest.mark.parametrize(
    ("argv", "kind", "code", "asks"),
    [
        (("-P", "icmp"), None, 0, False),
        (("-P", "icmp", "--icmp-type", "123", "--icmp-code", "123"), 123, 123, False),
        (("--Spoof-proto", "icmp"), None, 0, True),
        (("--Server-proto", "icmp"), None, 0, True),
        (("--Server-proto", "icmp", "--icmp-type", "0"), 0, 0, True),
    ],
    ids=str,
)
@pytest.mark.requirement("9.35", partial=True)
def test_icmp_has_its_numbers(
    argv: tuple[str, ...], kind: int | None, code: int, *, asks: bool
) -> None:
    route = route_of("-D", "h", *argv)
    assert (route.icmp_type, route.icmp_code, route.icmp_asks) == (kind, code, asks)


@pytest.mark.parametrize(
    ("argv", "family"), [((), None), (("-4",), 4), (("-6",), 6), (("--server-resolve-ipv4",), 4)]
)
def test_the_family_is_that_of_the_options(argv: tuple[str, ...], family: int | None) -> None:
    assert {route.family for route in routes_of("-D", "h", "--via", "udp,tcp", *argv)} == {family}


OF_OUR_OWN = (
    "--via", "udp,tcp:443,https", "--ca-file", "/ca.pem", "--icmp-type", "128", "--icmp-code", "1",
    "--all-addresses", "-u", "Fwknop/x",
)  # fmt: skip


@pytest.mark.parametrize(
    "relay", [(), ("-H", "http://alice:p%40@p:3128"), ("--socks", "socks4a://s:9050")], ids=str
)
def test_what_is_saved_of_our_own_variables_is_loaded_as_it_was(relay: tuple[str, ...]) -> None:
    typed = parse([*OF_OUR_OWN, *relay]).given
    [loaded] = read(save(INITIAL, "x", variables(typed), anew=False), "rc", "x")
    assert loaded is not None
    assert loaded.given == typed


def test_a_relay_that_is_saved_takes_the_place_of_the_other() -> None:
    text = save(INITIAL, "x", variables(parse(["--socks", "s:1"]).given), anew=False)
    text = save(text, "x", variables(parse(["-H", "p:2"]).given), anew=False)
    assert "SOCKS_PROXY" not in text
    assert "HTTP_PROXY                  p:2\n" in text


def test_merging_keeps_what_the_nearer_layer_does_not_say() -> None:
    below = Given(via="udp,tcp", spoof_source="192.0.2.1")
    assert merge(below, Given()).via == "udp,tcp"
    assert merge(below, Given(proto="tcp")).via is None
    assert merge(below, Given(proto="tcp", via="http")).via == "http"


@pytest.mark.parametrize("text", ["a b", "192.0.2", "fe80::1%eth0", "", "host.example"])
def test_what_is_no_address_is_not_forged(text: str) -> None:
    with pytest.raises(OperatorError, match="Invalid spoof IP"):
        parse(["-Q", text])


@pytest.mark.parametrize("text", [" x", "a\r\nX: y", "ä"])
def test_what_is_no_user_agent_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="a user agent is one line of printable ASCII"):
        parse(["-u", text])


def test_a_user_agent_is_cut_as_the_original_cuts_it() -> None:
    assert parse(["-u", "x" * 120]).given.user_agent == "x" * 99
    assert parse(["-u", ""]).given.user_agent is None
