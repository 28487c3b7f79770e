"""Cells of packets that programs of the 1.9 line made, which today's servers have to take.

In here: which of the recorded packets of the perl client 1.9.12 are shown to a server.
Not in here: the packets (vectors/perl19.json), the rest of the matrix (catalogue).

Their time stamps are of the day they were recorded, so these cells turn the check of the age
off, and cannot meet the others at one server. They all ask for tcp/22, most for the same
address: each grant is short, and the next cell waits for its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.conformance.cells import Cell, Expect
from watchword.conformance.golden import Vector, load, payload_of
from watchword.conformance.venue import ROAMING

LEGACY_KEY: Final = 16
"""The 1.9 line pads shorter keys to this, and uses longer ones in full (wire format, 14)."""
SHOWN: Final = (
    "perl-access", "perl-access-key8", "perl-access-key15", "perl-access-key20",
    "perl-access-key32", "perl-access-any", "perl-digest-md5", "perl-digest-sha1",
    "perl-digest-sha256", "perl-timeout", "perl-timeout-0", "perl-user-1",
    "perl-server-auth", "perl-salted",
)  # fmt: skip
REFUSED: Final = frozenset({"perl-salted"})
"""The 1.9 client can be told to keep the prefix that others take off; fwknopd 2.6 refuses it."""


def recorded() -> tuple[Cell, ...]:
    """One cell for each shown packet."""
    return tuple(_cells())


def _cells() -> Iterator[Cell]:
    vectors = {vector["id"]: vector for vector in load("perl19")}
    for name in SHOWN:
        yield _cell(vectors[name])


def _cell(vector: Vector) -> Cell:
    who, _, service = vector["fields"]["message"].partition(",")
    if who not in (ROAMING, "0.0.0.0"):  # noqa: S104  (the packet's word for its own source)
        raise ValueError(f"{vector['id']} is for {who}")
    key = vector["encryption"]
    mode = ("ENCRYPTION_MODE legacy",) if key["key_len"] < LEGACY_KEY else ()
    return Cell(
        "recorded",
        str(vector["id"]).removeprefix("perl-"),
        stanza=(
            f"KEY_BASE64 {key['key_b64']}",
            "HMAC_KEY_BASE64",
            "FW_ACCESS_TIMEOUT 2",
            "MAX_FW_TIMEOUT 2",
            *mode,
        ),
        settings=("ENABLE_SPA_PACKET_AGING N",),
        services=(service,),
        who=ROAMING if who == ROAMING else "{caller}",
        ends=True,
        expect=Expect.SHUT if vector["id"] in REFUSED else Expect.OPENS,
        packet=payload_of(vector),
    )
