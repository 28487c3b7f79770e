"""Callers are led on by iptables: to hosts inside, to other ports of this one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from tests.system.nat_scene import GATE4, GATE6, Door, Yard, leading, yard
from tests.system.nft_scene import CLOCK, entered
from tests.system.tables_scene import MAKES, open_doors, six
from watchword.edges.firewall.tables.backend import TablesFirewall
from watchword.edges.programs import SystemPrograms
from watchword.lab.hosts import Lab
from watchword.model.addresses import canonical
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet, Lead, SourceNat

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables")]


@pytest.fixture(scope="module")
def scene() -> Iterator[Yard]:
    with Lab() as lab:
        yield yard(lab)


@pytest.fixture(params=MAKES)
def firewall(request: pytest.FixtureRequest, scene: Yard) -> Iterator[TablesFirewall]:
    """In the gateway, whose own rules let nothing in and nothing through but answers."""
    exe, host = request.param, scene.gateway.host
    with entered(host):
        for each in (exe, six(exe)):
            for chain in ("INPUT", "FORWARD"):
                answers = f"{each} -A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
                subprocess.run(answers.split(), check=True)
                subprocess.run([each, "-P", chain, "DROP"], check=True)
            subprocess.run(f"{each} -A FORWARD -i eth1 -j ACCEPT".split(), check=True)
        subprocess.run(f"{six(exe)} -A INPUT -p ipv6-icmp -j ACCEPT".split(), check=True)
        settings = FirewallSettings(
            backend="iptables", exe=exe, leads=True, seen_as=True, secret_ports=((50000, 50999),)
        )
        backend = TablesFirewall(settings, programs=SystemPrograms(), clock=CLOCK)
        backend.prepare()
        yield backend
        backend.teardown()
        backend.close()
        for each in (exe, six(exe)):
            subprocess.run([each, "-P", "FORWARD", "ACCEPT"], check=True)
    open_doors(host, exe)


@pytest.mark.parametrize("version", [4, 6])
def test_whom_a_grant_leads_on_gets_there_and_nobody_else(
    scene: Yard, firewall: TablesFirewall, version: int
) -> None:
    four = version == 4
    caller, stranger, gateway = scene.caller, scene.stranger, scene.gateway
    who, outside, inside, gate = (
        (caller.four, gateway.four, scene.inside.four, GATE4)
        if four
        else (caller.six, gateway.six, scene.inside.six, GATE6)
    )
    anywhere = "0.0.0.0" if four else "::"
    there = Door(scene.inside.host, anywhere, 22)
    here = Door(gateway.host, anywhere, 6543)
    host = ip_address(inside)
    openings = [
        leading(who, "tcp/8022", Lead(host, 22)),
        leading(who, "tcp/8023", Lead(host, 22, source=SourceNat())),
        leading(who, "tcp/8024", Lead(host, 22, source=SourceNat(canonical(gate)))),
        leading(who, "tcp/110", Lead(None, 6543)),
    ]
    for each in openings[:2]:
        firewall.apply(ChangeSet(add=(each,)))
    # Masquerading goes by where a connection leads, whoever it is.
    with there.enter(caller, outside, 8023) as visit:
        assert visit.seen_as == canonical(gate)
    firewall.apply(ChangeSet(remove=frozenset({openings[1].tag})))
    with there.enter(caller, outside, 8022) as visit:
        assert visit.seen_as == canonical(who)
    assert not there.lets_in(stranger, outside, 8022)
    firewall.apply(ChangeSet(add=(openings[2], openings[3]), remove=frozenset({openings[0].tag})))
    with there.enter(caller, outside, 8024) as visit:
        assert visit.seen_as == canonical(gate)
    with here.enter(caller, outside, 110):
        pass
    assert not here.lets_in(stranger, outside, 110)
    assert not there.lets_in(caller, outside, 8022)
    everything = leading(who, None, Lead(host, 0, everything=True))
    firewall.apply(
        ChangeSet(add=(everything,), remove=frozenset(each.tag for each in openings[2:]))
    )
    with there.enter(caller, outside, 22) as visit:
        assert visit.seen_as == canonical(who)
    assert not there.lets_in(stranger, outside, 22)
    firewall.apply(ChangeSet(remove=frozenset({everything.tag})))
    assert not there.lets_in(caller, outside, 22)
    there.close()
    here.close()


@pytest.mark.requirement("2.23", partial=True)
@pytest.mark.parametrize("version", [4, 6])
def test_who_shares_the_address_reaches_nothing_by_the_port_that_a_secret_one_stands_for(
    scene: Yard, firewall: TablesFirewall, version: int
) -> None:
    four = version == 4
    who = scene.caller.four if four else scene.caller.six
    outside = scene.gateway.four if four else scene.gateway.six
    here = Door(scene.gateway.host, "0.0.0.0" if four else "::", 6543)
    opened = leading(who, "tcp/50110", Lead(None, 6543))
    firewall.apply(ChangeSet(add=(opened,)))
    assert firewall.intact()
    assert firewall.installed() == {opened.tag}
    with here.enter(scene.caller, outside, 50110):
        pass
    assert not here.lets_in(scene.caller, outside, 6543)
    firewall.apply(ChangeSet(remove=frozenset({opened.tag})))
    assert not here.lets_in(scene.caller, outside, 50110)
    here.close()


@pytest.mark.parametrize("version", [4, 6])
def test_everything_is_let_through_and_a_neighbour_reaches_a_host_by_the_address_outside(
    scene: Yard, firewall: TablesFirewall, version: int
) -> None:
    four = version == 4
    caller, inside, neighbour = scene.caller, scene.inside, scene.neighbour
    who, outside, host, near, gate = (
        (caller.four, scene.gateway.four, inside.four, neighbour.four, GATE4)
        if four
        else (caller.six, scene.gateway.six, inside.six, neighbour.six, GATE6)
    )
    there = Door(inside.host, "0.0.0.0" if four else "::", 22)
    through = leading(who, None, Lead(None, 0, everything=True, source=SourceNat()))
    assert not there.lets_in(caller, host, 22)
    firewall.apply(ChangeSet(add=(through,)))
    with there.enter(caller, host, 22) as visit:
        assert visit.seen_as == canonical(gate)
    assert not there.lets_in(scene.stranger, host, 22)
    hairpin = leading(near, "tcp/8022", Lead(ip_address(host), 22, source=SourceNat()))
    firewall.apply(ChangeSet(add=(hairpin,), remove=frozenset({through.tag})))
    assert not there.lets_in(caller, host, 22)
    with there.enter(neighbour, outside, 8022) as visit:
        assert visit.seen_as == canonical(gate), "else the answer would take a short cut"
        assert visit.goes_on()
    there.close()


def test_behind_a_router_that_leads_on_itself_it_goes_by_packets_as_they_arrive(
    scene: Yard, firewall: TablesFirewall
) -> None:
    outer, there = "192.0.2.254", Door(scene.inside.host, "0.0.0.0", 22)
    internet = scene.outside.internet
    internet.run("nft", "add table ip outer; add chain ip outer ahead "
                 "{ type nat hook prerouting priority -100; }; "
                 f"add rule ip outer ahead ip daddr {outer} tcp dport 8022 "
                 f"dnat to {scene.gateway.four}")  # fmt: skip
    led = leading(scene.caller.four, "tcp/8022", Lead(ip_address(scene.inside.four), 22))
    firewall.apply(ChangeSet(add=(led,)))
    with there.enter(scene.caller, outer, 8022) as visit:
        assert visit.seen_as == canonical(scene.caller.four)
    assert not there.lets_in(scene.stranger, outer, 8022)
    internet.run("nft", "delete table ip outer")
    there.close()
