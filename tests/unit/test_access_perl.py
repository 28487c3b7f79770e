"""access.conf of fwknop 1.9: loads as it is, and means what it meant."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from tests.fwknopd_files import GPG, HMAC_KEY, KEY, configure, fatal, remarks
from tests.values import NOW, packet, request
from watchword.dialects.fwknop.explain_words import policy_in_words
from watchword.grant.decide import authorise
from watchword.model.crypto import CipherMode
from watchword.model.outcomes import Refusal
from watchword.model.policy import Terms
from watchword.model.services import Proto, Service
from watchword.recognise.rows import Kind, Rows

SEED_003 = "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: thisisatestkey;\n"
"""What the blog's writer put into access.conf with cat."""
SEED = "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: mypassword;\nFW_ACCESS_TIMEOUT: 30;\n"
LONG = "a key of 1.9 that is long enough"


def stanza(access: str, config: str = "") -> Terms:
    [found] = configure(config, access).policy.stanzas
    return found


def key_of(access: str) -> tuple[bytes, CipherMode]:
    credential = stanza(access).credential
    assert credential is not None
    return credential.key.reveal(), credential.mode


def verdict(access: str, config: str = "", **wanted: Any) -> str:
    answer = authorise(configure(config, access).policy, request(**wanted), NOW)
    return answer.reason.word if isinstance(answer, Refusal) else "permit"


@pytest.mark.requirement("4.37")
def test_the_file_of_the_seed_loads_as_it_is() -> None:
    found = stanza(SEED_003)
    assert found.sources == ()
    assert found.open_services == frozenset({Service(Proto.TCP, 22)})
    assert key_of(SEED_003) == (b"thisisatestkey", CipherMode.LEGACY)
    assert verdict(SEED_003) == "permit"
    assert verdict(SEED_003, services="tcp/23") == "port-not-offered"


@pytest.mark.requirement("6.11")
@pytest.mark.parametrize(
    "text",
    [
        "SOURCE:\tANY;\nOPEN_PORTS:\t \ttcp/22;\nKEY:\t\tmypassword;\t# ours\n",
        "  SOURCE: ANY;\n\tOPEN_PORTS tcp/22;\n \t KEY mypassword;\n",
        "SOURCE:ANY;\nOPEN_PORTS:tcp/22;\nKEY:mypassword;\n",
        "# a comment\n\nSOURCE: ANY;\r\nOPEN_PORTS: tcp/22;\r\n#KEY: no;\r\nKEY: mypassword;\r\n",
        "SOURCE: ANY; ### everybody\nOPEN_PORTS: tcp/22;\nKEY: mypassword ;",
    ],
)
def test_blanks_tabs_and_comments_stand_wherever_they_may(text: str) -> None:
    assert key_of(text) == (b"mypassword", CipherMode.LEGACY)
    assert stanza(text).open_services == frozenset({Service(Proto.TCP, 22)})


@pytest.mark.parametrize(
    ("key", "mode"),
    [
        ("fifteen letters", CipherMode.LEGACY),
        ("sixteen letters!", CipherMode.CBC),
        (LONG, CipherMode.CBC),
        ("sieben ä ö ü", CipherMode.LEGACY),
        ("ä" * 8, CipherMode.CBC),
    ],
)
def test_a_key_is_filled_up_below_sixteen_bytes_and_whole_from_there_on(
    key: str, mode: CipherMode
) -> None:
    text = SEED.replace("mypassword", key)
    assert key_of(text) == (key.encode(), mode)


