"""Connections that are led on by nftables, with real packets."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from tests.system.nat_scene import Door, Yard, at_the_gateway, leading, yard
from tests.system.nft_scene import (
    add,
    eventually,
    firewall,
    guarding,
    nft,
    opening,
    reaches,
    remove,
)
from watchword.lab.hosts import Lab
from watchword.lab.sockets import connect
from watchword.model.addresses import Address
from watchword.model.firewalls import Attach, FirewallSettings, JumpFrom
from watchword.model.openings import Lead, SourceNat
from watchword.model.services import Service

pytestmark = pytest.mark.system
FORWARD = (JumpFrom("inet", "router", "forward"),)
POP3, GHOST = Service.parse("tcp/110"), Service.parse("tcp/6543")
GUARD = guarding(GHOST, leads=True, forward_from=FORWARD)
SNAT4, SNAT6 = "10.0.0.99", "fd00::99"


@pytest.fixture(scope="module")
def network() -> Iterator[Yard]:
    with Lab() as lab:
        scene = yard(lab)
        for address in (f"{SNAT4}/24", f"{SNAT6}/64"):
            # Never the one that the kernel chooses by itself.
            rare = ("preferred_lft", "0") if ":" in address else ()
            scene.gateway.host.run("ip", "addr", "add", address, "dev", "eth1", *rare)
        yield scene


@pytest.fixture
def scene(network: Yard) -> Iterator[Yard]:
    with at_the_gateway(network):
        yield network


@pytest.fixture(scope="module")
def doors(network: Yard) -> Iterator[dict[str, Door]]:
    """Services of the gateway and behind it, for both families."""
    gateway, inside = network.gateway.host, network.inside.host
    opened = {
        "pop3": Door(gateway, "::", 110),
        "ghost": Door(gateway, "::", 6543),
        "inside": Door(inside, "::", 22),
        "web": Door(inside, "::", 80),
    }
    yield opened
    for each in opened.values():
        each.close()


class Way:
    """One family's view of the scene."""

    def __init__(self, scene: Yard, six: bool) -> None:
        def of(station: object) -> str:
            return str(getattr(station, "six" if six else "four"))

        self.gateway, self.inside = of(scene.gateway), of(scene.inside)
        self.caller, self.stranger = of(scene.caller), of(scene.stranger)
        self.inner = "fd00::1" if six else "10.0.0.1"
        self.snat = SNAT6 if six else SNAT4

    @property
    def host(self) -> Address:
        return ip_address(self.inside)


@pytest.fixture(params=[False, True], ids=["IPv4", "IPv6"])
def way(scene: Yard, request: pytest.FixtureRequest) -> Way:
    return Way(scene, request.param)


@pytest.mark.parametrize("attach", [Attach.GUARD, Attach.JUMP, Attach.MARK])
def test_a_port_leads_its_caller_and_nobody_else_to_a_host_behind_this_one(
    scene: Yard, doors: dict[str, Door], way: Way, attach: Attach
) -> None:
    settings = replace(GUARD, attach=attach)
    if attach is Attach.JUMP:
        nft(script="add chain inet router input { type filter hook input priority 0; }")
        settings = replace(settings, jump_from=(JumpFrom("inet", "router", "input"),))
    with firewall(settings) as backend:
        backend.prepare()
        assert not doors["inside"].lets_in(scene.caller, way.gateway, 8022)
        led = leading(way.caller, "tcp/8022", Lead(way.host, 22))
        backend.apply(add(led))
        with doors["inside"].enter(scene.caller, way.gateway, 8022) as visit:
            assert str(visit.seen_as) == way.caller
            assert visit.goes_on()
            assert not doors["inside"].lets_in(scene.stranger, way.gateway, 8022)
            assert not doors["inside"].lets_in(scene.caller, way.inside, 22), "not by itself"
            backend.apply(remove(led.tag))
            assert not doors["inside"].lets_in(scene.caller, way.gateway, 8022)
            assert visit.goes_on(), "what was led on by then goes on"


