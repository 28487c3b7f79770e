"""What is told of grants and done to them at the control socket, with everything in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.sealing import sealed
from tests.unit.test_gate import House
from tests.values import NOW, policy, terms
from watchword.edges.peers import Peer
from watchword.errors import HostError, OperatorError
from watchword.model.openings import Ending
from watchword.model.outcomes import Action, Changed, GrantEnded
from watchword.model.services import Proto, Service
from watchword.service import asking
from watchword.service.daemon import grant_rows
from watchword.service.daemon.answers import PAGE, GrantAnswers, Paced
from watchword.service.daemon.changes import GrantChanges
from watchword.service.daemon.control import Question
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.figures import Figures

MEMBER = Peer(77, 1000, frozenset({1000}))


@dataclass
class Office:
    """A whole server without a socket, and the two windows of its control socket."""

    house: House

    def __post_init__(self) -> None:
        house = self.house
        self.cycles = Cycles.alone(house.reporter, house.clock, Figures(NOW.wall))
        self.answers = GrantAnswers(house.enforcer, self.cycles, lambda: self.policy, house.clock)
        self.policy = house.policy
        self.changes = GrantChanges(house.enforcer, self.cycles, lambda: self.policy, house.clock)

    async def grants(self, **fields: Any) -> dict[str, Any]:
        return await self.answers.grants(Question(fields, MEMBER, root=False))

    async def do(self, what: str, *, root: bool = False, **fields: Any) -> dict[str, Any]:
        return await self.changes.handlers[what](Question(fields, MEMBER, root))

    async def knock(self, text: str = "198.51.100.2,tcp/22", **more: Any) -> str:
        assert await self.house.take(sealed(text, **more)) == ["granted"]
        return list(self.house.enforcer.ledger.grants())[-1].id

    @property
    def changed(self) -> list[str]:
        events = self.house.reporter.events
        return [
            f"{each.change.uid} {each.change.action} {each.change.target}: {each.change.result}"
            for each in events
            if isinstance(each, Changed)
        ]


def play(scene: Callable[[Office], Coroutine[Any, Any, None]]) -> Office:
    async def run() -> Office:
        office = Office(House(policy(terms(max_seconds=300))))
        await scene(office)
        await office.house.enforcer.written()
        return office

    return asyncio.run(run())


def test_a_grant_that_the_kernel_lacks_is_marked() -> None:
    async def scene(office: Office) -> None:
        await office.knock("198.51.100.2,tcp/22,udp/53")
        [told] = (await office.grants())["grants"]
        assert (told["in_force"], told["missing"]) == (True, [])
        office.house.firewall.disturb()
        [told] = (await office.grants())["grants"]
        assert (told["in_force"], told["missing"]) == (False, ["tcp/22", "udp/53"])
        assert grant_rows.table([told])[1].endswith("  NO: tcp/22,udp/53")

    play(scene)


def test_many_are_told_page_by_page() -> None:
    async def scene(office: Office) -> None:
        packets = [sealed(f"2001:db8::{n + 1:x},tcp/22") for n in range(PAGE + 3)]
        for at in range(0, len(packets), 1000):
            await office.house.take(*packets[at : at + 1000])
        names, pages = set[str](), 0
        while len(names) < PAGE + 3:
            told = await office.grants(**{"from": len(names)})
            assert told["total"] == PAGE + 3
            assert len(json.dumps(told)) < asking.LARGEST
            assert told["grants"]
            names |= {each["grant"] for each in told["grants"]}
            pages += 1
        assert pages > 1

    play(scene)


def test_a_page_has_as_many_grants_however_many_people_are_behind_one_address() -> None:
    async def run() -> None:
        services = frozenset(Service(Proto.TCP, port) for port in range(1, 1001))
        office = Office(House(policy(terms(max_seconds=300, open_services=services))))
        names = [f"{port:04d}{'x' * 36}" for port in range(1, 1001)]
        for at in range(0, 1000, 500):
            some = enumerate(names[at : at + 500], start=at + 1)
            packets = (sealed(f"198.51.100.2,tcp/{port}", user=user) for port, user in some)
            await office.house.take(*packets)
        told = await office.grants(**{"from": 100})
        assert told["total"] == 1000
        assert len(told["grants"]) > 300
        assert len(json.dumps(told)) < asking.LARGEST
        assert told["grants"][0]["people_count"] == 1000
        assert grant_rows.table(told["grants"])[-1].endswith(f"{'x' * 36} and 988 more")

    asyncio.run(run())


@pytest.mark.parametrize("start", [-1, "3", 1.5, True, 1 << 40])
def test_a_page_that_is_no_number_is_refused(start: object) -> None:
    async def scene(office: Office) -> None:
        with pytest.raises(OperatorError, match="from has to be a whole number"):
            await office.grants(**{"from": start})

    play(scene)


def test_what_a_caller_called_himself_moves_no_cursor() -> None:
    """A name of the wire has no such characters; a journal that was tampered with may."""

    async def scene(office: Office) -> None:
        await office.knock()
        [told] = (await office.grants())["grants"]
        lines = grant_rows.table([{**told, "user": "eve\x1b[2J\n\u202e\udcff" + "e" * 60}])
        assert len(lines) == 2
        assert all(line.isprintable() for line in lines)

    play(scene)


def test_the_firewall_is_not_asked_so_often_that_it_does_nothing_else() -> None:
    async def scene() -> None:
        house = House()
        paced, asked = Paced(house.clock), []

        async def question() -> frozenset[Any]:
            asked.append(house.clock.now().steady)
            house.clock.advance(0.001)
            return frozenset()

        await paced.ask(question, 1)
        await paced.ask(question, 1)
        assert len(asked) == 1
        waiting = asyncio.ensure_future(paced.ask(question, 2))
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(asked) == 1
        await waiting
        assert len(asked) == 2

    asyncio.run(scene())


def test_a_revoked_grant_is_over_and_it_is_known_who_wanted_that() -> None:
    async def scene(office: Office) -> None:
        name = await office.knock()
        told = await office.do("revoke", grant=name)
        done = {"count": 1, "revoked": [name], "cut": 0, "trouble": None}
        assert told == {**done, "closing": [], "not_closed": []}
        assert office.house.open == set()
        assert office.changed == [f"1000 revoke {name}: 1 grant revoked ({name})"]
        [ended] = [each for each in office.house.reporter.events if isinstance(each, GrantEnded)]
        assert (ended.grant.id, ended.ending) == (name, Ending.REVOKED)

    office = play(scene)
    [change] = office.house.journal.changes
    assert (change.action, change.uid, change.pid) == (Action.REVOKE, 1000, 77)
    assert office.house.journal.history[0][1] is Ending.REVOKED


def test_cutting_spares_whoever_another_grant_lets_in() -> None:
    async def scene(office: Office) -> None:
        name = await office.knock("198.51.100.2,tcp/22,udp/53", user="alice")
        await office.knock("198.51.100.2,tcp/22", user="bob")
        [ssh, dns] = office.house.enforcer.ledger.grant(name).holes  # type: ignore[union-attr]
        office.house.firewall.connections.update({ssh: 3, dns: 2})
        assert (await office.do("revoke", grant=name, cut=True))["cut"] == 2
        assert office.house.firewall.connections == {ssh: 3}
        assert office.house.open == {"198.51.100.2 tcp/22"}

    play(scene)


def test_when_the_firewall_refuses_the_revoked_is_over_all_the_same_and_that_is_said() -> None:
    async def scene(office: Office) -> None:
        name = await office.knock()
        firewall = office.house.firewall
        firewall.fail_next_apply = True
        firewall.prepare = lambda: (_ for _ in ()).throw(HostError("gone"))  # type: ignore[method-assign]
        told = await office.do("revoke", grant=name)
        assert told["trouble"] == "gone"
        assert office.house.enforcer.in_doubt
        del firewall.prepare
        await office.house.enforcer.heal()
        assert office.house.open == set()
        assert "not carried out yet: gone" in office.changed[0]

    play(scene)


@pytest.mark.parametrize(
    "fields",
    [{}, {"all": True, "grant": "x"}, {"address": "host"}, {"stanza": "1"}, {"stanza": 0}],
)
def test_nothing_is_revoked_unless_one_thing_was_named(fields: dict[str, Any]) -> None:
    async def scene(office: Office) -> None:
        await office.knock()
        with pytest.raises(OperatorError):
            await office.do("revoke", **fields)
        assert office.house.open == {"198.51.100.2 tcp/22"}

    assert play(scene).changed == []


def test_an_extension_stays_within_what_the_stanza_allows() -> None:
    async def scene(office: Office) -> None:
        name = await office.knock(seconds=100)
        told = await office.do("extend", grant=name, seconds=200)
        assert told["remaining"] == 300
        assert {each.until for each in office.house.firewall.openings} == {NOW.steady + 300}
        office.house.clock.advance(50)
        with pytest.raises(OperatorError, match="for more than 300 seconds") as caught:
            await office.do("extend", grant=name, seconds=51)
        assert "extend it by 50 at most" in caught.value.complaints[0].hint
        assert (await office.do("extend", grant=name, seconds=50))["remaining"] == 300

    office = play(scene)
    assert office.changed[1].endswith(": 50 seconds longer, 300 remain")


def test_only_root_goes_beyond_policy() -> None:
    async def scene(office: Office) -> None:
        name = await office.knock(seconds=100)
        with pytest.raises(OperatorError, match="only root"):
            await office.do("extend", grant=name, seconds=5000, beyond_policy=True)
        told = await office.do("extend", root=True, grant=name, seconds=5000, beyond_policy=True)
        assert told["remaining"] == 5100

    assert play(scene).changed[0].endswith("beyond policy")


def test_of_a_stanza_that_is_gone_nobody_says_how_long_it_may_be() -> None:
    async def scene(office: Office) -> None:
        name = await office.knock(seconds=100)
        office.policy = replace(office.policy, stanzas=())
        with pytest.raises(OperatorError, match="is gone"):
            await office.do("extend", grant=name, seconds=1)

    play(scene)


@pytest.mark.parametrize("seconds", [0, -5, 1.5, "9", None, 1 << 30])
def test_an_extension_is_by_a_number_of_seconds(seconds: object) -> None:
    async def scene(office: Office) -> None:
        name = await office.knock(seconds=100)
        with pytest.raises(OperatorError, match="seconds has to be a whole number"):
            await office.do("extend", grant=name, seconds=seconds)

    play(scene)


def test_an_extension_that_the_firewall_refuses_leaves_the_end_where_it_was() -> None:
    async def scene(office: Office) -> None:
        name = await office.knock(seconds=100)
        firewall = office.house.firewall
        firewall.fail_next_apply = True
        firewall.prepare = lambda: (_ for _ in ()).throw(HostError("gone"))  # type: ignore[method-assign]
        with pytest.raises(HostError, match="gone"):
            await office.do("extend", grant=name, seconds=100)
        del firewall.prepare
        await office.house.enforcer.heal()
        assert {each.until for each in firewall.openings} == {NOW.steady + 100}

    assert play(scene).changed == []


def test_what_is_over_is_not_extended() -> None:
    async def scene(office: Office) -> None:
        name = await office.knock(seconds=100)
        office.house.clock.advance(100)
        for each in (name, "0000000000"):
            with pytest.raises(OperatorError, match=f"no grant {each} is in force"):
                await office.do("extend", grant=each, seconds=1)

    play(scene)


def test_a_stanza_is_found_again_by_its_key_whatever_its_number_is_now() -> None:
    async def scene(office: Office) -> None:
        ours, other = terms(key_names=("ours",)), terms(number=2, key_names=("other",))
        office.house.policy = office.policy = policy(ours, other)
        office.house.start()
        office = Office(office.house)
        name = await office.knock(seconds=100)
        renumbered = replace(ours, number=2, max_seconds=150), replace(other, number=1)
        office.policy = policy(renumbered[1], renumbered[0])
        assert [each["stanza"] for each in (await office.grants())["grants"]] == [2]
        with pytest.raises(OperatorError, match="for more than 150 seconds"):
            await office.do("extend", grant=name, seconds=51)
        assert (await office.do("revoke", stanza=1))["count"] == 0
        office.policy = policy(renumbered[1])
        [told] = (await office.grants())["grants"]
        assert told["stanza"] is None
        assert "  gone  " in grant_rows.table([told])[1]
        office.policy = policy(renumbered[1], renumbered[0])
        assert (await office.do("revoke", stanza=2))["count"] == 1

    play(scene)


def never(_: object) -> int:
    raise HostError("here nobody is cut")


def test_where_connections_cannot_be_cut_nothing_is_done_by_halves() -> None:
    async def scene(office: Office) -> None:
        name = await office.knock()
        office.house.firewall.cut = never  # type: ignore[assignment,method-assign]
        with pytest.raises(HostError, match="here nobody is cut"):
            await office.do("revoke", grant=name, cut=True)
        assert office.house.open == {"198.51.100.2 tcp/22"}
        assert not office.house.enforcer.in_doubt
        assert (await office.do("revoke", grant=name))["count"] == 1

    play(scene)
