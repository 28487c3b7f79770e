"""Two clients and two servers in every combination: each cell comes to what its page says."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.matrix.__main__ import PAIRS_AT_ONCE, tried
from tests.matrix.pairs import LIVE, OLD, Maker, Pair
from watchword.conformance.cells import Cell, Expect
from watchword.conformance.findings import Finding, Verdict

Found = dict[tuple[str, str], Finding]
pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]  # the first test waits for its pair


def peers(pair: Pair) -> list[pytest.MarkDecorator]:
    return [pytest.mark.peer("gpg", *pair.needs)]


ROWS = {"mode": "8.10", "GnuPG": "8.10", "type": "8.12", "digest": "8.13"}
"""Requirement rows that a group shows a part of."""


def marks(cell: Cell, pair: Pair) -> list[pytest.MarkDecorator]:
    row = ROWS.get(cell.group)
    shown = [pytest.mark.requirement(row, partial=True)] if row else []
    if cell.name.startswith("ElGamal") and Maker.FWKNOP in (pair.client, pair.server):
        shown.append(pytest.mark.requirement("8.5"))
    return [*peers(pair), *shown]


EVERY = [
    pytest.param(pair, cell, id=f"{pair}: {cell}", marks=marks(cell, pair))
    for pair in (*LIVE, *OLD)
    for cell in pair.cells
]


@pytest.fixture(scope="module")
def meetings(request: pytest.FixtureRequest) -> Iterator[dict[Pair, Future[Found]]]:
    """The pairs that selected tests need, each on its way."""
    tests = [item for item in request.session.items if item.path == request.path]
    named = [getattr(test, "callspec", None) for test in tests]
    wanted = {call.params["pair"] for call in named if call} if all(named) else {*LIVE, *OLD}
    pool = ThreadPoolExecutor(PAIRS_AT_ONCE)
    try:
        yield {
            pair: pool.submit(tried, pair)
            for pair in (*LIVE, *OLD)
            if pair in wanted and all(map(pair.command, ("fwknop", "fwknopd")))
        }
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("pair", "cell"), EVERY)
def test_a_pair_does_with_a_cell_what_the_matrix_says(
    meetings: dict[Pair, Future[Found]], pair: Pair, cell: Cell
) -> None:
    finding = meetings[pair].result()[cell.group, cell.name]
    assert finding.verdict is Verdict.PASS, finding.detail


@pytest.mark.peer("fwknop", "fwknopd")
@pytest.mark.requirement("1.17", "4.7")
def test_packets_of_the_1_9_line_and_legacy_packets_of_today_open_either_server(
    meetings: dict[Pair, Future[Found]],
) -> None:
    legacy = [cell for cell in LIVE[0].cells if cell.name.startswith("legacy, ")]
    old = [cell for cell in OLD[0].cells if cell.expect is Expect.OPENS]
    assert (len(legacy), len(old)) == (3, 13)
    for pairs, cells in ((LIVE, legacy), (OLD, old)):
        for pair in pairs:
            found = meetings[pair].result()
            details = {found[cell.group, cell.name].detail for cell in cells}
            assert details <= {"opened", "opened, and shut again"}, pair
