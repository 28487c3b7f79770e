"""The process that puts rules in and ends them: everything or nothing, and on time."""

from __future__ import annotations

import pytest

from tests.unit.tables_double import StillWatch, Tables
from watchword.edges.firewall.tables.listing import Line, Listing
from watchword.edges.firewall.tables.standing import RefusedError, UncertainError
from watchword.edges.firewall.tables.warden import AGAIN, Warden
from watchword.errors import HostError

NOW = 1000.0


class World:
    def __init__(self, *, prepend: bool = False) -> None:
        self.four, self.six = Tables(OURS=["-j OWN"]), Tables(OURS=[])
        self.watch = StillWatch()
        self.warden = Warden(
            [(4, "filter"), (6, "filter")],
            {4: self.four, 6: self.six},
            lambda version, table: (self.four if version == 4 else self.six).listing(table),
            self.watch,
            prepend=prepend,
        )

    def put(self, name: str, *rules: Line, until: float = NOW + 60) -> None:
        self.warden.change((), {name: (until, rules)})


def four(rule: str) -> Line:
    return Line(4, "filter", "OURS", rule)


def six(rule: str) -> Line:
    return Line(6, "filter", "OURS", rule)


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_put_in_is_there_until_its_time(world: World) -> None:
    world.put("a", four("-s a"), six("-s a"))
    world.put("b", four("-s b"), until=NOW + 5)
    assert list(world.four) == ["-j OWN", "-s a", "-s b"]
    assert world.warden.end(NOW + 4.999) == []
    assert world.warden.end(NOW + 5) == ["b"]
    assert list(world.four) == ["-j OWN", "-s a"]
    assert world.warden.end(NOW + 60) == ["a"]
    assert (list(world.four), list(world.six)) == (["-j OWN"], [])
    assert len(world.warden.holdings) == 0


def test_a_replacement_is_one_script(world: World) -> None:
    world.put("a", four("-s a 1"))
    world.warden.change(["a"], {"b": (NOW + 90, (four("-s a 2"),))})
    assert world.four.scripts[-1] == "*filter\n-D OURS -s a 1\n-A OURS -s a 2\nCOMMIT\n"
    assert world.warden.end(NOW + 60) == []
    assert list(world.four) == ["-j OWN", "-s a 2"]


def test_what_would_go_and_come_again_is_left_alone(world: World) -> None:
    world.warden.holdings.hold({"stray": (NOW + 60, (four("-s a"),))})
    world.four.tables["filter"]["OURS"].append("-s a")
    world.warden.change(["stray"], {"a": (NOW + 60, (four("-s a"),))})
    assert world.four.scripts == []
    assert list(world.four) == ["-j OWN", "-s a"]
    assert list(world.warden.holdings.names()) == ["a"]


def test_of_two_equal_rules_one_goes_with_each_name(world: World) -> None:
    world.put("a", four("-s a"))
    world.put("b", four("-s a"))
    world.warden.change(["a"], {})
    assert list(world.four) == ["-j OWN", "-s a"]
    world.warden.change(["b"], {})
    assert list(world.four) == ["-j OWN"]


@pytest.mark.parametrize("version", [4, 6])
def test_when_one_table_refuses_the_others_are_as_before(world: World, version: int) -> None:
    world.put("old", four("-s old"), six("-s old"))

    def refuse(script: str) -> None:
        if "new" in script:
            raise RefusedError("no")

    (world.four if version == 4 else world.six).trouble = refuse
    with pytest.raises(HostError, match="no"):
        world.warden.change(["old"], {"new": (NOW + 60, (four("-s new"), six("-s new")))})
    assert sorted(world.four) == ["-j OWN", "-s old"]
    assert list(world.six) == ["-s old"]
    assert list(world.warden.holdings.names()) == ["old"]


def test_what_could_not_be_taken_back_is_ended_in_its_time(world: World) -> None:
    def refuse_now(script: str) -> None:
        if "-D" in script:
            raise UncertainError("killed")

    def refuse(script: str) -> None:
        raise RefusedError("no")

    world.four.trouble, world.six.trouble = refuse_now, refuse
    with pytest.raises(HostError, match="no"):
        world.put("new", four("-s new"), six("-s new"))
    assert list(world.four) == ["-j OWN", "-s new"]
    world.four.trouble = world.six.trouble = lambda _: None
    world.warden.end(NOW + 60)
    assert list(world.four) == ["-j OWN"]


