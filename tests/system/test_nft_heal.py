"""When other hands take the guard away: it is back, and who slipped in is cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.system.nft_scene import (
    SSH,
    Line,
    add,
    firewall,
    guarding,
    in_server,
    listen,
    nft,
    opening,
    reaches,
    remove,
    standard_scene,
)
from watchword.edges.firewall.nft.backend import NftFirewall
from watchword.errors import HostError
from watchword.lab.trio import Trio
from watchword.model.firewalls import FirewallSettings
from watchword.model.services import Service

pytestmark = pytest.mark.system
WEB = Service.parse("tcp/80")

TRACKING = (
    "add table inet own\n"
    "add chain inet own input { type filter hook input priority 10; policy accept; }\n"
    "add rule inet own input ct state established counter accept\n"
)

Damage = Callable[[], object]
DAMAGES: dict[str, Damage] = {
    "flush ruleset": lambda: nft("flush", "ruleset"),
    "delete table": lambda: nft("delete", "table", "inet", "watchword"),
    "flush chain": lambda: nft("flush", "chain", "inet", "watchword", "guard"),
    "delete a rule": lambda: nft(
        "delete", "rule", "inet", "watchword", "guard", "handle", handle_of("hidden until")
    ),
    "insert an accept": lambda: nft("insert", "rule", "inet", "watchword", "guard", "accept"),
    "chain away": lambda: nft(
        script="flush chain inet watchword guard\ndelete chain inet watchword guard\n"
    ),
    "a set away": lambda: nft(
        script="flush chain inet watchword guard\ndelete set inet watchword open4\n"
    ),
    "a set of another shape": lambda: nft(
        script="flush chain inet watchword guard\ndelete set inet watchword open4\n"
        "add set inet watchword open4 { type ipv4_addr; }\n"
    ),
    "flush set": lambda: nft("flush", "set", "inet", "watchword", "open4"),
    "dormant": lambda: nft("add", "table", "inet", "watchword", "{ flags dormant; }"),
    "put back as it was": lambda: nft(
        script=f"delete table inet watchword\n{nft('list', 'table', 'inet', 'watchword')}"
    ),
}


def handle_of(words: str) -> str:
    listing = nft("-a", "list", "chain", "inet", "watchword", "guard")
    [line] = [each for each in listing.splitlines() if words in each]
    return line.rpartition("# handle ")[2]


@pytest.fixture(scope="module")
def network() -> Iterator[Trio]:
    with standard_scene() as network:
        yield network


@pytest.fixture
def scene(network: Trio) -> Iterator[Trio]:
    with in_server(network):
        yield network


def heal(guard: NftFirewall, *openings: object) -> None:
    """What the service does when it is disturbed."""
    assert not guard.intact()
    assert guard.prepare() == 0
    missing = [each for each in openings if each.tag not in guard.installed()]  # type: ignore[attr-defined]
    guard.apply(add(*missing))  # type: ignore[arg-type]
    assert guard.intact()


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_was_broken_is_whole_again(scene: Trio, damage: str) -> None:
    with firewall(guarding()) as guard, listen("::") as listener:
        guard.prepare()
        hole = opening(scene.caller.four)
        guard.apply(add(hole))
        line = Line(listener, scene.caller.host, scene.server.four)
        assert guard.intact()

        DAMAGES[damage]()
        heal(guard, hole)

        line.up()
        line.down()
        assert reaches(scene.caller, scene.server.four, seconds=30.0)
        assert not reaches(scene.stranger, scene.server.four)
        line.close()


def test_one_element_deleted_by_hand_is_put_back(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("::"):
        guard.prepare()
        hole, other = opening(scene.caller.four), opening("192.0.2.99")
        guard.apply(add(hole, other))
        element = f"{{ {scene.caller.four} . tcp . 22 }}"
        nft("delete", "element", "inet", "watchword", "open4", element)
        heal(guard, hole, other)
        assert guard.installed() == {hole.tag, other.tag}
        assert reaches(scene.caller, scene.server.four, seconds=30.0)


def test_an_element_that_is_put_in_by_hand_does_not_disturb(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("::"):
        guard.prepare()
        nft(
            "add",
            "element",
            "inet",
            "watchword",
            "open4",
            f"{{ {scene.stranger.four} . tcp . 22 }}",
        )
        assert guard.installed() == frozenset()
        assert guard.intact()
        assert reaches(scene.stranger, scene.server.four, seconds=30.0)
        hole = opening(scene.stranger.four, seconds=60)
        guard.apply(add(hole))
        assert guard.installed() == {hole.tag}


@pytest.mark.parametrize("how", ["over what is there", "in place of it", "elements alone"])
def test_an_old_dump_opens_nothing_and_prolongs_nothing_and_who_came_in_by_it_is_cut(
    scene: Trio, how: str
) -> None:
    server, caller, stranger = scene.server, scene.caller, scene.stranger
    with firewall(guarding(SSH, WEB)) as guard, listen("::") as door, listen("::", 80) as web:
        guard.prepare()
        over, short = opening(stranger.four), opening(caller.four, seconds=60)
        guard.apply(add(over, short))
        inside = Line(door, stranger.host, server.four)
        dump = nft("list", "ruleset")
        guard.apply(remove(over.tag, short.tag))
        kept = opening(caller.four, seconds=40)
        guard.apply(add(kept, opening(caller.four, WEB)))
        guard.installed()
        before = "flush ruleset\n" if how == "in place of it" else ""
        stale = f'{stranger.four} . tcp . 22 timeout 60s comment "ww:{over.tag}"'
        alone = f"add element inet watchword open4 {{ {stale} }}"
        nft(script=alone if how == "elements alone" else before + dump)
        slipped = Line(door, stranger.host, server.four)

        assert not guard.intact()
        heal(guard, kept, late := opening(caller.four, WEB, seconds=60))
        assert guard.intact()
        assert guard.installed() == {kept.tag, late.tag}
        assert not reaches(stranger, server.four)
        assert slipped.dead()
        inside.up()
        assert reaches(caller, server.four, seconds=30.0)
        times = rf'timeout \S+ expires \S+ comment "ww:{kept.tag}"'
        longer = f'timeout 300s expires 299s comment "ww:{kept.tag}"'
        nft(script=before + re.sub(times, longer, nft("list", "ruleset")))
        heal(guard, kept, late)
        assert guard.installed() == {kept.tag, late.tag}
        rest = rf'expires [123]?\ds\S* comment "ww:{kept.tag}"'
        assert re.search(rest, nft("list", "ruleset")), "by the kernel's clock alone"
        for each in (inside, slipped):
            each.close()
        web.close()


def test_what_the_kernel_would_end_too_late_is_put_in_anew_whoever_looks(
    scene: Trio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is after the machine has slept: the kernel counts on from where it was."""
    with firewall(guarding()) as guard:
        guard.prepare()
        hole = opening(scene.caller.four)
        with monkeypatch.context() as slept:
            slept.setattr("watchword.edges.firewall.nft.openings._SLACK", -30.0)
            guard.apply(add(hole))
        assert guard.installed() == frozenset(), "somebody asked for the list"
        assert not guard.intact()
        heal(guard, hole)
        assert guard.installed() == {hole.tag}