def test_a_ghost_is_behind_a_port_that_everybody_else_finds_another_service_on(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    with firewall(GUARD) as backend:
        backend.prepare()
        for each in (scene.caller, scene.stranger):
            doors["pop3"].enter(each, way.gateway, 110).close()
            assert not doors["ghost"].lets_in(each, way.gateway, 6543)
        backend.apply(add(leading(way.caller, "tcp/110", Lead(None, 6543))))
        doors["ghost"].enter(scene.caller, way.gateway, 110).close()
        doors["pop3"].enter(scene.stranger, way.gateway, 110).close()
        for each in (scene.caller, scene.stranger):
            assert not doors["ghost"].lets_in(each, way.gateway, 6543), "only by the other port"


def test_a_hidden_port_can_lead_elsewhere_too(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    everything = FirewallSettings(guard_all=True, leads=True, forward_from=FORWARD)
    with firewall(everything) as backend:
        backend.prepare()
        assert not reaches(scene.caller, way.gateway, 110, 0.15)
        backend.apply(add(leading(way.caller, "tcp/110", Lead(None, 6543))))
        doors["ghost"].enter(scene.caller, way.gateway, 110).close()
        assert not reaches(scene.stranger, way.gateway, 110, 0.15)


def test_the_inside_sees_whom_it_is_meant_to_see(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    settings = replace(GUARD, snat=(ip_address(SNAT4), ip_address(SNAT6)))
    with firewall(settings) as backend:
        backend.prepare()
        sources = {
            8001: (None, way.caller),
            8002: (SourceNat(), way.inner),
            8003: (SourceNat(ip_address(way.snat)), way.snat),
        }
        backend.apply(
            add(
                *(
                    leading(way.caller, f"tcp/{port}", Lead(way.host, 22, source=source))
                    for port, (source, _) in sources.items()
                )
            )
        )
        for port, (_, expected) in sources.items():
            with doors["inside"].enter(scene.caller, way.gateway, port) as visit:
                assert str(visit.seen_as) == expected
                assert visit.goes_on()


def test_an_address_that_the_settings_have_no_more_becomes_that_of_the_interface(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    source = SourceNat(ip_address(way.snat))
    led = leading(way.caller, "tcp/8022", Lead(way.host, 22, source=source))
    with firewall(replace(GUARD, snat=(ip_address(way.snat),))) as before:
        before.prepare()
        before.apply(add(led))
    with firewall(GUARD) as after:
        after.prepare()
        assert after.installed() == frozenset(), "it is to be put in anew"
        after.apply(add(led))
        assert after.installed() == {led.tag}
        with doors["inside"].enter(scene.caller, way.gateway, 8022) as visit:
            assert str(visit.seen_as) == way.inner


def test_everything_of_a_caller_can_lead_to_one_host_but_not_what_is_for_the_daemon(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    with firewall(replace(GUARD, own=(POP3,))) as backend:
        backend.prepare()
        backend.apply(add(leading(way.caller, None, Lead(way.host, 0, everything=True))))
        doors["inside"].enter(scene.caller, way.gateway, 22).close()
        doors["web"].enter(scene.caller, way.gateway, 80).close()
        doors["pop3"].enter(scene.caller, way.gateway, 110).close()
        assert not doors["web"].lets_in(scene.stranger, way.gateway, 80)


def test_everything_of_a_caller_can_be_let_through(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    through = Lead(None, 0, everything=True, source=SourceNat())
    with firewall(GUARD) as backend:
        backend.prepare()
        assert not doors["web"].lets_in(scene.caller, way.inside, 80)
        led = leading(way.caller, None, through)
        backend.apply(add(led))
        with doors["web"].enter(scene.caller, way.inside, 80) as visit:
            assert str(visit.seen_as) == way.inner
        visit = doors["inside"].enter(scene.caller, way.inside, 22)
        assert not doors["web"].lets_in(scene.stranger, way.inside, 80)
        assert not reaches(scene.caller, way.gateway, 6543, 0.15), "not to what is hidden"
        backend.apply(remove(led.tag))
        assert not doors["web"].lets_in(scene.caller, way.inside, 80)
        assert visit.goes_on()
        assert backend.cut([led.hole]) >= 1
        assert visit.is_cut()
        backend.prune()
        assert visit.is_cut()
        visit.close()


def test_what_leads_on_from_one_address_of_this_host_does_not_from_another(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    with firewall(GUARD) as backend:
        backend.prepare()
        backend.apply(add(leading(way.caller, "tcp/8022", Lead(way.host, 22), to=way.gateway)))
        doors["inside"].enter(scene.caller, way.gateway, 8022).close()
        other = "10.0.0.1" if ":" not in way.gateway else "fd00::1"
        with pytest.raises(ConnectionRefusedError):
            connect(scene.caller.host, other, 8022, 30)


def test_what_only_passes_through_this_host_is_not_led_on(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    inside = way.inside
    with firewall(GUARD) as backend:
        backend.prepare()
        backend.apply(add(leading(inside, "tcp/110", Lead(None, 6543))))
        doors["ghost"].enter(scene.inside, way.inner, 110).close()
        with pytest.raises(ConnectionRefusedError):  # by the caller, who has no such service
            connect(scene.inside.host, way.caller, 110, 30)


def test_a_led_connection_outlives_its_opening_and_can_be_cut(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    with firewall(GUARD) as backend:
        backend.prepare()
        short = leading(way.caller, "tcp/8022", Lead(way.host, 22), seconds=1.5)
        ghost = leading(way.caller, "tcp/110", Lead(None, 6543), seconds=1.5)
        backend.apply(add(short, ghost))
        visits = (
            doors["inside"].enter(scene.caller, way.gateway, 8022),
            doors["ghost"].enter(scene.caller, way.gateway, 110),
        )
        assert eventually(lambda: not backend.installed())
        assert not doors["inside"].lets_in(scene.caller, way.gateway, 8022)
        doors["pop3"].enter(scene.caller, way.gateway, 110).close()
        for each in visits:
            assert each.goes_on()
        assert backend.cut([short.hole, ghost.hole]) == 2
        for each in visits:
            assert each.is_cut()
            each.close()


def test_a_host_behind_can_call_itself_by_the_address_outside(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    """A hairpin: without the gateway's own address as source the answer would take a short cut."""
    neighbour = scene.neighbour.six if ":" in way.gateway else scene.neighbour.four
    with firewall(GUARD) as backend:
        backend.prepare()
        source = SourceNat()
        backend.apply(
            add(
                leading(neighbour, "tcp/8022", Lead(way.host, 22, source=source)),
                leading(neighbour, "tcp/8023", Lead(way.host, 22)),
            )
        )
        with doors["inside"].enter(scene.neighbour, way.gateway, 8022) as visit:
            assert visit.goes_on()


def test_it_leads_on_behind_a_router_that_leads_on_itself(
    scene: Yard, doors: dict[str, Door]
) -> None:
    """Double NAT: what counts is how packets look when they arrive."""
    way, outer = Way(scene, six=False), "192.0.2.254"
    internet = scene.outside.internet.run
    internet("nft", "add table ip outer; add chain ip outer ahead "
             "{ type nat hook prerouting priority -100; }; "
             f"add rule ip outer ahead ip daddr {outer} tcp dport {{ 110, 8022 }} "
             f"dnat to {way.gateway}")  # fmt: skip
    try:
        with firewall(GUARD) as backend:
            backend.prepare()
            backend.apply(
                add(
                    leading(way.caller, "tcp/8022", Lead(way.host, 22)),
                    leading(way.caller, "tcp/110", Lead(None, 6543)),
                )
            )
            for name, port in (("inside", 8022), ("ghost", 110)):
                with doors[name].enter(scene.caller, outer, port) as visit:
                    assert str(visit.seen_as) == way.caller
                    assert visit.goes_on()
                assert not doors[name].lets_in(scene.stranger, outer, port)
    finally:
        internet("nft", "delete table ip outer")


def test_a_flushed_ruleset_leads_on_again_and_who_slipped_in_is_cut(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    with firewall(GUARD) as backend:
        backend.prepare()
        led = leading(way.caller, "tcp/110", Lead(None, 6543))
        backend.apply(add(led))
        visit = doors["ghost"].enter(scene.caller, way.gateway, 110)
        nft("flush", "ruleset")
        assert not backend.intact()
        slipped = doors["ghost"].enter(scene.stranger, way.gateway, 6543)
        nft(
            script="add table inet router\nadd chain inet router forward "
            "{ type filter hook forward priority 0; policy drop; }"
        )
        backend.prepare()
        backend.apply(add(led))
        doors["ghost"].enter(scene.caller, way.gateway, 110).close()
        assert visit.goes_on()
        assert slipped.is_cut()
        for each in (visit, slipped):
            each.close()


def test_an_opening_of_which_others_took_a_part_away_is_none(scene: Yard, way: Way) -> None:
    with firewall(GUARD) as backend:
        backend.prepare()
        led = leading(way.caller, "tcp/110", Lead(None, 6543))
        version = 6 if ":" in way.caller else 4
        for name in (f"port{version}", f"led{version}"):
            backend.apply(add(led))
            nft("delete", "element", "inet", "watchword", name, f"{{ {way.caller} . tcp . 110 }}")
            assert not backend.intact()
            backend.prepare()
            assert backend.installed() == frozenset()
            rest = nft("list", "ruleset")
            assert f"{way.caller} . tcp . 110" not in rest, "what is left of it is taken out"


def test_what_leads_on_is_made_again_when_others_take_it_away(scene: Yard, way: Way) -> None:
    with firewall(GUARD) as backend:
        backend.prepare()
        led = leading(way.caller, "tcp/110", Lead(None, 6543))
        backend.apply(add(led))
        for damage in (
            "flush chain inet watchword lead_on", "flush chain inet watchword seen_as",
            "flush chain inet watchword led", "flush chain inet router forward",
        ):  # fmt: skip
            nft(script=damage)
            assert not backend.intact()
            backend.prepare()
            assert backend.intact()
            assert backend.installed() == {led.tag}, "elements stay"


@pytest.mark.requirement("3.4", partial=True)
def test_a_saved_ruleset_of_iptables_lets_nobody_through_when_it_is_restored(
    scene: Yard, doors: dict[str, Door]
) -> None:
    """iptables-save leaves out what it cannot express; what it keeps must not be an accept."""
    way = Way(scene, six=False)
    nft("flush", "ruleset")
    for chain in ("INPUT", "FORWARD", "OUTPUT"):
        iptables("-P", chain, "DROP")
    for chain in ("INPUT", "FORWARD"):  # what goes out is let out by nobody but us
        iptables("-A", chain, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT")
    places = {name: (JumpFrom("ip", "filter", name),) for name in ("INPUT", "FORWARD", "OUTPUT")}
    settings = FirewallSettings(
        attach=Attach.JUMP,
        leads=True,
        jump_from=places["INPUT"],
        forward_from=places["FORWARD"],
        output_from=places["OUTPUT"],
    )
    with firewall(settings) as backend:
        backend.prepare()
        led = leading(way.caller, "tcp/8022", Lead(way.host, 22))
        ghost = leading(way.caller, "tcp/110", Lead(None, 6543))
        plain = opening(way.caller, GHOST)
        backend.apply(add(led, ghost, plain))
        doors["inside"].enter(scene.caller, way.gateway, 8022).close()
        doors["ghost"].enter(scene.caller, way.gateway, 110).close()
        doors["ghost"].enter(scene.caller, way.gateway, 6543).close()
        backend.apply(remove(plain.tag))
        saved = subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout
        assert "-j watchword_forward" in saved
        assert not [line for line in saved.splitlines() if "-A watchword" in line and "-j" in line]
        nft("flush", "ruleset")
        subprocess.run(["iptables-restore"], check=True, input=saved, text=True)
        assert not doors["inside"].lets_in(scene.caller, way.gateway, 8022)
        assert not doors["ghost"].lets_in(scene.caller, way.gateway, 6543)
        backend.prepare()
        backend.apply(add(led, ghost))
        doors["inside"].enter(scene.caller, way.gateway, 8022).close()
        doors["ghost"].enter(scene.caller, way.gateway, 110).close()


def iptables(*words: str) -> None:
    subprocess.run(["iptables", *words], check=True)


@pytest.mark.parametrize("attach", [Attach.GUARD, Attach.JUMP, Attach.MARK])
def test_a_firewall_that_is_to_lead_nobody_on_any_more_does_not(
    scene: Yard, doors: dict[str, Door], attach: Attach
) -> None:
    way = Way(scene, six=False)
    nft(script="add chain inet router input { type filter hook input priority 0; }")
    before = replace(GUARD, attach=attach, jump_from=(JumpFrom("inet", "router", "input"),))
    if attach is not Attach.JUMP:
        before = replace(before, jump_from=())
    plain = opening(way.caller, GHOST)
    with firewall(before) as backend:
        backend.prepare()
        backend.apply(add(leading(way.caller, "tcp/110", Lead(None, 6543)), plain))
        doors["ghost"].enter(scene.caller, way.gateway, 110).close()
    with firewall(replace(before, leads=False, forward_from=())) as backend:
        backend.prepare()
        backend.apply(add(plain))
        assert backend.installed() == {plain.tag}
        assert backend.intact()
        doors["pop3"].enter(scene.caller, way.gateway, 110).close()
        doors["ghost"].enter(scene.caller, way.gateway, 6543).close()
        assert "lead_on" not in nft("list", "ruleset")
        backend.teardown()
        assert "table inet watchword" not in nft("list", "ruleset")


def test_marks_open_what_the_operators_own_rules_let_marked_packets_into(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    nft(
        script="add chain inet router input { type filter hook input priority 0; }\n"
        "add rule inet router input meta mark & 0x01000000 != 0 accept\n"
        "add rule inet router input tcp dport 6543 ct state new drop\n"
    )
    with firewall(FirewallSettings(attach=Attach.MARK)) as backend:
        backend.prepare()
        assert not doors["ghost"].lets_in(scene.caller, way.gateway, 6543)
        there = opening(way.caller, GHOST)
        backend.apply(add(there, opening(way.stranger, GHOST, to=way.inside)))
        with doors["ghost"].enter(scene.caller, way.gateway, 6543) as visit:
            assert not doors["ghost"].lets_in(scene.stranger, way.gateway, 6543)
            backend.apply(remove(there.tag))
            assert not doors["ghost"].lets_in(scene.caller, way.gateway, 6543)
            assert visit.goes_on()
        backend.teardown()
        assert "watchword" not in nft("list", "ruleset")


def test_a_tenth_of_a_second_is_not_missed_by_two_pieces_of_one_opening(
    scene: Yard, doors: dict[str, Door], way: Way
) -> None:
    """If one ended before the other, a caller would for a moment come to the wrong service."""
    with firewall(GUARD) as backend:
        backend.prepare()
        until = time.monotonic() + 0.6
        backend.apply(add(leading(way.caller, "tcp/110", Lead(None, 6543), seconds=0.3)))
        outcomes = []
        while time.monotonic() < until:
            made = connect(scene.caller.host, way.gateway, 110, 0.9)  # then it is sent again
            outcomes.append(made is not None)
            if made is not None:
                made.close()
        assert all(outcomes), "it always leads somewhere"
