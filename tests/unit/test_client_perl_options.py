"""The options of the perl client 1.9, one by one, and where they clash with those of 2.6."""

from __future__ import annotations

from typing import Any

import pytest

from watchword.dialects.fwknop.client_option_table import OPTIONS
from watchword.dialects.fwknop.client_options import CommandLine, parse
from watchword.dialects.fwknop.client_perl import NO_PERL
from watchword.dialects.fwknop.client_perl_table import PERL_OPTIONS
from watchword.dialects.fwknop.client_settings import (
    Allow,
    AllowKind,
    KeyForm,
    KeyWord,
    RelayForm,
    RelayWord,
)
from watchword.dialects.fwknop.client_words import UsageError
from watchword.errors import OperatorError
from watchword.model.crypto import Digest
from watchword.record import replace

SOURCE = Allow(AllowKind.SOURCE)
RESOLVE = Allow(AllowKind.RESOLVE)
GPG = {"USE_GPG": "Y"}
EFFECTS: dict[str, tuple[list[str], dict[str, Any]]] = {
    # option: a command line with it, and what it sets: of Perl with "perl.", of CommandLine
    # with "line.", else of Given
    "Access": (["--Access", "TCP/22"], {"access": "tcp/22"}),
    "allow-IP": (["--allow-IP", "192.0.2.1"], {"allow": Allow(AllowKind.ADDRESS, "192.0.2.1")}),
    "source-IP": (["--source-IP"], {"allow": SOURCE}),
    "Resolve-external-IP": (["--Resolve-external-IP"], {"allow": RESOLVE}),
    "whatismyip": (["--whatismyip"], {"allow": RESOLVE}),
    "URL": (
        ["--URL", "http://a.example/ip"],
        {
            "allow": RESOLVE,
            "elsewhere": {"RESOLVE_URL": "http://a.example/ip", "RESOLVE_HTTP_ONLY": "Y"},
        },
    ),
    "Max-resolve-http-size": (["--Max-resolve-http-size", "900"], {"perl.max_answer": 900}),
    "Destination": (["--Destination", "h:99"], {"server": "h:99"}),
    "knock-dst": (["--knock-dst", "h"], {"server": "h"}),
    "NAT-access": (
        ["--NAT-access", "10.0.0.5:55001"],
        {"perl.nat": "10.0.0.5:55001", "nat_access": "10.0.0.5", "nat_port": 55001},
    ),
    "Forward-access": (
        ["--Forward-access", "10.0.0.5,55001"],
        {"perl.nat": "10.0.0.5,55001", "nat_access": "10.0.0.5", "nat_port": 55001},
    ),
    "NAT-local": (
        ["--NAT-local"],
        {"perl.nat_local": True, "nat_local": True, "nat_port": 55000},
    ),
    "NAT-rand-port": (["--NAT-rand-port"], {"nat_rand_port": True}),
    "fw-timeout": (["--fw-timeout", "60"], {"seconds": 60}),
    "Server-cmd": (["--Server-cmd", "id"], {"line.command": "id"}),
    "Server-auth": (["--Server-auth", "crypt"], {"perl.server_auth": True}),
    "Spoof-user": (["--Spoof-user", "mbr"], {"user": "mbr"}),
    "time-offset-plus": (["--time-offset-plus", "3"], {"time_offset": 180}),
    "time-offset-minus": (["--time-offset-minus", "2days"], {"time_offset": -172800}),
    "Server-port": (["--Server-port", "99"], {"server_port": 99}),
    "Server-proto": (["--Server-proto", "TCP"], {"proto": "tcp"}),
    "Source-port": (["--Source-port", "12345"], {"source_port": 12345}),
    "rand-port": (["--rand-port"], {"rand_port": True}),
    "TCP-sock": (["--TCP-sock"], {"perl.tcp_sock": True, "proto": "tcp"}),
    "HTTP": (["--HTTP"], {"perl.http": True, "proto": "http"}),
    "HTTP-proxy": (
        ["--HTTP-proxy", "http://p:3128"],
        {"proto": "http", "relay": RelayWord(RelayForm.HTTP, "http://p:3128")},
    ),
    "HTTP-proxy-user": (["--HTTP-proxy-user", "me"], {"relay_user": "me"}),
    "HTTP-proxy-password": (
        ["--HTTP-proxy-password", "s"],
        {"relay_password": KeyWord(KeyForm.TEXT, "s")},
    ),
    "HTTP-user-agent": (["--HTTP-user-agent", "X"], {"user_agent": "X"}),
    "User-agent": (["--User-agent", "X"], {"user_agent": "X"}),
    "Spoof-src": (
        ["--Spoof-src", "192.0.2.9"],
        {"perl.spoofed": True, "proto": "udpraw", "spoof_source": "192.0.2.9"},
    ),
    "Spoof-proto": (
        ["--Spoof-proto", "tcp"],
        {"perl.spoof_proto": "tcpraw", "proto": "tcpraw"},
    ),
    "Max-packet-size": (["--Max-packet-size", "200"], {"perl.max_packet": 200}),
    "get-key": (["--get-key", "/k"], {"key": KeyWord(KeyForm.FILE, "/k")}),
    "digest-alg": (["--digest-alg", "MD5"], {"digest": Digest.MD5}),
    "Include-salted": (["--Include-salted"], {"perl.salted": True}),
    "Include-equals": (["--Include-equals"], {"perl.equals": True}),
    "gpg-recipient": (["--gpg-recipient", "K"], {"elsewhere": {**GPG, "GPG_RECIPIENT": "K"}}),
    "gpg-signing-key": (["--gpg-signing-key", "K"], {"elsewhere": {**GPG, "GPG_SIGNER": "K"}}),
    "gpg-default-key": (["--gpg-default-key"], {"perl.gpg_default_key": True, "elsewhere": GPG}),
    "gpg-path": (["--gpg-path", "/g"], {"elsewhere": {**GPG, "GPG_EXE": "/g"}}),
    "gpg-agent-info": (
        ["--gpg-agent-info", "/s:1:1"],
        {"perl.gpg_agent_info": "/s:1:1", "elsewhere": {**GPG, "USE_GPG_AGENT": "Y"}},
    ),
    "gpg-verbose": (["--gpg-verbose"], {"perl.gpg_verbose": True, "elsewhere": GPG}),
    "gpg-use-options": (["--gpg-use-options"], {"perl.gpg_options": True, "elsewhere": GPG}),
    "gpg-no-options": (["--gpg-no-options"], {}),
    "gpg-prefix": (["--gpg-prefix", "hQ"], {}),
    "Include-gpg-prefix": (["--Include-gpg-prefix"], {"perl.gpg_prefix": True}),
    "Home-dir": (["--Home-dir", "/h"], {"perl.home_dir": "/h"}),
    "last-cmd": (["--last-cmd"], {"line.last": True}),
    "Last-host": (["--Last-host", "h"], {"perl.last_host": "h"}),
    "L-host": (["--L-host", "h"], {"perl.last_host": "h"}),
    "Show-last-cmd": (["--Show-last-cmd"], {"line.show_last": True, "perl.show_last": True}),
    "Show-host-cmd": (["--Show-host-cmd", "h"], {"perl.show_host": "h"}),
    "Save-dst": (["--Save-dst"], {"perl.save_dst": True}),
    "Save-packet": (["--Save-packet"], {"perl.save_packet": True}),
    "Save-packet-file": (["--Save-packet-file", "/p"], {"line.packet_file": "/p"}),
    "Save-packet-append": (
        ["--Save-packet-append"],
        {"line.append": True, "perl.save_packet": True},
    ),
    "user-rc": (["--user-rc", "/r"], {"perl.user_rc": "/r"}),
    "Test-mode": (["--Test-mode"], {"line.test": True}),
    "quiet": (["--quiet"], {"perl.quiet": True}),
    "debug": (["--debug"], {"line.verbose": 2, "verbose": 2, "perl.debug": True}),
    "Version": (["--Version"], {"line.version": True}),
    "locale": (["--locale", "fr_FR"], {"perl.locale": "fr_FR"}),
    "LC_ALL": (["--LC_ALL", "fr_FR"], {"perl.locale": "fr_FR"}),
    "no-locale": (["--no-locale"], {"perl.locale": ""}),
    "no-LC_ALL": (["--no-LC_ALL"], {"perl.locale": ""}),
    "Lib-dir": (["--Lib-dir", "/l"], {}),
    "no-FKO-module": (["--no-FKO-module"], {}),
    "test-FKO-exists": (["--test-FKO-exists"], {}),
    "Server-mode": (["--Server-mode", "pcap"], {}),
}
KNOCKING = {"offset": ["60000"], "rotate-proto": [], "time-delay": ["2"]}


