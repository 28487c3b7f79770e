"""Scripts for iptables: the short way to take many rules out leaves what the long way leaves."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tables_double import Tables
from watchword.edges.firewall.tables.batches import Batch, after, by_table, script, there
from watchword.edges.firewall.tables.listing import Line

RULES = st.sampled_from([f"-s {letter}" for letter in "abcdefgh"])


def lines(rules: list[str]) -> list[Line]:
    return [Line(4, "filter", "OURS", each) for each in rules]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[str], list[str], list[str]]:
    """What a chain holds, what is taken out of it, what is put in."""
    held = draw(st.lists(RULES, max_size=60))
    going = draw(st.permutations(held)) if held else []
    return held, list(going)[: draw(st.integers(0, len(held)))], draw(st.lists(RULES, max_size=9))


@given(scenes(), st.booleans())
def test_knowing_what_a_chain_holds_changes_the_script_and_not_what_it_does(
    scene: tuple[list[str], list[str], list[str]], prepend: bool
) -> None:
    held, going, coming = scene
    batch = Batch(lines(going), lines(coming))
    known, unknown = Tables(OURS=list(held)), Tables(OURS=list(held))
    known.carry_out(script("filter", batch, {"OURS": list(held)}, prepend=prepend))
    unknown.carry_out(script("filter", batch, None, prepend=prepend))
    assert list(known) == list(unknown)
    assert after({"OURS": held}, batch, prepend=prepend)["OURS"] == list(known)


@given(scenes(), scenes())
def test_what_is_gone_is_left_out_and_the_rest_can_be_carried_out(
    scene: tuple[list[str], list[str], list[str]], others: tuple[list[str], list[str], list[str]]
) -> None:
    """The chain was changed by others since it was known what it holds."""
    _, going, coming = scene
    tables = Tables(OURS=list(others[0]))
    batch = there(Batch(lines(going), lines(coming)), {"OURS": others[0]})
    tables.carry_out(script("filter", batch, None, prepend=False))
    assert Counter(tables) == Counter(others[0]) - Counter(going) + Counter(coming)


@given(scenes())
def test_what_would_go_and_come_again_is_in_no_batch(
    scene: tuple[list[str], list[str], list[str]],
) -> None:
    _, going, coming = scene
    batch = by_table(lines(going), lines(coming)).get((4, "filter"), Batch())
    assert not set(batch.take) & set(batch.put)
    gained = Counter(each.rule for each in batch.put)
    gained.subtract(each.rule for each in batch.take)
    wanted = Counter(coming)
    wanted.subtract(going)
    assert {rule: n for rule, n in gained.items() if n} == {r: n for r, n in wanted.items() if n}
