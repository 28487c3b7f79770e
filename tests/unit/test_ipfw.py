"""ipfw is told what it is to be told, and keeps the contract of all backends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.firewall import FirewallContract, World, tags
from tests.ipfw_emulator import Ipfw, RefusedError
from tests.unit.dated_scene import world_of
from watchword.edges.firewall.dated.backend import DatedFirewall
from watchword.edges.firewall.dated.tools import tool_for
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings, IpfwSettings
from watchword.model.openings import ChangeSet

END = 1_700_000_060
STRAY = "ipfw add 10007 set 1 pass 6 from 192.0.2.66 to me dst-port 22 setup keep-state //"


def scene(path: Path, **numbers: Any) -> tuple[Ipfw, World]:
    ipfw = Ipfw()
    settings = FirewallSettings(backend="ipfw", exe="ipfw", ipfw=IpfwSettings(**numbers))
    return ipfw, world_of(settings, ipfw, path, lambda: ipfw._delete(lambda each: each[1] == 1))


def ready(path: Path, **numbers: Any) -> tuple[Ipfw, World]:
    ipfw, world = scene(path, **numbers)
    world.backend.prepare()
    ipfw.transcript.clear()
    return ipfw, world


class TestIpfw(FirewallContract):
    column = "ipfw"
    seen_on = "emulator"

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return scene(tmp_path)[1]


def added(number: int, body: str, end: int = END) -> str:
    return f"ipfw add {number} set 1 {body} // _exp_{end}"


@pytest.mark.requirement("5.3")
def test_at_the_start_the_set_of_rules_that_are_over_is_disabled(tmp_path: Path) -> None:
    ipfw, world = scene(tmp_path, check_state=True)
    world.backend.prepare()
    assert ipfw.told() == ["ipfw add 10000 set 1 check-state", "ipfw set disable 2"]
    world.backend.prepare()
    assert ipfw.told() == ["ipfw set disable 2"]
    assert world.backend.intact()
    ipfw.run(["ipfw", "set", "1", "delete", "10000"])
    assert not world.backend.intact()


@pytest.mark.requirement("5.1")
@pytest.mark.requirement("5.3")
@pytest.mark.requirement("5.7")
@pytest.mark.requirement("4.12", partial=True)
@pytest.mark.requirement("8.1", partial=True)
def test_a_grant_is_added_to_a_set_moved_to_another_when_over_and_deleted_when_unused(
    tmp_path: Path,
) -> None:
    ipfw, world = ready(tmp_path)
    world.add(world.opening(), world.opening(service="tcp/80"), world.opening("2001:db8::7"))
    assert ipfw.told() == [
        added(10000, "pass 6 from 192.0.2.7 to me dst-port 22 setup keep-state"),
        added(10000, "pass 6 from 192.0.2.7 to me dst-port 80 setup keep-state"),
        added(10001, "pass 6 from 2001:db8::7 to me6 dst-port 22 setup keep-state"),
    ]  # fmt: skip
    ipfw.dynamic[10000] = 1
    world.wait(60)
    assert ipfw.told() == [
        "ipfw set move rule 10000 to 2",
        "ipfw set move rule 10001 to 2",
        "ipfw set 2 delete 10001",
    ], "somebody is connected through the first one"
    ipfw.dynamic.clear()
    world.wait(29)
    assert ipfw.told() == []
    world.wait(1)
    assert ipfw.told() == ["ipfw set 2 delete 10000"]
    assert ipfw.rules == []


@pytest.mark.requirement("5.1")
def test_a_set_that_somebody_disabled_is_enabled_again(tmp_path: Path) -> None:
    ipfw, world = ready(tmp_path)
    there = world.opening()
    world.add(there)
    ipfw.run(["ipfw", "set", "disable", "1"])
    ipfw.transcript.clear()
    assert not world.backend.intact()
    world.backend.prepare()
    assert ipfw.told() == ["ipfw set disable 2", "ipfw set enable 1"]
    assert world.backend.installed() == tags(there)


@pytest.mark.requirement("5.16")
def test_a_grant_for_udp_keeps_state_and_asks_for_no_flag_of_tcp(tmp_path: Path) -> None:
    ipfw, world = ready(tmp_path)
    world.add(world.opening(service="udp/1194", to="203.0.113.1"))
    assert ipfw.told() == [
        added(10000, "pass 17 from 192.0.2.7 to 203.0.113.1 dst-port 1194 keep-state")
    ]


@pytest.mark.requirement("5.2")
@pytest.mark.requirement("5.6")
@pytest.mark.parametrize(
    ("policy", "state"),
    [
        (["check-state"], " setup keep-state"),
        (["allow tcp from me to any setup keep-state"], " setup keep-state"),
        (["allow tcp from any to any established"], ""),
        ([], ""),
    ],
)
def test_rules_of_a_file_of_1_9_keep_state_only_where_the_policy_does(
    tmp_path: Path, policy: list[str], state: str
) -> None:
    ipfw, world = scene(tmp_path, as_policy=True)
    for number, body in enumerate(policy, 100):
        ipfw.run(["ipfw", "add", str(number), "set", "0", *body.split()])
    world.backend.prepare()
    ipfw.told()
    world.add(world.opening())
    assert ipfw.told() == [added(10000, f"pass 6 from 192.0.2.7 to me dst-port 22{state}")]


def over_by_now(path: Path, *services: str) -> tuple[Ipfw, World]:
    """Grants that have ended, through the first of which somebody is connected still."""
    ipfw, world = ready(path)
    world.add(*(world.opening(service=each) for each in services))
    ipfw.dynamic[10000] = 1
    world.wait(60)
    world.backend.installed()
    ipfw.told()
    return ipfw, world


@pytest.mark.requirement("5.4")
@pytest.mark.requirement("5.5")
def test_who_comes_again_has_his_disabled_rule_moved_back_and_none_is_added(
    tmp_path: Path,
) -> None:
    ipfw, world = over_by_now(tmp_path, "tcp/22", "udp/53")
    assert "# DISABLED 10000 set 2" in ipfw.run(["ipfw", "-S", "set", "2", "list"]).stdout.decode()
    ipfw.told()
    again = [world.opening(service=each) for each in ("tcp/22", "udp/53")]
    world.add(*again)
    assert ipfw.told() == ["ipfw set move rule 10000 to 1"]
    assert world.backend.installed() == tags(*again)
    assert world.backend.intact()
    world.wait(59)
    assert ipfw.told() == [], "it says an end that was, and has one of its own"
    world.wait(1)
    assert ipfw.told() == ["ipfw set move rule 10000 to 2"]
    world.backend.installed()
    world.add(*(world.opening(service=each) for each in ("tcp/22", "udp/53")))
    assert ipfw.told() == ["ipfw set move rule 10000 to 1"]


@pytest.mark.requirement("5.5", partial=True)
def test_a_rule_that_was_moved_back_and_says_the_same_end_has_that_again(tmp_path: Path) -> None:
    ipfw, world = ready(tmp_path)
    there = world.opening()
    world.add(there)
    world.remove(there.tag)
    ipfw.told()
    world.add(there)
    assert ipfw.told() == ["ipfw set move rule 10000 to 1"]
    assert world.backend.installed() == tags(there)
    world.wait(60)
    assert ipfw.told()[0] == "ipfw set move rule 10000 to 2"


@pytest.mark.parametrize(
    ("was", "asked"),
    [
        (["tcp/22", "tcp/80"], ["tcp/22"]),
        (["tcp/22"], ["udp/22"]),
        (["tcp/22"], ["tcp/22", "tcp/80"]),
    ],
)
def test_of_rules_that_share_a_number_all_are_moved_back_or_none(
    tmp_path: Path, was: list[str], asked: list[str]
) -> None:
    ipfw, world = over_by_now(tmp_path, *was)
    again = [world.opening(service=each) for each in asked]
    world.add(*again)
    told = ipfw.told()
    assert ("ipfw set move rule 10000 to 1" in told) is (set(was) < set(asked))
    assert len(told) == 1 + (set(was) < set(asked)) * (len(asked) - len(was))
    assert world.backend.installed() == tags(*again)


@pytest.mark.parametrize(
    "rule",
    [
        "pass 17 from 192.0.2.7 to me dst-port 53 keep-state",
        "pass 6 from 192.0.2.7 to me dst-port 53 setup",
        "pass 6 from 192.0.2.8 to me dst-port 53 setup keep-state",
    ],
)
def test_a_disabled_rule_that_says_anything_else_stays_where_it_is(
    tmp_path: Path, rule: str
) -> None:
    ipfw, world = ready(tmp_path)
    ipfw.run(f"ipfw add 10005 set 2 {rule} // _exp_1500000000".split())
    ipfw.told()
    world.add(world.opening(service="tcp/53"))
    assert [each.split(" set ")[0] for each in ipfw.told()] == ["ipfw add 10000"]


@pytest.mark.parametrize("content", ["", "{}", "[[10000]]", '[[10000, "192.0.2.7", 1, "x"]]', None])
def test_without_its_file_a_rule_that_was_moved_back_ends_when_it_says_and_is_made_anew(
    tmp_path: Path, content: str | None
) -> None:
    ipfw, world = over_by_now(tmp_path, "tcp/22")
    again = world.opening()
    world.add(again)
    if content is None:
        (tmp_path / "ipfw.ends").unlink()
    else:
        (tmp_path / "ipfw.ends").write_text(content)
    assert not world.backend.intact()
    (stray,) = world.backend.installed()
    world.backend.apply(ChangeSet(add=(again,), remove=frozenset([stray])))
    assert ipfw.bodies(1) == [
        "10001 allow tcp from 192.0.2.7 to me dst-port 22 setup keep-state :default "
        f"// _exp_{END + 60}"
    ]
    world.wait(60)
    assert ipfw.bodies(1) == []


def test_where_nothing_can_be_written_down_a_rule_is_added(tmp_path: Path) -> None:
    ipfw, world = over_by_now(tmp_path, "tcp/22")
    (tmp_path / "ipfw.ends").mkdir()
    world.add(world.opening())
    assert [each.split(" set ")[0] for each in ipfw.told()] == ["ipfw add 10001"]


def test_a_person_is_told_when_a_rule_ends_that_says_something_else(tmp_path: Path) -> None:
    ipfw, world = over_by_now(tmp_path, "tcp/22")
    settings = FirewallSettings(backend="ipfw", exe="ipfw")
    tool = tool_for(settings, ipfw, tmp_path)
    assert "Renewed" not in tool.shown(everything=False)
    world.add(world.opening())
    assert tool.shown(everything=False).endswith(f"\nRenewed Rules:\n10000 _exp_{END + 60}\n")


def test_what_shares_a_number_with_what_ends_stays_open_under_another(tmp_path: Path) -> None:
    ipfw, world = ready(tmp_path)
    going, staying = world.opening(), world.opening(service="tcp/80")
    world.add(going, staying)
    ipfw.told()
    world.remove(going.tag)
    assert ipfw.told() == [
        added(10001, "pass 6 from 192.0.2.7 to me dst-port 80 setup keep-state"),
        "ipfw set move rule 10000 to 2",
    ]  # fmt: skip
    assert world.backend.installed() == tags(staying)
    assert world.backend.intact()


def test_numbers_of_others_and_of_rules_that_are_over_are_not_used(tmp_path: Path) -> None:
    ipfw, world = scene(tmp_path)
    ipfw.run(["ipfw", "add", "10000", "set", "0", "allow", "ip", "from", "any", "to", "any"])
    world.backend.prepare()
    first = world.opening()
    world.add(first)
    world.remove(first.tag)
    world.add(world.opening("192.0.2.8"))
    assert [each[:2] for each in ipfw.rules] == [(10000, 0), (10001, 2), (10002, 1)]


def test_when_every_number_is_used_a_grant_is_refused_whole(tmp_path: Path) -> None:
    _, world = ready(tmp_path, most=2)
    there = world.opening("192.0.2.1")
    world.add(there)
    with pytest.raises(HostError, match="Maximum allowed number of rules has been reached"):
        world.add(world.opening("192.0.2.2"), world.opening("192.0.2.3"))
    assert world.backend.installed() == tags(there)


def test_a_number_is_used_again_when_its_rules_are_gone(tmp_path: Path) -> None:
    _, world = ready(tmp_path, most=1)
    world.add(world.opening())
    world.backend.prepare()
    world.wait(60)
    world.backend.installed()
    again = world.opening("192.0.2.8")
    world.add(again)
    assert world.backend.installed() == tags(again)


def test_a_command_that_is_refused_undoes_those_before_it(tmp_path: Path) -> None:
    ipfw, world = ready(tmp_path)
    old = world.opening()
    world.add(old)

    def refuse(command: str) -> None:
        if "192.0.2.9" in command or "move rule 10000 to 2" in command:
            raise RefusedError("Invalid argument")

    ipfw.trouble = refuse
    with pytest.raises(HostError, match="Invalid argument"):
        world.add(world.opening("192.0.2.8"), world.opening("192.0.2.9"))
    with pytest.raises(HostError):
        world.backend.apply(ChangeSet(add=(world.opening("192.0.2.8"),), remove=tags(old)))
    assert world.backend.installed() == tags(old)
    assert [number for number, of, _ in ipfw.rules] == [10000]


def test_a_rule_that_looks_like_a_grant_and_is_none_is_seen_and_can_be_taken_out(
    tmp_path: Path,
) -> None:
    ipfw, world = ready(tmp_path)
    ipfw.run([*STRAY.split(), "_exp_1800000000"])
    assert not world.backend.intact()
    (stray,) = world.backend.installed()
    world.remove(stray)
    assert world.backend.installed() == frozenset()
    assert world.backend.intact()


def test_grants_of_an_earlier_run_are_known_again(tmp_path: Path) -> None:
    ipfw, world = ready(tmp_path)
    there = world.opening()
    world.add(there)
    later = DatedFirewall(
        FirewallSettings(backend="ipfw", exe="ipfw"),
        tmp_path / "lock",
        programs=ipfw,
        clock=world.clock,
    )
    assert later.recognise([there, world.opening("192.0.2.8")]) == tags(there)
    assert later.withdraw() == 1
    assert later.installed() == frozenset()


def test_who_only_ends_rules_keeps_off_the_numbers_of_others_as_well(tmp_path: Path) -> None:
    ipfw, world = scene(tmp_path)
    ipfw.run([*STRAY.split(), "_exp_1700000001"])
    ipfw.run([*STRAY.replace("dst-port 22", "dst-port 80").split(), "_exp_1700000900"])
    ipfw.run(["ipfw", "add", "10000", "set", "0", "allow", "ip", "from", "any", "to", "any"])
    ipfw.told()
    world.wait(1)
    assert ipfw.told()[:2] == [
        added(10001, "pass 6 from 192.0.2.66 to me dst-port 80 setup keep-state", 1_700_000_900),
        "ipfw set move rule 10007 to 2",
    ]


def test_a_check_state_of_our_own_makes_the_policy_one_that_keeps_state(tmp_path: Path) -> None:
    ipfw, world = scene(tmp_path, as_policy=True, check_state=True)
    world.backend.prepare()
    ipfw.told()
    world.add(world.opening())
    assert " setup keep-state //" in ipfw.told()[0]


def test_at_the_end_the_set_is_deleted(tmp_path: Path) -> None:
    ipfw, world = ready(tmp_path)
    world.add(world.opening())
    ipfw.told()
    world.backend.teardown()
    assert ipfw.told() == ["ipfw delete set 1"]


def test_what_it_cannot_do_it_says_with_its_own_words(tmp_path: Path) -> None:
    ipfw, _ = scene(tmp_path)

    def refuse(command: str) -> None:
        raise RefusedError("socket: Operation not permitted")

    ipfw.trouble = refuse
    with pytest.raises(HostError, match="ipfw set 1 list: ipfw: socket: Operation not permitted"):
        tool_for(FirewallSettings(backend="ipfw", exe="ipfw"), ipfw).check()