def after(effects: dict[str, Any]) -> CommandLine:
    """What fwknop1 reads where these fields, and no others, were set."""
    layers: dict[str, dict[str, Any]] = {"perl": {}, "line": {}, "": {}}
    for name, value in effects.items():
        layer, _, field = name.rpartition(".")
        layers[layer][field] = value
    plain = parse([], as_perl=True)
    perl = replace(NO_PERL, **layers["perl"])
    return replace(plain, given=replace(plain.given, **layers[""]), perl=perl, **layers["line"])


@pytest.mark.parametrize("option", EFFECTS)
def test_each_perl_option_sets_what_it_says_and_nothing_else(option: str) -> None:
    argv, effects = EFFECTS[option]
    assert parse(argv, as_perl=True) == after(effects)


def test_the_table_of_this_file_has_every_perl_option() -> None:
    assert EFFECTS.keys() | KNOCKING.keys() == {option.long for option in PERL_OPTIONS}


@pytest.mark.parametrize("as_perl", [True, False])
@pytest.mark.parametrize("option", KNOCKING)
def test_options_of_knock_sequences_are_refused_where_a_packet_is_sent(
    option: str, as_perl: bool
) -> None:
    with pytest.raises(OperatorError, match=f"--{option} is for a knock sequence"):
        parse([f"--{option}", *KNOCKING[option]], as_perl=as_perl)


