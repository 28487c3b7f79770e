"""Openings as rich rules of firewalld: which, in which zones, how long, and whose they are."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from tests.contract.firewall import FirewallContract, World, tags
from tests.unit.firewalld_scene import Claims, scene
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.firewalld import forwarding as module
from watchword.edges.firewall.firewalld.rules import Rule, text
from watchword.edges.firewall.slipped import Slipped
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet, Extent, Hole, Lead, Opening, SourceNat
from watchword.model.services import Service

SSH = Service.parse("tcp/22")
RULE = (
    'rule priority="{}" family="ipv4" source address="192.0.2.7" '
    'port port="22" protocol="tcp" accept'
)
OURS, NEXT = RULE.format(-6220), RULE.format(-6219)
OTHERS = RULE.format(-6221)


@pytest.fixture(autouse=True)
def forwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "forwards", lambda version: True)


class TestFirewalldInMemory(FirewallContract):
    column = ""
    many = 200

    @pytest.fixture
    def world(self) -> World:
        return scene().world


def test_an_opening_is_a_rule_in_each_zone_that_packets_may_come_to() -> None:
    world, firewalld, _, _ = made = scene({"public": (), "home": ()})
    made.backend.prepare()
    world.add(world.opening())
    assert firewalld.told == [("put", "home", OURS), ("put", "public", OURS)]


def test_a_zone_that_packets_come_to_from_now_on_gets_the_rules_that_are_there() -> None:
    world, firewalld, _, _ = scene()
    world.backend.prepare()
    there = world.opening()
    world.add(there)
    firewalld.active.add("work")
    assert not world.backend.intact()
    world.backend.prepare()
    lost = world.backend.installed() ^ tags(there)
    world.backend.apply(ChangeSet((there,), frozenset(lost - tags(there))))
    assert world.backend.intact()
    assert world.backend.installed() == tags(there)
    assert firewalld.rules("work") == firewalld.rules("public") == [NEXT]


def test_zones_that_were_named_are_those_and_no_others() -> None:
    world, firewalld, _, _ = scene(named=("work",))
    world.backend.probe()
    world.backend.prepare()
    world.add(world.opening())
    assert firewalld.told == [("put", "work", OURS)]
    unknown, *_ = scene(named=("works",))
    with pytest.raises(HostError, match="firewalld has no zone works"):
        unknown.backend.probe()


@pytest.mark.parametrize("seconds", [0.2, 1, 1.7, 2, 2.9, 29.99, 30, 3600.5])
def test_no_timeout_is_longer_than_the_grant_or_a_second(seconds: float) -> None:
    world, firewalld, _, _ = scene()
    world.backend.prepare()
    world.add(world.opening(seconds=seconds))
    [timeout] = firewalld.timeouts
    assert timeout >= 1
    assert timeout + 0.8 <= seconds or timeout == 1
    assert timeout > seconds - 2


def test_what_firewalld_ends_a_little_early_is_no_disturbance() -> None:
    world, firewalld, _, _ = scene()
    world.backend.prepare()
    short = world.opening(seconds=30)
    world.add(short)
    world.wait(29.5)
    assert firewalld.rules("public") == []
    assert world.backend.intact()
    assert world.backend.installed() == frozenset()


def test_a_renewed_opening_has_its_new_rule_before_the_old_one_goes() -> None:
    world, firewalld, _, _ = scene()
    world.backend.prepare()
    first, second, third = (world.opening(seconds=each) for each in (30, 60, 90))
    world.add(first)
    world.backend.apply(ChangeSet((second,), tags(first)))
    world.backend.apply(ChangeSet((third,), tags(second)))
    assert [each for each, _, _ in firewalld.told] == ["put", "put", "take", "put", "take"]
    assert [each for _, _, each in firewalld.told] == [OURS, NEXT, OURS, OURS, NEXT]


def test_whoever_ends_rules_knows_of_each_before_it_is_there_and_when_it_is_gone() -> None:
    world, firewalld, heir, _ = scene()
    world.backend.prepare()
    firewalld.refuses = "192.0.2.66"
    with pytest.raises(HostError):
        world.add(world.opening(), world.opening("192.0.2.66"))
    assert firewalld.rules("public") == []
    assert heir.wills == {}
    there = world.opening()
    world.add(there)
    [will] = heir.wills.values()
    assert (text(will.rule), will.zones, will.until) == (OURS, ("public",), there.until)
    world.remove(there.tag)
    assert heir.wills == {}


def test_at_no_step_of_a_change_is_there_a_rule_that_nobody_would_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, firewalld, heir, _ = scene({"public": (), "home": ()})
    world.backend.prepare()
    steps = []

    def look() -> None:
        there = {*firewalld.rules("public"), *firewalld.rules("home")}
        steps.append(there <= {text(rule) for rule in heir.wills})

    for name in ("put", "take"):

        def step(*words: object, name: str = name) -> None:
            getattr(type(firewalld), name)(firewalld, *words)
            look()

        monkeypatch.setattr(firewalld, name, step)
    old = [world.opening(f"192.0.2.{last}", seconds=30) for last in range(3)]
    new = [world.opening(f"192.0.2.{last}", seconds=60) for last in range(1, 5)]
    world.add(*old)
    world.backend.apply(ChangeSet(tuple(new), tags(*old)))
    world.remove(*tags(*new))
    assert len(steps) == 2 * (3 + 4 + 3 + 4)
    assert all(steps)


def test_another_one_who_ends_rules_is_told_of_those_that_are_there() -> None:
    world, _, heir, _ = scene()
    world.backend.prepare()
    world.add(world.opening())
    heir.wills.clear()
    heir.alive = False
    assert not world.backend.intact()
    world.backend.prepare()
    assert len(heir.wills) == 1


def test_a_change_that_fails_in_the_second_zone_leaves_the_first_as_it_was() -> None:
    world, firewalld, _, _ = scene({"public": (), "home": ()})
    world.backend.prepare()
    old = world.opening(seconds=30)
    world.add(old)
    firewalld.vanish("public")
    with pytest.raises(HostError):
        world.backend.apply(ChangeSet((world.opening(seconds=60),), tags(old)))
    assert firewalld.rules("home") == [OURS]


def test_rules_of_others_stay_and_one_that_nobody_was_granted_goes() -> None:
    world, firewalld, _, _ = made = scene({"public": (OTHERS,)})
    made.backend.prepare()
    firewalld.put("public", OURS, 300)
    assert not world.backend.intact()
    world.remove(*world.backend.installed())
    assert firewalld.rules("public") == [OTHERS]
    world.backend.prepare()
    world.backend.apply(ChangeSet())
    assert world.backend.intact()
    firewalld.put("public", NEXT, 300)
    world.backend.teardown()
    assert firewalld.rules("public") == [OTHERS]


@pytest.mark.parametrize("at_once", [True, False])
def test_strays_that_took_both_priorities_do_not_take_an_opening_along(at_once: bool) -> None:
    world, firewalld, _, _ = scene()
    for rule in (OURS, NEXT):
        firewalld.put("public", rule, 300)
    world.backend.prepare()
    strays = world.backend.installed()
    there = world.opening()
    world.backend.apply(ChangeSet((there,), strays if at_once else frozenset()))
    world.remove(*strays)
    assert world.backend.installed() == tags(there)
    assert len(firewalld.rules("public")) == 1


def test_what_is_taken_down_goes_from_zones_that_nobody_comes_to_any_more() -> None:
    world, firewalld, _, _ = made = scene({"public": (), "home": ()})
    made.backend.prepare()
    world.add(world.opening())
    firewalld.active.remove("home")
    world.backend.teardown()
    assert firewalld.rules("home") == firewalld.rules("public") == []


def test_whoever_only_looks_changes_nothing() -> None:
    world, firewalld, heir, tables = made = scene()
    firewalld.put("public", OURS, 300)
    firewalld.told.clear()
    assert made.backend.recognise([world.opening()])
    assert (firewalld.told, tables.swept, heir.wills) == ([], [], {})


def test_after_a_restart_rules_of_the_earlier_run_are_those_of_its_grants() -> None:
    world, firewalld, heir, _ = made = scene()
    grant = world.opening()
    firewalld.put("public", NEXT, 50)
    world.backend.prepare()
    assert made.backend.recognise([grant]) == tags(grant)
    assert [each.until for each in heir.wills.values()] == [grant.until]
    world.remove(grant.tag)
    assert firewalld.rules("public") == []


def test_a_rule_of_an_earlier_run_that_is_not_in_every_zone_is_made_anew() -> None:
    world, firewalld, _, _ = made = scene({"public": (), "home": ()})
    grant = world.opening()
    firewalld.put("public", OURS, 50)
    world.backend.prepare()
    there = made.backend.recognise([grant])
    assert not there & tags(grant)
    world.backend.apply(ChangeSet((grant,), there))
    assert firewalld.rules("public") == firewalld.rules("home") == [NEXT]


def test_without_a_firewalld_grants_end_in_the_kernel_and_nothing_is_opened() -> None:
    world, firewalld, _, tables = scene()
    world.backend.prepare()
    there = world.opening()
    world.add(there)
    firewalld.running = False
    with pytest.raises(HostError, match="firewalld does not run"):
        world.add(world.opening("192.0.2.8"))
    with pytest.raises(HostError, match="firewalld does not run"):
        world.backend.prepare()
    tables.taken.clear()
    world.remove(there.tag)
    assert tables.taken == [("public", Rule(there.hole, -6220))]


def test_what_a_firewalld_was_killed_with_is_swept_out_when_another_one_is_there() -> None:
    world, firewalld, _, tables = made = scene({"public": (OTHERS,)})
    made.backend.prepare()
    made.backend.recognise([])
    over, there = world.opening(), world.opening("192.0.2.8")
    world.add(over, there)
    assert tables.swept == []
    firewalld.restart()
    tables.swept.clear()
    world.remove(over.tag)
    assert tables.swept == [({over.hole}, {"public": [over.hole]})], "that of others stays"
    assert not world.backend.intact()
    made.backend.prepare()
    assert made.backend.recognise([there]) == frozenset()
    assert tables.swept[1:] == [({there.hole}, {"public": [over.hole]})]
    world.add(there)
    world.remove(there.tag)
    assert len(tables.swept) == 2


def test_a_second_server_has_to_have_two_priorities_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Claims, "held", set())
    monkeypatch.setattr(Claims, "taken", {"rich rules of the priority -6219"})
    world, _, _, _ = made = scene()
    with pytest.raises(HostError, match="another fwknopd keeps its grants") as told:
        world.backend.prepare()
    assert told.value.hint == "give this one another FIREWALLD_PRIORITY"
    assert set() == Claims.held
    Claims.taken.clear()
    world.backend.prepare()
    world.backend.prepare()
    assert len(Claims.held) == 2
    made.backend.close()
    assert set() == Claims.held


def test_rules_that_are_not_in_the_kernel_are_said_to_mean_nothing() -> None:
    world, _, _, tables = scene()
    world.backend.prepare()
    there = world.opening()
    world.add(there)
    tables.flushed = True
    for look in (world.backend.intact, world.backend.prepare):
        with pytest.raises(HostError, match="nobody is refused anything") as told:
            look()
        assert "systemctl restart firewalld" in told.value.hint
    tables.flushed = False
    assert world.backend.intact()


def test_what_no_rich_rule_does_is_refused_whole() -> None:
    world, firewalld, _, _ = scene()
    world.backend.prepare()
    end = world.clock.now().steady + 60
    who = ip_address("192.0.2.7")
    for hole in (
        Hole(who, None, None, Lead(None, 0, everything=True)),
        Hole(who, SSH, None, Lead(ip_address("10.0.0.5"), 22, source=SourceNat())),
        Hole(who, SSH, extent=Extent(port=40123)),
        Hole(ip_address("192.0.2.0"), SSH, extent=Extent(bits=24, first=True)),
    ):
        with pytest.raises(HostError, match="no rich rule"):
            world.add(world.opening(), Opening(hole, end))
    assert firewalld.told == []


def test_nobody_is_led_to_another_host_where_the_kernel_forwards_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "forwards", lambda version: False)
    world, firewalld, _, _ = scene()
    world.backend.prepare()
    away = world.opening(lead=Lead(ip_address("10.0.0.5"), 22))
    with pytest.raises(HostError, match=r"forwards nothing of IPv4") as refused:
        world.add(away)
    assert refused.value.hint == "sysctl -w net.ipv4.ip_forward=1"
    assert firewalld.told == []
    world.add(world.opening(lead=Lead(None, 22)))
    [(_, _, rule)] = firewalld.told
    assert rule.endswith('forward-port port="22" protocol="tcp" to-port="22"')


def test_a_reload_wakes_and_a_change_of_our_own_does_not() -> None:
    world, firewalld, _, _ = scene()

    async def play() -> None:
        world.backend.prepare()
        waiting = asyncio.ensure_future(anext(world.backend.disturbances()))
        await asyncio.sleep(0)
        world.add(world.opening())
        assert not (await asyncio.wait([waiting], timeout=0.05))[0]
        firewalld.reload()
        await asyncio.wait_for(waiting, 60)

    asyncio.run(play())


class Judge(Slipped):
    """Counts how often there was something to be judged."""

    def __init__(self) -> None:
        hidden = FirewallSettings(hidden=(Service.parse("tcp/22"),))
        super().__init__(hidden, None, FakeClock())
        self.judged = 0

    def judge(self) -> None:
        self.judged += 1


def test_who_slips_in_is_looked_for_after_changes_of_others_and_not_after_our_own() -> None:
    judge = Judge()
    world, firewalld, _, _ = scene({"public": (OTHERS,)}, slipped=judge)

    async def play() -> None:
        world.backend.prepare()
        news = world.backend.disturbances()
        waiting = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0)
        world.add(world.opening())
        assert not (await asyncio.wait([waiting], timeout=0.05))[0]
        assert world.backend.intact()
        assert judge.judged == 0
        for number, rule in enumerate((OTHERS, None), start=1):
            firewalld.tell(rule)
            await asyncio.wait_for(waiting, 60)
            waiting = asyncio.ensure_future(anext(news))
            assert world.backend.intact()
            assert world.backend.intact()
            assert judge.judged == number
        firewalld.reload()
        await asyncio.wait_for(waiting, 60)
        assert not world.backend.intact()
        world.backend.prepare()
        assert judge.judged == 3

    asyncio.run(play())


def test_a_rehearsal_shows_zones_before_and_after_and_changes_nothing() -> None:
    world, firewalld, _, _ = made = scene({"public": (OTHERS, OURS)})
    before, after = made.backend.rehearsed([world.opening(), world.opening("2001:db8::7")])
    assert before == ["zone public", f"  {OURS}", f"  {OTHERS}"]
    assert f"  {OURS}" not in after
    assert [each for each in after if each not in before] == [
        f"  {NEXT}",
        '  rule priority="-6220" family="ipv6" source address="2001:db8::7" '
        'port port="22" protocol="tcp" accept',
    ]
    assert firewalld.told == []
