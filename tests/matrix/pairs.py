"""The pairs of the matrix, and in what they differ from the ideal, and why.

In here: the programs; for each cell and pair, what is expected.
Not in here: the cells (watchword.conformance.catalogue, .recorded), showing them (table).

A difference is expected as exactly as a success: if the server begins to open what it
refused, or refuses it for another reason, its cell fails.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from tests.daemon import PROGRAMS
from tests.plugins.privileges import PACKAGED
from watchword.conformance.catalogue import matrix
from watchword.conformance.cells import Cell, Expect
from watchword.conformance.openpgp_cells import GROUP as GNUPG
from watchword.conformance.openpgp_cells import openpgp
from watchword.conformance.recorded import recorded


class Maker(Enum):
    WATCHWORD = "Watchword"
    FWKNOP = "fwknop 2.6"
    PERL = "fwknop 1.9"
    """Its packets are recorded: the programs do not run any more."""


@dataclass(frozen=True, slots=True)
class Pair:
    client: Maker
    server: Maker

    def __str__(self) -> str:
        return f"{self.client.value} to {self.server.value}"

    @property
    def cells(self) -> tuple[Cell, ...]:
        """What an ideal pair would do."""
        return recorded() if self.client is Maker.PERL else (*matrix(), *openpgp())

    def command(self, program: str) -> list[str]:
        """The command for ``fwknop`` or ``fwknopd`` of this pair; empty if it is not there."""
        maker = self.client if program == "fwknop" else self.server
        if maker is Maker.WATCHWORD:
            return [str(PROGRAMS / program)]
        packaged = shutil.which(program, path=PACKAGED)
        return [packaged] if packaged else []

    @property
    def needs(self) -> tuple[str, ...]:
        """The packaged programs that it takes."""
        client = ("fwknop",) if self.client is Maker.FWKNOP else ()
        return (*client, "fwknopd") if self.server is Maker.FWKNOP else client


LIVE = tuple(
    Pair(client, server)
    for client in (Maker.WATCHWORD, Maker.FWKNOP)
    for server in (Maker.WATCHWORD, Maker.FWKNOP)
)
OLD = (Pair(Maker.PERL, Maker.WATCHWORD), Pair(Maker.PERL, Maker.FWKNOP))


def refused_by_us(reason: str) -> str:
    """What our server's log says of a packet that the cell's own stanza refused."""
    return f'"verdict":"refused".*"reason":"{reason}".*"stanza":{{stanza}}[,}}}}]'


@dataclass(frozen=True, slots=True)
class Difference:
    """Why some cells come to something else for some pairs."""

    why: str
    """A footnote."""
    becomes: Expect
    said: str = ""
    client: Maker | None = None
    """Only with this client; None: with any."""
    server: Maker | None = None
    stanza: tuple[str, ...] | None = None
    """In place of the cell's own lines, which the server would not start with."""

    def concerns(self, pair: Pair) -> bool:
        return self.client in (None, pair.client) and self.server in (None, pair.server)


NO_SIX_SENT = Difference(
    "The fwknop 2.6 client sends to IPv4 addresses only, and takes no others for `-a`.",
    Expect.UNSENT,
    "Invalid allow IP|Address family",
    client=Maker.FWKNOP,
)
NO_SIX_HEARD = Difference(
    "fwknopd 2.6 receives, and opens, IPv4 only. Our client says so when it is given an IPv6 "
    "address for `-a`.",
    Expect.SHUT,
    client=Maker.WATCHWORD,
    server=Maker.FWKNOP,
)
NEVER_SENT = Difference(
    "Neither client makes such a packet: legacy packets carry no HMAC.", Expect.UNSENT
)
DAMAGED = Difference(
    "Packets leave out two characters that every server puts back, and they are right for RSA and "
    "ElGamal keys of 2048 bits or more only. Watchword's client refuses other recipients; the "
    "fwknop 2.6 client sends a packet that no server can open.",
    Expect.SHUT,
    client=Maker.FWKNOP,
)
NOT_FOR_PACKETS = replace(
    DAMAGED, becomes=Expect.UNSENT, said="RSA or ElGamal of 2048 bits", client=Maker.WATCHWORD
)
WITH_PREFIX = Difference(
    "The 1.9 client can be told to leave a prefix on the wire that programs take off since. "
    "Neither server of today takes it.",
    Expect.SHUT,
)
REASONS = {
    "a port that is not listed": "port-not-offered",
    "a port that is restricted": "port-restricted",
    "another user": "wrong-user",
    "-s where an address is required": "source-address-required",
    "ten minutes old": "too-old",
    "ten minutes ahead": "from-the-future",
    "a command where none are allowed": "commands-not-enabled",
    "not signed": "signature-missing",
    "untrusted signer": "signature-refused",
    "a signer who is not listed": "signer-not-listed",
    "a signer in one of two lists": "signer-not-listed",
}
"""What our server says of the refusals that are a stanza's own."""


def differences(cell: Cell) -> Iterable[Difference]:
    """What there is to be said about a cell, for whatever pair."""
    if cell.six:
        yield from (NO_SIX_SENT, NO_SIX_HEARD)
    if cell.expect is Expect.UNSENT and cell.group == GNUPG:
        yield from (DAMAGED, NOT_FOR_PACKETS)
    elif cell.expect is Expect.UNSENT:
        yield NEVER_SENT
    if cell.packet and cell.expect is Expect.SHUT:
        yield WITH_PREFIX


def difference(cell: Cell, pair: Pair) -> Difference | None:
    return next((each for each in differences(cell) if each.concerns(pair)), None)


def expected(cell: Cell, pair: Pair) -> Cell:
    """The cell as this pair has to meet it."""
    found = difference(cell, pair)
    if found is None:
        reason = REASONS.get(cell.name) if pair.server is Maker.WATCHWORD else None
        return replace(cell, said=refused_by_us(reason)) if reason else cell
    stanza = cell.stanza if found.stanza is None else found.stanza
    return replace(cell, expect=found.becomes, said=found.said or cell.said, stanza=stanza)