@pytest.mark.parametrize("mode", ["knock", "shared", "Knock"])
def test_knock_modes_are_known_with_their_options(mode: str) -> None:
    words = [word for option, values in KNOCKING.items() for word in (f"--{option}", *values)]
    perl = parse(["--Server-mode", mode, *words]).perl
    assert (perl.server_mode, perl.knocks) == (mode.lower(), True)
    assert (perl.offset, perl.rotate_proto, perl.time_delay) == (60000, True, 2.0)


def test_the_letters_of_knock_sequences_are_those_of_the_manual_in_fwknop1() -> None:
    perl = parse(["--Server-mode", "knock", "-r", "-t", "0.25", "-o", "0"], as_perl=True).perl
    assert (perl.rotate_proto, perl.time_delay, perl.offset) == (True, 0.25, None)


@pytest.mark.parametrize(
    ("option", "value"),
    [("offset", "65280"), ("offset", "-1"), ("offset", "x"), ("time-delay", "-1"),
     ("time-delay", "1e3"), ("time-delay", "3601"), ("time-delay", "")],
)  # fmt: skip
def test_numbers_of_knock_sequences_are_checked(option: str, value: str) -> None:
    with pytest.raises(OperatorError, match=f"--{option} is"):
        parse(["--Server-mode", "knock", f"--{option}={value}"])


# Names.


@pytest.mark.requirement("9.53", partial=True)
@pytest.mark.parametrize(
    ("typed", "option"),
    [
        ("--gpg-sign", "gpg-signer-key"),  # one of 2.6 alone: what it always meant
        ("--Show-l", "Show-last-cmd"),
        ("--Show-last", "Show-last-cmd"),
        ("--L-host", "L-host"),
        ("--Home", "Home-dir"),
        ("--Max-p", "Max-packet-size"),
        ("--acc", "access"),
        ("--Acc", "Access"),
    ],
)
def test_fwknop_takes_abbreviations_of_both_vocabularies(typed: str, option: str) -> None:
    known = {each.long: each for each in (*PERL_OPTIONS, *OPTIONS)}
    value = ["99"] if known[option].placeholder else []
    whole = parse([f"--{option}", *value])
    assert parse([typed, *value]) == whole
    assert whole != parse([])


def unique_prefixes_of_26() -> list[tuple[str, str]]:
    names = [option.long for option in OPTIONS]
    return [
        (name[:size], name)
        for name in names
        for size in range(1, len(name) + 1)
        if name[:size] == name
        or (name[:size] not in names and sum(each.startswith(name[:size]) for each in names) == 1)
    ]


