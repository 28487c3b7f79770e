"""fwknopd.conf: syntax, expansion, ranges, names; what is refused and what is remarked on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fwknopd_files import CONFIG, SEED_001, STANZA, complaints, configure, fatal, remarks
from watchword.dialects.fwknop.fwknopd_conf_table import ALIASES, VARIABLES
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import load
from watchword.errors import OperatorError, Place
from watchword.model.crypto import Digest
from watchword.model.settings import Sniffer, UdpPort


@pytest.mark.requirement("2.9")
@pytest.mark.parametrize(
    "line",
    [
        "MAX_SPA_PACKET_AGE 60",
        "MAX_SPA_PACKET_AGE 60;",
        "MAX_SPA_PACKET_AGE 60 ;",
        "MAX_SPA_PACKET_AGE 60; one minute",
        "MAX_SPA_PACKET_AGE\t\t60;\t# one minute",
        "   MAX_SPA_PACKET_AGE 60",
        "MAX_SPA_PACKET_AGE 60\r",
        "MAX_SPA_PACKET_AGE 60;\r\n\r\n",
        "\ufeffMAX_SPA_PACKET_AGE 60",
        "# MAX_SPA_PACKET_AGE 5\n; MAX_SPA_PACKET_AGE 6\n\n  # so\nMAX_SPA_PACKET_AGE 60",
        "MAX_SPA_PACKET_AGE 5\nMAX_SPA_PACKET_AGE 60",
    ],
)
def test_one_entry_may_be_written_in_many_ways(line: str) -> None:
    texts = {"f": line, "a": STANZA}
    loaded = load(Sources.of(texts), parse(["-c", "f", "-a", "a", "-U"]))
    assert loaded.policy.max_age == 60
    assert loaded.complaints == ()


def test_a_value_holds_blanks_and_ends_at_the_semicolon() -> None:
    assert configure("SYSLOG_IDENTITY a b c; d").settings.log.identity == "a b c"


def test_a_line_separator_of_unicode_does_not_end_a_line() -> None:
    assert configure("SYSLOG_IDENTITY a\u2028UDPSERV_PORT 1").settings.sources == (UdpPort(62201),)


@pytest.mark.requirement("2.13")
@pytest.mark.parametrize(
    ("lines", "age"),
    [
        ("", 120),
        ("MAX_SPA_PACKET_AGE 60", 60),
        ("ENABLE_SPA_PACKET_AGING Y\nMAX_SPA_PACKET_AGE 1", 1),
        ("ENABLE_SPA_PACKET_AGING N\nMAX_SPA_PACKET_AGE 60", None),
    ],
)
def test_the_age_limit_is_taken_over(lines: str, age: int | None) -> None:
    assert configure(lines).policy.max_age == age


@pytest.mark.requirement("2.15")
@pytest.mark.parametrize(("value", "rule"), [("Y", True), ("yes", True), ("N", False)])
def test_the_destination_rule_is_a_switch(value: str, rule: bool) -> None:
    assert configure(f"ENABLE_DESTINATION_RULE {value}").policy.destination_rule is rule


def test_the_destination_rule_is_off_unless_it_is_asked_for() -> None:
    assert configure().policy.destination_rule is False


@pytest.mark.requirement("2.9")
@pytest.mark.parametrize(
    ("line", "backend"), [("", "firewalld"), ("FIREWALL_BACKEND nftables;\n", "nftables")]
)
def test_the_file_of_the_tutorial_loads_as_it_is(line: str, backend: str) -> None:
    texts = {"f": SEED_001 + line, "a": STANZA}
    loaded = load(Sources.of(texts), parse(["-c", "f", "-a", "a"]))
    assert loaded.settings.firewall.backend == backend
    assert loaded.settings.firewall.flush_at_start
    assert loaded.settings.firewall.flush_at_exit
    assert loaded.settings.sources == (UdpPort(62201),)
    assert loaded.policy.max_age == 60
    assert [str(each) for each in loaded.complaints] == [
        "a:1: access stanza #1 has no NAT_TARGETS, so its callers are led on to no other host "
        "(fwknop leads them to any) (add what they may reach, such as NAT_TARGETS 10.0.0.5:22)"
    ]


@pytest.mark.parametrize(
    ("lines", "digest_file"),
    [
        ("FWKNOP_RUN_DIR /run/x\nDIGEST_FILE $FWKNOP_RUN_DIR/d", "/run/x/d"),
        ("FWKNOP_RUN_DIR /run/x\nDIGEST_FILE $FWKNOP_RUN_DIR/d and more", "/run/x/d"),
        ("FWKNOP_RUN_DIR /a\nDIGEST_FILE $FWKNOP_RUN_DIR/d\nFWKNOP_RUN_DIR /b", "/a/d"),
        ("FWKNOP_RUN_DIR /a\nLOCALE $FWKNOP_RUN_DIR/tail\nDIGEST_FILE $FWKNOP_RUN_DIR", "/a"),
        ("FWKNOP_RUN_DIR /a\nDIGEST_FILE /b/$FWKNOP_RUN_DIR", "/b/$FWKNOP_RUN_DIR"),
        ("LOCALE $LOCALE\nDIGEST_FILE /d", "/d"),
    ],
)
def test_a_variable_at_the_front_of_a_value_is_expanded(lines: str, digest_file: str) -> None:
    assert configure(lines).settings.digest_file == Path(digest_file)


@pytest.mark.parametrize("value", ["$NOT_SET/x", "$/x", "$lower/x", "$"])
def test_what_cannot_be_expanded_is_ignored_and_said(value: str) -> None:
    [told] = remarks(f"DIGEST_FILE {value}")
    assert told.startswith(f"fwknopd.conf:2: [*] Invalid embedded variable in: '{value}'")
    assert configure(f"DIGEST_FILE {value}").settings.digest_file == Path(
        "/run/fwknop/digest.cache"
    )


def test_a_line_without_a_value_is_ignored_in_the_original_words() -> None:
    [told] = remarks("UDPSERV_PORT\n")
    assert told.startswith(
        "fwknopd.conf:2: *Invalid config file entry in fwknopd.conf at line 2.\n - 'UDPSERV_PORT'"
    )


@pytest.mark.parametrize(
    ("line", "name", "hint"),
    [
        ("UDPSERVPORT 1", "UDPSERVPORT", "(did you mean UDPSERV_PORT?)"),
        ("max_sniff_bytes 5", "max_sniff_bytes", "(did you mean MAX_SNIFF_BYTES?)"),
        ("ENABLE_FIREWD_SNATT Y", "ENABLE_FIREWD_SNATT", "(did you mean ENABLE_FIREWD_SNAT?)"),
        ("UDPSERV_PORT: 5", "UDPSERV_PORT:", "(did you mean UDPSERV_PORT?)"),
        ("WHATEVER 5", "WHATEVER", "(correct the name, or remove the line)"),
    ],
)
def test_an_unknown_name_is_ignored_with_a_guess(line: str, name: str, hint: str) -> None:
    [told] = remarks(line)
    assert told == (
        f"fwknopd.conf:2: [*] Ignoring unknown configuration parameter: '{name}' "
        f"in fwknopd.conf {hint}"
    )


@pytest.mark.parametrize("name", ["max_spa_packet_age", "GARD_SERVICES", "FLUSH_FIREWD_AT_EXT"])
def test_a_misspelt_restriction_is_refused_because_more_would_be_open_without_it(name: str) -> None:
    with pytest.raises(OperatorError) as caught:
        configure(f"{name} 5\n")
    [fatal] = [each for each in caught.value.complaints if each.fatal]
    assert fatal.place == Place("fwknopd.conf", 2)
    assert "did you mean" in fatal.hint


NUMBERS = [
    ("PCAP_DISPATCH_COUNT", 1, 8388608),
    ("PCAP_LOOP_SLEEP", 1, 8388608),
    ("MAX_SNIFF_BYTES", 1, 32768),
    ("MAX_SPA_PACKET_AGE", 1, 100000),
    ("RULES_CHECK_THRESHOLD", 0, 131071),
    ("TCPSERV_PORT", 1, 65535),
    ("UDPSERV_PORT", 1, 65535),
    ("UDPSERV_SELECT_TIMEOUT", 1, 8388608),
    ("IPFW_START_RULE_NUM", 0, 131071),
    ("IPFW_MAX_RULES", 1, 131071),
    ("IPFW_ACTIVE_SET_NUM", 0, 63),
    ("IPFW_EXPIRE_SET_NUM", 0, 63),
    ("IPFW_EXPIRE_PURGE_INTERVAL", 1, 131071),
    ("PF_EXPIRE_INTERVAL", 1, 131071),
    ("NFQ_PORT", 1, 65535),
]


@pytest.mark.parametrize(("name", "low", "high"), NUMBERS)
def test_a_number_is_checked_on_both_sides_of_both_ends(name: str, low: int, high: int) -> None:
    for fit in (low, high):
        assert fatal(f"{name} {fit}") == []
    for unfit in (low - 1, high + 1, "9" * 5000):
        [told] = fatal(f"{name} {unfit}")
        assert told.startswith(f"fwknopd.conf:2: [*] var {name} value '{str(unfit)[:60]}")
        assert f"not in the range {low}-{high} (write {name} and a number" in told


def test_digits_at_the_front_are_the_number_and_that_is_said() -> None:
    assert configure("MAX_SPA_PACKET_AGE 60x").policy.max_age == 60
    assert remarks("MAX_SPA_PACKET_AGE 60x") == [
        "fwknopd.conf:2: MAX_SPA_PACKET_AGE is '60x', taken as 60 (write MAX_SPA_PACKET_AGE 60)"
    ]
    assert fatal("MAX_SPA_PACKET_AGE abc")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SYSLOG_FACILITY LOG_AUTH", "Invalid SYSLOG_FACILITY setting 'LOG_AUTH'"),
        ("VERBOSE -1", "[*] VERBOSE value '-1' not in the range (>0)"),
        ("FWKNOP_RUN_DIR run", "Path 'run' is not absolute."),
        ("STATE_DIR ./x", "Path './x' is not absolute."),
        ("IPFW_ACTIVE_SET_NUM 2", "[*] Cannot set identical ipfw active and expire sets."),
        (
            "REQUIRE_SOURCE_ADDRESS 10.0.0.0/8",
            "REQUIRE_SOURCE_ADDRESS is '10.0.0.0/8', neither Y nor N",
        ),
        ("PRIVILEGE_SEPARATION on", "PRIVILEGE_SEPARATION is 'on', neither Y nor N"),
        ("BLACKLIST ANY", "BLACKLIST has ANY, so that nobody could come in"),
        (
            "BLACKLIST 192.0.2.7/33",
            "[*] Invalid IP mask str '33'.\n[*] Fatal invalid BLACKLIST",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_a_remedy(line: str, message: str) -> None:
    [told] = [each for each in complaints(line) if each.fatal]
    assert told.message == message
    assert told.place is not None
    assert told.place.file == "fwknopd.conf"
    assert told.hint


@pytest.mark.requirement("2.18", partial=True)
@pytest.mark.parametrize("family", ["IPT", "FIREWD"])
@pytest.mark.parametrize("chain", ["INPUT", "OUTPUT", "FORWARD", "DNAT", "SNAT", "MASQUERADE"])
def test_a_chain_specification_has_six_plain_fields(family: str, chain: str) -> None:
    name = f"{family}_{chain}_ACCESS"
    assert fatal(f"{name} ACCEPT, filter, INPUT, 1, OWN_CHAIN, 1\nFIREWALL_BACKEND nftables") == []
    users = f"{name} ACCEPT, filter, DOCKER-USER, 1, OWN_CHAIN, 1\nFIREWALL_BACKEND nftables"
    assert fatal(users) == [], "others name their chains as they like"
    for wrong in (
        "a, b", "A, f, I, 1, F, 1, 1", "A, fil-ter, I, 1, F, 1", "A,,I,1,F,1", "A, f, -I, 1, F, 1",
        "A, f, I, 1, F-F, 1", f"A, f, {'I' * 30}, 1, F, 1",
    ):  # fmt: skip
        [told] = fatal(f"{name} {wrong}")
        assert f"Invalid {name} specification, see fwknopd.conf comments" in told
    assert "jump rule position" in fatal(f"{name} A, f, I, 65537, F, 1")[0]
    assert "to_chain rule position" in fatal(f"{name} A, f, I, 65536, F, 65537")[0]


def test_seven_fields_of_the_old_line_have_a_direction_in_the_second() -> None:
    assert remarks("IPT_INPUT_ACCESS ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1") == []
    [told] = remarks("IPT_INPUT_ACCESS ACCEPT, both, filter, INPUT, 1, MINE, 1")
    assert "IPT_INPUT_ACCESS has no effect in this version" in told
    [told] = fatal("IPT_INPUT_ACCESS ACCEPT, up, filter, INPUT, 1, FWKNOP_INPUT, 1")
    assert "src, dst or both in the second" in told


def test_a_chain_of_the_operators_own_is_remarked_on_and_the_default_is_not() -> None:
    assert remarks("IPT_INPUT_ACCESS ACCEPT,filter,INPUT,1,FWKNOP_INPUT,1") == []
    [told] = remarks("IPT_INPUT_ACCESS ACCEPT, filter, INPUT, 1, MINE, 1")
    assert "IPT_INPUT_ACCESS has no effect in this version" in told


SWITCHES = [
    name
    for name, variable in VARIABLES.items()
    if variable.without and variable.kind.name in ("FLAG", "TEXT")
]


@pytest.mark.parametrize("name", SWITCHES)
def test_what_has_no_effect_yet_says_so_where_it_is_switched_on(name: str) -> None:
    [told] = remarks(f"{name} Y")
    assert told.startswith(f"fwknopd.conf:2: {name} has no effect in this version: ")
    assert remarks(f"{name} {VARIABLES[name].default or 'NONE'}") == []


@pytest.mark.parametrize("name", sorted({*VARIABLES, *ALIASES}))
def test_every_known_name_is_known(name: str) -> None:
    said = [each.message for each in complaints(f"{name} 1")]
    assert not [each for each in said if "unknown" in each]


@pytest.mark.parametrize("name", ["ENABLE_FIREWD_SNAT", "FIREWD_DNAT_ACCESS", "DIGEST_DB_FILE"])
def test_both_families_of_names_are_one(name: str) -> None:
    assert name in ALIASES


@pytest.mark.parametrize(
    ("lines", "start", "stop"),
    [
        ("", False, False),
        ("FLUSH_IPT_AT_INIT Y\nFLUSH_IPT_AT_EXIT Y", True, True),
        ("FLUSH_FIREWD_AT_INIT Y", True, False),
        ("FLUSH_IPFW_AT_EXIT Y", False, True),
        ("FLUSH_IPT_AT_INIT N\nFLUSH_IPT_AT_EXIT N", False, False),
        ("FLUSH_IPT_AT_INIT maybe\nFLUSH_IPT_AT_EXIT maybe", False, True),
    ],
)
def test_grants_survive_a_restart_unless_flushing_is_asked_for(
    lines: str, start: bool, stop: bool
) -> None:
    firewall = configure(lines).settings.firewall
    assert (firewall.flush_at_start, firewall.flush_at_exit) == (start, stop)


def test_a_flag_that_is_neither_yes_nor_no_says_how_it_was_taken() -> None:
    assert remarks("ENABLE_DESTINATION_RULE perhaps") == [
        "fwknopd.conf:2: ENABLE_DESTINATION_RULE is 'perhaps', taken as N "
        "(write ENABLE_DESTINATION_RULE Y or ENABLE_DESTINATION_RULE N)"
    ]


def test_a_replay_memory_that_is_switched_off_is_remarked_on() -> None:
    assert configure("ENABLE_DIGEST_PERSISTENCE N").policy.remember is False
    [told] = remarks("ENABLE_DIGEST_PERSISTENCE N")
    assert "replayed packets are not detected" in told
    assert configure().policy.remember is True


@pytest.mark.parametrize("config", ["", "ENABLE_UDP_SERVER N"])
def test_without_the_udp_server_packets_are_sniffed_as_the_original_does(config: str) -> None:
    texts = {"f": config, "a": STANZA}
    loaded = load(Sources.of(texts), parse(["-c", "f", "-a", "a"]))
    [sniffer] = loaded.settings.sources
    assert isinstance(sniffer, Sniffer)
    assert (sniffer.interfaces, sniffer.filter.text) == (("eth0",), "udp port 62201")
    assert not sniffer.promiscuous
    assert not sniffer.both_directions
    assert not sniffer.ends_with_interface
    assert sniffer.longest == 1500
    assert loaded.complaints == ()


def test_files_and_logging_are_taken_over() -> None:
    settings = configure(
        "UDPSERV_PORT 4000\nSYSLOG_IDENTITY me\nSYSLOG_FACILITY LOG_LOCAL7\nVERBOSE 1\n"
        "FWKNOP_RUN_DIR /run/a\nSTATE_DIR /var/b\nFWKNOP_PID_FILE /c\nDIGEST_FILE /d\n",
        STANZA,
        "-vv",
        "--test",
    ).settings
    assert settings.sources == (UdpPort(4000),)
    assert (settings.log.identity, settings.log.facility) == ("me", "LOG_LOCAL7")
    assert settings.log.verbosity == 3
    assert (settings.run_dir, settings.state_dir) == (Path("/run/a"), Path("/var/b"))
    assert (settings.pid_file, settings.digest_file) == (Path("/c"), Path("/d"))
    assert settings.dry_run


@pytest.mark.requirement("2.21")
def test_the_last_override_file_wins_and_sees_what_was_set_before_it() -> None:
    loaded = configure(
        "MAX_SPA_PACKET_AGE 10\nFWKNOP_RUN_DIR /run/a\n",
        STANZA,
        "-O",
        "one.conf,two.conf",
        one_conf="MAX_SPA_PACKET_AGE 20\nDIGEST_FILE $FWKNOP_RUN_DIR/d\n",
        two_conf="MAX_SPA_PACKET_AGE 30\n",
    )
    assert loaded.policy.max_age == 30
    assert loaded.settings.digest_file == Path("/run/a/d")


def test_the_command_line_wins_over_every_file() -> None:
    argv = ["-r", "/run/z", "-p", "/p", "-d", "/d", "-U"]
    texts = {"f": "ENABLE_UDP_SERVER N\nFWKNOP_RUN_DIR /run/a\nDIGEST_FILE /x\n", "a": STANZA}
    settings = load(Sources.of(texts), parse(["-c", "f", "-a", "a", *argv])).settings
    assert settings.run_dir == Path("/run/z")
    assert (settings.pid_file, settings.digest_file) == (Path("/p"), Path("/d"))
    assert settings.sources == (UdpPort(62201),)


@pytest.mark.requirement("2.21")
def test_the_access_file_is_the_one_of_the_command_line_or_else_of_the_configuration() -> None:
    texts = {"f": f"{CONFIG}ACCESS_FILE one", "one": STANZA, "two": STANZA * 2}
    assert len(load(Sources.of(texts), parse(["-c", "f"])).policy.stanzas) == 1
    assert len(load(Sources.of(texts), parse(["-c", "f", "-a", "two"])).policy.stanzas) == 2


@pytest.mark.requirement("2.21")
def test_a_missing_file_is_refused_by_name() -> None:
    with pytest.raises(OperatorError) as caught:
        load(Sources.of({}), parse(["-U", "-c", "f", "-O", "o", "-a", "a"]))
    said = [each.message.split("\n") for each in caught.value.complaints]
    assert said == [  # as 2.6.10 says it, and as 2.6.11
        ["[*] Config file: 'f' was not found.", "[*] Could not open config file: f"],
        ["[*] Config file: 'o' was not found.", "[*] Could not open config file: o"],
        ["[*] Access file: 'a' was not found.", "[*] Could not open access file: a"],
    ]


def test_everything_wrong_in_every_file_is_said_at_once_in_order() -> None:
    told = complaints(
        "UDPSERV_PORT 0\nWHATEVER x\n",
        f"SOURCE nowhere\n{KEYS_ONLY}",
        "-O",
        "more.conf",
        more_conf="MAX_SNIFF_BYTES 0\n",
    )
    assert [str(each.place) for each in told if each.fatal] == [
        "fwknopd.conf:2",
        "more.conf:1",
        "access.conf:1",
        "access.conf:1",
    ]
    places = [(each.place.file, each.place.line) for each in told if each.place]
    assert len(places) == len(told)
    assert places[:3] == [("fwknopd.conf", 2), ("fwknopd.conf", 3), ("more.conf", 1)]
    assert places[3:] == sorted(places[3:])


KEYS_ONLY = "KEY 0123456789abcdef\nHMAC_KEY fedcba9876543210\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A 1\nB \x00 2", 2, "the byte 0x00 does not belong into a text file"),
        ("\x7fELF\x01\x02", 1, "the byte 0x7f does not belong into a text file"),
        ("x" * (8 * 1024 * 1024 + 1), 0, "f is larger than 8 MiB"),
    ],
    ids=["nul", "binary", "huge"],
)
def test_what_is_no_text_file_is_not_looked_into(text: str, line: int, message: str) -> None:
    with pytest.raises(OperatorError) as caught:
        load(Sources.of({"f": text, "a": STANZA}), parse(["-c", "f", "-a", "a", "-U"]))
    [told] = caught.value.complaints
    assert (told.message, told.place) == (message, Place("f", line))


def test_a_file_of_nonsense_is_given_up_after_a_hundred_lines() -> None:
    told = complaints("nonsense without end\n" * 200_000)
    assert len(told) == 101
    assert [each.message for each in told if each.fatal] == [
        "more than 100 lines make no sense, the rest is not looked at"
    ]
    assert told[-1].message == "and 1 more"


def test_a_hundred_complaints_are_listed_and_the_others_counted() -> None:
    stanzas = "".join(
        f"SOURCE ANY\nOPEN_PORTS tcp/1\nKEY {number} brown fox, lazy dog\n"
        f"HMAC_KEY {number} lazy dog, brown fox\n"
        for number in range(150)
    )
    told = configure("", stanzas).complaints
    assert len(told) == 101
    assert told[-1].message == "and 50 more"
    told_fatal = complaints("", stanzas + f"SOURCE x\n{KEYS_ONLY}OPEN_PORTS tcp/1\n")
    assert [each.place for each in told_fatal if each.fatal] == [Place("access.conf", 601)]


@pytest.mark.system  # the packaged files are for root alone
@pytest.mark.peer("fwknopd")
def test_the_packaged_files_are_understood_and_want_keys() -> None:
    texts = {name: Path(f"/etc/fwknop/{name}").read_text("utf-8") for name in PACKAGED}
    loaded = load(Sources.of({**texts, "a": STANZA}), parse(["-c", "fwknopd.conf", "-a", "a"]))
    assert not [each for each in loaded.complaints if "unknown" in each.message]
    with pytest.raises(OperatorError) as caught:
        load(Sources.of(texts), parse(["-c", "fwknopd.conf", "-a", "access.conf"]))
    told = [each.message for each in caught.value.complaints if each.fatal]
    assert any("KEY_BASE64 value is not properly set in stanza source 'ANY'" in m for m in told)


PACKAGED = ("fwknopd.conf", "access.conf")


@pytest.mark.requirement("8.13")
@pytest.mark.parametrize(
    ("text", "digests"),
    [
        ("ALL", None),
        ("all", None),
        ("SHA256", {Digest.SHA256}),
        ("sha256, SHA3_512", {Digest.SHA256, Digest.SHA3_512}),
        ("MD5,ALL", None),
    ],
)
def test_digest_type_says_which_digests_packets_may_have(
    text: str, digests: set[Digest] | None
) -> None:
    found = configure(f"DIGEST_TYPE {text};\n").policy.digests
    assert found == (None if digests is None else frozenset(digests))
    assert configure().policy.digests is None


def test_a_digest_type_that_is_none_is_refused_where_it_stands() -> None:
    [said] = fatal("DIGEST_TYPE SHA257;\n")
    assert said.startswith("fwknopd.conf:2: DIGEST_TYPE has 'SHA257', which is no digest")
