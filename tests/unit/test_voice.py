"""What the server says of events, in fwknopd's words."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest

from tests.values import NOW, packet, request
from watchword.dialects.fwknop.voice import Priority, Voice, lines
from watchword.dialects.fwknop.voice_json import structured
from watchword.errors import Complaint, Place
from watchword.model.addresses import canonical
from watchword.model.daemon_events import (
    Attached,
    AuditAnchored,
    AwaitingKnocks,
    Complained,
    HostTrouble,
    InterfaceChanged,
    InterfaceState,
    KeyFile,
    LimitReached,
    Listening,
    LocaleSet,
    ProgramRan,
    Queueing,
    ReadingFile,
    ReloadRefused,
    Remembering,
    Rotated,
    RunDirectory,
    SlippedIn,
    Sniffing,
    Starting,
    Stopped,
    Stopping,
    Waiting,
)
from watchword.model.door_events import ServicesOpened
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import (
    Action,
    AddressShared,
    Change,
    Changed,
    CommandStarted,
    CycleClosing,
    CycleNotClosed,
    CycleOpening,
    Disowned,
    Event,
    Flooded,
    GrantEnded,
    GrantStays,
    Judged,
    Knocked,
    Refusal,
    Restored,
    Together,
)
from watchword.model.reasons import Reason
from watchword.model.requests import Request, Sighting
from watchword.model.services import Proto, Service

IP = "198.51.100.2"
RECEIVED = f"(stanza #1) SPA Packet from IP: {IP} received with access source match"
SSH = (Service.parse("tcp/22"),)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def grant(**more: Any) -> Grant:
    values: dict[str, Any] = {
        "id": "0123456789",
        "stanza": 1,
        "user": "alice",
        "source": canonical(IP),
        "who": canonical("192.0.2.7"),
        "services": SSH,
        "destination": None,
        "began": NOW.wall,
        "ends": NOW.wall + 30,
        "until": NOW.steady + 30,
        **more,
    }
    return Grant(**values)


def refused(*refusals: Refusal, wanted: Request | None = None) -> Judged:
    return Judged(packet(), NOW.wall, refusals, wanted)


def told(event: Event, *, debug: bool = False) -> list[str]:
    """Lines as ``I text``; debug lines only if asked for."""
    letters = {3: "E", 4: "W", 6: "I", 7: "D"}
    return [f"{letters[p]} {text}" for p, text in lines(event) if debug or p < 7]


@pytest.mark.requirement("1.6")
def test_a_grant_has_a_line_for_each_port_with_the_whole_list() -> None:
    services = (Service.parse("tcp/22"), Service.parse("udp/53"))
    event = Judged(packet(), NOW.wall, (), request(), grant(services=services))
    added = (
        "I Added access rule to FWKNOP_INPUT for 192.0.2.7 -> 0.0.0.0/0 tcp/22,udp/53, "
        "expires at 1790000030"
    )
    assert told(event) == [f"I {RECEIVED}", added, added]


@pytest.mark.requirement("2.15")
@pytest.mark.parametrize(
    ("who", "destination", "shape"),
    [
        ("192.0.2.7", None, "192.0.2.7 -> 0.0.0.0/0 tcp/22"),
        ("192.0.2.7", "203.0.113.1", "192.0.2.7 -> 203.0.113.1 tcp/22"),
        ("2001:db8::7", None, "2001:db8::7 -> ::/0 tcp/22"),
        ("2001:db8::7", "2001:db8::1", "2001:db8::7 -> 2001:db8::1 tcp/22"),
    ],
)
def test_a_grant_names_its_destination_in_either_family(
    who: str, destination: str | None, shape: str
) -> None:
    where = canonical(destination) if destination else None
    event = Judged(packet(), NOW.wall, (), request(), grant(who=canonical(who), destination=where))
    assert (
        told(event)[1] == f"I Added access rule to FWKNOP_INPUT for {shape}, expires at 1790000030"
    )


def test_filters_written_for_the_original_find_our_grants() -> None:
    event = Judged(packet(), NOW.wall, (), request(), grant())
    filters = [
        r"SPA Packet from IP: (?P<host>\S+) received with access source match",
        r"Added access rule to \S+ for (?P<host>\S+) -> \S+ \S+, expires at \d+$",
    ]
    for line, wanted in zip(told(event), filters, strict=True):
        assert re.search(wanted, line)


@pytest.mark.parametrize(
    ("ending", "line"),
    [
        (
            Ending.EXPIRED,
            "I Removed rule 1 from FWKNOP_INPUT with expire time of 1790000030",
        ),
        (
            Ending.REVOKED,
            "I Removed rule 1 from FWKNOP_INPUT with expire time of 1790000030, revoked",
        ),
    ],
)
def test_the_end_of_a_grant_says_why(ending: Ending, line: str) -> None:
    assert told(GrantEnded(grant(), ending, NOW.wall)) == [line]


REFUSALS = [
    (Reason.STANZA_EXPIRED, "", f"I [{IP}] (stanza #1) Access stanza has expired"),
    (
        Reason.MAC_MISMATCH,
        "",
        f"W [{IP}] (stanza #1) Error creating fko context: Args contain invalid data: "
        "FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL",
    ),
    (
        Reason.NOT_DECRYPTED,
        "Decryption failed or decrypted data is invalid",
        f"W [{IP}] (stanza #1) Error creating fko context: "
        "Decryption failed or decrypted data is invalid",
    ),
    (
        Reason.MALFORMED,
        "Invalid allow IP address in the SPA message data",
        f"W [{IP}] (stanza #1) Error creating fko context: "
        "Invalid allow IP address in the SPA message data",
    ),
    (Reason.STORE_REFUSED, "", f"W [{IP}] (stanza #1) Could not add digest to replay cache"),
    (
        Reason.TOO_OLD,
        "200",
        f"W [{IP}] (stanza #1) SPA data time difference is too great (200 seconds).",
    ),
    (
        Reason.FROM_THE_FUTURE,
        "200",
        f"W [{IP}] (stanza #1) SPA data time difference is too great (200 seconds).",
    ),
    (
        Reason.SOURCE_REQUIRED,
        "",
        f"W [{IP}] (stanza #1) Got 0.0.0.0 when valid source IP was required.",
    ),
    (
        Reason.ADDRESS_NOT_HOST,
        "224.0.0.1",
        f"W [{IP}] (stanza #1) Invalid source IP in SPA message, ignoring SPA packet: 224.0.0.1",
    ),
    (
        Reason.NO_SUCH_FAMILY,
        "IPv6",
        f"W [{IP}] (stanza #1) The firewall here cannot open for IPv6.",
    ),
    (
        Reason.WRONG_USER,
        "eve",
        f"W [{IP}] (stanza #1) Username in SPA data (eve) does not match required username: root",
    ),
    (
        Reason.NO_FORWARDING,
        "",
        f"W (stanza #1) SPA packet from {IP} requested NAT access, but is not enabled/supported",
    ),
    (
        Reason.NO_COMMANDS,
        "",
        f"W [{IP}] (stanza #1) SPA Command messages are not allowed in the current configuration.",
    ),
    (
        Reason.PORT_RESTRICTED,
        "tcp/25",
        f"W [{IP}] (stanza #1) One or more requested protocol/ports was denied per access.conf.",
    ),
    (
        Reason.PORT_NOT_OFFERED,
        "tcp/443",
        f"W [{IP}] (stanza #1) One or more requested protocol/ports was denied per access.conf.",
    ),
    (
        Reason.FIREWALL_REFUSED,
        "",
        f"E [{IP}] (stanza #1) The firewall refused the change: nothing was opened.",
    ),
]


@pytest.mark.requirement("1.6")
@pytest.mark.parametrize(("reason", "detail", "line"), REFUSALS, ids=lambda each: str(each)[:20])
def test_a_stanza_that_refuses_has_two_lines(reason: Reason, detail: str, line: str) -> None:
    said = told(refused(Refusal(reason, (1,), detail, "root")))
    assert said[:2] == [f"I {RECEIVED}", line]
    assert len(said) == 2 + (reason is Reason.MAC_MISMATCH)  # in the words of 2.6.11 as well


def test_a_source_that_no_stanza_is_for_has_one_line() -> None:
    assert told(refused(Refusal(Reason.NO_STANZA))) == [
        f"W No access data found for source IP: {IP}"
    ]


def test_a_replay_says_when_and_from_where_the_first_one_came() -> None:
    first = Sighting(17, "192.0.2.9", 1, "203.0.113.1", 62201, 1_800_000_000.0)
    assert told(refused(Refusal(Reason.REPLAYED, original=first))) == [
        f"W Replay detected from source IP: {IP}, Destination proto/port: 17/62201, "
        "Original source IP: 192.0.2.9, Original dst proto/port: 17/62201, "
        "Entry created: 01/15/27 08:00:00"
    ]
    assert told(refused(Refusal(Reason.REPLAYED))) == [
        f"W Replay detected from source IP: {IP}, Destination proto/port: 17/62201"
    ]


@pytest.mark.parametrize("reason", [Reason.LENGTH, Reason.ALPHABET, Reason.PREFIX])
def test_garbage_is_a_matter_for_debugging(reason: Reason) -> None:
    assert told(refused(Refusal(reason))) == []
    [line] = told(refused(Refusal(reason)), debug=True)
    assert line.startswith(f"D [{IP}] preprocess_spa_data() returned error 409")


BARE = (
    "Hostname in NAT SPA message",
    "Hostname in NAT SPA message, but hostname is disabled.",
)
"""What fwknopd says without the source, after the line that has it."""


@pytest.mark.parametrize("reason", list(Reason))
def test_there_is_a_line_with_the_source_for_every_reason(reason: Reason) -> None:
    for stanzas in ((), (1,)):
        said = told(refused(Refusal(reason, stanzas)), debug=True)
        assert said
        newer = [line for line in said if line.endswith("Non-corresponding HMAC for this stanza")]
        assert len(newer) == (reason is Reason.MAC_MISMATCH and bool(stanzas))
        bare = [line for line in said if line.endswith(BARE)]
        assert all(IP in line for line in said if line not in newer + bare)


def test_every_kind_of_event_has_words() -> None:
    service = SSH
    complaint = Complaint("wrong", Place("f", 1), "mend it")
    events: list[Event] = [
        Judged(packet(), NOW.wall, (), request(), grant()),
        CommandStarted(request(), "id", None),
        CycleOpening(request(), "open"),
        CycleClosing(grant(), "close"),
        CycleNotClosed(grant(), "close", "exit status 1"),
        GrantEnded(grant(), Ending.EXPIRED, NOW.wall),
        GrantStays(grant(), NOW.wall + 600),
        AddressShared(grant().who, Together.COUNT, ("alice", "bob"), number=2),
        AddressShared(grant().who, Together.WAITS, ("bob",), grant()),
        Changed(Change(Action.REVOKE, "all", 0, 1, NOW.wall, "1 grant revoked")),
        Starting("1"),
        Listening(Service(Proto.UDP, 62201), (4, 6)),
        LocaleSet("C", known=True),
        KeyFile("/home/alice/keys"),
        Knocked(ServicesOpened("ssh", grant()), NOW.wall),
        RunDirectory("/run/fwknop", made=False),
        Rotated("/d-old", 3, 2),
        Remembering("/d", 93),
        Sniffing(("eth0",), "udp port 62201"),
        InterfaceChanged("eth0", InterfaceState.GONE, ("lo",)),
        ReadingFile("/var/log/sniff.pcap", ""),
        LimitReached(3),
        Queueing(62201, 1),
        AwaitingKnocks("NFLOG group 5"),
        Waiting(),
        Attached("nftables", "guard inet watchword", service),
        Restored(2, "restart"),
        Disowned(3),
        Complained(complaint),
        ReloadRefused((complaint,)),
        HostTrouble("firewall", "no"),
        ProgramRan(("nft", "-f", "-"), 0, ""),
        SlippedIn((("192.0.2.7", service[0]),)),
        AuditAnchored(7, "ab" * 32),
        Flooded(Reason.MAC_MISMATCH, 7, 1.0, IP, 0.0),
        Stopping("SIGTERM"),
        Stopped(),
    ]
    assert {type(each) for each in events} == set(get_args(Event))
    assert all(told(each, debug=True) for each in events)


def test_the_memory_of_packets_is_named_to_whoever_wants_to_know_more() -> None:
    event = Remembering("/d", 93)
    assert told(event) == []
    assert told(event, debug=True) == ["D Using Digest Cache: '/d' (entry count = 93)"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Starting("1"), ["I Starting fwknopd", "I This is fwknopd of Watchword, version 1"]),
        (Starting("1", again=True), ["I Re-starting fwknopd"]),
        (
            Listening(Service(Proto.UDP, 4000), (4, 6)),
            ["I Kicking off UDP server to listen on port 4000."],
        ),
        (
            Listening(Service(Proto.TCP, 62201), (4,)),
            [
                "I Kicking off TCP server to listen on port 62201.",
                "W IPv6 is not available: packets are received over IPv4 only.",
            ],
        ),
        (
            Sniffing(("eth0", "eth1"), "udp port 62201"),
            [
                "I Sniffing interface: eth0",
                "I Sniffing interface: eth1",
                "I PCAP filter is: 'udp port 62201'",
            ],
        ),
        (Sniffing((), ""), ["I Sniffing interface: any"]),
        (
            ReadingFile("/c.pcap", "udp"),
            ["I Reading pcap file: /c.pcap", "I PCAP filter is: 'udp'"],
        ),
        (Queueing(53, 7), ["I Taking packets to UDP port 53 from netfilter queue 7."]),
        (
            LimitReached(3),
            [
                "W * Incoming packet count limit of 3 reached",
                "I Gracefully leaving the fwknopd event loop.",
                "I Packet count limit (3) reached. Exiting...",
            ],
        ),
        (Waiting(), ["I Starting fwknopd main event loop."]),
        (
            InterfaceChanged("ens37", InterfaceState.GONE, ("lo", "eth0")),
            [
                "W There is no interface ens37: packets on it are looked at once there is one. "
                "Interfaces are: lo, eth0."
            ],
        ),
        (
            Attached("nftables", "guard inet watchword", SSH, adopted=3),
            [
                "I Attached to the firewall (nftables, guard inet watchword), "
                "hidden until granted: tcp/22",
                "I 3 live connections go on.",
            ],
        ),
        (
            Attached("nftables", "guard inet w", (), everything=True, public=SSH),
            [
                "I Attached to the firewall (nftables, guard inet w), "
                "everything is hidden but tcp/22"
            ],
        ),
        (Restored(2, "restart"), ["I Restored 2 grants: restart"]),
        (
            Complained(Complaint("wrong", Place("f", 1), "mend it", fatal=False)),
            ["W f:1: wrong (mend it)"],
        ),
        (
            Complained(Complaint("*Invalid\n - 'X'", Place("f", 1), "mend it", fatal=False)),
            ["W f:1: *Invalid", "W  - 'X' (mend it)"],
        ),
        (
            ReloadRefused((Complaint("wrong", Place("f", 1)),)),
            ["E The configuration was not taken over, the old one goes on:", "E f:1: wrong"],
        ),
        (HostTrouble("firewall", "no", "look"), ["E firewall: no (look)"]),
        (
            Stopping("SIGTERM"),
            ["I Gracefully leaving the fwknopd event loop.", "W Got SIGTERM. Exiting..."],
        ),
        (
            Stopping("SIGINT"),
            ["I Gracefully leaving the fwknopd event loop.", "W Got SIGINT. Exiting..."],
        ),
        (
            Stopping("SIGHUP"),
            ["I Gracefully leaving the fwknopd event loop.", "W Got SIGHUP. Re-reading configs."],
        ),
        (Stopped(), ["I Shutting Down fwknopd."]),
        (
            Stopped(SSH),
            [
                "I Shutting Down fwknopd.",
                "W tcp/22 stays hidden, and nobody new is let in while fwknopd is not running.",
            ],
        ),
        (
            Stopped((), everything=True),
            [
                "I Shutting Down fwknopd.",
                "W Everything stays hidden, and nobody new is let in while fwknopd is not running.",
            ],
        ),
    ],
)
def test_the_daemon_says(event: Event, said: list[str]) -> None:
    assert told(event) == said


def test_a_test_run_says_that_nothing_was_done() -> None:
    event = Judged(packet(), NOW.wall, (), request(), dry_run=True)
    assert told(event) == [
        f"I {RECEIVED}",
        f"W [{IP}] (stanza #1) --test mode enabled, skipping firewall manipulation.",
    ]


def test_stanzas_are_told_in_the_order_in_which_they_were_tried() -> None:
    event = replace(
        refused(
            Refusal(Reason.MAC_MISMATCH, (1, 2)),
            Refusal(Reason.PORT_NOT_OFFERED, (3,)),
            wanted=request(stanza=4),
        ),
        grant=grant(stanza=4),
    )
    numbers = [int(each) for line in told(event) for each in re.findall(r"stanza #(\d+)", line)]
    assert numbers == [1, 1, 1, 2, 2, 2, 3, 3, 4]


def test_an_expired_stanza_is_called_so_once_until_the_configuration_is_read_again() -> None:
    voice = Voice()
    event = refused(Refusal(Reason.STANZA_EXPIRED, (1,)))

    def expired() -> int:
        return sum("has expired" in text for _, text in voice(event))

    assert [expired(), expired()] == [1, 0]
    assert list(voice(Starting("1", again=True)))
    assert [expired(), expired()] == [1, 0]


def test_ten_thousand_stanzas_that_miss_are_summed_up() -> None:
    said = told(refused(Refusal(Reason.MAC_MISMATCH, tuple(range(1, 10_001)))))
    assert len(said) == 10
    assert said[-1].startswith(f"W [{IP}] (stanza #4..#10000) Error creating fko context")
    three = told(refused(Refusal(Reason.MAC_MISMATCH, (1, 2, 3))))
    assert three == said[:9]
    four = told(refused(Refusal(Reason.MAC_MISMATCH, (1, 2, 3, 7))))
    assert four[-1].startswith(f"W [{IP}] (stanza #7) Error")


def test_ten_thousand_answers_of_single_stanzas_are_summed_up_as_well() -> None:
    alike = [Refusal(Reason.NOT_DECRYPTED, (n,)) for n in range(1, 10_001)]
    said = told(refused(*alike))
    assert len(said) == 7
    assert "(stanza #4..#10000)" in said[-1]


def test_of_many_different_answers_the_nearest_to_an_open_port_is_told() -> None:
    mixed = [
        Refusal(Reason.NOT_DECRYPTED if n % 2 else Reason.MAC_MISMATCH, (n,))
        for n in range(1, 10_001)
    ]
    mixed[5000] = Refusal(Reason.PORT_NOT_OFFERED, (5001,), "tcp/443")
    said = told(refused(*mixed))
    assert len(said) <= 24
    assert any("(stanza #5001) One or more requested" in line for line in said)
    assert any("9992 more times the stanzas answered" in line for line in said)
    assert "(stanza #10000)" in said[-2]


NASTY = "eve\n[1.2.3.4] (stanza #1) Starting\x1b[31m\r\x00\u202e\u2028\ud800"


@pytest.mark.parametrize(
    "event",
    [
        refused(Refusal(Reason.WRONG_USER, (1,), NASTY), wanted=request(user=NASTY)),
        refused(Refusal(Reason.MALFORMED, (1,), NASTY * 1000)),
        Judged(packet(), NOW.wall, (), request(user=NASTY), grant(user=NASTY)),
        HostTrouble("firewall", NASTY, NASTY),
        Complained(Complaint(NASTY, Place(NASTY, 1), NASTY)),
    ],
    ids=["user", "detail", "grant", "host", "complaint"],
)
def test_nobody_writes_control_characters_into_the_log(event: Event) -> None:
    for _, text in lines(event):
        assert text.isprintable()
        assert len(text) <= 1010


def test_priorities_are_those_of_syslog() -> None:
    assert [int(each) for each in Priority] == [3, 4, 6, 7]


@pytest.mark.parametrize("claim", ["192.0.2.7, 192.0.2.8", "proxy.example"])
def test_a_proxy_that_does_not_name_one_address_is_told_in_the_original_s_words(claim: str) -> None:
    event = refused(Refusal(Reason.MAC_MISMATCH, (1,)))
    odd = replace(event, packet=event.packet._replace(forwarded=claim))
    line = f"W Error parsing X-Forwarded-For header: value '{claim}' is not an IP address"
    assert told(odd)[0] == line
    fine = replace(event, packet=event.packet._replace(forwarded="192.0.2.7"))
    assert told(fine) == told(event)
    assert '"forwarded_for":"192.0.2.7"' in structured(fine)


def test_who_changed_what_by_the_control_socket_is_told_with_his_number() -> None:
    change = Change(Action.REVOKE, "192.0.2.7\n", 1000, 77, NOW.wall, "1 grant revoked (ab)")
    assert told(Changed(change)) == [
        "I User id 1000 (pid 77) asked: revoke 192.0.2.7?: 1 grant revoked (ab)"
    ]