def test_tables_that_cannot_be_listed_are_not_asked_for_over_and_over(world: World) -> None:
    asked: list[int] = []

    def listed(version: int, _: str) -> Listing:
        asked.append(version)
        raise HostError("no such program")

    world.warden = Warden([(4, "filter")], {4: world.four}, listed, world.watch)
    for _ in range(5):
        world.warden.read_ahead()
    assert asked == [4]
    world.warden.forget()
    world.warden.read_ahead()
    assert asked == [4, 4]


def test_what_is_gone_already_is_no_trouble(world: World) -> None:
    world.put("a", four("-s a"), six("-s a"))
    world.put("b", four("-s b"))
    world.four.tables["filter"]["OURS"] = []
    world.warden.change(["a", "b"], {"c": (NOW + 60, (four("-s c"),))})
    assert (list(world.four), list(world.six)) == (["-s c"], [])
    world.four.tables["filter"]["OURS"] = []
    assert world.warden.end(NOW + 60) == ["c"]


def test_without_the_chain_nothing_can_be_put_in(world: World) -> None:
    del world.four.tables["filter"]["OURS"]
    with pytest.raises(HostError, match="no chain OURS"):
        world.put("a", four("-s a"))
    assert len(world.warden.holdings) == 0


def test_what_nobody_knows_to_have_happened_is_ended_in_its_time(world: World) -> None:
    def die(script: str) -> None:
        world.four.trouble = lambda _: None
        world.four.carry_out(script)
        raise UncertainError("killed after its COMMIT")

    world.four.trouble = die
    with pytest.raises(HostError):
        world.put("a", four("-s a"))
    assert list(world.four) == ["-j OWN", "-s a"]
    world.warden.end(NOW + 60)
    assert list(world.four) == ["-j OWN"]


@pytest.mark.parametrize("error", [RefusedError, UncertainError])
def test_what_cannot_be_taken_out_is_tried_again_and_holds_up_nothing_else(
    world: World, error: type[Exception]
) -> None:
    world.put("a", four("-s a"), six("-s a"))
    world.put("b", six("-s b"))

    def fail(_: str) -> None:
        raise error("not now")

    world.four.trouble, world.four.listable = fail, False
    assert world.warden.end(NOW + 60) == ["b"]
    assert (list(world.four), list(world.six)) == (["-j OWN", "-s a"], [])
    world.four.trouble, world.four.listable = (lambda _: None), True
    assert world.warden.end(NOW + 60) == []
    assert world.warden.end(NOW + 60 + AGAIN) == ["a"]
    assert list(world.four) == ["-j OWN"]


@pytest.mark.parametrize("prepend", [False, True])
def test_many_that_end_at_once_are_one_short_script(prepend: bool) -> None:
    world = World(prepend=prepend)
    ends = {f"e{n}": (NOW + 5, (four(f"-s e{n}"),)) for n in range(2000)}
    stays = {f"s{n}": (NOW + 60, (four(f"-s s{n}"),)) for n in range(40)}
    world.warden.change((), ends)
    world.warden.change((), stays)
    before = [rule for rule in world.four if rule[:4] != "-s e"]
    world.warden.read_ahead()
    assert len(world.warden.end(NOW + 5)) == 2000
    assert list(world.four) == before, "in their order, what is not ours included"
    assert len(world.four.scripts[-1].splitlines()) < 50


def test_where_others_may_have_changed_something_each_rule_is_looked_for(world: World) -> None:
    world.warden.change((), {f"e{n}": (NOW + 5, (four(f"-s e{n}"),)) for n in range(100)})
    world.warden.read_ahead()
    world.four.tables["filter"]["OURS"].append("-j THEIRS")
    world.watch.moved = True
    assert len(world.warden.end(NOW + 5)) == 100
    assert list(world.four) == ["-j OWN", "-j THEIRS"]
    assert world.warden.disturbed
    world.warden.forget()
    assert not world.warden.look()