def test_after_the_machine_has_slept_it_is_looked_what_the_kernel_makes_of_it(
    scene: Trio, monkeypatch: pytest.MonkeyPatch
) -> None:
    with firewall(guarding()) as guard:
        guard.prepare()
        hole = opening(scene.caller.four)
        guard.apply(add(hole))
        assert guard.intact()
        monkeypatch.setattr("watchword.edges.firewall.nft.backend._asleep", lambda: 1e6)
        assert not guard.intact()
        heal(guard, hole)


@pytest.mark.parametrize("tracking", ["", TRACKING], ids=["untracked", "tracked meanwhile"])
@pytest.mark.parametrize("first", ["server", "client"])
@pytest.mark.parametrize("version", [4, 6])
def test_who_slipped_in_is_cut_and_who_was_in_goes_on(
    scene: Trio, tracking: str, first: str, version: int
) -> None:
    server, caller = (
        (scene.server.four, scene.caller.four)
        if version == 4
        else (scene.server.six, scene.caller.six)
    )
    with firewall(guarding()) as guard, listen("::") as listener:
        before = Line(listener, scene.caller.host, server)
        nft(script=tracking)
        assert guard.prepare() == 1
        hole = opening(caller)
        guard.apply(add(hole))
        under_way = Line(listener, scene.caller.host, server)
        guard.apply(remove(hole.tag))
        later = opening(caller)
        guard.apply(add(later))
        granted = Line(listener, scene.caller.host, server)

        nft("delete", "table", "inet", "watchword")
        slipped = Line(listener, scene.stranger.host, server)
        slipped.up()
        heal(guard, later)

        if first == "server":
            slipped.near.sendall(b"the server speaks and would be tracked anew")
        assert slipped.dead()
        for line in (before, under_way, granted):
            line.up()
            line.down()
        assert not reaches(scene.stranger, server)
        for line in (before, under_way, granted, slipped):
            line.close()


