"""What every firewall backend does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import ClassVar

import pytest

from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.doors import KernelOpening
from watchword.model.openings import ChangeSet, Extent, Feature, Hole, Lead, Opening, SourceNat, Tag
from watchword.model.services import Service
from watchword.ports import Clock, FirewallBackend, FollowsKnocks


@dataclass(frozen=True, slots=True)
class World:
    """A backend, and the hands that are not its own."""

    backend: FirewallBackend
    clock: Clock
    wait: Callable[[float], None]
    """Let seconds pass."""
    wipe: Callable[[], None]
    """Remove everything the backend made, behind its back."""
    grain: float = 0.0
    """Seconds: the kernel counts ends in steps of this."""
    answers_apart: bool = False
    """It is set up to let answers out by openings of their own."""

    def opening(
        self,
        who: str = "192.0.2.7",
        service: str = "tcp/22",
        *,
        seconds: float = 60.0,
        to: str | None = None,
        lead: Lead | None = None,
    ) -> Opening:
        what = None if lead is not None and lead.everything else Service.parse(service)
        hole = Hole(ip_address(who), what, None if to is None else ip_address(to), lead)
        return Opening(hole, self.clock.now().steady + seconds)

    def add(self, *openings: Opening) -> None:
        self.backend.apply(ChangeSet(add=openings))

    def remove(self, *tags: Tag) -> None:
        self.backend.apply(ChangeSet(remove=frozenset(tags)))

    def comes_to(self, *openings: Opening) -> bool:
        """Whether these are left when what is over has ended; who ends it may be held up."""
        for _ in range(200):
            if self.backend.installed() == tags(*openings):
                return True
            self.wait(0.05)
        return False


def tags(*openings: Opening) -> frozenset[Tag]:
    return frozenset(each.tag for each in openings)


WHO = (ip_address("198.51.100.2"), ip_address("2001:db8::2"))
SERVICES = (Service.parse("tcp/22"), Service.parse("udp/53"))
NETWORKS = ((ip_address("198.51.100.0"), 24), (ip_address("2001:db8::"), 64))


def leads_to(inside: Address, here: Address) -> list[Lead]:
    """One of each kind: to a host, to a port of this one, everything, each as whom it may be."""
    sources = (None, SourceNat(), SourceNat(here))
    return [
        Lead(None, 6543),
        *(Lead(inside, 22, source=source) for source in sources),
        *(Lead(inside, 0, everything=True, source=source) for source in sources[:1]),
    ]


class FirewallContract:
    """Subclasses give a fixture ``world`` whose backend was never prepared."""

    column: ClassVar[str]
    """What it is called in the table of docs/firewalls.md; empty: not there."""
    seen_on: ClassVar[str] = "the kernel"
    """What answered: the real thing, or ``emulator``."""
    many: ClassVar[int] = 2000
    """So many openings it has to hold."""

    @pytest.fixture
    def ready(self, world: World) -> World:
        world.backend.prepare()
        return world

    def test_who_follows_doors_knows_of_nobody_who_did_not_knock_and_can_rest(
        self, world: World
    ) -> None:
        backend = world.backend
        able = Feature.KERNEL_DOORS in backend.probe()
        assert not able or isinstance(backend, FollowsKnocks)
        if able and isinstance(backend, FollowsKnocks):
            backend.prepare()
            assert list(backend.knocked()) == []
            backend.settle([KernelOpening(7, "ssh", ip_address("192.0.2.7"), 1.0)])
            backend.rest()

    def test_it_says_what_it_can(
        self, world: World, record_property: Callable[[str, object], None]
    ) -> None:
        able = world.backend.probe()
        record_property("firewall features", sorted(str(each) for each in able))
        assert able >= {Feature.IPV4, Feature.IPV6, Feature.SELF_EXPIRY}
        assert not world.backend.intact(), "probing changes nothing"

    def test_before_it_is_prepared_nothing_is_open_and_nothing_can_be(self, world: World) -> None:
        assert world.backend.installed() == frozenset()
        assert not world.backend.intact()
        with pytest.raises(HostError):
            world.add(world.opening())
        world.backend.prepare()
        assert world.backend.installed() == frozenset()

    def test_it_reads_back_what_it_was_told(self, ready: World) -> None:
        four, six = ready.opening("192.0.2.7"), ready.opening("2001:db8::7")
        ready.add(four, six)
        assert ready.backend.installed() == tags(four, six)

    def test_it_reads_back_where_openings_lead(self, ready: World) -> None:
        able = ready.backend.probe()
        several = [
            ready.opening(who, f"tcp/{8000 + number}", to=to, lead=lead)
            for who, inside, here in (
                ("192.0.2.7", "10.0.0.5", "203.0.113.1"),
                ("2001:db8::7", "fd00::5", "2001:db8:1::1"),
            )
            for number, lead in enumerate(leads_to(ip_address(inside), ip_address(here)))
            for to in ((None,) if lead.everything else (None, here))
            if lead.features <= able
        ]
        ready.add(*several)
        assert ready.backend.installed() == tags(*several)
        ready.remove(*tags(*several[::2]))
        assert ready.backend.installed() == tags(*several[1::2])
        assert ready.backend.prepare() == 0
        assert ready.backend.installed() == tags(*several[1::2])
        ready.remove(*tags(*several[1::2]))
        assert ready.backend.installed() == frozenset()

    def test_openings_that_lead_somewhere_end_and_are_renewed_like_others(
        self, ready: World
    ) -> None:
        able = ready.backend.probe()
        for lead in leads_to(ip_address("10.0.0.5"), ip_address("203.0.113.1")):
            if lead.features <= able:
                short, longer = (ready.opening(seconds=each, lead=lead) for each in (0.3, 60))
                ready.add(short)
                ready.backend.apply(ChangeSet(add=(longer,), remove=tags(short)))
                assert ready.backend.installed() == tags(longer)
                again = ready.opening(seconds=0.05, lead=lead)
                ready.backend.apply(ChangeSet(add=(again,), remove=tags(longer)))
                ready.wait(0.06)
                assert ready.comes_to()

    def test_what_it_cannot_lead_on_it_refuses_whole(self, ready: World) -> None:
        able, plain = ready.backend.probe(), ready.opening("192.0.2.9")
        for lead in leads_to(ip_address("10.0.0.5"), ip_address("203.0.113.1")):
            if not lead.features <= able:
                with pytest.raises(HostError):
                    ready.add(plain, ready.opening(lead=lead))
        assert ready.backend.installed() == frozenset()

    def test_it_reads_back_parts_of_addresses_and_networks(self, ready: World) -> None:
        able = ready.backend.probe()
        holes = [
            each
            for each in (
                *(Hole(who, each, extent=Extent(port=40123)) for who in WHO for each in SERVICES),
                *(Hole(who, each, who, extent=Extent(port=1)) for who in WHO for each in SERVICES),
                *(Hole(net, SERVICES[0], extent=Extent(bits=b)) for net, b in NETWORKS),
                *(Hole(net, SERVICES[1], extent=Extent(0, b, first=True)) for net, b in NETWORKS),
            )
            if each.extent and each.extent.features <= able
        ]
        ends = ready.clock.now().steady + 60
        openings = [Opening(hole, ends) for hole in holes]
        ready.add(*openings)
        assert ready.backend.installed() == tags(*openings)
        later = [Opening(hole, ends + 60) for hole in holes]
        ready.backend.apply(ChangeSet(tuple(later), tags(*openings)))
        assert ready.backend.installed() == tags(*later)
        ready.remove(*(each.tag for each in later))
        assert ready.backend.installed() == frozenset()

    def test_what_it_cannot_let_in_in_part_it_refuses_whole(self, ready: World) -> None:
        if Feature.SOURCE_PORT in ready.backend.probe():
            return
        part = Hole(WHO[0], SERVICES[0], extent=Extent(port=40123))
        with pytest.raises(HostError):
            ready.add(ready.opening(), Opening(part, ready.clock.now().steady + 60))
        assert ready.backend.installed() == frozenset()

    def test_openings_for_answers_are_told_from_those_that_let_in(self, ready: World) -> None:
        plain = [
            ready.opening(who, to=to) for who, to in (("192.0.2.7", None), ("2001:db8::7", None))
        ]
        if Feature.DESTINATION in ready.backend.probe():
            plain.append(ready.opening(to="203.0.113.1"))
        out = [Opening(each.hole._replace(answers=True), each.until) for each in plain]
        if Feature.OUTPUT not in ready.backend.probe():
            with pytest.raises(HostError):
                ready.add(plain[0], out[0])
            assert ready.backend.installed() == frozenset()
            return
        if not ready.answers_apart:  # every opening lets answers out
            ready.add(*plain, *out)
            assert ready.backend.installed() >= tags(*plain)
            return
        ready.add(*plain, *out)
        assert ready.backend.installed() == tags(*plain, *out)
        ready.remove(*tags(*plain))
        assert ready.backend.installed() == tags(*out)
        later = [Opening(each.hole, each.until + 60) for each in out]
        ready.backend.apply(ChangeSet(tuple(later), tags(*out)))
        assert ready.backend.prepare() == 0
        assert ready.backend.installed() == tags(*later)
        ready.remove(*tags(*later))
        assert ready.backend.installed() == frozenset()

    def test_service_and_destination_tell_openings_apart(self, ready: World) -> None:
        several = [
            ready.opening(),
            ready.opening(service="tcp/23"),
            ready.opening(service="udp/22"),
        ]
        narrow = [
            ready.opening(to="203.0.113.1"),
            ready.opening(to="203.0.113.2"),
            ready.opening("2001:db8::7", to="2001:db8:1::1"),
        ]
        if Feature.DESTINATION in ready.backend.probe():
            several += narrow
        else:
            with pytest.raises(HostError):
                ready.add(several[0], narrow[0])
            assert ready.backend.installed() == frozenset()
        ready.add(*several)
        assert ready.backend.installed() == tags(*several)
        ready.remove(several[0].tag, several[-1].tag)
        assert ready.backend.installed() == tags(*several[1:-1])

    @pytest.mark.parametrize(("first", "second"), [(60, 90), (90, 60), (60, 60.001)])
    def test_a_replacement_is_one_step(self, ready: World, first: float, second: float) -> None:
        old, new = ready.opening(seconds=first), ready.opening(seconds=second)
        ready.add(old)
        ready.backend.apply(ChangeSet(add=(new,), remove=tags(old)))
        assert ready.backend.installed() == tags(new)

    def test_a_hole_has_one_opening_even_if_the_old_one_was_not_removed(self, ready: World) -> None:
        old, new = ready.opening(seconds=60), ready.opening(seconds=90)
        ready.add(old)
        ready.add(new)
        assert ready.backend.installed() == tags(new)
        ready.remove(old.tag)
        assert ready.backend.installed() == tags(new)

    def test_of_two_openings_for_one_hole_the_longer_holds(self, ready: World) -> None:
        longer, shorter = ready.opening(seconds=90), ready.opening(seconds=60)
        ready.add(longer, shorter)
        assert ready.backend.installed() == tags(longer)

    def test_removing_what_is_gone_is_no_error(self, ready: World) -> None:
        gone, there = ready.opening(), ready.opening("192.0.2.8")
        ready.add(there)
        ready.remove(gone.tag)
        ready.remove(there.tag)
        ready.remove(there.tag)
        assert ready.backend.installed() == frozenset()

    def test_an_empty_change_changes_nothing(self, ready: World) -> None:
        there = ready.opening()
        ready.add(there)
        ready.backend.apply(ChangeSet())
        assert ready.backend.installed() == tags(there)

    def test_an_opening_whose_end_has_passed_is_left_out(self, ready: World) -> None:
        over, exactly, there = (
            ready.opening(f"192.0.2.{last}", seconds=seconds)
            for last, seconds in ((1, -5.0), (2, 0.0), (3, 60.0))
        )
        ready.add(over, exactly, there)
        assert ready.backend.installed() == tags(there)

    def test_openings_end_by_themselves(self, ready: World) -> None:
        long = ready.opening("192.0.2.8", seconds=600)
        for seconds in (0.3 + ready.grain, 5.0, 60.0):  # as long as a busy machine needs to look
            short = ready.opening(seconds=seconds)
            ready.add(short, long)
            found = ready.backend.installed()
            if ready.clock.now().steady < short.until:
                break
        assert found == tags(short, long)
        ready.wait(seconds + 0.1)
        assert ready.comes_to(long)
        ready.remove(short.tag)
        assert ready.backend.installed() == tags(long)

    def test_what_has_just_ended_can_be_opened_again(self, ready: World) -> None:
        short = ready.opening(seconds=0.05 + ready.grain)
        ready.add(short)
        ready.wait(0.06 + ready.grain)
        again = ready.opening()
        ready.backend.apply(ChangeSet(add=(again,), remove=tags(short)))
        assert ready.backend.installed() == tags(again)

    def test_preparing_again_loses_nothing(self, ready: World) -> None:
        there = ready.opening()
        ready.add(there)
        assert ready.backend.prepare() == 0
        assert ready.backend.installed() == tags(there)
        assert ready.backend.intact()

    def test_many_at_once(self, ready: World) -> None:
        many = [ready.opening(f"10.0.{n >> 8}.{n & 255}", seconds=3600) for n in range(self.many)]
        ready.add(*many)
        assert ready.backend.installed() == tags(*many)
        most = self.many * 3 // 4
        ready.remove(*tags(*many[:most]))
        assert ready.backend.installed() == tags(*many[most:])

    def test_after_a_teardown_nothing_is_left_and_everything_can_be_made_again(
        self, ready: World
    ) -> None:
        there = ready.opening()
        ready.add(there)
        ready.backend.teardown()
        ready.backend.teardown()
        assert ready.backend.installed() == frozenset()
        assert not ready.backend.intact()
        ready.backend.prepare()
        ready.add(there)
        assert ready.backend.installed() == tags(there)
        assert ready.backend.intact()

    def test_what_other_hands_removed_is_missed_and_made_again(self, ready: World) -> None:
        there = ready.opening()
        ready.add(there)
        ready.wipe()
        assert not ready.backend.intact()
        assert ready.backend.installed() == frozenset()
        ready.backend.prepare()
        ready.add(there)
        assert ready.backend.intact()
        assert ready.backend.installed() == tags(there)

    def test_reading_back_does_not_make_it_forget_what_other_hands_removed(
        self, ready: World
    ) -> None:
        ready.add(ready.opening())
        ready.wipe()
        ready.backend.installed()
        assert not ready.backend.intact()
        ready.backend.prepare()
        ready.backend.apply(ChangeSet())
        assert ready.backend.intact()

    def test_other_hands_wake_it_and_its_own_do_not(self, ready: World) -> None:
        async def scene() -> None:
            disturbances = ready.backend.disturbances()
            waiting = asyncio.ensure_future(anext(disturbances))
            await asyncio.sleep(0)
            ready.add(ready.opening(), ready.opening("2001:db8::7"))
            ready.remove(ready.opening().tag)
            done, _ = await asyncio.wait([waiting], timeout=0.1)
            assert not done, "woken by its own change"
            ready.wipe()
            await asyncio.wait_for(waiting, 60)

        asyncio.run(scene())

    def test_who_cuts_off_those_that_slip_in_can_end_connections(self, world: World) -> None:
        able = world.backend.probe()
        assert Feature.SLIPPED not in able or Feature.CUT in able

    def test_who_can_cut_cuts_nothing_where_nobody_is_connected(self, ready: World) -> None:
        hole = ready.opening().hole
        if Feature.CUT in ready.backend.probe():
            assert ready.backend.cut([hole]) == 0
            assert ready.backend.cut([]) == 0
            assert ready.backend.intact()
        else:
            for holes in ([hole], []):
                with pytest.raises(HostError):
                    ready.backend.cut(holes)
