"""What is handed to nft, as whole text, and what a survey must find of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from watchword.edges.firewall.nft import guard, jump
from watchword.edges.firewall.nft.connections import Connection
from watchword.edges.firewall.nft.layout import Call
from watchword.edges.firewall.nft.survey import Chain, Rule, SetSeen, Survey, Table
from watchword.model.firewalls import Attach, FirewallSettings, JumpFrom
from watchword.model.services import Service

SSH, DNS, WEB = (Service.parse(each) for each in ("tcp/22", "udp/53", "tcp/80"))

SETS = """\
add table inet watchword { comment "made by watchword"; }
add set inet watchword open4 { type ipv4_addr . inet_proto . inet_service; flags timeout; size 262144; }
add set inet watchword open4_to { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags timeout; size 262144; }
add set inet watchword adopted4 { type ipv4_addr . inet_service . ipv4_addr . inet_service . inet_proto; size 65536; }
add set inet watchword cut4 { type ipv4_addr . inet_service . ipv4_addr . inet_service . inet_proto; size 65536; }
add set inet watchword open6 { type ipv6_addr . inet_proto . inet_service; flags timeout; size 262144; }
add set inet watchword open6_to { type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags timeout; size 262144; }
add set inet watchword adopted6 { type ipv6_addr . inet_service . ipv6_addr . inet_service . inet_proto; size 65536; }
add set inet watchword cut6 { type ipv6_addr . inet_service . ipv6_addr . inet_service . inet_proto; size 65536; }
add chain inet watchword guard { type filter hook prerouting priority -110; policy accept; }
flush chain inet watchword guard
"""  # noqa: E501 - the text as it is
UNDER_WAY = """\
iif lo accept comment "this host itself"
ip saddr . th sport . ip daddr . th dport . meta l4proto @cut4 fib daddr type local drop comment "came in while the guard was gone"
ip6 saddr . th sport . ip6 daddr . th dport . meta l4proto @cut6 fib daddr type local drop comment "came in while the guard was gone"
ct state related accept comment "belongs to a connection"
ct state established meta l4proto != tcp accept comment "under way"
ct state established tcp flags & (syn | ack) != syn accept comment "under way"
ip saddr . th sport . ip daddr . th dport . meta l4proto @adopted4 tcp flags & (syn | ack) != syn accept comment "was there before the guard"
meta l4proto udp ip saddr . th sport . ip daddr . th dport . meta l4proto @adopted4 accept comment "was there before the guard"
ip6 saddr . th sport . ip6 daddr . th dport . meta l4proto @adopted6 tcp flags & (syn | ack) != syn accept comment "was there before the guard"
meta l4proto udp ip6 saddr . th sport . ip6 daddr . th dport . meta l4proto @adopted6 accept comment "was there before the guard"
fib daddr type != { local, broadcast, anycast, multicast } accept comment "transit"
"""  # noqa: E501
GRANTED = """\
ip saddr . meta l4proto . th dport @open4 accept comment "granted"
ip saddr . ip daddr . meta l4proto . th dport @open4_to accept comment "granted"
ip6 saddr . meta l4proto . th dport @open6 accept comment "granted"
ip6 saddr . ip6 daddr . meta l4proto . th dport @open6_to accept comment "granted"
"""


def whole(middle: str, digest: str) -> str:
    rules = f'{UNDER_WAY}{middle}{GRANTED}counter drop comment "hidden until granted ({digest})"\n'
    return SETS + "".join(f"add rule inet watchword guard {each}\n" for each in rules.splitlines())


def digest_of(settings: FirewallSettings) -> str:
    [chain] = guard.structure(settings).chains
    return chain.comments[-1].rpartition("(")[2].rstrip(")")


def test_the_guard_of_two_services() -> None:
    settings = FirewallSettings(guarded=(DNS, SSH, SSH))
    middle = (
        'meta l4proto != { tcp, udp } accept comment "not guarded"\n'
        'meta l4proto . th dport != { tcp . 22, udp . 53 } accept comment "not guarded"\n'
    )
    assert guard.script(settings) == whole(middle, digest_of(settings))


def test_the_guard_of_everything() -> None:
    settings = FirewallSettings(guard_all=True, public=(WEB,), guarded=(SSH,))
    middle = (
        "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
        "nd-neighbor-advert, nd-redirect, mld-listener-query, mld-listener-report, "
        "mld-listener-done, mld2-listener-report } accept "
        'comment "without these there is no IPv6"\n'
        "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept "
        'comment "answers to our DHCPv6 requests"\n'
        'udp sport 67 udp dport 68 accept comment "answers to our DHCP requests"\n'
        'meta l4proto igmp accept comment "group membership"\n'
        "meta l4proto != { tcp, udp, icmp, icmpv6 } fib daddr type { broadcast, multicast } accept "
        'comment "routing protocols"\n'
        'meta l4proto . th dport { tcp . 80 } accept comment "public"\n'
    )
    assert guard.script(settings) == whole(middle, digest_of(settings))


def test_the_guard_of_nothing_hides_nothing() -> None:
    settings = FirewallSettings()
    middle = 'accept comment "nothing is guarded"\n'
    assert guard.script(settings) == whole(middle, digest_of(settings))


def test_connections_taken_over_come_in_the_same_transaction() -> None:
    four = Connection(ip_address("192.0.2.7"), 4000, ip_address("203.0.113.1"), SSH)
    six = Connection(ip_address("2001:db8::7"), 4001, ip_address("2001:db8:1::1"), DNS)
    bare, full = (
        guard.script(FirewallSettings()),
        guard.script(FirewallSettings(), [six, four], [four]),
    )
    assert full.removeprefix(bare) == (
        "add element inet watchword adopted4 { 192.0.2.7 . 4000 . 203.0.113.1 . 22 . tcp }\n"
        "add element inet watchword adopted6 { 2001:db8::7 . 4001 . 2001:db8:1::1 . 53 . udp }\n"
        "add element inet watchword cut4 { 192.0.2.7 . 4000 . 203.0.113.1 . 22 . tcp }\n"
    )


def test_other_services_make_another_structure() -> None:
    one = FirewallSettings(guarded=(SSH,))
    assert digest_of(one) == digest_of(FirewallSettings(guarded=(SSH, SSH)))
    for other in (
        FirewallSettings(guarded=(SSH, DNS)),
        FirewallSettings(guard_all=True),
        FirewallSettings(guard_all=True, public=(SSH,)),
        FirewallSettings(),
    ):
        assert digest_of(one) != digest_of(other)


def test_the_guard_is_removed_with_its_table_alone() -> None:
    assert guard.removal(FirewallSettings(table="hidden")) == "delete table inet hidden\n"


INPUT, FOUR = JumpFrom("inet", "filter", "input"), JumpFrom("ip", "filter", "INPUT")
JUMPS = FirewallSettings(attach=Attach.JUMP, jump_from=(FOUR,))


def test_the_jump_from_a_table_of_ipv4() -> None:
    [chain] = jump.structure(JUMPS).chains
    digest = chain.comments[0].rpartition("(")[2].rstrip(")")
    assert jump.script(JUMPS, jump.calls(JUMPS)) == (
        "add map ip filter watchword_open4 { type ipv4_addr . inet_proto . inet_service : verdict; "
        "flags timeout; size 262144; }\n"
        "add map ip filter watchword_open4_to { type ipv4_addr . ipv4_addr . inet_proto . "
        "inet_service : verdict; flags timeout; size 262144; }\n"
        "add chain ip filter watchword\n"
        "flush chain ip filter watchword\n"
        "add rule ip filter watchword ip saddr . meta l4proto . th dport vmap @watchword_open4 "
        f'comment "granted ({digest})"\n'
        "add rule ip filter watchword ip saddr . ip daddr . meta l4proto . th dport "
        f'vmap @watchword_open4_to comment "granted ({digest})"\n'
        'insert rule ip filter INPUT jump watchword comment "watchword"\n'
    )


def test_a_jump_that_is_there_is_not_inserted_again() -> None:
    assert "insert" not in jump.script(JUMPS, [])


def test_two_chains_of_one_table_share_our_pieces() -> None:
    forward = JumpFrom("inet", "filter", "forward")
    settings = FirewallSettings(attach=Attach.JUMP, jump_from=(INPUT, forward))
    script = jump.script(settings, jump.calls(settings))
    assert script.count("add map inet filter watchword_open6 ") == 1
    assert script.count("insert rule inet filter") == 2


def test_a_removal_names_exactly_what_is_ours() -> None:
    [home] = jump.homes(JUMPS)
    assert jump.removal(
        [(Call(FOUR, jump.CHAIN), 17)], [(home, jump.CHAIN)], [(home, "watchword_open4")]
    ) == (
        "delete rule ip filter INPUT handle 17\n"
        "flush chain ip filter watchword\n"
        "delete chain ip filter watchword\n"
        "delete map ip filter watchword_open4\n"
    )
    assert jump.removal([], [], []) == ""


def test_a_structure_stands_only_if_all_of_it_does() -> None:
    structure = guard.structure(FirewallSettings(guarded=(SSH,)))
    [expected] = structure.chains
    rules = tuple(Rule(n, comment, "") for n, comment in enumerate(expected.comments))
    chain = Chain(1, expected.hook, rules)
    table = Table(1, guard.MARK, dormant=False)
    seen = tuple(SetSeen(number, 0, timeouts=True, is_map=False) for number in range(1, 9))
    good = Survey((table,), (chain,), seen, ())
    assert good.fits(structure)
    assert expected.hook is not None
    for bad in (
        replace(good, tables=(None,)),
        replace(good, tables=(replace(table, dormant=True),)),
        replace(good, chains=(None,)),
        replace(good, chains=(replace(chain, rules=rules[1:]),)),
        replace(good, chains=(replace(chain, rules=(Rule(99, "", ""), *rules)),)),
        replace(good, chains=(replace(chain, hook=None),)),
        replace(good, chains=(replace(chain, hook=replace(expected.hook, policy=0)),)),
        replace(good, sets=(None, *good.sets[1:])),
        replace(good, jumps=(None,)),
        replace(good, jumps=((),)),
    ):
        assert not bad.fits(structure)
