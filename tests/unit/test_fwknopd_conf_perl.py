"""fwknop.conf, the server's file of fwknop 1.9: loads, and says what counts instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fwknopd_files import STANZA
from tests.values import NOW, request
from watchword.dialects.fwknop.dump import dump_config
from watchword.dialects.fwknop.fwknopd_conf_perl import INSTEAD
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import Configuration, load
from watchword.errors import Complaint, OperatorError
from watchword.grant.decide import authorise
from watchword.model.outcomes import Refusal
from watchword.model.settings import CaptureFile, KnockLog, Sniffer, TcpPort

SIGN = "gpgCmd /usr/bin/gpg;\n"
WHOLE = """\
# every kind of line that a file of 1.9 has
EMAIL_ADDRESSES             root@localhost;
HOSTNAME                    gate.example;
FIREWALL_TYPE               iptables;
AUTH_MODE                   PCAP;
PCAP_INTF                   eth0;
ENABLE_PCAP_PROMISC         Y;
PCAP_FILTER                 udp port 62201;
PCAP_PKT_FILE               /var/log/sniff.pcap;
ENABLE_SPA_PACKET_AGING     Y;
MAX_SPA_PACKET_AGE          120;
ENABLE_DIGEST_PERSISTENCE   Y;
DIGEST_TYPE                 ALL;
ENABLE_DIGEST_INCLUDE_SRC   Y;
MAX_SNIFF_BYTES             1400;
ENABLE_TCP_SERVER           N;
TCPSERV_PORT                62201;
ENABLE_SPA_OVER_HTTP        N;
ENABLE_COOKED_INTF          N;
BLACKLIST                   192.0.2.0/24,\t2001:db8:bad::/48;
REQUIRE_SOURCE_ADDRESS      N;
ENABLE_IPT_FORWARDING       N;
ENABLE_IPT_LOCAL_NAT        N;
IPT_INPUT_ACCESS            ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1;
IPT_DNAT_ACCESS             DNAT, src, nat, PREROUTING, 1, FWKNOP_PREROUTING, 1;
IPT_CMD_ALARM               30;
IPT_EXEC_STYLE              waitpid;
IPT_EXEC_SLEEP              0;
IPT_EXEC_TRIES              1;
ENABLE_EXTERNAL_CMDS        N;
EXTERNAL_CMD_OPEN           __NONE__;
EXTERNAL_CMD_CLOSE          __NONE__;
EXTERNAL_CMD_ALARM          30;
ENABLE_EXT_CMD_PREFIX       N;
EXT_CMD_PREFIX              FWKNOP_;
ALERTING_METHODS            ALL;
SYSLOG_IDENTITY             fwknopd;
SYSLOG_FACILITY             LOG_LOCAL7;
SYSLOG_PRIORITY             LOG_INFO;
PCAP_CMD_TIMEOUT            10;
GPG_DEFAULT_HOME_DIR        /root/.gnupg;
ENABLE_VOLUNTARY_EXITS      N;
EXIT_INTERVAL               1440;
ENABLE_INTF_CHECKS          Y;
INTF_CHECKS_INTERVAL        20;
KNOPTM_SYSLOG_IDENTITY      knoptm;
KNOPWATCHD_CHECK_INTERVAL   5;
FWKNOP_DIR                  /var/log/fwknop;
FWKNOP_RUN_DIR              $FWKNOP_BASE_DIR/fwknop;
FWKNOP_BASE_DIR             /run;
FWKNOP_PID_FILE             $FWKNOP_RUN_DIR/fwknopd.pid;
KNOPMD_PID_FILE             $FWKNOP_RUN_DIR/knopmd.pid;
DIGEST_FILE                 $FWKNOP_RUN_DIR/digest.cache;
KNOPTM_IP_TIMEOUT_SOCK      $FWKNOP_RUN_DIR/knoptm.sock;
FWKNOP_FIFO                 $FWKNOP_DIR/fwknopfifo;
ACCESS_CONF                 /etc/fwknop/access.conf;
gpgCmd                      /opt/bin/gpg;
iptablesCmd                 /sbin/iptables;
mailCmd                     /bin/mail;
p0fCmd                      /usr/sbin/p0f;
"""


def configure(config: str, *argv: str, **others: str) -> Configuration:
    """Load a file of 1.9 by ``-c fwknop.conf``. Raises OperatorError."""
    texts = {"fwknop.conf": config, "access.conf": STANZA, "/etc/fwknop/access.conf": STANZA}
    texts |= {name.replace("_", "."): text for name, text in others.items()}
    options = parse(["-c", "fwknop.conf", "-a", "access.conf", *argv])
    return load(Sources.of(texts), options)


def told(config: str) -> list[str]:
    """Everything that is said about it, fatal or not."""
    found: tuple[Complaint, ...]
    try:
        found = configure(config).complaints
    except OperatorError as error:
        found = tuple(error.complaints)
    return [str(each) for each in found]


def test_a_whole_file_loads_and_its_variables_keep_their_meanings() -> None:
    loaded = configure(WHOLE)
    [sniffer] = loaded.settings.sources
    assert isinstance(sniffer, Sniffer)
    assert sniffer.interfaces == ("eth0",)
    assert sniffer.promiscuous
    assert loaded.policy.max_age == 120
    assert loaded.policy.digests is None
    assert [str(each) for each in loaded.policy.blacklist] == ["192.0.2.0/24", "2001:db8:bad::/48"]
    assert loaded.settings.log.facility == "LOG_LOCAL7"
    assert loaded.values["GPG_EXE"] == "/opt/bin/gpg"


@pytest.mark.requirement("8.19", partial=True)
def test_the_limit_of_a_captured_packet_is_taken_over() -> None:
    [sniffer] = configure(WHOLE).settings.sources
    assert isinstance(sniffer, Sniffer)
    assert sniffer.longest == 1400


def test_variables_stand_anywhere_and_may_be_set_further_down() -> None:
    loaded = configure(WHOLE)
    assert loaded.settings.run_dir == Path("/run/fwknop")
    assert loaded.settings.pid_file == Path("/run/fwknop/fwknopd.pid")
    assert loaded.settings.digest_file == Path("/run/fwknop/digest.cache")
    anywhere = configure(f"{SIGN}FWKNOP_RUN_DIR /run/$SYSLOG_IDENTITY/x;\nSYSLOG_IDENTITY spa;\n")
    assert anywhere.settings.run_dir == Path("/run/spa/x")


def test_variables_that_name_each_other_are_refused_and_take_neither_time_nor_memory() -> None:
    for text in (
        "FWKNOP_RUN_DIR /a$FWKNOP_CONF_DIR;\nFWKNOP_CONF_DIR /b$FWKNOP_RUN_DIR;\n",
        "FWKNOP_RUN_DIR /$HOSTNAME;\nHOSTNAME $HOSTNAME$HOSTNAME;\n",
    ):
        assert any("never come to an end" in each for each in told(SIGN + text)), text


def test_what_a_packet_brings_into_a_command_is_left_for_then() -> None:
    pair = "EXTERNAL_CMD_OPEN /sbin/ipset add $SET_DIR $SRC;\nEXTERNAL_CMD_CLOSE /bin/true;\n"
    loaded = configure(f"{SIGN}SET_DIR fwknop;\nENABLE_EXTERNAL_CMDS Y;\n{pair}")
    [found] = loaded.policy.stanzas
    assert found.cycle is not None
    assert loaded.values["EXTERNAL_CMD_OPEN"] == "/sbin/ipset add fwknop $SRC"


def test_a_variable_that_nobody_sets_is_remarked_on() -> None:
    for path in ("/run/$NOBODY/x", "$NOBODY/x"):
        said = told(f"{SIGN}FWKNOP_RUN_DIR {path};\n")
        assert any(f"Invalid embedded variable in: '{path}'" in each for each in said)
    commands = "EXTERNAL_CMD_OPEN /bin/x $SRC;\nEXTERNAL_CMD_CLOSE /bin/y $SRC;\n"
    assert not any("Invalid embedded" in each for each in told(SIGN + commands))


def test_the_first_value_of_a_name_counts_and_in_a_file_of_2_6_the_last() -> None:
    twice = "MAX_SPA_PACKET_AGE 60;\nMAX_SPA_PACKET_AGE 90;\n"
    assert configure(SIGN + twice).policy.max_age == 60
    assert any("fwknop.conf:3: MAX_SPA_PACKET_AGE is set on line 2 already" in each
               for each in told(SIGN + twice))  # fmt: skip
    assert configure(twice).policy.max_age == 90


@pytest.mark.requirement("7.9")
def test_values_are_superseded_by_a_list_of_files_the_later_winning() -> None:
    argv = ("--Override-config", "one,two")
    files = {"one": "PCAP_INTF eth1;\nMAX_SPA_PACKET_AGE 60;\n", "two": "PCAP_INTF eth2;\n"}
    loaded = configure(WHOLE, *argv, **files)
    [sniffer] = loaded.settings.sources
    assert isinstance(sniffer, Sniffer)
    assert sniffer.interfaces == ("eth2",)
    assert loaded.policy.max_age == 60
    lines = dump_config(loaded, origins=True).splitlines()
    for name, value, place in (
        ("PCAP_INTF", "eth2", "  (two:1)"),
        ("MAX_SPA_PACKET_AGE", "60", "  (one:2)"),
        ("MAX_SNIFF_BYTES", "1400", "  (fwknop.conf:15)"),
        ("ACCESS_FILE", "access.conf", "  (command line)"),
        ("STATE_DIR", "/var/lib/watchword", ""),
    ):
        assert any(line.endswith(f". {name:<28} =  '{value}'{place}") for line in lines), name
    assert "(two:1)" not in dump_config(loaded)


@pytest.mark.parametrize("name", sorted(INSTEAD))
def test_each_variable_that_does_nothing_is_named_with_what_counts_instead(name: str) -> None:
    [said] = [each for each in told(f"{name} 1;\n") if name in each]
    assert said == f"fwknop.conf:1: {name} of fwknop 1.9 has no effect: {INSTEAD[name]}"


def test_names_of_files_that_nobody_uses_are_told_together() -> None:
    [said] = [each for each in told(WHOLE) if "KNOPMD_PID_FILE" in each]
    for name in ("FWKNOP_DIR", "FWKNOP_BASE_DIR", "FWKNOP_FIFO", "p0fCmd"):
        assert name in said
    assert not any("Ignoring unknown" in each for each in told(WHOLE))
    assert any("Ignoring unknown configuration parameter" in each
               for each in told("FWKNOP_FIFO /x;\n"))  # fmt: skip


def test_how_packets_come_is_as_auth_mode_says() -> None:
    whole = WHOLE.replace("AUTH_MODE                   PCAP;", "AUTH_MODE {};")
    [followed] = configure(whole.format("ULOG_PCAP")).settings.sources
    assert isinstance(followed, CaptureFile)
    assert followed.path == Path("/var/log/sniff.pcap")
    served = whole.format("SOCKET").replace("TCP_SERVER           N", "TCP_SERVER           Y")
    assert configure(served).settings.sources == (TcpPort(62201),)
    assert any("AUTH_MODE KNOT is none that" in each for each in told(whole.format("KNOT")))
    [log] = configure(whole.format("KNOCK")).settings.sources
    assert log == KnockLog(Path("/var/log/messages"))


@pytest.mark.parametrize("source", ["192.0.2.9", "2001:db8:bad::1"])
def test_the_blacklist_is_kept_to(source: str) -> None:
    answer = authorise(configure(WHOLE).policy, request(source=source), NOW)
    assert isinstance(answer, Refusal)
    assert answer.reason.word == "blacklisted"


@pytest.mark.parametrize(("enabled", "said"), [("Y", False), ("N", True)])
def test_a_type_that_stands_for_commands_counts_where_those_are_enabled(
    enabled: str, said: bool
) -> None:
    lines = f"FIREWALL_TYPE external_cmd;\nENABLE_EXTERNAL_CMDS {enabled};\n"
    found = told(f"{lines}EXTERNAL_CMD_OPEN open $SRC;\nEXTERNAL_CMD_CLOSE close $SRC;\n")
    assert any("FIREWALL_TYPE has no effect" in each for each in found) == said
