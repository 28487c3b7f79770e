"""What rich rules look like to firewalld, in the kernel and to the process that ends them."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.edges.firewall.firewalld.bus import BusFirewalld
from watchword.edges.firewall.firewalld.command import CommandFirewalld
from watchword.edges.firewall.firewalld.ending import Ending
from watchword.edges.firewall.firewalld.kernel import KernelRules, copies
from watchword.edges.firewall.firewalld.offers import Offer, offers
from watchword.edges.firewall.firewalld.pending import AGAIN, Pending, Will, told
from watchword.edges.firewall.firewalld.rules import Rule, parse, text
from watchword.edges.firewall.firewalld.talk import NotRunningError, RefusedError, Zone
from watchword.edges.programs import MemoryPrograms
from watchword.errors import HostError
from watchword.model.openings import Extent, Hole, Lead
from watchword.model.services import Proto, Service
from watchword.ports import Completed, NotStartedError
from watchword.service.doctor.findings import Severity
from watchword.service.doctor.zones_diagnosis import told as diagnosed

SSH = Service.parse("tcp/22")
FOUR, SIX = ip_address("192.0.2.7"), ip_address("2001:db8::7")
LISTING = """\
table inet firewalld { # handle 1
\tchain filter_IN_home_pre { # handle 50
\t\tip saddr 192.0.2.7 tcp dport 22 accept # handle 190
\t}

\tchain filter_IN_public_pre { # handle 60
\t\tip6 daddr 2001:db8::1 ip6 saddr 2001:db8::7 tcp dport 22 accept # handle 195
\t\tip saddr 192.0.2.7 tcp dport 222 accept # handle 196
\t\tip saddr 192.0.2.7 tcp dport 22 accept # handle 197
\t\tip saddr 192.0.2.7 tcp dport 22 accept # handle 198
\t\tip saddr 192.0.2.0/24 tcp dport 22 accept # handle 199
\t}

\tchain nat_PRE_public_pre { # handle 70
\t\tip saddr 192.0.2.7 tcp dport 6543 redirect to :22 # handle 201
\t\tip saddr 192.0.2.7 tcp dport 6543 dnat ip to 10.0.0.5:22 # handle 202
\t\tip6 saddr 2001:db8::7 tcp dport 6543 dnat ip6 to [fd00::5]:22 # handle 203
\t}
}
"""
"""As ``nft -a list table inet firewalld`` prints what firewalld 1.3.3 made."""
OUTER = Service.parse("tcp/6543")
HERE, AWAY4, AWAY6 = (
    Lead(None, 22),
    Lead(ip_address("10.0.0.5"), 22),
    Lead(ip_address("fd00::5"), 22),
)


@st.composite
def holes(draw: st.DrawFn) -> Hole:
    """Those that a rich rule can be for."""
    addresses = draw(st.sampled_from([st.ip_addresses(v=4), st.ip_addresses(v=6)]))
    ports = st.integers(1, 65535)
    who = draw(addresses)
    service = Service(draw(st.sampled_from(list(Proto))), draw(ports))
    to = draw(st.none() | addresses)
    match draw(st.sampled_from(["plain", "lead", "network"])):
        case "lead":
            return Hole(who, service, to, Lead(draw(st.none() | addresses), draw(ports)))
        case "network":
            bits = draw(st.integers(1, who.max_prefixlen - 1))
            return Hole(who, service, to, extent=Extent(bits=bits))
    return Hole(who, service, to)


@given(holes(), st.integers(-32768, -1))
def test_a_rule_that_is_listed_is_the_one_that_was_put_in(hole: Hole, priority: int) -> None:
    assert parse(text(Rule(hole, priority))) == Rule(hole, priority)


@given(st.text(st.sampled_from('rule priotysucedfamlng="-6220.:/ 47')))
def test_whatever_is_listed_is_a_rule_or_is_passed_over(line: str) -> None:
    rule = parse(line)
    assert rule is None or parse(text(rule)) == rule


@pytest.mark.parametrize(
    "line",
    [
        'rule family="ipv4" source address="192.0.2.7" port port="22" protocol="tcp" accept',
        'rule priority="6220" family="ipv4" source address="192.0.2.7" '
        'port port="22" protocol="tcp" accept',
        'rule priority="-6220" family="ipv4" source address="192.0.2.7" '
        'port port="22" protocol="tcp" drop',
        'rule priority="-6220" family="ipv4" source address="192.0.2.7" '
        'port port="22" protocol="tcp" log prefix="x" accept',
        'rule priority="-6220" family="ipv4" source NOT address="192.0.2.7" '
        'port port="22" protocol="tcp" accept',
        'rule priority="-6220" family="ipv4" source address="192.0.2.7" '
        'port port="22-23" protocol="tcp" accept',
        'rule priority="-6220" family="ipv4" source address="192.0.2.7" service name="ssh" accept',
        'rule priority="-6220" family="ipv4" source address="192.0.2.7" '
        'port port="22" protocol="tcp"',
        'rule priority="-6220" family="ipv4" source address="192.0.2.7" '
        'port port="22" protocol="tcp" to-port="23" accept',
        'rule priority="-6220" family="ipv4" source address="192.0.2.7" '
        'forward-port port="22" protocol="tcp" to-port="23" accept',
        'rule priority="-6220" family="ipv4" port port="22" protocol="tcp" accept',
        'rule priority="-6220" family="ipv6" source address="192.0.2.7" '
        'port port="22" protocol="tcp" accept',
        "",
    ],
)
def test_rules_that_no_opening_is_like_are_not_ours(line: str) -> None:
    assert parse(line) is None


@pytest.mark.parametrize(
    ("hole", "zone", "handles"),
    [
        (Hole(FOUR, SSH), "public", [197, 198]),
        (Hole(FOUR, SSH), "home", [190]),
        (Hole(SIX, SSH, ip_address("2001:db8::1")), "public", [195]),
        (Hole(ip_address("192.0.2.0"), SSH, extent=Extent(bits=24)), "public", [199]),
        (Hole(FOUR, OUTER, None, HERE), "public", [201]),
        (Hole(FOUR, OUTER, None, AWAY4), "public", [202]),
        (Hole(SIX, OUTER, None, AWAY6), "public", [203]),
        (Hole(SIX, SSH), "public", []),
        (Hole(FOUR, SSH), "work", []),
    ],
)
def test_in_nftables_a_rule_is_found_by_its_words_in_the_chain_of_its_zone(
    hole: Hole, zone: str, handles: list[int]
) -> None:
    chain = f"{'filter_IN' if hole.lead is None else 'nat_PRE'}_{zone}_pre"
    assert copies(LISTING, zone, hole) == [(chain, each) for each in handles]


WHOLE = Completed(0, b"chain filter_INPUT {\n\t\tjump filter_INPUT_ZONES\n\t}\n", b"")
EMPTY = Completed(0, b"table inet firewalld {\n\tchain filter_INPUT_ZONES {\n\t}\n}\n", b"")
NO, DONE = Completed(1, b"", b"no such table"), Completed(0, b"", b"")
IPTABLES = Completed(
    0,
    b"-N IN_home\n-N IN_public\n-A INPUT -j INPUT_ZONES\n-A IN_home -j IN_home_pre\n"
    b"-A IN_public -j IN_public_pre\n",
    b"",
)
WITHOUT = Completed(0, b"-P INPUT ACCEPT\n-N FWKNOP_INPUT\n", b"")
FLUSHED = Completed(0, b"-P INPUT ACCEPT\n-N INPUT_ZONES\n-N IN_home\n-N IN_public\n", b"")
UNCALLED = Completed(0, IPTABLES.stdout.replace(b"-A INPUT ", b"-A OUTPUT "), b"")
ONE_ZONE = Completed(0, IPTABLES.stdout.replace(b"-A IN_home", b"-A IN_work"), b"")
LISTED = Completed(0, LISTING.encode(), b"")
DELETE = "delete rule inet firewalld"


@pytest.mark.parametrize(
    ("answers", "stands"),
    [
        ((WHOLE,), True),
        ((EMPTY,), False),
        ((NO, IPTABLES, IPTABLES), True),
        ((NO, IPTABLES, NO), True),
        ((NO, IPTABLES, WITHOUT), True),
        ((NO, WITHOUT), False),
        ((NO, NO), False),
        ((NO, IPTABLES, FLUSHED), False),
        ((NO, FLUSHED), False),
        ((NO, UNCALLED), False),
        ((NO, ONE_ZONE), False),
    ],
)
def test_firewalld_stands_where_its_rules_are_called_and_its_zones_have_some(
    answers: tuple[Completed, ...], stands: bool
) -> None:
    programs = MemoryPrograms(answers)
    assert KernelRules(programs).stands(["home", "public"]) is stands
    assert len(programs.runs) == len(answers)


def test_a_table_is_made_for_firewalld_where_it_had_one_that_is_gone() -> None:
    programs = MemoryPrograms([WHOLE, NO, NO, DONE, WHOLE])
    kernel = KernelRules(programs)
    assert kernel.stands(["public"])
    assert not kernel.stands(["public"]), "it does not look for it in iptables then"
    kernel.make_table()
    assert programs.runs[-1].argv == ("nft", "add", "table", "inet", "firewalld")
    kernel.make_table()
    assert programs.runs[-1].argv == ("nft", "list", "table", "inet", "firewalld")
    elsewhere = MemoryPrograms([NO, IPTABLES, IPTABLES])
    of_iptables = KernelRules(elsewhere)
    assert of_iptables.stands(["public"])
    of_iptables.make_table()
    assert len(elsewhere.runs) == 3


def test_rules_of_a_firewalld_that_is_gone_are_deleted_by_their_handles() -> None:
    programs = MemoryPrograms([LISTED, LISTED])
    KernelRules(programs).take(["public", "home"], Rule(Hole(FOUR, SSH), -6220))
    assert programs.runs[-1].argv == ("nft", "-f", "-")
    assert programs.runs[-1].stdin.decode("ascii").splitlines() == [
        f"{DELETE} filter_IN_public_pre handle 197",
        f"{DELETE} filter_IN_public_pre handle 198",
        f"{DELETE} filter_IN_home_pre handle 190",
    ]


@pytest.mark.parametrize(("known", "handles"), [(0, [197, 198]), (1, [197]), (2, []), (3, [])])
def test_of_a_rule_that_is_there_more_often_than_firewalld_knows_the_older_ones_go(
    known: int, handles: list[int]
) -> None:
    programs = MemoryPrograms([LISTED, LISTED])
    there = {"public": [Hole(FOUR, SSH)] * known + [Hole(SIX, SSH)], "work": []}
    KernelRules(programs).sweep([Hole(FOUR, SSH), Hole(SIX, SSH)], there)
    done = programs.runs[2].stdin.decode("ascii") if len(programs.runs) > 2 else ""
    assert done.splitlines() == [f"{DELETE} filter_IN_public_pre handle {each}" for each in handles]


def test_firewalld_makes_its_tables_of_iptables_anew_so_nothing_is_swept_there() -> None:
    programs = MemoryPrograms([Completed(1, b"", b"no such table")])
    KernelRules(programs).sweep([Hole(FOUR, SSH)], {"public": []})
    assert len(programs.runs) == 1


@pytest.mark.parametrize(
    ("hole", "words"),
    [
        (
            Hole(FOUR, SSH, ip_address("203.0.113.1")),
            "iptables -w -t filter -D IN_public_pre -s 192.0.2.7 -p tcp --dport 22 "
            "-d 203.0.113.1 -j ACCEPT",
        ),
        (
            Hole(SIX, OUTER, None, AWAY6),
            "ip6tables -w -t nat -D PRE_public_pre -s 2001:db8::7 -p tcp --dport 6543 "
            "-j DNAT --to-destination [fd00::5]:22",
        ),
        (
            Hole(FOUR, OUTER, None, HERE),
            "iptables -w -t nat -D PRE_public_pre -s 192.0.2.7 -p tcp --dport 6543 "
            "-j DNAT --to-destination :22",
        ),
    ],
)
@pytest.mark.parametrize("nft", [Completed(1, b"", b"no such table"), NotStartedError("no nft")])
def test_of_iptables_a_rule_is_deleted_by_what_it_says(
    hole: Hole, words: str, nft: Completed | HostError
) -> None:
    programs = MemoryPrograms([nft])
    KernelRules(programs).take(["public"], Rule(hole, -6220))
    assert " ".join(programs.runs[-1].argv) == words


def test_a_rule_that_is_gone_is_no_error_and_one_that_stays_is() -> None:
    rule = Rule(Hole(FOUR, SSH), -6220)
    no, yes = Completed(1, b"", b"Bad rule"), Completed(0, b"", b"")
    KernelRules(MemoryPrograms([no, no, no])).take(["public"], rule)
    with pytest.raises(HostError, match="iptables -D: Bad rule"):
        KernelRules(MemoryPrograms([no, no, yes])).take(["public"], rule)
    gone = Completed(1, b"", b"Error: No such file or directory")
    programs = MemoryPrograms([LISTED, LISTED, gone, LISTED, yes])
    KernelRules(programs).take(["home"], rule)
    assert [each.argv[1] for each in programs.runs] == ["list", "-a", "-f", "-a", "-f"]
    refused = Completed(1, b"", b"Error: Operation not permitted")
    kernel = KernelRules(MemoryPrograms([LISTED, LISTED, refused]))
    with pytest.raises(HostError, match="nft delete rule: Error: Operation not permitted"):
        kernel.take(["home"], rule)


def test_what_is_pending_is_due_at_its_end_and_tried_again() -> None:
    pending = Pending()
    wills = [
        Will(Rule(Hole(FOUR, SSH), -6220), ("public",), 100.0),
        Will(Rule(Hole(SIX, SSH), -6220), ("home", "public"), 90.5),
    ]
    line = told(wills)
    pending.hear(line[:40])
    pending.hear(line[40:] + told(drop=[Rule(Hole(FOUR, OUTER), -6220)]))
    assert pending.next() == 90.5
    assert pending.due(90.4) == []
    assert pending.due(95.0) == [wills[1]]
    pending.put_off(wills[1].rule, 95.0)
    assert pending.due(95.0 + AGAIN - 0.01) == []
    assert pending.due(95.0 + AGAIN) == [wills[1]]
    pending.hear(told([wills[1]._replace(until=300.0)], [wills[0].rule]))
    assert [each.until for each in pending.all()] == [300.0]
    pending.forget(wills[1].rule)
    assert pending.next() is None


def test_the_words_between_server_and_heir_are_lines_of_json() -> None:
    [line] = told([Will(Rule(Hole(FOUR, SSH), -6220), ("public",), 1.5)]).splitlines()
    [[rule, zones, until]] = json.loads(line)["hold"]
    assert (rule[:21], zones, until) == ('rule priority="-6220"', ["public"], 1.5)


def by_program(*answers: Completed) -> tuple[CommandFirewalld, MemoryPrograms]:
    programs = MemoryPrograms(answers)
    return CommandFirewalld("firewall-cmd", programs), programs


def said(text: str, status: int = 0) -> Completed:
    return Completed(status, text.encode(), b"")


def test_zones_are_those_with_interfaces_or_sources_and_the_default_one() -> None:
    active = "home (default)\n  interfaces: eth1\nwork\n  sources: 192.0.2.0/24\n"
    firewalld, _ = by_program(said(active), said("public\n"))
    assert firewalld.zones() == {"home", "work", "public"}


def test_no_program_starts_a_firewalld_and_a_zone_that_went_has_no_rules() -> None:
    firewalld, _ = by_program(said("FirewallD is not running\n", 252))
    with pytest.raises(NotRunningError):
        firewalld.put("public", "rule", 10)
    gone = Completed(112, b"", b"Error: INVALID_ZONE: work")
    firewalld, programs = by_program(gone, gone, gone)
    assert firewalld.rules("work") == []
    firewalld.take("work", "rule")
    with pytest.raises(RefusedError, match="firewalld refuses: INVALID_ZONE: work") as refused:
        firewalld.put("work", "rule", 10)
    assert "has to run as root" in refused.value.hint
    assert programs.runs[-1].argv == (
        "firewall-cmd", "--zone=work", "--add-rich-rule=rule", "--timeout=10",
    )  # fmt: skip


def test_what_others_did_to_the_kernel_behind_its_back_is_for_a_restart_to_mend() -> None:
    failed = Completed(13, b"", b"Error: COMMAND_FAILED: 'python-nftables' failed: internal")
    firewalld, _ = by_program(failed)
    with pytest.raises(RefusedError) as refused:
        firewalld.take("public", "rule")
    assert refused.value.hint.endswith("in the kernel: systemctl restart firewalld")


class Gone(CommandFirewalld):
    def __init__(self) -> None:
        super().__init__("firewall-cmd", MemoryPrograms())

    def take(self, zone: str, rule: str) -> None:
        raise NotRunningError("gone")


def test_without_a_firewalld_a_rule_is_taken_from_the_kernel_zone_by_zone() -> None:
    programs = MemoryPrograms([said("", 1)] * 5)
    Ending(Gone(), KernelRules(programs)).take(Rule(Hole(FOUR, SSH), -6220), ["b", "a"])
    chains = [each.argv[5] for each in programs.runs if each.argv[4:5] == ("-D",)]
    assert chains == ["IN_a_pre", "IN_b_pre"]


def test_a_bus_that_is_not_there_has_no_firewalld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    with pytest.raises(NotRunningError):
        BusFirewalld().zones()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "nonsense")
    with pytest.raises(HostError):
        BusFirewalld().zones()


PUBLIC = """\
public
  target: default
  services: dhcpv6-client ssh
  ports: 8000-8010/tcp 53/udp
  forward-ports:
