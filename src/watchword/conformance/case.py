"""A cell in its place: its number at a server, its keys, its ports, its doors.

In here: what the names in a cell's texts stand for, and a packet that any server grants.
Not in here: the cell (cells), the network (venue), trying it (exchange).
"""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchword.conformance.cells import Cell, LeadsTo, Words, filled
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.venue import INNER, Door, Venue
from watchword.spa import (
    Credential,
    Lock,
    Secret,
    SpaError,
    access,
    parse_access,
    seal,
    unseal,
)

FIRST_PORT: Final = 2200
PORTS_EACH: Final = 10


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of one exchange."""

    cell: Cell
    words: Words
    doors: tuple[Door, ...]
    """As the one sees them who is to be let in."""
    shut_doors: tuple[Door, ...]
    """The same as a stranger sees them."""

    @property
    def mark(self) -> Path:
        """The file that a command may make."""
        return Path(self.words["mark"])

    def met(self, detail: str) -> Finding:
        return Finding(self.cell.group, self.cell.name, Verdict.PASS, detail)

    def failed(self, detail: str) -> Finding:
        return Finding(self.cell.group, self.cell.name, Verdict.FAIL, detail)

    def packet(self) -> bytes:
        """A plain request for the cell's services, sealed by the library with its keys, new."""
        allow, services = parse_access(f"{self.words['who']},{self.words['services']}")
        message = access(
            allow, services, user="control", now=time.time(), random=secrets.token_bytes
        )
        return seal(message, self._credential, salt=secrets.token_bytes(8))

    def digest_sent(self) -> str:
        """The digest inside the packet that the client saved; else what is wrong with that."""
        try:
            payload = Path(self.words["packet"]).read_bytes().removesuffix(b"\n")
            return unseal(payload, Lock(self._credential)).message.digest.name.lower()
        except (OSError, SpaError) as error:
            return f"unknown: {error}"

    @property
    def _credential(self) -> Credential:
        key, mac = (Secret(_key(what, self.cell)) for what in ("encryption", "HMAC"))
        return Credential(key, mac_key=mac)


def case_of(cell: Cell, number: int, venue: Venue, folder: Path, more: Words) -> Case:
    """Place the cell as the server's stanza ``number``, counted from 1.

    ``more`` are words that this module does not know of.
    """
    caller, server, stranger = (
        station.six if cell.six else station.four
        for station in (venue.caller, venue.server, venue.stranger)
    )
    port = FIRST_PORT + number * PORTS_EACH
    words = {
        **more,
        "key": _base64(_key("encryption", cell)),
        "mac": _base64(_key("HMAC", cell)),
        "caller": caller,
        "server": server,
        "inner": INNER,
        "stanza": str(number),
        "mark": str(folder / f"mark-{number}"),
        "packet": str(folder / f"packet-{number}"),
        "port": str(port),
        "port2": str(port + 1),
        "port3": str(port + 2),
        "inside": str(port + 5),
    }
    [words["who"]] = filled([cell.who], words)
    services = filled(cell.services, words)
    words["services"] = ",".join(services)
    doors = tuple(Door(venue.caller.host, words["who"], server, *_split(text)) for text in services)
    shut = tuple(Door(venue.stranger.host, stranger, server, *_split(text)) for text in services)
    return Case(cell, words, doors, shut)


def open_for_business(case: Case, venue: Venue) -> None:
    """Have somebody wait where the connections are to arrive that are let through."""
    match case.cell.leads_to:
        case LeadsTo.SERVICE:
            for door in case.doors:
                venue.serve(venue.server.host, door.address, door.proto, door.port)
        case LeadsTo.INSIDE:
            inside = int(case.words["inside"])
            venue.serve(venue.server.host, case.words["server"], "tcp", inside)
        case LeadsTo.INNER:
            venue.serve(venue.inner, INNER, "tcp", int(case.words["inside"]))


def _key(what: str, cell: Cell) -> bytes:
    """A key of 32 bytes for tests, the same in every run."""
    return hashlib.sha256(f"{what} key of {cell}".encode()).digest()


def _base64(key: bytes) -> str:
    return b64encode(key).decode("ascii")


def _split(service: str) -> tuple[str, int]:
    proto, _, port = service.partition("/")
    return proto, int(port)
