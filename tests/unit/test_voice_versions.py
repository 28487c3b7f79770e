"""Log filters that were written for one version of fwknopd, held against our lines.

The filters are as operators have them: anchored, and with nothing but the words of their version.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fwknopd_files import configure, fatal
from tests.unit.test_voice import grant
from tests.values import NOW, packet, request
from watchword.dialects.fwknop.voice import Voice
from watchword.model.daemon_events import Attached, Sniffing, Starting, Waiting
from watchword.model.openings import Ending
from watchword.model.outcomes import Event, GrantEnded, Judged, Refusal
from watchword.model.reasons import Reason
from watchword.model.services import Service
from watchword.model.settings import LogStyle

FILTER = Path("/etc/logcheck/ignore.d.server/fwknop-server")
IP = r"(?P<host>[0-9.]+)"
MATCHED = rf"^\(stanza #\d+\) SPA Packet from IP: {IP} received with access source match$"
ADDED = rf"^Added access rule to FWKNOP_INPUT for {IP} -> 0\.0\.0\.0/0 \S+, expires at \d+$"
REMOVED = r"^Removed rule \d+ from FWKNOP_INPUT with expire time of \d+$"
PORTS = (Service.parse("tcp/22"), Service.parse("udp/53"))
GRANTED = Judged(packet(), NOW.wall, (), request(), grant(services=PORTS))
ENDED = GrantEnded(grant(services=PORTS), Ending.EXPIRED, NOW.wall)
BAD_HMAC = Judged(packet(), NOW.wall, (Refusal(Reason.MAC_MISMATCH, (1,)),))


def said(event: Event, style: LogStyle = LogStyle.LATEST) -> list[str]:
    return [text for priority, text in Voice(style=style)(event) if priority < 7]


@pytest.mark.parametrize(
    ("version", "event", "wanted", "times"),
    [
        ("both", GRANTED, MATCHED, 1),
        ("both", GRANTED, ADDED, 2),
        ("both", ENDED, REMOVED, 2),
        ("both", BAD_HMAC, MATCHED, 1),
        (
            "2.6.10",
            BAD_HMAC,
            rf"^\[{IP}\] \(stanza #\d+\) Error creating fko context: Args contain invalid data: "
            r"FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL$",
            1,
        ),
        ("2.6.11", BAD_HMAC, r"^\(stanza #\d+\) Non-corresponding HMAC for this stanza$", 1),
    ],
)
def test_a_filter_for_either_latest_version_finds_what_it_is_for(
    version: str, event: Event, wanted: str, times: int
) -> None:
    assert len([each for each in said(event) if re.search(wanted, each)]) == times, version


@pytest.mark.requirement("4.25")
def test_each_port_of_a_grant_that_ends_is_a_rule_that_is_removed() -> None:
    assert said(ENDED) == [
        "Removed rule 1 from FWKNOP_INPUT with expire time of 1790000030",
        "Removed rule 2 from FWKNOP_INPUT with expire time of 1790000030",
    ]


@pytest.mark.requirement("1.7")
def test_the_shape_of_the_tutorial_is_there_for_whoever_asks_for_it() -> None:
    added = "Added Rule to FWKNOP_INPUT for 192.0.2.7, tcp/22,udp/53 expires at 1790000030"
    received = "SPA Packet from IP: 198.51.100.2 received with access source match"
    assert said(GRANTED, LogStyle.OLD) == [received, added, added]
    assert [each.partition(" ")[2] for each in said(GRANTED)] == [
        received.replace("SPA", "#1) SPA"), *2 * [f"access rule to{ADDED_NOW}"]
    ]  # fmt: skip
    refused = said(BAD_HMAC, LogStyle.OLD)
    assert refused[0] == received
    assert len(refused) == 2  # and nothing of what only 2.6.11 says


ADDED_NOW = " FWKNOP_INPUT for 192.0.2.7 -> 0.0.0.0/0 tcp/22,udp/53, expires at 1790000030"


@pytest.mark.requirement("1.7")
def test_the_file_chooses_the_style_and_the_name_of_the_chain() -> None:
    assert configure("").settings.log.style is LogStyle.LATEST
    assert configure("LOG_STYLE 2.5;\n").settings.log.style is LogStyle.OLD
    assert configure("").settings.log.chains.input == "FWKNOP_INPUT"
    own = "IPT_INPUT_ACCESS ACCEPT, filter, INPUT, 1, MY_CHAIN, 1;\n"
    assert configure(own).settings.log.chains.input == "MY_CHAIN"
    [told] = fatal("LOG_STYLE 1.9;\n")
    assert told.endswith("LOG_STYLE is '1.9', which is no style of log lines (write 2.6 or 2.5)")


STARTED = (
    Starting("1"),
    Attached("iptables", "jump", (), jumps=(("INPUT", "FWKNOP_INPUT"),)),
    Sniffing(("eth0",), "udp port 62201"),
    Waiting(),
)


@pytest.mark.peer("fwknopd")
def test_each_line_that_the_distribution_s_log_filter_waits_for_at_a_start_is_there() -> None:
    """Debian's logcheck file, which the packaged server brings."""
    patterns = FILTER.read_text("ascii").replace("[:alnum:]", "A-Za-z0-9").splitlines()
    assert len(patterns) == 5
    lines = [f"Nov 29 14:24:38 gate fwknopd[42]: {text}" for e in STARTED for text in said(e)]
    for each in patterns:
        assert [line for line in lines if re.search(each, line)], each
    assert "Added jump rule from chain: INPUT to chain: FWKNOP_INPUT" in said(STARTED[1])


@pytest.mark.parametrize(("size", "when"), [(225, ""), (1100, " (before decryption)")])
def test_an_openpgp_packet_with_a_wrong_hmac_is_told_as_the_original_does(
    size: int, when: str
) -> None:
    event = Judged(packet(b"A" * size), NOW.wall, (Refusal(Reason.MAC_MISMATCH, (1,)),))
    what = "Args contain invalid data: FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL"
    assert said(event)[1] == (
        f"[198.51.100.2] (stanza #1) Error creating fko context{when}: {what}"
    )
