"""What was recorded at fwknopd with OpenPGP stanzas, at our gate, with the real gpg."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gpg_homes import patient_gpg, server_home
from tests.played import play, recorded
from watchword.conformance.golden import Vector, load

pytestmark = [pytest.mark.peer("gpg")]

VECTORS = [vector for vector in load("server") if "<GPG_HOME>" in vector["access_conf"]]
OURS_OPENS = {
    "srv-gpg-remote-longid": "a key id of 16 digits is compared as one",
    "srv-gpg-fingerprint-lower": "a fingerprint is the same in lower case",
}
"""Signers whom fwknopd does not recognise as the ones that are listed (docs/differences.md)."""
BECAME = {
    "srv-gpg-unsigned-required": ("signature-missing",),
    "srv-gpg-hmac-wrong": ("hmac-mismatch",),
    "srv-gpg-prefix": ("prefix",),
    "srv-gpg-replay": ("granted", "replayed"),
}
"""Others are granted."""
OPEN = frozenset({"192.0.2.10 tcp/22"})


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with server_home(tmp_path_factory.mktemp("gpg") / "servers") as home:
        yield home


def test_no_vector_was_lost() -> None:
    assert len(VECTORS) == 11
    assert OURS_OPENS.keys() | BECAME.keys() <= {vector["id"] for vector in VECTORS}


@pytest.mark.requirement("8.10", partial=True)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["id"]))
def test_what_fwknopd_opens_for_openpgp_is_open_and_two_listed_signers_more(
    vector: Vector, ring: Path
) -> None:
    came = play(vector, openpgp=patient_gpg(), ring=str(ring))
    assert came.verdicts == BECAME.get(vector["id"], ("granted",))
    if vector["id"] in OURS_OPENS:
        assert (came.open, recorded(vector)) == (OPEN, frozenset())
    else:
        assert came.open == recorded(vector)
