"""Elements, events and errors on the real kernel, under load and under bad luck."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from tests.system.nft_scene import (
    CLOCK,
    SSH,
    add,
    entered,
    firewall,
    guarding,
    nft,
    opening,
    remove,
)
from watchword.edges.firewall.nft.backend import NftFirewall
from watchword.edges.firewall.nft.netlink import KernelError, Netlink
from watchword.errors import HostError
from watchword.lab.hosts import Host, Lab
from watchword.model.commands import Account
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet, Hole, Opening
from watchword.ports import Completed

pytestmark = pytest.mark.system


@pytest.fixture
def alone() -> Iterator[Host]:
    with Lab() as lab:
        host = lab.host("alone")
        with entered(host):
            yield host


@pytest.fixture
def guard(alone: Host) -> Iterator[NftFirewall]:
    with firewall(guarding()) as guard:
        guard.prepare()
        yield guard


def crowd(count: int, *, version: int = 4, seconds: float = 600.0) -> list[Opening]:
    base = ip_address("10.0.0.0" if version == 4 else "2001:db8::")
    until = CLOCK.now().steady + seconds
    return [Opening(Hole(base + n, SSH), until) for n in range(count)]


@contextlib.contextmanager
def before_the_kernel_tidies_up() -> Iterator[None]:
    """The kernel's own work waits while this thread runs, and gets on when it sleeps."""
    cpus, policy, priority = (
        os.sched_getaffinity(0),
        os.sched_getscheduler(0),
        os.sched_getparam(0),
    )
    os.sched_setaffinity(0, {min(cpus)})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, priority)
        os.sched_setaffinity(0, cpus)


