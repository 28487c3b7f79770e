"""What a stanza does against others who come from its caller's address.

In here: COUNT_CONNECTIONS, MAX_CONNECTIONS, DOOR_TIMEOUT, SECRET_PORTS, EXCLUSIVE_LEASE,
MAX_LEASE_TIME, MAX_IDENTITIES_PER_ADDRESS and MAX_GRANTS_PER_ADDRESS.
Not in here: what they mean for a packet (grant.crowd, grant.secret), every other line
(access_conf_stanza).

They are Watchword's own, and each is off where it is not written. docs/shared-addresses.md says
what each of them is good for.
"""

from __future__ import annotations

from typing import Final

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_commands import is_on
from watchword.dialects.fwknop.access_conf_perl import is_no
from watchword.dialects.fwknop.lines import Entry, shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.openings import Lease
from watchword.model.policy import Terms
from watchword.model.sharing import SharingTerms

MOST_CONNECTIONS: Final = 16
"""A quarter of the tickets that there are for an address, so that others get some as well."""
DEFAULT_LEASE: Final = 3600
NAMES: Final = (
    "COUNT_CONNECTIONS", "MAX_CONNECTIONS", "DOOR_TIMEOUT", "SECRET_PORTS", "EXCLUSIVE_LEASE",
    "MAX_LEASE_TIME", "MAX_IDENTITIES_PER_ADDRESS", "MAX_GRANTS_PER_ADDRESS",
)  # fmt: skip
BY_ADDRESS: Final = ("EXCLUSIVE_LEASE", "MAX_IDENTITIES_PER_ADDRESS", "MAX_GRANTS_PER_ADDRESS")
"""What goes by the address that somebody comes from, which has to be one."""
_MOST: Final = 100_000
_GRANTS: Final = 64
"""Of one address where each packet is a grant of its own, if no number is given."""


def sharing_terms(stanza: Stanza, said: Terms, complaints: Complaints) -> SharingTerms:
    """What the stanza says. Not to be used after a fatal complaint.

    ``said``: what else it says.
    """
    reader = _Reader(stanza, complaints)
    ports = reader.ports()
    grants = reader.number("MAX_GRANTS_PER_ADDRESS", 1, _MOST)
    found = SharingTerms(
        connections=reader.connections(),
        door_seconds=reader.number("DOOR_TIMEOUT", 1, said.max_seconds),
        secret_ports=ports,
        lease=reader.lease(),
        lease_seconds=reader.number("MAX_LEASE_TIME", 1, 8_388_608) or DEFAULT_LEASE,
        identities=reader.number("MAX_IDENTITIES_PER_ADDRESS", 1, _MOST),
        grants=grants if grants is not None or ports is None else _GRANTS,
    )
    reader.check(found, said)
    return found


class _Reader:
    """One stanza under reading, and where to complain."""

    def __init__(self, stanza: Stanza, complaints: Complaints) -> None:
        self._stanza = stanza
        self._given = stanza.given
        self._complaints = complaints

    def connections(self) -> int | None:
        """One, where they are counted and no number is given."""
        number = self.number("MAX_CONNECTIONS", 1, MOST_CONNECTIONS)
        if number is None and is_on(self._stanza, "COUNT_CONNECTIONS"):
            return 1
        off = "COUNT_CONNECTIONS" in self._given and not is_on(self._stanza, "COUNT_CONNECTIONS")
        if number is not None and off:
            self._complaints.refuse(
                "COUNT_CONNECTIONS is N, and MAX_CONNECTIONS says how many there may be",
                self._given["MAX_CONNECTIONS"].place,
                "remove one of the two",
            )
        return number

    def ports(self) -> tuple[int, int] | None:
        line = self._given.get("SECRET_PORTS")
        if line is None:
            return None
        low, dash, high = line.value.replace(" ", "").partition("-")
        if dash and _is_port(low) and _is_port(high) and int(low) + 255 <= int(high):
            return int(low), int(high)
        self._complaints.refuse(
            f"SECRET_PORTS is '{shown(line.value)}'",
            line.place,
            "write the first and the last of at least 256 ports that no service uses, such as "
            "40000-59999",
        )
        return None

    def lease(self) -> Lease | None:
        line = self._given.get("EXCLUSIVE_LEASE")
        if line is None or is_no(line):
            return None
        try:
            return Lease(line.value.lower())
        except ValueError:
            self._complaints.refuse(
                f"EXCLUSIVE_LEASE is '{shown(line.value)}', none of refuse, queue and tell",
                line.place,
                "write what becomes of others who ask while somebody holds an address",
            )
            return None

    def number(self, name: str, low: int, high: int) -> int | None:
        line = self._given.get(name)
        if line is None:
            return None
        text = line.value
        if text.isascii() and text.isdecimal() and len(text) < 9 and low <= int(text) <= high:
            return int(text)
        self._complaints.refuse(
            f"{name} is '{shown(text)}'", line.place, f"write a number from {low} to {high}"
        )
        return None

    def check(self, found: SharingTerms, said: Terms) -> None:
        """What contradicts what."""
        if found.lease is None and "MAX_LEASE_TIME" in self._given:
            self._complaints.remark(
                "MAX_LEASE_TIME has no effect without EXCLUSIVE_LEASE",
                self._given["MAX_LEASE_TIME"].place,
                "add it, or remove the line",
            )
        if found.lease in (Lease.REFUSE, Lease.QUEUE) and "NAMED_ADDRESSES" not in self._given:
            self._complaints.remark(
                "whoever has a key can hold the address of somebody else, and keep him out",
                self._given["EXCLUSIVE_LEASE"].place,
                "write NAMED_ADDRESSES NONE into every stanza: then a packet is for the address "
                "that it comes from",
            )
        if said.cycle is not None:
            for line in self._lines(*NAMES):
                self._contradicts(line, "commands open and close this stanza")
            return
        everything = said.nat.through or any(each.everything for each in said.nat.forced)
        for line in self._lines("COUNT_CONNECTIONS", "MAX_CONNECTIONS", "SECRET_PORTS"):
            if everything:
                self._contradicts(line, "FORWARD_ALL lets everything of a caller's through")
            elif said.callers.prefixes:
                self._contradicts(line, "PREFIXES_IPV4 and PREFIXES_IPV6 let in whole networks")

        for line in self._lines(*BY_ADDRESS):
            if said.callers.prefixes:
                self._contradicts(line, "PREFIXES_IPV4 and PREFIXES_IPV6 let in whole networks")

    def _lines(self, *names: str) -> list[Entry]:
        """Those of the lines that are there, and on."""
        there = (self._given[name] for name in names if name in self._given)
        return [line for line in there if not is_no(line)]

    def _contradicts(self, line: Entry, why: str) -> None:
        name = line.name.removesuffix(":")
        self._complaints.refuse(f"{name} cannot be: {why}", line.place, "remove one of the two")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and 1024 <= int(text) <= 65535
