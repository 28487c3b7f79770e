"""The page of the interoperability matrix says what is expected today, and explains it."""

from __future__ import annotations

import pytest

from tests.matrix.pairs import LIVE, OLD, Maker, Pair, difference, expected
from tests.matrix.table import GROUPS, PAGE, page_part, written
from watchword.conformance.catalogue import DIGESTS, MODES, matrix
from watchword.conformance.cells import Cell
from watchword.model.crypto import CipherMode, Digest
from watchword.spa import MessageType

PAIRS = (*LIVE, *OLD)


def test_the_page_has_the_matrix_of_today() -> None:
    page = PAGE.read_text("utf-8")
    assert written(page) == page, "run make matrix-page"


def test_a_page_without_a_place_for_it_is_an_error() -> None:
    with pytest.raises(ValueError, match="no place"):
        written("# Interoperability\n")


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_every_cell_has_a_name_of_its_own_and_a_group_of_the_table(pair: Pair) -> None:
    names = [str(cell) for cell in pair.cells]
    assert len(names) == len(set(names)) > 10
    assert {cell.group for cell in pair.cells} <= GROUPS.keys()


def test_the_matrix_leaves_out_nothing_that_is_on_the_wire() -> None:
    assert {name.lower() for name in DIGESTS} == {digest.name.lower() for digest in Digest}
    modes = {*MODES, "LEGACY", "ASYMMETRIC"}  # the last is GnuPG (openpgp_cells)
    assert {mode.name for mode in CipherMode} == modes
    types = " ".join(cell.name for cell in matrix() if cell.group == "type")
    assert [kind for kind in MessageType if f"({int(kind)})" not in types] == []


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_whatever_is_not_as_it_should_be_has_a_footnote(pair: Pair) -> None:
    for cell in pair.cells:
        if expected(cell, pair).expect is not cell.expect:
            found = difference(cell, pair)
            assert found is not None
            assert found.why in page_part()


def test_the_packaged_pair_is_the_control_and_differs_in_ipv6_and_in_damaged_packets() -> None:
    control = Pair(Maker.FWKNOP, Maker.FWKNOP)
    odd = [cell for cell in control.cells if expected(cell, control).expect is not cell.expect]
    assert {cell.group for cell in odd} == {"IPv6", "GnuPG"}


def test_between_our_own_programs_every_cell_is_as_it_should_be() -> None:
    ours = Pair(Maker.WATCHWORD, Maker.WATCHWORD)
    assert [cell for cell in ours.cells if expected(cell, ours).expect is not cell.expect] == []


def test_a_refusal_that_is_a_stanzas_own_is_looked_for_in_our_log() -> None:
    cell = Cell("refusal", "another user")
    ours, theirs = (Pair(Maker.FWKNOP, server) for server in (Maker.WATCHWORD, Maker.FWKNOP))
    assert "wrong-user" in expected(cell, ours).said
    assert expected(cell, theirs).said == ""