def test_a_table_that_grows_while_it_is_listed_hides_no_opening_and_ends_none(
    guard: NftFirewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = crowd(2000)
    send = Netlink._send

    def drowsy(netlink: Netlink, data: bytes) -> None:
        send(netlink, data)  # the first piece of a listing is made here, the others when read
        time.sleep(0.05)

    with before_the_kernel_tidies_up():
        guard.apply(add(*many))
        monkeypatch.setattr(Netlink, "_send", drowsy)
        assert guard.installed() == {each.tag for each in many}
    monkeypatch.undo()
    assert guard.installed() == {each.tag for each in many}


def test_twenty_thousand_openings_are_one_change(guard: NftFirewall) -> None:
    many = [*crowd(10_000), *crowd(10_000, version=6)]
    guard.apply(add(*many))
    tags = {each.tag for each in many}
    assert guard.installed() == tags

    longer = [*crowd(10_000, seconds=900), *crowd(10_000, version=6, seconds=900)]
    guard.apply(ChangeSet(add=tuple(longer), remove=frozenset(tags)))
    assert guard.installed() == {each.tag for each in longer}

    guard.apply(remove(*guard.installed()))
    assert guard.installed() == frozenset()


def test_a_change_of_thousands_that_fails_in_one_place_changes_nothing(guard: NftFirewall) -> None:
    there = crowd(1)
    guard.apply(add(*there))
    nft("delete", "chain", "inet", "watchword", "guard")
    nft("delete", "set", "inet", "watchword", "open6")
    with pytest.raises(HostError, match="No such file"):
        guard.apply(add(*crowd(2000, seconds=900), *crowd(1, version=6)))
    assert nft("list", "set", "inet", "watchword", "open4").count("ww:") == 1
    assert guard.installed() == {each.tag for each in there}


@pytest.mark.parametrize("gone", [1, 3, 700])
def test_elements_that_vanished_under_a_change_are_no_hindrance(
    guard: NftFirewall, gone: int
) -> None:
    """As when they expire between the decision and the kernel: ENOENT undoes a whole batch."""
    old = crowd(1500)
    guard.apply(add(*old))
    vanished = ", ".join(f"{each.hole.who} . tcp . 22" for each in old[:gone])
    nft("delete", "element", "inet", "watchword", "open4", f"{{ {vanished} }}")
    new = crowd(1500, seconds=900)
    guard.apply(ChangeSet(add=tuple(new), remove=frozenset(each.tag for each in old)))
    assert guard.installed() == {each.tag for each in new}


def test_elements_that_appeared_under_a_change_are_replaced(guard: NftFirewall) -> None:
    nft("add", "element", "inet", "watchword", "open4", "{ 10.0.0.5 . tcp . 22 timeout 5s }")
    many = crowd(600)
    guard.apply(add(*many))
    assert guard.installed() == {each.tag for each in many}


def test_removals_of_what_is_over_do_not_go_to_the_kernel(guard: NftFirewall) -> None:
    short = opening("192.0.2.1", seconds=0.05)
    guard.apply(add(short))
    asyncio.run(asyncio.sleep(0.06))
    guard.close()
    guard._openings.apply(None, remove(short.tag))  # type: ignore[arg-type]


def test_a_second_run_knows_what_the_first_left(guard: NftFirewall) -> None:
    hole = opening("192.0.2.1")
    guard.apply(add(hole))
    with firewall(guarding()) as second:
        assert second.prepare() == 0
        assert second.installed() == {hole.tag}
        longer = opening("192.0.2.1", seconds=90)
        second.apply(ChangeSet(add=(longer,), remove=frozenset({hole.tag})))
        assert second.installed() == {longer.tag}
        second.apply(remove(longer.tag))
        assert second.installed() == frozenset()


def test_nft_shows_the_tag_and_the_time_left(guard: NftFirewall) -> None:
    hole = opening("192.0.2.1", seconds=60)
    guard.apply(add(hole))
    listed = nft("list", "set", "inet", "watchword", "open4")
    assert re.search(r"192\.0\.2\.1 \. tcp \. 22 timeout 1m expires (1m|[1-5]\ds)", listed)
    assert f'comment "ww:{hole.tag}"' in listed


def test_a_full_set_is_the_kernels_refusal(guard: NftFirewall) -> None:
    nft(
        script="flush chain inet watchword guard\n"
        "delete set inet watchword open4\n"
        "add set inet watchword open4 "
        "{ type ipv4_addr . inet_proto . inet_service; flags timeout; size 3; }\n"
    )
    with pytest.raises(KernelError) as refused:
        guard.apply(add(*crowd(4)))
    assert refused.value.number == errno.ENFILE
    assert guard.installed() == frozenset()


def woken(guard: NftFirewall, *steps: object, seconds: float = 0.5) -> int:
    """How often it wakes up while steps are done."""

    async def scene() -> int:
        count = 0

        async def listen() -> None:
            nonlocal count
            async for _ in guard.disturbances():
                count += 1

        listening = asyncio.ensure_future(listen())
        await asyncio.sleep(0.01)
        for step in steps:
            step()  # type: ignore[operator]
            await asyncio.sleep(0)
        await asyncio.sleep(seconds)
        listening.cancel()
        return count

    return asyncio.run(scene())


def test_ten_thousand_grants_wake_nobody(guard: NftFirewall) -> None:
    many = crowd(10_000)
    steps = [lambda at=at: guard.apply(add(*many[at : at + 100])) for at in range(0, 10_000, 100)]
    assert woken(guard, *steps, seconds=0.1) == 0


def test_a_storm_of_changes_wakes_twenty_times_a_second_and_the_last_is_not_lost(
    guard: NftFirewall,
) -> None:
    def storm(number: int) -> None:
        nft("add", "set", "inet", "watchword", f"s{number}", "{ type ipv4_addr; }")

    heard = []

    def last() -> None:
        heard.append(guard.intact())
        nft("delete", "table", "inet", "watchword")

    began = time.monotonic()
    count = woken(guard, *(lambda n=n: storm(n) for n in range(60)), last, seconds=0.3)
    assert 2 <= count <= 20 * (time.monotonic() - began) + 1
    assert heard == [True]
    assert not guard.intact()


def test_changes_to_other_tables_wake_nobody(guard: NftFirewall) -> None:
    def others() -> None:
        nft("add", "table", "inet", "other")
        nft("add", "table", "ip", "watchword")

    assert woken(guard, others, seconds=0.1) == 0


def test_announcements_that_were_lost_count_as_a_disturbance(guard: NftFirewall) -> None:
    script = "".join(
        f"add set inet watchword s{n} {{ type ipv4_addr; }}\ndelete set inet watchword s{n}\n"
        for n in range(3000)
    )
    for _ in range(4):
        nft(script=script)
    assert not guard.intact()
    guard.prepare()
    assert guard.intact()


def test_a_ruleset_that_changes_all_the_time_is_still_read(guard: NftFirewall, alone: Host) -> None:
    many = crowd(3000)
    guard.apply(add(*many))
    loop = "while :; do nft add table ip busy; nft delete table ip busy; done"
    alone.start("sh", "-c", loop)
    tags = {each.tag for each in many}
    for _ in range(20):
        assert guard.installed() == tags
        assert guard.intact()


def test_without_privileges_the_remedy_is_told(alone: Host) -> None:
    with firewall(guarding()) as guard:
        os.seteuid(65534)
        try:
            for use in (guard.prepare, guard.probe, guard.installed, guard.teardown):
                with pytest.raises(HostError) as refused:
                    use()
                assert "CAP_NET_ADMIN" in refused.value.hint
        finally:
            os.seteuid(0)
    assert nft("list", "ruleset") == ""


class NoNft:
    def run(
        self,
        argv: object,
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        account: Account | None = None,
    ) -> Completed:
        raise HostError("nft cannot be started: No such file or directory")


@pytest.mark.usefixtures("alone")
def test_without_the_program_the_remedy_is_told() -> None:
    guard = NftFirewall(FirewallSettings(), programs=NoNft(), clock=CLOCK)
    with pytest.raises(HostError) as refused:
        guard.probe()
    guard.close()
    assert "nftables" in refused.value.hint
