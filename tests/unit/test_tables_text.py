"""What is written into iptables, and what is read of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

import pytest

from watchword.edges.firewall.tables.chains import Branch, building, removal
from watchword.edges.firewall.tables.known import Held, Known, counted
from watchword.edges.firewall.tables.listing import Line, parse
from watchword.edges.firewall.tables.rules import expiry, is_grant, lines
from watchword.edges.firewall.tables.tools import program
from watchword.errors import HostError
from watchword.model.firewalls import ChainUse, FirewallSettings
from watchword.model.moments import Moment
from watchword.model.openings import Hole, Lead, Opening, SourceNat, Tag
from watchword.model.services import Service

END = "-m comment --comment _exp_1795961329"
LEADS = FirewallSettings(backend="iptables", leads=True, seen_as=True)


def hole(who: str, service: str | None = "tcp/22", to: str = "", lead: Lead | None = None) -> Hole:
    what = None if service is None else Service.parse(service)
    return Hole(ip_address(who), what, ip_address(to) if to else None, lead)


def written(opened: Hole, settings: FirewallSettings = LEADS) -> list[str]:
    found = lines(opened, 1795961329, settings)
    return [f"{each.version} {each.table} {each.chain} {each.rule}" for each in found]


@pytest.mark.requirement("2.23", partial=True)
@pytest.mark.parametrize(
    ("lead", "chain"),
    [(Lead(None, 22), "FWKNOP_INPUT"), (Lead(ip_address("10.0.0.5"), 22), "FWKNOP_FORWARD")],
)
def test_behind_a_secret_port_only_who_came_by_it_is_let_in(lead: Lead, chain: str) -> None:
    secret = replace(LEADS, secret_ports=((40000, 59999),))
    [_, passing] = written(hole("192.0.2.7", "tcp/40123", "", lead), secret)
    assert passing == (
        f"4 filter {chain} -s 192.0.2.7/32 -p tcp -m tcp --dport 22 "
        f"-m conntrack --ctorigdstport 40123 {END} -j ACCEPT"
    )
    assert is_grant(passing.partition(f"{chain} ")[2])
    [_, plain] = written(hole("192.0.2.7", "tcp/8022", "", lead), secret)
    assert "conntrack" not in plain, "as fwknop writes it"


@pytest.mark.parametrize(
    ("opened", "rules"),
    [
        (
            hole("192.0.2.7"),
            [f"4 filter FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 {END} -j ACCEPT"],
        ),
        (
            hole("2001:db8::7", "udp/53", "2001:db8:1::1"),
            [
                "6 filter FWKNOP_INPUT -s 2001:db8::7/128 -d 2001:db8:1::1/128 "
                f"-p udp -m udp --dport 53 {END} -j ACCEPT"
            ],
        ),
        (
            hole("192.0.2.7", "tcp/8080", "", Lead(ip_address("10.0.0.5"), 80)),
            [
                "4 nat FWKNOP_PREROUTING -s 192.0.2.7/32 -p tcp -m tcp --dport 8080 "
                f"{END} -j DNAT --to-destination 10.0.0.5:80",
                f"4 filter FWKNOP_FORWARD -s 192.0.2.7/32 -p tcp -m tcp --dport 80 {END} -j ACCEPT",
            ],
        ),
        (
            hole("2001:db8::7", "tcp/80", "2001:db8::1",
                 Lead(ip_address("fd00::5"), 22, source=SourceNat(ip_address("fd00::1")))),
            [
                "6 nat FWKNOP_PREROUTING -s 2001:db8::7/128 -d 2001:db8::1/128 -p tcp -m tcp "
                f"--dport 80 {END} -j DNAT --to-destination [fd00::5]:22",
                "6 nat FWKNOP_POSTROUTING -d fd00::5/128 -p tcp -m tcp --dport 22 "
                f"{END} -j SNAT --to-source fd00::1",
                "6 filter FWKNOP_FORWARD -s 2001:db8::7/128 -p tcp -m tcp --dport 22 "
                f"{END} -j ACCEPT",
            ],
        ),
        (
            hole("192.0.2.7", "tcp/55000", "203.0.113.1", Lead(None, 22)),
            [
                "4 nat FWKNOP_PREROUTING -s 192.0.2.7/32 -d 203.0.113.1/32 -p tcp -m tcp "
                f"--dport 55000 {END} -j DNAT --to-destination :22",
                "4 filter FWKNOP_INPUT -s 192.0.2.7/32 -d 203.0.113.1/32 -p tcp -m tcp "
                f"--dport 22 {END} -j ACCEPT",
            ],
        ),
        (
            hole("192.0.2.7", None, "",
                 Lead(ip_address("10.0.0.5"), 0, everything=True, source=SourceNat())),
            [
                f"4 nat FWKNOP_PREROUTING -s 192.0.2.7/32 {END} -j DNAT --to-destination 10.0.0.5",
                f"4 nat FWKNOP_MASQUERADE -s 192.0.2.7/32 {END} -j MASQUERADE",
                f"4 filter FWKNOP_FORWARD -s 192.0.2.7/32 {END} -j ACCEPT",
            ],
        ),
        (
            hole("192.0.2.7", None, "", Lead(None, 0, everything=True)),
            [f"4 filter FWKNOP_FORWARD -s 192.0.2.7/32 {END} -j ACCEPT"],
        ),
    ],
)  # fmt: skip
def test_openings_are_written_as_fwknopd_writes_them(opened: Hole, rules: list[str]) -> None:
    assert written(opened) == rules
    assert all(is_grant(each.rule) for each in lines(opened, 1795961329, LEADS))


def test_answers_have_a_rule_of_their_own_where_that_is_asked_for() -> None:
    answers = ChainUse("OUTPUT", "FWKNOP_OUTPUT", "RETURN")
    settings = FirewallSettings(backend="iptables", output=answers)
    assert written(hole("192.0.2.7", to="203.0.113.1"), settings)[1:] == [
        "4 filter FWKNOP_OUTPUT -s 203.0.113.1/32 -d 192.0.2.7/32 -p tcp -m tcp --sport 22 "
        f"{END} -j RETURN"
    ]


def test_where_there_are_no_chains_for_it_nothing_leads_on() -> None:
    with pytest.raises(HostError):
        written(hole("192.0.2.7", lead=Lead(None, 22)), FirewallSettings())
    as_another = Lead(ip_address("10.0.0.5"), 22, source=SourceNat())
    with pytest.raises(HostError):
        written(hole("192.0.2.7", lead=as_another), FirewallSettings(leads=True))


@pytest.mark.parametrize(
    ("rule", "ends"),
    [
        ("-s 192.0.2.7/32 -m comment --comment _exp_1700000000 -j ACCEPT", 1_700_000_000),
        ("-m comment --comment _exp_1700000000", 1_700_000_000),
        ("-m comment --comment _exp_17x -j ACCEPT", None),
        ("-m comment --comment _exp_ -j ACCEPT", None),
        ("-m comment --comment _exp_-5 -j ACCEPT", None),
        ('-m comment --comment "_exp_1700000000 or so" -j ACCEPT', None),
        ("-m comment --comment my_exp_1700000000 -j ACCEPT", None),
        ("-m comment --comment _exp_1700000000000000 -j ACCEPT", None),
        ("-m string --string _exp_1700000000 -j ACCEPT", None),
    ],
)
def test_the_mark_of_an_end_is_digits_and_nothing_else(rule: str, ends: int | None) -> None:
    assert expiry(rule) == ends


@pytest.mark.parametrize(
    "rule",
    [
        f"-s 192.0.2.7/32 -i eth1 -p tcp -m tcp --dport 22 {END} -j ACCEPT",
        f"-p tcp -m multiport --dports 22,23 {END} -j ACCEPT",
        f"-s 192.0.2.7/32 -m conntrack --ctstate NEW {END} -j ACCEPT",
        "-s 192.0.2.7/32 -p tcp -m tcp --dport 22 -j ACCEPT",
    ],
)
def test_rules_of_another_shape_are_nobodys_grants(rule: str) -> None:
    assert not is_grant(rule)


SAVED = """# Generated by iptables-save v1.8.9 (nf_tables)
*filter
:INPUT DROP [12:800]
:FORWARD ACCEPT [0:0]
:FWKNOP_INPUT - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -j FWKNOP_INPUT
-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 -m comment --comment "a b" -j ACCEPT
COMMIT
# Completed
"""


def test_a_table_is_read_as_it_is_printed() -> None:
    found = parse(SAVED)
    assert list(found.chains) == ["INPUT", "FORWARD", "FWKNOP_INPUT"]
    assert found.rules("INPUT") == ["-i lo -j ACCEPT", "-j FWKNOP_INPUT"]
    assert found.calls("INPUT", "FWKNOP_INPUT") == 1
    assert found.rules("nowhere") == ()


def branch(position: int = 1, *rules: str) -> Branch:
    return Branch(4, ChainUse("INPUT", "FWKNOP_INPUT", position=position), rules)


@pytest.mark.requirement("7.14")
def test_only_what_is_missing_is_built() -> None:
    found = parse(SAVED)
    assert building([branch()], found) == ""
    assert branch().stands(found)
    assert building([branch(1, "-j ACCEPT")], found) == (
        "*filter\n-A FWKNOP_INPUT -j ACCEPT\nCOMMIT\n"
    )
    assert not branch(1, "-j ACCEPT").stands(found)
    bare = parse(":INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n")
    assert not branch().stands(bare)
    for asked, place in ((0, 1), (1, 1), (2, 2), (9, 2)):
        assert building([branch(asked)], bare) == (
            f"*filter\n-N FWKNOP_INPUT\n-I INPUT {place} -j FWKNOP_INPUT\nCOMMIT\n"
        )


@pytest.mark.requirement("7.14", partial=True)
def test_every_call_of_our_chain_goes_and_nothing_else() -> None:
    twice = f"{SAVED}-A FORWARD -j FWKNOP_INPUT\n-A INPUT -s 10.0.0.0/8 -j FWKNOP_INPUT\n"
    assert removal([branch()], parse(twice)) == (
        "*filter\n-D INPUT -j FWKNOP_INPUT\n-D FORWARD -j FWKNOP_INPUT\n-F FWKNOP_INPUT\n"
        "-X FWKNOP_INPUT\nCOMMIT\n"
    )
    assert removal([branch()], parse(":INPUT DROP [0:0]\n")) == ""


@pytest.mark.parametrize(
    ("exe", "made"),
    [
        ("iptables", "ip6tables-restore"),
        ("/usr/sbin/iptables-legacy", "/usr/sbin/ip6tables-legacy-restore"),
        ("/opt/iptables/sbin/iptables", "/opt/iptables/sbin/ip6tables-restore"),
    ],
)
def test_the_other_programs_are_beside_the_named_one(exe: str, made: str) -> None:
    assert program(exe, 6, "-restore") == made
    assert program(exe, 4, "-save") == f"{exe}-save"


NOW = Moment(wall=1_700_000_000.0, steady=1000.0)


def known(*openings: Opening) -> tuple[Known, Counter[Line]]:
    """Some openings, and tables that have exactly them."""
    found = Known()
    for each in openings:
        rules = lines(each.hole, 1_700_000_060, LEADS)
        found.note(each.tag, Held(each.hole, each.until, rules))
    return found, Counter(line for _, held in found.entries().values() for line in held)


def grants(*who: str) -> list[Opening]:
    return [Opening(hole(each), NOW.steady + 60) for each in who]


STRAY = Line(
    4, "filter", "FWKNOP_INPUT",
    "-s 192.0.2.99/32 -p tcp -m tcp --dport 22 -m comment --comment _exp_1700000030 -j ACCEPT",
)  # fmt: skip


def test_what_is_lost_doubled_or_unknown_is_seen() -> None:
    one, two = grants("192.0.2.7", "2001:db8::7")
    book, tables = known(one, two)
    assert book.agrees(tables, NOW)
    line = next(iter(tables))
    assert not book.agrees(tables - Counter([line]), NOW), "lost"
    assert not book.agrees(tables + Counter([line]), NOW), "doubled"
    assert not book.agrees(tables + Counter([STRAY]), NOW), "unknown"
    theirs = Line(4, "filter", "FWKNOP_INPUT", "-s 10.0.0.0/8 -j ACCEPT")
    assert book.agrees(tables + Counter([theirs]), NOW)
    after = Moment(NOW.wall + 60, NOW.steady + 60)
    assert book.agrees(tables - Counter([line]), after), "over, and so no loss"


def test_strays_are_named_so_that_they_can_be_taken_out() -> None:
    [one] = grants("192.0.2.7")
    book, tables = known(one)
    found = book.compare(tables + Counter([STRAY, STRAY]), NOW)
    assert found.surprising
    assert len(found.foreign) == 2
    assert {lines for _, lines in found.foreign.values()} == {(STRAY,)}
    assert {until for until, _ in found.foreign.values()} == {NOW.steady + 30}
    assert book.tags() == {one.tag, *found.foreign}


def test_a_rule_of_somebody_elses_that_says_when_it_ends_is_no_stray() -> None:
    rule = "-s 10.0.0.0/8 -m limit -m comment --comment _exp_1700000005 -j LOG"
    book = Known()
    found = book.compare(Counter([Line(4, "filter", "FWKNOP_INPUT", rule)]), NOW)
    assert not found.surprising
    [(until, _)] = found.foreign.values()
    assert until == NOW.steady + 5
    assert book.tags() == frozenset()


def test_openings_of_an_earlier_run_are_known_again_by_their_rules() -> None:
    lead = Lead(ip_address("10.0.0.5"), 80)
    openings = [*grants("192.0.2.7"), Opening(hole("192.0.2.8", lead=lead), NOW.steady + 60)]
    _, tables = known(*openings)
    fresh = Known()
    strays = set(fresh.compare(tables + Counter([STRAY]), NOW).foreign)

    def forms(opening: Opening) -> list[tuple[Line, ...]]:
        return [lines(opening.hole, 1_700_000_060 + more, LEADS) for more in (-1, 0)]

    before, claimed = fresh.claim(openings, forms)
    assert set(claimed) == {each.tag for each in openings}
    assert len(before) == 3
    assert before < strays
    assert fresh.tags() == {Tag(name) for name in claimed} | (strays - before)
    fresh.forget(Tag(name) for name in strays - before)
    assert fresh.agrees(tables, NOW)


def test_rules_are_counted_by_where_they_are() -> None:
    found = counted({(4, "filter"): {"A": ["-j X", "-j X"]}, (6, "filter"): {"A": ["-j X"]}})
    assert found == {Line(4, "filter", "A", "-j X"): 2, Line(6, "filter", "A", "-j X"): 1}