@pytest.mark.requirement("9.53", partial=True)
def test_no_perl_name_changes_what_an_abbreviation_means_in_fwknop() -> None:
    whole_perl_names = {option.long for option in PERL_OPTIONS}
    known = {option.long: option for option in OPTIONS}
    from watchword.dialects.fwknop.client_options import MODERN  # noqa: PLC0415

    checked = 0
    for prefix, name in unique_prefixes_of_26():
        if prefix in whole_perl_names and prefix != name:
            continue  # a perl name in full is that name
        value = ["v"] if known[name].placeholder else []
        [spoken] = MODERN.split([f"--{prefix}", *value])
        assert [option.long for option, _ in spoken.options] == [name]
        checked += 1
    assert checked > 300


def test_fwknop_asks_whole_perl_names_before_its_own_abbreviations() -> None:
    assert parse(["--gpg-recipient", "K"]).given == parse(["--gpg-recipient-key", "K"]).given


@pytest.mark.requirement("9.53", partial=True)
@pytest.mark.parametrize(
    ("as_perl", "near"), [(True, "--gpg-recipient"), (False, "--gpg-recipient-key")]
)
def test_the_misprint_of_the_old_page_is_met_with_the_name_that_was_meant(
    as_perl: bool, near: str
) -> None:
    with pytest.raises(UsageError) as refused:
        parse(["--gpg--recipient", "1234ABCD"], as_perl=as_perl)
    assert refused.value.complaints[0].hint == f"did you mean {near}?"


@pytest.mark.parametrize("word", ["-Access", "--Access", "-Acc", "-A"])
def test_fwknop1_takes_one_dash_or_two(word: str) -> None:
    assert parse([word, "tcp/22"], as_perl=True).given.access == "tcp/22"


def test_fwknop1_still_takes_letters_in_a_bundle() -> None:
    line = parse(["-vvsAtcp/22"], as_perl=True)
    assert (line.verbose, line.given.allow, line.given.access) == (2, SOURCE, "tcp/22")


@pytest.mark.requirement("5.18")
@pytest.mark.requirement("9.40", partial=True)
@pytest.mark.parametrize(
    ("argv", "modern", "perl"),
    [
        (["-T"], {"line.test": True}, {"perl.tcp_sock": True, "proto": "tcp"}),
        (["-u", "x"], {"user_agent": "x"}, {"perl.user_rc": "x"}),
        (["-w", "x"], {"elsewhere": {"WGET_CMD": "x"}}, {"allow": RESOLVE}),
        (["-k"], {"line.key_gen": True}, None),
        (["-k", "h"], {"line.key_gen": True}, {"server": "h"}),
        (["-l"], {"line.last": True}, {"line.last": True}),
        (["--time-offset-plus", "5"], {"time_offset": 5}, {"time_offset": 300}),
    ],
)
def test_where_the_two_clash_each_command_takes_its_own(
    argv: list[str], modern: dict[str, Any], perl: dict[str, Any] | None
) -> None:
    assert parse(argv) == replace(after(modern), as_perl=False)
    if perl is None:
        with pytest.raises(UsageError):
            parse(argv, as_perl=True)
    else:
        assert parse(argv, as_perl=True) == after(perl)


def test_r_is_a_random_port_in_fwknop_and_a_knock_option_in_fwknop1() -> None:
    assert parse(["-r"]).given.rand_port
    with pytest.raises(OperatorError, match="--rotate-proto is for a knock sequence"):
        parse(["-r"], as_perl=True)


@pytest.mark.requirement("9.49", partial=True)
@pytest.mark.parametrize("as_perl", [True, False])
def test_r_alternates_protocols_where_a_sequence_is_asked_for(as_perl: bool) -> None:
    """The manual of 1.9 says so, and its program took no such letter."""
    assert parse(["--Server-mode", "knock", "-r"], as_perl=as_perl).perl.rotate_proto