def test_a_key_goes_on_to_the_last_semicolon_and_that_is_said() -> None:
    text = SEED.replace("mypassword;", "one; two;  # three")
    assert key_of(text)[0] == b"one; two"
    assert any("KEY goes on to the last semicolon" in each for each in remarks("", text))
    assert key_of(SEED.replace("mypassword;", "one;  # two"))[0] == b"one"
    modern = text.replace("SOURCE: ANY;", "SOURCE ANY")
    assert key_of(modern)[0] == b"one"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (f"KEY_BASE64 {KEY}\n", "a key that only 2.x has"),
        (f"KEY mypassword\nHMAC_KEY_BASE64 {HMAC_KEY}\n", "an HMAC"),
        ("KEY mypassword\nENCRYPTION_MODE CBC\n", "a mode"),
    ],
)
def test_a_stanza_with_keys_of_2_x_keeps_the_meaning_of_2_x(lines: str, why: str) -> None:
    text = f"SOURCE: ANY;\nOPEN_PORTS: tcp/22;\n{lines}"
    assert key_of(text)[1] is CipherMode.CBC, why
    assert stanza(text).default_seconds == 30
    assert verdict(text, seconds=10) == "permit"
    assert not any("read as one of fwknop 1.9" in each for each in remarks("", text))


@pytest.mark.parametrize("source", ["SOURCE ANY", "SOURCE ANY;", "SOURCE: ANY"])
def test_a_stanza_without_colon_or_without_semicolon_is_one_of_2_6(source: str) -> None:
    text = f"{source}\nOPEN_PORTS tcp/22\nKEY mypassword\n"
    assert key_of(text)[1] is CipherMode.CBC
    assert fatal("", f"{text}ENABLE_CMD_EXEC;\n")


def test_that_a_stanza_is_read_as_one_of_1_9_is_said_with_its_line_and_a_remedy() -> None:
    [said] = [each for each in remarks("", SEED) if "read as one of fwknop 1.9" in each]
    assert said.startswith("access.conf:1: access stanza #1 ")
    assert "write SOURCE without the colon" in said


@pytest.mark.requirement("8.18", partial=True)
def test_flags_may_stand_alone_and_are_on_where_there_is_a_y() -> None:
    text = f"{SEED}ENABLE_CMD_EXEC;\nCMD_REGEX: ls; id;\nREQUIRE_SOURCE_ADDRESS: y;\n"
    found = stanza(text)
    assert found.commands is not None
    assert found.commands.pattern == "ls; id"
    assert found.source_required
    assert stanza(f"{SEED}ENABLE_CMD_EXEC: maybe;\n").commands is not None
    assert any("ENABLE_CMD_EXEC is 'maybe', taken as Y" in each for each in remarks(
        "", f"{SEED}ENABLE_CMD_EXEC: maybe;\n"
    ))  # fmt: skip
    assert stanza(f"{SEED}ENABLE_CMD_EXEC: off;\n").commands is None


def test_times_of_clients_count_only_where_they_are_permitted() -> None:
    assert verdict(SEED, seconds=0) == "permit"
    assert verdict(SEED, seconds=10) == "time-not-permitted"
    assert verdict(f"{SEED}PERMIT_CLIENT_TIMEOUT;\n", seconds=10) == "permit"
    assert verdict(f"{SEED}PERMIT_CLIENT_TIMEOUT: N;\n", seconds=10) == "time-not-permitted"
    modern = SEED.replace("SOURCE:", "SOURCE")
    assert verdict(modern, seconds=10) == "permit"
    assert verdict(f"{modern}PERMIT_CLIENT_TIMEOUT N\n", seconds=10) == "time-not-permitted"


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("", 300),
        ("FW_ACCESS_TIMEOUT: 17;\n", 17),
        ("MAX_ACCESS_TIMEOUT: 3600;\n", 3600),
        ("FW_ACCESS_TIMEOUT: 0;\n", 300),
    ],
)
def test_grants_last_as_long_as_the_file_says_and_never_for_ever(line: str, seconds: int) -> None:
    text = SEED.replace("FW_ACCESS_TIMEOUT: 30;\n", line)
    assert stanza(text).default_seconds == seconds
    told = [each for each in remarks("", text) if "meant for ever" in each]
    assert bool(told) is (" 0;" in line)