"""
SERVICE = "ssh\n  ports: 22/tcp\n  protocols: \n"


def test_what_a_zone_lets_everybody_reach_is_its_ports_its_services_and_its_target() -> None:
    none = "dhcpv6-client\n  ports: 546/udp\n"
    firewalld, _ = by_program(said(PUBLIC), said(none), said(SERVICE))
    assert firewalld.zone("public") == Zone(
        "default", ["dhcpv6-client", "ssh"], ["8000-8010/tcp", "53/udp"]
    )
    firewalld, _ = by_program(said(PUBLIC), said(none), said(SERVICE))
    assert list(offers(firewalld, "public")) == [
        Offer("public", Proto.TCP, 8000, 8010, "port=8000-8010/tcp"),
        Offer("public", Proto.UDP, 53, 53, "port=53/udp"),
        Offer("public", Proto.UDP, 546, 546, "service=dhcpv6-client"),
        Offer("public", Proto.TCP, 22, 22, "service=ssh"),
    ]
    firewalld, _ = by_program(said("trusted\n  target: ACCEPT\n"))
    assert [each.proto for each in offers(firewalld, "trusted")] == list(Proto)


def test_the_doctor_says_what_zones_let_everybody_reach_and_whose_packets_they_keep_out() -> None:
    own = Service.parse("udp/62201")
    ssh = Offer("public", Proto.TCP, 22, 22, "service=ssh")
    ours = Offer("public", Proto.UDP, 62201, 62201, "port=62201/udp")
    everything = Offer("trusted", Proto.TCP, 1, 65535, "")
    [fine] = diagnosed([ours], ["public"], {SSH}, [own])
    assert (fine.severity, fine.sentence) == (Severity.FINE, "no zone lets everybody reach tcp/22")
    open_to_all, closed = diagnosed([ssh], ["public"], {SSH}, [own])
    assert "tcp/22 is open to everybody in the zone public" in open_to_all.sentence
    assert "--zone=public --remove-service=ssh" in open_to_all.remedy
    assert "the zone public of firewalld lets nobody's packet in to udp/62201" in closed.sentence
    assert "--add-port=62201/udp" in closed.remedy
    [accepts] = diagnosed([everything, ours], ["public"], {SSH}, [own])
    assert "the target of the zone trusted is ACCEPT" in accepts.remedy
