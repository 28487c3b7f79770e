"""Grants that stay while somebody is connected: how long, and when not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from tests.fwknopd_files import configure, remarks, stanza
from tests.sealing import sealed
from tests.unit.test_gate import House
from tests.values import policy, terms
from watchword.dialects.fwknop.audit_events import what_happened
from watchword.dialects.fwknop.explain_words import terms_in_words
from watchword.dialects.fwknop.voice import lines
from watchword.edges.firewall.live import MemoryConnections
from watchword.errors import HostError
from watchword.model.addresses import canonical
from watchword.model.daemon_events import HostTrouble
from watchword.model.openings import ChangeSet, Ending, Grant, Hole, Lease
from watchword.model.outcomes import GrantEnded, GrantStays
from watchword.model.policy import Policy, Terms
from watchword.model.services import Service
from watchword.model.sharing import SharingTerms
from watchword.ports import UnwarrantedError
from watchword.service.daemon.grant_rows import row, table
from watchword.service.daemon.staying import LEADS, STEP, Staying

SSH = Hole(canonical("198.51.100.2"), Service.parse("tcp/22"))


def keeping(seconds: int | None = 600, **more: Any) -> Terms:
    return terms(keep_seconds=seconds, default_seconds=60, key_names=("k1",), **more)


class Scene(House):
    """A server, and who is connected to it; grants last for sixty seconds."""

    def __init__(self, found: Policy) -> None:
        self.connections: Any = MemoryConnections()
        super().__init__(found)

    def start(self) -> None:
        super().start()
        self.staying = Staying(self.enforcer, self.connections, self.reporter, self.clock)
        self.staying.follow(self.policy)

    async def restart(self) -> None:
        await self.enforcer.written()
        super().start()
        await self.enforcer.resume(flush=False)
        self.staying = Staying(self.enforcer, self.connections, self.reporter, self.clock)
        self.staying.follow(self.policy)

    async def wait(self, seconds: float) -> None:
        """Let time pass, a quarter of a second at a time, with everything that has to be done."""
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)
            await self.staying.look()
            await self.enforcer.expire()

    @property
    def grant(self) -> Grant:
        [found] = self.enforcer.ledger.grants()
        return found

    def grant_of(self, hole: Hole) -> Grant:
        [found] = self.enforcer.ledger.grants_for(hole.who)
        return found

    def told(self, kind: type) -> list[Any]:
        return [each for each in self.reporter.events if isinstance(each, kind)]


def play(scene: Callable[[Scene], Coroutine[Any, Any, None]], found: Terms | None = None) -> Scene:
    house = Scene(policy(found or keeping()))
    asyncio.run(scene(house))
    return house


def test_a_grant_stays_while_somebody_is_connected_and_ends_soon_after() -> None:
    async def scene(house: Scene) -> None:
        await house.take(sealed())
        house.connections.live = {SSH}
        await house.wait(300)
        assert house.open == {"198.51.100.2 tcp/22"}
        house.connections.live = set()
        await house.wait(STEP + LEADS[0] + 1)
        assert house.open == set()
        assert [each.ending for each in house.told(GrantEnded)] == [Ending.EXPIRED]
        assert len(house.told(GrantStays)) == 1

    play(scene)


def test_a_grant_that_nobody_uses_ends_when_it_was_to_end() -> None:
    async def scene(house: Scene) -> None:
        await house.take(sealed())
        await house.wait(59)
        assert house.open
        await house.wait(1)
        assert not house.open
        assert house.told(GrantStays) == []

    play(scene)


def test_who_comes_in_the_last_seconds_is_seen_as_well() -> None:
    async def scene(house: Scene) -> None:
        await house.take(sealed())
        await house.wait(58)
        house.connections.live = {SSH}
        await house.wait(10)
        assert house.open

    play(scene)


@pytest.mark.parametrize("most", [70, 100, 600])
def test_no_grant_stays_longer_than_its_stanza_allows(most: int) -> None:
    async def scene(house: Scene) -> None:
        await house.take(sealed())
        house.connections.live = {SSH}
        await house.wait(most - 0.5)
        assert house.open
        [stays] = house.told(GrantStays)
        assert stays.latest == pytest.approx(house.grant.began + most, abs=1)
        await house.wait(1)
        assert not house.open
        assert house.staying._asked == {} or await forgotten(house)

    async def forgotten(house: Scene) -> bool:
        await house.wait(3)
        return not (house.staying._asked or house.staying._next or house.staying._told)

    play(scene, keeping(most))


def test_who_holds_an_address_does_not_hold_it_longer_by_staying_connected() -> None:
    async def scene(house: Scene) -> None:
        await house.take(sealed())
        house.connections.live = {SSH}
        await house.wait(70)
        await house.take(sealed(sent_at=int(house.clock.now().wall)))
        await house.wait(29.5)
        assert house.open
        [stays] = house.told(GrantStays)
        assert stays.latest == pytest.approx(house.grant.began + 100, abs=1)
        await house.wait(1)
        assert not house.open

    play(scene, keeping(600, sharing=SharingTerms(lease=Lease.TELL, lease_seconds=100)))


def test_a_new_packet_begins_the_longest_time_anew() -> None:
    async def scene(house: Scene) -> None:
        await house.take(sealed())
        house.connections.live = {SSH}
        await house.wait(80)
        await house.take(sealed(sent_at=int(house.clock.now().wall)))
        await house.wait(90)
        assert house.open
        await house.wait(15)
        assert not house.open

    play(scene, keeping(100))


def test_who_renews_all_the_time_leaves_no_heap_of_looks() -> None:
    async def scene(house: Scene) -> None:
        await house.take(sealed())
        for _ in range(5000):
            house.clock.advance(0.01)
            house.staying.asked(house.grant)
        assert len(house.staying._looks) < 1100
        house.connections.live = {SSH}
        await house.wait(58)
        assert house.open

    play(scene)


def test_where_no_stanza_says_so_nobody_looks() -> None:
    class Unasked:
        def through(self, holes: Collection[Hole]) -> frozenset[Hole]:
            raise AssertionError("it was looked")

    async def scene(house: Scene) -> None:
        house.connections = Unasked()
        house.start()
        await house.take(sealed())
        assert house.staying._looks == []
        await house.wait(61)
        assert not house.open

    play(scene, keeping(None))


def test_what_was_taken_back_does_not_come_again() -> None:
    async def scene(house: Scene) -> None:
        house.connections.live = {SSH}
        await house.take(sealed())
        await house.wait(80)
        await house.enforcer.revoke(lambda grant: True, cut=False)
        await house.wait(80)
        assert not house.open
        assert house.staying._asked == {}

    play(scene)


def test_a_grant_taken_back_while_it_is_looked_is_not_prolonged() -> None:
    async def scene(house: Scene) -> None:
        await house.take(sealed())
        name = house.grant.id
        await house.enforcer.revoke(lambda grant: True, cut=False)
        assert list(await house.enforcer.prolong({name: 9e9})) == []
        assert not house.open

    play(scene)


def test_no_end_is_moved_back_and_nothing_that_is_over_comes_again() -> None:
    async def scene(house: Scene) -> None:
        await house.take(sealed())
        name, until = house.grant.id, house.grant.until
        assert list(await house.enforcer.prolong({name: until - 30})) == []
        assert house.grant.until == until
        house.clock.advance(61)
        assert list(await house.enforcer.prolong({name: until + 30})) == []
        await house.enforcer.expire()
        assert not house.open

    play(scene)


def test_a_reload_counts_for_what_is_open() -> None:
    async def scene(house: Scene) -> None:
        house.connections.live = {SSH}
        await house.take(sealed())
        house.staying.follow(policy(keeping()))
        await house.wait(100)
        assert house.open
        moved = (terms(1, key_names=("other",)), replace(keeping(), number=2))
        house.staying.follow(policy(*moved))
        await house.wait(100)
        assert house.open
        house.staying.follow(policy(keeping(None)))
        await house.wait(STEP + 1)
        assert not house.open

    play(scene, keeping(None))


@pytest.mark.parametrize("why", ["expired", "blacklisted", "blocked"])
def test_what_the_policy_of_now_would_not_give_ends_at_its_end(why: str) -> None:
    async def scene(house: Scene) -> None:
        house.connections.live = {SSH}
        await house.take(sealed())
        gone = {
            "expired": policy(keeping(expires=house.clock.now().wall + 50)),
            "blacklisted": replace(policy(keeping()), blacklist=(ip_network("198.51.100.2"),)),
            "blocked": policy(keeping(blocked=True)),
        }
        house.staying.follow(gone[why])
        await house.wait(59)
        assert house.open
        await house.wait(1)
        assert not house.open
        assert house.told(GrantStays) == []

    play(scene)


def test_one_that_may_not_stay_does_not_keep_others_from_staying() -> None:
    async def scene(house: Scene) -> None:
        other = Hole(canonical("198.51.100.7"), SSH.service)
        house.connections.live = {SSH, other}
        apply = house.firewall.apply
        asked = []

        def refuse(change: ChangeSet) -> None:
            forbidden = [each.hole for each in change.add if each.hole == other]
            asked.append(len(forbidden))
            if forbidden and len(asked) > 1:
                raise UnwarrantedError("not for them", holes=forbidden)
            apply(change)

        house.firewall.apply = refuse  # type: ignore[method-assign]
        await house.take(sealed(), sealed("198.51.100.7,tcp/22"))
        assert len(house.open) == 2
        until = house.grant_of(other).until
        await house.wait(57)
        assert house.grant_of(other).until == until
        assert house.grant_of(SSH).until > until
        await house.wait(5)
        assert house.open == {"198.51.100.2 tcp/22"}

    play(scene)


def test_after_a_restart_it_stays_as_it_would_have() -> None:
    async def scene(house: Scene) -> None:
        house.connections.live = {SSH}
        await house.take(sealed())
        await house.wait(100)
        until = house.grant.until
        await house.restart()
        assert house.grant.until == until
        await house.wait(150)
        assert house.open
        await house.wait(60)  # ten more than the longest time since it began
        assert not house.open

    play(scene, keeping(300))


def test_a_grant_whose_user_went_while_the_daemon_was_gone_ends() -> None:
    async def scene(house: Scene) -> None:
        house.connections.live = {SSH}
        await house.take(sealed())
        await house.wait(70)
        house.clock.advance(40)
        await house.restart()
        assert not house.open

    play(scene)


def test_where_the_firewall_refuses_it_ends_at_its_end_and_trouble_is_told() -> None:
    async def scene(house: Scene) -> None:
        house.connections.live = {SSH}
        await house.take(sealed())
        await house.wait(54.75)
        until = house.grant.until

        def refuse(change: object) -> None:
            raise HostError("no")

        house.firewall.apply = refuse  # type: ignore[method-assign]
        await house.wait(0.5)
        assert house.grant.until == until
        assert [each.part for each in house.told(HostTrouble)] == ["connections"]

    play(scene)


def test_where_nobody_can_say_who_is_connected_it_ends_and_that_is_told_once() -> None:
    class Broken:
        def through(self, holes: Collection[Hole]) -> frozenset[Hole]:
            raise HostError("no table of sockets")

    async def scene(house: Scene) -> None:
        house.connections = Broken()
        house.start()
        await house.take(sealed())
        await house.wait(61)
        assert not house.open
        [told] = house.told(HostTrouble)
        assert (told.part, told.message) == ("connections", "no table of sockets")

    play(scene)


def test_two_callers_of_one_address_stay_together_and_alone() -> None:
    """Connection tracking knows addresses, not people."""

    async def scene(house: Scene) -> None:
        house.connections.live = {SSH}
        await house.take(sealed(), sealed(user="bob"))
        await house.wait(100)
        assert len(house.enforcer.ledger) == 2

    play(scene)


def test_the_loop_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(house: Scene) -> None:
        house.connections.live = {SSH}
        task = asyncio.get_running_loop().create_task(house.staying.stay_forever())
        await house.take(sealed())
        house.clock.advance(56)
        house.staying._stirred.set()
        async with asyncio.timeout(60):
            while not house.told(GrantStays):
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    play(scene)


# --- what is written and told -------------------------------------------------------------


def test_the_stanza_says_whether_and_how_long() -> None:
    def seconds(text: str) -> int | None:
        return configure("", stanza(text)).policy.stanzas[0].keep_seconds

    assert seconds("") is None
    assert seconds("KEEP_WHILE_CONNECTED N\n") is None
    assert seconds("KEEP_WHILE_CONNECTED Y\n") == 43_200
    assert seconds("KEEP_WHILE_CONNECTED Y\nMAX_KEEP_TIME 3600\n") == 3600
    [said] = remarks("", stanza("MAX_KEEP_TIME 3600\n"))
    assert "no effect without KEEP_WHILE_CONNECTED Y" in said
    cycle = "CMD_CYCLE_OPEN a $SRC\nCMD_CYCLE_CLOSE NONE\nKEEP_WHILE_CONNECTED Y\n"
    assert any("KEEP_WHILE_CONNECTED has no effect" in each for each in remarks("", stanza(cycle)))
    assert seconds(cycle) is None


def test_it_is_told_by_check_log_audit_and_list() -> None:
    words = " ".join(terms_in_words(keeping(3600)))
    assert "up to 3600 seconds after the last packet (KEEP_WHILE_CONNECTED)" in words
    house = Scene(policy(keeping()))
    asyncio.run(house.take(sealed()))
    grant = house.grant
    event = GrantStays(grant, grant.began + 600)
    [(_, said)] = lines(event)
    assert said.startswith(f"Rule {grant.id} for 198.51.100.2 tcp/22 goes on while somebody is")
    entry = what_happened(event, grant.began)
    assert entry is not None
    assert (entry["event"], entry["grant"]) == ("stays", grant.id)
    told = row(grant, (), house.clock.now(), house.staying.latest(grant))
    assert told["stays_until"] == grant.began + 600
    assert "60 s, stays" in table([told])[1]
    assert "stays" not in table([row(grant, (), house.clock.now())])[1]