def test_without_a_list_of_ports_the_stanza_is_refused_and_opens_not_everything() -> None:
    text = SEED.replace("OPEN_PORTS: tcp/22;\n", "")
    [said] = fatal("GUARD_SERVICES tcp/22\n", text)
    assert "OPEN_PORTS is missing, and PERMIT_CLIENT_PORTS is not on" in said
    modern = text.replace("SOURCE:", "SOURCE") + "PERMIT_CLIENT_PORTS N\n"
    assert "OPEN_PORTS is missing" in fatal("GUARD_SERVICES tcp/22\n", modern)[0]
    off = "EXTERNAL_CMD_OPEN: a;\nEXTERNAL_CMD_CLOSE: b;\nENABLE_EXTERNAL_CMDS: N;\n"
    assert "OPEN_PORTS is missing" in fatal("GUARD_SERVICES tcp/22\n", text + off)[0]
    used = text + off.replace("N;", "Y;")
    assert stanza(used).cycle is not None
    assert stanza(text + "DISABLE_FW_ACCESS;\nENABLE_CMD_EXEC;\n").commands is not None


def test_clients_choose_their_ports_where_they_may() -> None:
    text = f"{SEED}PERMIT_CLIENT_PORTS: Y;\n"
    assert stanza(text, "GUARD_SERVICES tcp/22,tcp/443\n").open_services is None
    assert verdict(text, "GUARD_SERVICES ALL\n", services="udp/53") == "permit"
    assert "GUARD_SERVICES" in fatal("", text)[0]


def test_icmp_is_left_out_of_the_ports_and_that_is_said() -> None:
    text = SEED.replace("tcp/22;", "tcp/22, icmp, udp/53;")
    assert stanza(text).open_services == frozenset({Service(Proto.TCP, 22), Service(Proto.UDP, 53)})
    assert any("OPEN_PORTS has icmp" in each for each in remarks("", text))
    assert fatal("", SEED.replace("tcp/22;", "icmp;"))


def test_the_address_may_be_left_out_by_those_who_are_listed() -> None:
    text = f"{SEED}REQUIRE_SOURCE_ADDRESS: 198.51.100.0/24, 10.0.0.1;\n"
    assert verdict(text, allow=None, source="198.51.100.2") == "permit"
    assert verdict(text, allow=None, source="203.0.113.9") == "source-address-required"
    assert verdict(text, source="203.0.113.9") == "permit"
    wide = f"{SEED}REQUIRE_SOURCE_ADDRESS: ANY;\n"
    assert verdict(wide, allow=None) == "source-address-required"
    assert "neither Y nor N nor a list" in fatal("", f"{SEED}REQUIRE_SOURCE_ADDRESS: 1.2;\n")[0]


@pytest.mark.parametrize("name", ["SOURCE:", "SOURCE"])
def test_exclusions_are_taken_out_of_the_source(name: str) -> None:
    text = SEED.replace("SOURCE: ANY", f"{name} ANY, !192.0.2.0/24, !2001:db8:7::/48")
    found = stanza(text)
    for address, admitted in (
        ("198.51.100.2", True),
        ("192.0.2.7", False),
        ("2001:db8::1", True),
        ("2001:db8:7::1", False),
    ):
        assert found.admits_source(ip_address(address)) is admitted
    loaded = configure("", text)
    rows = Rows(loaded.policy.stanzas)
    for source, tried in (("198.51.100.2", (1,)), ("192.0.2.7", ())):
        assert rows.row(packet(source=source), Kind.RIJNDAEL).numbers == tried
    said = "\n".join(policy_in_words(loaded.settings, loaded.policy))
    assert "packets from anywhere except 192.0.2.0/24, 2001:db8:7::/48" in said
    assert fatal("", SEED.replace("ANY", "!192.0.2.7"))
    assert fatal("", SEED.replace("ANY", "ANY, !ANY"))