# Values.


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--URL", "ftp://x"], "--URL begins with http:// or https://, and ftp://x does not"),
        (["--Spoof-proto", "sctp"], "--Spoof-proto is tcp, udp or icmp, and not sctp"),
        (["--Spoof-src", "192.0.2"], "Invalid spoof IP"),
        (["--Spoof-src", ""], "Invalid spoof IP"),
        (["--digest-alg", "sha512"], "--digest-alg is sha256, sha1 or md5, and not sha512"),
        (["--Server-auth", "pam"], "--Server-auth is crypt, and not pam"),
        (["--Server-mode", "x"], "--Server-mode is pcap, knock or shared, and not x"),
        (["--Max-packet-size", "0"], "'0' is not within 1 to 65507"),
        (["--Max-packet-size", "-1"], "'-1' is not within 1 to 65507"),
        (["--Max-packet-size", "²"], "'²' is not within 1 to 65507"),
        (["--Max-packet-size", "9" * 5000], f"'{'9' * 5000}' is not within 1 to 65507"),
        (["--time-offset-plus", "soon"], "Invalid time offset: 'soon'"),
        (["--Server-proto", "x"], "Unrecognized protocol: x"),
        (
            ["--NAT-access", "name:55000"],
            "--NAT-access is an IPv4 address and a port, and not 'name:55000'.",
        ),
        (["--quiet", "-v"], "--quiet and --verbose cannot be combined."),
        (
            ["--Server-port", "99", "--rand-port"],
            "--Server-port and --rand-port cannot be combined.",
        ),
        (["--HTTP", "--rand-port"], "--HTTP and --rand-port cannot be combined."),
        (["--HTTP", "--TCP-sock"], "--HTTP and --TCP-sock cannot be combined."),
        (
            ["--TCP-sock", "--Spoof-src", "192.0.2.1"],
            "--TCP-sock and --Spoof-src cannot be combined.",
        ),
        (
            ["--Server-auth", "crypt", "--NAT-local"],
            "--Server-auth and NAT options cannot be combined.",
        ),
        (["--packet-version", "2.5"], "--packet-version is 1.9 or 2.6, and not 2.5"),
    ],
)
def test_values_that_cannot_be_are_refused(argv: list[str], said: str) -> None:
    with pytest.raises(OperatorError) as refused:
        parse(argv, as_perl=True)
    assert str(refused.value) == said


@pytest.mark.requirement("9.29", partial=True)
@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60sec", 60), ("60min", 3600), ("2days", 172800), ("3hours", 10800), ("5", 300), ("5x", 5)],
)
def test_offsets_without_a_unit_are_minutes_in_fwknop1(text: str, seconds: int) -> None:
    assert parse(["--time-offset-plus", text], as_perl=True).given.time_offset == seconds


@pytest.mark.parametrize("name", ["gate.example", "cafe", "1.example"])
def test_perl_allowed_a_name_where_an_address_is_sent(name: str) -> None:
    assert parse(["--allow-IP", name]).given.allow == Allow(AllowKind.NAME, name)


@pytest.mark.parametrize("address", ["192.0.2.1", "1.2.3", "2001:db8::1"])
def test_what_looks_like_an_address_is_none_of_a_names_business(address: str) -> None:
    assert parse(["--allow-IP", address]).given.allow == Allow(AllowKind.ADDRESS, address)


@pytest.mark.parametrize(
    ("argv", "proto"),
    [
        (["--Spoof-src", "192.0.2.1", "--Spoof-proto", "icmp"], "icmp"),
        (["--Spoof-proto", "udp"], "udpraw"),
        (["--Spoof-src", "gate.example"], "udpraw"),
        (["--HTTP", "--Spoof-proto", "tcp"], "http"),
    ],
)
def test_forged_packets_are_raw_ones(argv: list[str], proto: str) -> None:
    assert parse(argv).given.proto == proto


def test_an_icmp_packet_of_perl_is_a_request() -> None:
    assert parse(["--Spoof-proto", "icmp"]).given.icmp_asks
    assert parse(["--Server-proto", "icmp"]).given.icmp_asks
    assert parse(["-P", "icmp"]).given.icmp_asks is None


def test_an_optional_value_may_be_missing_only_before_an_option() -> None:
    optional = [option.long for option in (*OPTIONS, *PERL_OPTIONS) if option.optional]
    assert "HTTP-proxy" in optional
    for name in optional:
        assert parse([f"--{name}", "-v"], as_perl=True).verbose == 1
