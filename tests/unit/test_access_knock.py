"""Stanzas that are knocked at, and where the knocks come from, as fwknop 1.9 has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fwknopd_files import STANZA, complaints, configure, fatal
from watchword.dialects.fwknop.explain_words import policy_in_words
from watchword.edges.gpg_memory import MemoryOpenPgp
from watchword.model.moments import Moment
from watchword.model.old_knocks import Element, Encrypted, KnockTerms, Shared, SystemRule
from watchword.model.packets import Packet
from watchword.model.policy import Terms
from watchword.model.requests import Claim
from watchword.model.services import Service
from watchword.model.settings import KnockGroup, KnockLog, KnockSniffer, SourceSettings, UdpPort
from watchword.recognise.spa import SpaRecogniser
from watchword.service.explain import explain

MODE = "AUTH_MODE KNOCK;\nENABLE_UDP_SERVER N;\n"
SHARED = "SOURCE: ANY;\nSHARED_SEQUENCE: tcp/7000, udp/7001, icmp, tcp/7002;\nOPEN_PORTS: tcp/22;\n"
ENCRYPTED = "SOURCE: ANY;\nENCRYPT_SEQUENCE;\nKEY: testtest12;\nOPEN_PORTS: tcp/22, udp/53;\n"
SSH, DNS = Service.parse("tcp/22"), Service.parse("udp/53")


def terms(access: str, config: str = MODE) -> Terms:
    [found] = configure(config, access).policy.stanzas
    return found


def knock(access: str, config: str = MODE) -> KnockTerms:
    found = terms(access, config).knock
    assert found is not None
    return found


def sources(config: str) -> tuple[SourceSettings, ...]:
    return configure(config, SHARED).settings.sources


def test_a_shared_sequence_is_read_as_it_was_written() -> None:
    assert knock(SHARED) == Shared(
        (Element(6, 7000), Element(17, 7001), Element(1, 0), Element(6, 7002)), (SSH,)
    )


def test_an_encrypted_sequence_is_read_in_all_its_spellings() -> None:
    whole = knock(ENCRYPTED)
    assert isinstance(whole, Encrypted)
    assert whole.key.reveal() == b"testtest12"
    assert (whole.services, whole.offset, whole.interval) == ((SSH, DNS), 61000, 60)
    spelled = ENCRYPTED.replace("ENCRYPT_SEQUENCE;", "DATA_COLLECT_MODE: ENCRYPT_SEQUENCE;")
    assert knock(spelled) == whole
    modern = "SOURCE ANY\nENCRYPT_SEQUENCE Y\nKEY testtest12\nOPEN_PORTS tcp/22, udp/53\n"
    assert knock(modern, f"{MODE}KNOCK_SOURCE nflog;\n") == whole


def test_numbers_of_knocks_are_taken() -> None:
    found = knock(f"{ENCRYPTED}PORT_OFFSET: 55000;\nKNOCK_INTERVAL: 30;\nKNOCK_LIMIT: 3;\n")
    assert isinstance(found, Encrypted)
    assert (found.offset, found.interval, found.limit) == (55000, 30, 3)
    shared = knock(f"{SHARED}MIN_TIME_DIFF: 1;\nMAX_TIME_DIFF: 4;\nKNOCK_INTERVAL: 9;\n")
    assert isinstance(shared, Shared)
    assert (shared.longer_than, shared.shorter_than, shared.interval) == (1, 4, 9)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("REQUIRE_OS: Linux:2.4::Linux 2.4/2.6;", SystemRule("Linux:2.4::Linux 2.4/2.6")),
        ("REQUIRE_OS_REGEX: linux;", SystemRule(pattern="linux")),
    ],
)
def test_a_system_may_be_asked_for_by_its_name_or_a_pattern(line: str, rule: SystemRule) -> None:
    """The original takes the pattern for a name that begins with ``_REGEX``."""
    for access in (SHARED, ENCRYPTED):
        loaded = configure(MODE, f"{access}{line}\n")
        assert loaded.policy.stanzas[0].knock.system == rule  # type: ignore[union-attr]
        assert any(rule.admits(each.name) for each in loaded.policy.signatures.all)
    assert configure(MODE, SHARED).policy.signatures.all == ()


def test_the_operators_file_of_signatures_counts_where_there_is_one() -> None:
    access = f"{SHARED}REQUIRE_OS_REGEX: linux;\n"
    own = "*:64:1:60:M*:   Mine:::linux\n"
    config = f"{MODE}P0F_FILE pf.os;\nMAX_HOPS 7;\n"
    found = configure(config, access, pf_os=own).policy.signatures
    assert ([each.name for each in found.all], found.most_hops) == (["Mine:::linux"], 7)
    [said] = fatal(config, access)
    assert "pf.os" in said


@pytest.mark.parametrize(
    ("access", "wrong"),
    [
        (f"{ENCRYPTED}PORT_OFFSET: 65280;\n", "PORT_OFFSET is '65280'"),
        (f"{ENCRYPTED}PORT_OFFSET: x;\n", "PORT_OFFSET is 'x'"),
        (f"{SHARED}KNOCK_INTERVAL: 0;\n", "KNOCK_INTERVAL is '0'"),
        (f"{SHARED}KNOCK_LIMIT: 0;\n", "KNOCK_LIMIT is '0'"),
        (f"{SHARED}MIN_TIME_DIFF: 4;\nMAX_TIME_DIFF: 4;\n", "MAX_TIME_DIFF is 4, and no hit"),
        (f"{SHARED}REQUIRE_USERNAME: mbr;\n", "a shared sequence names no user"),
        (f"{SHARED}REQUIRE_OS: a;\nREQUIRE_OS_REGEX: b;\n", "only one of them can count"),
        (f"{SHARED}REQUIRE_OS_REGEX: (;\n", "REQUIRE_OS_REGEX is no regular expression"),
        (SHARED.replace("tcp/7000", "tcp/65536"), "SHARED_SEQUENCE has 'tcp/65536'"),
        (SHARED.replace("tcp/7000", "tcp/0"), "SHARED_SEQUENCE has 'tcp/0'"),
        (SHARED.replace("tcp/7000", "sctp/7"), "SHARED_SEQUENCE has 'sctp/7'"),
        (SHARED.replace(", udp/7001, icmp, tcp/7002", ""), "SHARED_SEQUENCE has ''"),
        (SHARED.replace("tcp/7000", ",".join(["tcp/7"] * 300)), "SHARED_SEQUENCE has 303 hits"),
        (SHARED.replace("OPEN_PORTS: tcp/22;\n", ""), "OPEN_PORTS is missing"),
        (ENCRYPTED.replace("OPEN_PORTS: tcp/22, udp/53;\n", ""), "OPEN_PORTS is missing"),
        (ENCRYPTED.replace("KEY: testtest12;\n", ""), "No keys found"),
        (ENCRYPTED.replace("testtest12", "__CHANGEME__"), "KEY value is not properly set"),
        (f"{SHARED}REQUIRE_AUTH_METHOD: crypt;\n", "REQUIRE_AUTH_METHOD is not supported"),
        (f"{SHARED}KNOCK_LIMT: 3;\n", "KNOCK_LIMT"),
    ],
)
def test_what_cannot_be_knocked_is_refused(access: str, wrong: str) -> None:
    assert any(wrong in each for each in fatal(MODE, access)), fatal(MODE, access)


def test_callers_choose_a_port_only_where_they_may() -> None:
    """The original opens whatever an encrypted knock asks for."""
    assert terms(ENCRYPTED).open_services == frozenset({SSH, DNS})
    free = ENCRYPTED.replace("OPEN_PORTS: tcp/22, udp/53;", "PERMIT_CLIENT_PORTS: Y;")
    assert terms(free, f"{MODE}GUARD_SERVICES tcp/22;\n").open_services is None


def test_a_name_is_compared_as_far_as_it_arrives() -> None:
    assert terms(f"{ENCRYPTED}REQUIRE_USERNAME: mbr, averylongname;\n").users == {
        "mbr", "averylon",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (SHARED, "whoever watches it once can knock it again, as often as he likes"),
        (ENCRYPTED, "whoever watches one can guess at its key"),
    ],
)
def test_what_is_weak_about_a_knock_is_said(access: str, said: str) -> None:
    assert any(said in str(each) for each in complaints(MODE, access))


def test_no_packet_is_for_a_stanza_that_is_knocked_at() -> None:
    policy = configure(f"{MODE}PACKET_SOURCES udp;\n", ENCRYPTED).policy
    assert policy.stanzas[0].credential is None
    assert len(SpaRecogniser(policy)._terms) == 0


def test_nobody_hears_of_knocks_unless_that_was_asked_for() -> None:
    said = complaints("", f"{ENCRYPTED}\n{SHARED}")
    assert sum("is out of use: it is for port knocking" in str(each) for each in said) == 2


def test_a_daemon_that_listens_for_knocks_nobody_can_make_says_so() -> None:
    said = complaints(MODE)
    assert any("no stanza has SHARED_SEQUENCE or ENCRYPT_SEQUENCE" in str(each) for each in said)


@pytest.mark.parametrize(
    ("config", "source"),
    [
        (MODE, KnockLog(Path("/var/log/messages"))),
        (f"{MODE}IPT_SYSLOG_FILE /var/log/kern.log;\n", KnockLog(Path("/var/log/kern.log"))),
        (f"{MODE}TRUST_SYSLOG_FILE Y;\n", KnockLog(Path("/var/log/messages"), mixed=True)),
        (
            f"{MODE}ENABLE_SYSLOG_FILE N;\n",
            KnockLog(Path("/var/lib/fwknop/fwknopfifo"), pipe=True),
        ),
        (
            f"{MODE}KNOCK_SOURCE pipe;\nKNOPMD_FIFO /run/f;\nFW_SEARCH_ALL N;\n"
            "FW_MSG_SEARCH KNOCK,DROP;\n",
            KnockLog(Path("/run/f"), pipe=True, prefixes=("KNOCK", "DROP")),
        ),
        (f"{MODE}KNOCK_SOURCE nflog;\nKNOCK_NFLOG_GROUP 7;\n", KnockGroup(7)),
        (f"{MODE}KNOCK_SOURCE sniff;\nPCAP_INTF eth0,eth1;\n", KnockSniffer(("eth0", "eth1"))),
        (f"{MODE}KNOCK_SOURCE sniff;\nPCAP_INTF any;\n", KnockSniffer(())),
    ],
)
def test_knocks_come_from_where_the_file_says(config: str, source: SourceSettings) -> None:
    assert sources(config) == (source,)


def test_packets_and_knocks_may_come_to_one_daemon() -> None:
    assert sources("KNOCK_SOURCE nflog;\n") == (UdpPort(62201), KnockGroup(5))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("KNOCK_SOURCE tape;", "KNOCK_SOURCE is 'tape'"),
        ("IPT_SYSLOG_FILE messages;", "IPT_SYSLOG_FILE is no absolute path"),
    ],
)
def test_what_is_no_source_is_refused(line: str, wrong: str) -> None:
    assert any(wrong in each for each in fatal(f"{MODE}{line}\n", SHARED))


def test_reading_what_every_user_can_write_is_remarked_on() -> None:
    for lines in ("TRUST_SYSLOG_FILE Y;\n", "KNOCK_SOURCE log;\n", "KNOCK_SOURCE pipe;\n"):
        said = complaints(f"{MODE}{lines}", SHARED)
        assert sum("knock for anybody" in str(each) for each in said) == 1
    said = complaints(f"{MODE}KNOCK_SOURCE nflog;\n", SHARED)
    assert not any("knock for anybody" in str(each) for each in said)


def test_what_a_stanza_amounts_to_is_said_in_words() -> None:
    config = f"{MODE}KNOCK_SOURCE nflog;\n"
    access = (
        f"{SHARED}KNOCK_LIMIT: 2;\nMIN_TIME_DIFF: 1;\nMAX_TIME_DIFF: 4;\nREQUIRE_OS_REGEX: bsd;\n"
        f"\n{ENCRYPTED}"
    )
    loaded = configure(config, access)
    words = "\n".join(policy_in_words(loaded.settings, loaded.policy))
    assert "received as knocks that the firewall logs to NFLOG group 5" in words
    shared, encrypted = words.split("stanza #")[1:]
    for said in (
        "knocks from anywhere",
        "in a shared sequence of 4 hits, which WHOEVER WATCHES IT CAN REPEAT",
        "each hit more than 1 seconds after the one before",
        "each hit less than 4 seconds after the one before",
        "at most 2 times for each address",
        "with the looks of OS regex: bsd, which anybody can have",
        "for the address that the knocks came from, for 300 seconds\n",
    ):
        assert said in shared
    assert "in an encrypted sequence at ports 61000 to 61255, each of them once" in encrypted
    assert "for an address that the knock names, or the one it came from, for 300" in encrypted
    assert "HMAC" not in shared + encrypted


def test_a_weak_key_of_knocks_is_remarked_on() -> None:
    said = [str(each) for each in complaints(MODE, ENCRYPTED.replace("testtest12", "password1"))]
    assert any("KEY" in each and "fwknop --key-gen" in each for each in said)


def test_no_packet_is_held_against_a_stanza_that_is_knocked_at() -> None:
    policy = configure(f"{MODE}PACKET_SOURCES udp;\n", f"{ENCRYPTED}\n{STANZA}").policy
    told = explain(
        Packet(b"8" * 150, "192.0.2.7", 1, "", 62201), policy, Moment(1e9, 1.0),
        lambda key: (Claim.FIRST, None), MemoryOpenPgp(),
    )  # fmt: skip
    assert [each.stanza for each in told.verdicts] == [2]