def test_a_connection_whose_opening_ended_long_ago_goes_on(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("::") as listener:
        guard.prepare()
        hole = opening(scene.caller.four)
        guard.apply(add(hole))
        line = Line(listener, scene.caller.host, scene.server.four)
        guard.apply(remove(hole.tag))
        guard.installed()  # takes down who is connected and forgets the opening
        slot = opening(scene.caller.four)
        guard.apply(add(slot))
        guard.apply(remove(slot.tag))
        guard.installed()
        nft("flush", "ruleset")
        heal(guard)
        line.up()
        line.down()
        line.close()


def test_who_slipped_in_stays_cut_through_the_next_disturbance(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("::") as listener:
        guard.prepare()
        nft("delete", "table", "inet", "watchword")
        slipped = Line(listener, scene.stranger.host, scene.server.four)
        heal(guard)
        assert slipped.dead()
        nft("flush", "ruleset")
        heal(guard)
        assert slipped.dead()
        guard.installed()
        guard.prune()
        assert slipped.dead()
        slipped.close()


def test_who_slipped_in_is_cut_although_the_guard_was_put_back_by_hand(scene: Trio) -> None:
    nft(script=TRACKING)
    with firewall(guarding()) as guard, listen("::") as listener:
        guard.prepare()
        saved = nft("list", "table", "inet", "watchword")
        nft("delete", "table", "inet", "watchword")
        slipped = Line(listener, scene.stranger.host, scene.server.four)
        nft(script=saved)
        slipped.up()
        heal(guard)
        assert slipped.dead()
        slipped.close()


def test_looking_around_while_the_guard_is_gone_makes_nobody_known(scene: Trio) -> None:
    nft(script=TRACKING)
    with firewall(guarding()) as guard, listen("::") as listener:
        guard.prepare()
        hole = opening(scene.caller.four)
        guard.apply(add(hole))
        guard.apply(remove(hole.tag))
        nft("delete", "table", "inet", "watchword")
        slipped = Line(listener, scene.stranger.host, scene.server.four)
        guard.installed()
        heal(guard)
        assert slipped.dead()
        slipped.close()


def test_with_everything_hidden_a_heal_cuts_who_came_in_and_nobody_else(scene: Trio) -> None:
    with firewall(FirewallSettings(guard_all=True)) as guard, listen("::", 4000) as listener:
        guard.prepare()
        nft("flush", "ruleset")
        slipped = Line(listener, scene.stranger.host, scene.server.four)
        heal(guard)
        assert slipped.dead()
        slipped.close()


def test_a_table_of_that_name_that_is_somebody_elses_is_not_touched(scene: Trio) -> None:
    nft(script="add table inet watchword\nadd chain inet watchword theirs\n")
    before = nft("list", "ruleset")
    with firewall(guarding()) as guard:
        for use in (guard.probe, guard.prepare):
            with pytest.raises(HostError) as refused:
                use()
            assert "NFT_TABLE" in refused.value.hint
        guard.teardown()
    assert nft("list", "ruleset") == before
    with firewall(guarding(table="other")) as guard:
        guard.prepare()
        assert guard.intact()
        guard.teardown()
    assert nft("list", "ruleset") == before


def test_looking_costs_no_program(scene: Trio) -> None:
    class Counting:
        runs = 0

    with firewall(guarding()) as guard:
        guard.prepare()
        programs, counting = guard._programs, Counting()

        class Watched:
            def run(self, *args: object, **more: object) -> object:
                counting.runs += 1
                return programs.run(*args, **more)  # type: ignore[arg-type]

        guard._programs = Watched()  # type: ignore[assignment]
        guard._attachment._programs = Watched()  # type: ignore[attr-defined]
        assert guard.intact()
        guard.installed()
        guard.apply(add(opening(scene.caller.four)))
        guard.prepare()
        assert counting.runs == 0