@pytest.mark.requirement("8.18", partial=True)
def test_several_users_and_several_stanzas() -> None:
    text = f"{SEED}REQUIRE_USERNAME: mbr, root;\n\n{SEED.replace('ANY', '10.0.0.0/8')}"
    first, second = configure("", text).policy.stanzas
    assert first.users == {"mbr", "root"}
    assert second.users == frozenset()
    assert [str(each) for each in second.sources] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    "lines",
    [
        "SHARED_SEQUENCE: tcp/6001, udp/6002;\nMIN_TIME_DIFF: 2;\n",
        "ENCRYPT_SEQUENCE;\nKEY: mypassword;\nREQUIRE_OS_REGEX: linux;\n",
        "DATA_COLLECT_MODE: ENCRYPT_SEQUENCE;\nKEY: mypassword;\n",
    ],
)
def test_a_stanza_for_port_knocking_is_out_of_use_and_the_others_are_not(lines: str) -> None:
    text = f"SOURCE: ANY;\nOPEN_PORTS: tcp/443;\n{lines}\n{SEED}"
    loaded = configure("", text)
    assert [each.number for each in loaded.policy.stanzas] == [2]
    [said] = [str(each) for each in loaded.complaints if "out of use" in str(each)]
    assert said.startswith("access.conf:1: access stanza #1 is out of use: it is for port knocking")
    assert Service(Proto.TCP, 443) in loaded.settings.firewall.guarded


@pytest.mark.parametrize("line", ["PCAP;", "DATA_COLLECT_MODE: PCAP;", "ENCRYPT_SEQUENCE: N;"])
def test_what_says_that_packets_are_wanted_changes_nothing(line: str) -> None:
    assert stanza(f"{SEED}{line}\n").number == 1


@pytest.mark.requirement("8.25")
@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("GPG_AGENT_INFO: /tmp/S.gpg:1;", "gpg finds its agent by GPG_HOME_DIR"),
        ("GPG_NO_OPTIONS;", "gpg runs with its own options"),
        ("DATA_COLLECT_MODE: ULOG_PCAP;", "AUTH_MODE"),
    ],
)
def test_what_has_no_counterpart_is_remarked_on_with_what_counts(line: str, instead: str) -> None:
    [said] = [each for each in remarks("", f"{SEED}{line}\n") if each.startswith("access.conf:5:")]
    assert instead in said


@pytest.mark.parametrize("line", ["REQUIRE_OS: x;", "REQUIRE_AUTH_METHOD: crypt;"])
def test_what_would_restrict_and_is_not_there_is_refused(line: str) -> None:
    [said] = fatal("", f"{SEED}{line}\n")
    assert said.startswith("access.conf:5:")


@pytest.mark.requirement("8.25", partial=True)
def test_gnupg_lines_of_1_9() -> None:
    text = (
        "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\n"
        "GPG_HOME_DIR: /root/.gnupg;\nGPG_DECRYPT_ID: ABCD1234;\n"
        "GPG_DECRYPT_PW: a; pass word;\nGPG_PATH: /usr/bin/gpg;\n"
    )
    listed = stanza(f"{text}GPG_REMOTE_ID: 5678DEFG, F0D6D740;\n").openpgp
    assert listed is not None
    assert listed.keyring.passphrase is not None
    assert listed.keyring.passphrase.reveal() == b"a; pass word"
    assert "F0D6D740" in listed.signers.ids
    anybody = f"{text}GPG_REMOTE_ID: ANY;\n"
    found = stanza(anybody).openpgp
    assert found is not None
    assert found.signers.required
    assert not found.signers.ids
    assert any("whoever's public key is in the key ring" in each for each in remarks("", anybody))
    assert "Must have either sig ID's" in fatal("", text)[0]
    modern = f"SOURCE ANY\nOPEN_PORTS tcp/22\n{GPG}GPG_REMOTE_ID ANY\n"
    again = stanza(modern).openpgp
    assert again is not None
    assert again.signers.ids, "in a stanza of 2.6 the word fits no key"
