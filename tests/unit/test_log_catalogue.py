"""Every line that the specification lists of fwknopd's log is said by us, or stands among the
differences with its reason.

The table follows the catalogue: a priority, the line with what varies in it left open, and an
event that brings it about. Where there is no event, the words stand in docs/differences.md.

Source: fwknopd server, sections 10 and 11.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fwknopd_files import configure, fatal
from tests.unit.test_voice import grant
from tests.values import NOW, packet, request
from watchword.dialects.fwknop.voice import Voice
from watchword.errors import HostError, ProgramError
from watchword.model.addresses import canonical
from watchword.model.commands import Account, Closing, Cycle, Ran
from watchword.model.daemon_events import (
    Attached,
    Complained,
    HostTrouble,
    LimitReached,
    Listening,
    ReadingFile,
    Rotated,
    Sniffing,
    Starting,
    Stopped,
    Stopping,
    Waiting,
)
from watchword.model.openings import Ending, Lead, SourceNat
from watchword.model.outcomes import (
    CommandStarted,
    CycleClosing,
    CycleOpening,
    Event,
    GrantEnded,
    Judged,
    Refusal,
)
from watchword.model.reasons import Reason
from watchword.model.requests import CommandWish, ForwardWish, Sighting
from watchword.model.services import Proto, Service
from watchword.model.settings import LogChains
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.grammar import NO_HOST

DIFFERENCES = Path(__file__).parents[2] / "docs" / "differences.md"
AT = r"\[198\.51\.100\.2\] \(stanza #1\)"
SSH = Service.parse("tcp/22")
FORWARD = replace(request(), wish=ForwardWish((SSH,), "inside.example", 22, local=False))
COMMAND = replace(request(), wish=CommandWish("id"))
SEEN_AS = SourceNat(canonical("10.0.0.1"))
INSIDE = Lead(canonical("10.0.0.5"), 22, source=SEEN_AS)
EVERYTHING = Lead(canonical("10.0.0.5"), 0, everything=True, source=SEEN_AS)
CYCLE = Cycle((Closing("close it", ("close", "it")),))
REFUSED_BY_IPTABLES = ProgramError(
    "iptables-restore refused: line 2 failed", argv=("iptables-restore", "--noflush"), status=1,
    said="iptables-restore: line 2 failed\n",
)  # fmt: skip
SIGNER = "C56B378F97133C9521A14E44F0D6D7409B545508"
IP = r"198\.51\.100\.2"
UDP, TCP = Service(Proto.UDP, 62201), Service(Proto.TCP, 62201)
FIRST = Sighting(17, "192.0.2.9", 1, "203.0.113.1", 62201, 1_800_000_000.0)
ATTACHED = Attached("iptables", "jump", (), jumps=(("INPUT", "FWKNOP_INPUT"),))
ENDED = GrantEnded(grant(), Ending.EXPIRED, NOW.wall)


def judged(*refusals: Refusal, **more: Any) -> Judged:
    return Judged(packet(), NOW.wall, refusals, more.pop("asked", None), **more)


def granted(**more: Any) -> Judged:
    asked, resolved = more.pop("asked", request()), more.pop("resolved", False)
    return judged(asked=asked, grant=grant(**more), resolved=resolved)


def refused(reason: Reason, detail: str = "", expected: str = "", **more: Any) -> Judged:
    return judged(Refusal(reason, (1,), detail, expected), **more)


def library(code: Code, detail: str = "") -> str:
    return str(SpaError(code, detail))


def complained(text: str) -> Complained:
    """What our reader of files has to remark on these stanzas, as far as it is in the catalogue."""
    found = [each for each in configure("", text).complaints if "Warning: " in each.message]
    return Complained(found[0])


UNSIGNED = refused(Reason.UNSIGNED, library(Code.GPGME_NO_SIGNATURE))
STARTED = CommandStarted(COMMAND, "id", None)
FOR_A_CYCLE = refused(Reason.COMMAND_FOR_CYCLE, asked=COMMAND)
NOT_STARTED = refused(Reason.COMMAND_NOT_STARTED, "No such file or directory", asked=COMMAND)
ADDED = r"for 192\.0\.2\.7 -> 0\.0\.0\.0/0 tcp/22, expires at \d+"
SAID: list[tuple[str, str, Event]] = [
    ("I", r"Starting fwknopd", Starting("1")),
    ("I", r"Re-starting fwknopd", Starting("1", again=True)),
    ("I", r"Added jump rule from chain: INPUT to chain: FWKNOP_INPUT", ATTACHED),
    ("I", r"iptables 'comment' match is available", ATTACHED),
    ("I", r"Sniffing interface: eth0", Sniffing(("eth0",), "udp port 62201")),
    ("I", r"Reading pcap file: /f", ReadingFile("/f", "")),
    ("I", r"Kicking off UDP server to listen on port 62201\.", Listening(UDP, (4, 6))),
    ("I", r"Kicking off TCP server to listen on port 62201\.", Listening(TCP, (4, 6))),
    ("I", r"PCAP filter is: 'udp port 62201'", Sniffing(("eth0",), "udp port 62201")),
    ("I", r"Starting fwknopd main event loop\.", Waiting()),
    ("I", rf"\(stanza #1\) SPA Packet from IP: {IP} received with access source match", granted()),
    ("I", rf"Added access rule to FWKNOP_INPUT {ADDED}", granted()),
    ("I", rf"Added OUTPUT rule to FWKNOP_OUTPUT {ADDED}", granted()),
    ("I", rf"Added FORWARD rule to FWKNOP_FORWARD {ADDED}", granted(lead=INSIDE)),
    ("I", rf"Added DNAT rule to FWKNOP_PREROUTING {ADDED}", granted(lead=INSIDE)),
    ("I", rf"Added SNAT rule to FWKNOP_POSTROUTING {ADDED}", granted(lead=INSIDE)),
    ("I", rf"Added local NAT rule to FWKNOP_INPUT {ADDED}", granted(lead=Lead(None, 22))),
    ("I", r"Added FORWARD ALL rule to .* \*/\*, expires at \d+", granted(lead=EVERYTHING)),
    ("I", r"Added DNAT ALL rule to .* \*/\*, expires at \d+", granted(lead=EVERYTHING)),
    ("I", r"Added SNAT ALL rule to .* \*/\*, expires at \d+", granted(lead=EVERYTHING)),
    ("I", r"Removed rule 1 from FWKNOP_INPUT with expire time of \d+", ENDED),
    (
        "W",
        rf"Replay detected from source IP: {IP}, Destination proto/port: 17/62201, Original source "
        r"IP: 192\.0\.2\.9, Original dst proto/port: 17/62201, Entry created: [0-9/]+ [0-9:]+",
        judged(Refusal(Reason.REPLAYED, original=FIRST)),
    ),
    ("W", rf"No access data found for source IP: {IP}", judged(Refusal(Reason.NO_STANZA))),
    (
        "W",
        rf"{AT} Error creating fko context: Args contain invalid data: "
        r"FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL",
        refused(Reason.MAC_MISMATCH),
    ),
    ("I", r"\(stanza #1\) Non-corresponding HMAC for this stanza", refused(Reason.MAC_MISMATCH)),
    (
        "W",
        rf"{AT} Error creating fko context: Decryption failed or decrypted data is invalid",
        refused(Reason.NOT_DECRYPTED),
    ),
    (
        "W",
        rf"{AT} Error creating fko context: Args contain invalid data: "
        r"FKO_ERROR_INVALID_DATA_DECODE_ACCESS_VALIDFAIL.*",
        refused(Reason.MALFORMED, library(Code.INVALID_DATA_DECODE_ACCESS_VALIDFAIL)),
    ),
    (
        "E",
        rf"{AT} No stanza encryption mode match for encryption type: 1\.",
        refused(Reason.NO_SUCH_CIPHER, "1"),
    ),
    ("W", rf"{AT} Error creating fko context: Missing GPG signature", UNSIGNED),
    ("W", rf"{AT} - GPG ERROR: .+", UNSIGNED),
    (
        "W",
        rf"{AT} Error creating fko context \(before decryption\): .+",
        Judged(packet(bytes(1000)), NOW.wall, (Refusal(Reason.MAC_MISMATCH, (1,)),)),
    ),
    (
        "I",
        rf"{AT} Incoming SPA data signed by '{SIGNER[-8:]}' \(fingerprint '{SIGNER}'\)\.",
        granted(asked=replace(request(), signer=SIGNER)),
    ),
    (
        "W",
        rf"{AT} Incoming SPA packet signed by ID: {SIGNER[-8:]}, but that ID is not in the "
        r"GPG_REMOTE_ID list\.",
        refused(Reason.UNLISTED_SIGNER, SIGNER, "id"),
    ),
    (
        "W",
        rf"{AT} Incoming SPA packet signed by: {SIGNER}, but that fingerprint is not in the "
        r"GPG_FINGERPRINT_ID list\.",
        refused(Reason.UNLISTED_SIGNER, SIGNER, "fingerprint"),
    ),
    ("I", rf"{AT} Access stanza has expired", refused(Reason.STANZA_EXPIRED)),
    (
        "W",
        rf"{AT} SPA data time difference is too great \(200 seconds\)\.",
        refused(Reason.TOO_OLD, "200"),
    ),
    (
        "W",
        rf"{AT} Got 0\.0\.0\.0 when valid source IP was required\.",
        refused(Reason.SOURCE_REQUIRED),
    ),
    (
        "W",
        rf"{AT} Username in SPA data \(eve\) does not match required username: root",
        refused(Reason.WRONG_USER, "eve", "root"),
    ),
    (
        "W",
        rf"\(stanza #1\) SPA packet from {IP} requested NAT access, but is not enabled/supported",
        refused(Reason.NO_FORWARDING),
    ),
    (
        "W",
        rf"{AT} SPA Command messages are not allowed in the current configuration\.",
        refused(Reason.NO_COMMANDS),
    ),
    (
        "W",
        rf"{AT} One or more requested protocol/ports was denied per access\.conf\.",
        refused(Reason.PORT_NOT_OFFERED, "tcp/25"),
    ),
    (
        "W",
        rf"{AT} --test mode enabled, skipping firewall manipulation\.",
        judged(asked=request(), dry_run=True),
    ),
    (
        "W",
        rf"{AT} --test mode enabled, skipping command execution\.",
        judged(asked=COMMAND, dry_run=True),
    ),
    (
        "W",
        rf"{AT} Invalid source IP in SPA message, ignoring SPA packet.*",
        refused(Reason.ADDRESS_NOT_HOST, "224.0.0.1"),
    ),
    ("I", r"Resolved NAT IP in SPA message", granted(asked=FORWARD, lead=INSIDE, resolved=True)),
    ("W", r"Unable to resolve Hostname in NAT SPA message", refused(Reason.NAT_NAME_NOT_RESOLVED)),
    ("W", r"Invalid Hostname in NAT SPA message", refused(Reason.MALFORMED, NO_HOST)),
    (
        "W",
        r"Received Hostname in NAT SPA message, but hostname is disabled\.",
        refused(Reason.NAT_NAMES_NOT_ENABLED),
    ),
    (
        "I",
        rf"{AT} Processing SPA Command message: command='id'\.",
        CommandStarted(COMMAND, "id", None),
    ),
    ("I", rf"{AT} Running command 'id'", CommandStarted(COMMAND, "id", None)),
    (
        "I",
        rf"{AT} Running command 'id' setuid/setgid user/group to joe/users \(UID=7,GID=8\)",
        CommandStarted(COMMAND, "id", Account("joe", "users", 7, 8)),
    ),
    (
        "I",
        rf"{AT} CMD_EXEC: command returned 0, pid_status: 3",
        judged(asked=COMMAND, ran=Ran(3, 0.1)),
    ),
    ("E", r"run_extcmd\(\): execvpe\(\) failed: No such file or directory", NOT_STARTED),
    ("E", r"run_extcmd\(\): execvp\(\) failed: No such file or directory", NOT_STARTED),
    ("I", rf"{AT} Running CMD_CYCLE_OPEN command: open", CycleOpening(request(), "open")),
    (
        "I",
        r"\[.*\] \(stanza #1\) Running CMD_CYCLE_CLOSE command in 30 seconds: close it",
        granted(cycle=CYCLE),
    ),
    (
        "I",
        r"\[192\.0\.2\.7\] \(stanza #1\) Timer expired, running CMD_CYCLE_CLOSE command: close it",
        CycleClosing(grant(cycle=CYCLE), "close it"),
    ),
    ("E", r"\[\*\] Parse error on access port entry: id", FOR_A_CYCLE),
    ("E", rf"{AT} Could not build CMD_CYCLE_OPEN command\.", FOR_A_CYCLE),
    (
        "W",
        r"Error parsing X-Forwarded-For header: value 'me' is not an IP address",
        Judged(packet()._replace(forwarded="me"), NOW.wall, (Refusal(Reason.NO_STANZA),)),
    ),
    ("I", r"Rotating digest cache file\.", Rotated("/old", 3, 2)),
    (
        "W",  # see the differences: remarks on files have the place before them
        r".*Warning: REQUIRE_SOURCE_ADDRESS not enabled for access stanza source: 'ANY'.*",
        complained("SOURCE ANY\nKEY a key of some length\nOPEN_PORTS tcp/22\n"),
    ),
    ("I", r"Gracefully leaving the fwknopd event loop\.", Stopping("SIGTERM")),
    ("W", r"Got SIGTERM\. Exiting\.\.\.", Stopping("SIGTERM")),
    ("W", r"Got SIGINT\. Exiting\.\.\.", Stopping("SIGINT")),
    ("W", r"Got SIGHUP\. Re-reading configs\.", Stopping("SIGHUP")),
    ("W", r"\* Incoming packet count limit of 3 reached", LimitReached(3)),
    ("I", r"Packet count limit \(3\) reached\. Exiting\.\.\.", LimitReached(3)),
    ("I", r"Shutting Down fwknopd\.", Stopped()),
    (
        "E",
        r"\w+\(\) Error 1 from cmd:'iptables-restore --noflush': iptables-restore: line 2 failed",
        HostTrouble.of("firewall", REFUSED_BY_IPTABLES),
    ),
    (
        "D",
        rf"\[{IP}\] preprocess_spa_data\(\) returned error 4096: '.+' for incoming packet\.",
        judged(Refusal(Reason.PREFIX)),
    ),
    ("D", rf"{AT} SPA Decode \(res=0\):", granted()),
    ("D", r"SPA Packet: 'AAAA'", granted(asked=replace(request(), packet=packet(b"AAAA")))),
]

LISTED = (
    "Error parsing SPA message string",
    "Invalid NAT port in SPA message",
    "Invalid NAT IP in SPA message",
    "First replay:",
    "Killing the TCP server",
    "fw_initialize() Warning",
    "filtered by SOURCE and/or DESTINATION criteria",
    "firewalld 'comment' match is available",
    "Warning: REQUIRE_SOURCE_ADDRESS not enabled",
)
"""What no event of ours makes, or not in quite these words."""


@pytest.mark.requirement("1.6", partial=True)
@pytest.mark.parametrize(
    ("priority", "shape", "event"), SAID, ids=[shape[:40] for _, shape, _ in SAID]
)
def test_each_line_of_the_catalogue_is_said(priority: str, shape: str, event: Event) -> None:
    letters = {3: "E", 4: "W", 6: "I", 7: "D"}
    voice = Voice(LogChains(output="FWKNOP_OUTPUT"), verbosity=3)
    told = [(letters[number], text) for number, text in voice(event)]
    assert [one for one in told if one[0] == priority and re.fullmatch(shape, one[1])], told


@pytest.mark.parametrize("words", LISTED)
def test_each_line_that_is_never_said_stands_among_the_differences(words: str) -> None:
    rows = [row for row in DIFFERENCES.read_text("utf-8").splitlines() if words in row]
    assert rows
    for row in rows:
        _, _, theirs, ours, *_ = row.split("|")
        assert len(theirs.strip()) > 20, "a row says what fwknopd does"
        assert ours.strip(), "and what we do"


def test_a_folder_without_stanzas_is_fatal_in_the_original_s_words() -> None:
    told = fatal("ACCESS_FOLDER /f;\n", **{"/f/empty.conf": "# nothing\n"})
    assert any("Fatal, could not find any valid access.conf stanzas" in each for each in told)


def test_trouble_that_no_program_made_names_none() -> None:
    told = [text for _, text in Voice()(HostTrouble.of("firewall", HostError("no room")))]
    assert told == ["firewall: no room"]


def test_what_a_cycle_cannot_take_for_a_port_is_told_as_the_original_tells_it() -> None:
    asked = replace(request(), wish=CommandWish("/bin/id,tcp/22"))
    told = [text for _, text in Voice()(refused(Reason.COMMAND_FOR_CYCLE, asked=asked))]
    assert told[1] == "[*] Invalid protocol in access port entry: /bin/id"
