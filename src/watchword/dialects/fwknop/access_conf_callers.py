"""For whom a stanza lets its callers ask: source ports, prefixes, several addresses.

In here: BIND_SOURCE_PORT, PREFIXES_IPV4 and PREFIXES_IPV6, WIDEN_TO_PREFIX, FIRST_CONNECTS_ONLY,
GRANT_ALSO_SOURCE, MORE_ADDRESSES and NAMED_ADDRESSES.
Not in here: what they mean for a packet (grant.callers), every other line (access_conf_stanza).

They are Watchword's own, and each is off where it is not written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_commands import is_on
from watchword.dialects.fwknop.access_conf_lists import UnfitError, networks
from watchword.dialects.fwknop.access_conf_perl import is_no
from watchword.dialects.fwknop.lines import Entry, shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.addresses import Network
from watchword.model.callers import Binding, CallerTerms

SHORTEST: Final = {4: 16, 6: 48}
"""Bits; a shorter prefix is a crowd, and no caller's network."""
_WHOLE: Final = {4: 32, 6: 128}
_LENGTHS: Final = 4  # of each IP version: every length is a set and two rules
_MORE: Final = 6  # addresses that a packet has room for
NAMES: Final = (
    "BIND_SOURCE_PORT", "PREFIXES_IPV4", "PREFIXES_IPV6", "WIDEN_TO_PREFIX",
    "FIRST_CONNECTS_ONLY", "GRANT_ALSO_SOURCE", "MORE_ADDRESSES", "NAMED_ADDRESSES",
)  # fmt: skip
_BINDINGS: Final = {
    "n": Binding.NEVER, "y": Binding.OFFERED, "offered": Binding.OFFERED,
    "required": Binding.REQUIRED,
}  # fmt: skip


def caller_terms(stanza: Stanza, complaints: Complaints, *, by_commands: bool) -> CallerTerms:
    """What the stanza says. Not to be used after a fatal complaint."""
    reader = _Reader(stanza, complaints)
    said = CallerTerms(
        binding=reader.binding(),
        prefixes=(*reader.prefixes(4), *reader.prefixes(6)),
        widen=is_on(stanza, "WIDEN_TO_PREFIX"),
        first=is_on(stanza, "FIRST_CONNECTS_ONLY"),
        and_source=is_on(stanza, "GRANT_ALSO_SOURCE"),
        more=reader.more(),
        only=reader.only(),
    )
    reader.check(said, by_commands=by_commands)
    return said


class _Reader:
    """One stanza under reading, and where to complain."""

    def __init__(self, stanza: Stanza, complaints: Complaints) -> None:
        self._given = stanza.given
        self._complaints = complaints

    def binding(self) -> Binding:
        line = self._given.get("BIND_SOURCE_PORT")
        found = _BINDINGS.get(line.value.lower()) if line else Binding.NEVER
        if line is not None and found is None:
            self._complaints.refuse(
                f"BIND_SOURCE_PORT is '{shown(line.value)}', none of N, offered and required",
                line.place,
                "write offered (callers may ask for it) or required (others are refused)",
            )
        return found or Binding.NEVER

    def prefixes(self, version: int) -> tuple[tuple[int, int], ...]:
        name = f"PREFIXES_IPV{version}"
        line = self._given.get(name)
        if line is None:
            return ()
        words = [each.removeprefix("/") for each in line.value.replace(",", " ").split()]
        shortest, whole = SHORTEST[version], _WHOLE[version]
        lengths = {int(each) for each in words if each.isascii() and each.isdecimal()}
        fit = all(shortest <= each < whole for each in lengths)
        if not fit or not 1 <= len(lengths) <= _LENGTHS or len(lengths) < len(set(words)):
            self._complaints.refuse(
                f"{name} is '{shown(line.value)}'",
                line.place,
                f"write up to {_LENGTHS} lengths from {shortest} to {whole - 1}, such as "
                f"{'24 28' if version == 4 else '64'}",
            )
            return ()
        return tuple((version, each) for each in sorted(lengths))

    def more(self) -> int:
        line = self._given.get("MORE_ADDRESSES")
        if line is None:
            return 0
        if line.value in map(str, range(_MORE + 1)):
            return int(line.value)
        self._complaints.refuse(
            f"MORE_ADDRESSES is '{shown(line.value)}'",
            line.place,
            f"write how many addresses a packet may name beside the first, up to {_MORE}",
        )
        return 0

    def only(self) -> tuple[Network, ...] | None:
        """What may be named; None: anything."""
        line = self._given.get("NAMED_ADDRESSES")
        if line is None:
            return None
        if line.value.upper() == "NONE":
            return ()
        try:
            return networks(line.value) or None
        except UnfitError as unfit:
            self._complaints.refuse(
                f"NAMED_ADDRESSES: {shown(unfit.message, 200)}",
                line.place,
                f"{shown(unfit.hint)}; or NONE: only the address that the packet came from",
            )
            return ()

    def check(self, said: CallerTerms, *, by_commands: bool) -> None:
        """What contradicts what."""
        for name in ("WIDEN_TO_PREFIX", "FIRST_CONNECTS_ONLY"):
            if said.prefixes or name not in self._given:
                continue
            self._complaints.remark(
                f"{name} has no effect without PREFIXES_IPV4 or PREFIXES_IPV6",
                self._given[name].place,
                "add one of them, or remove the line",
            )
        if said.widen and said.binding is Binding.REQUIRED:
            self._complaints.remark(
                "WIDEN_TO_PREFIX has no effect with BIND_SOURCE_PORT required",
                self._given["WIDEN_TO_PREFIX"].place,
            )
        for name, line in self._in_part():
            if by_commands:
                self._complaints.refuse(
                    f"{name} cannot be: commands open and close this stanza, for one address",
                    line.place,
                    "remove the line, or the commands",
                )
            for leading in ("FORCE_NAT", "SECRET_PORTS"):
                if leading in self._given and not by_commands:
                    self._complaints.refuse(
                        f"{name} cannot be with {leading}: who is led on comes from one address",
                        line.place,
                        "remove one of the two",
                    )

    def _in_part(self) -> Iterator[tuple[str, Entry]]:
        """Lines by which a grant is for something else than one address."""
        for name in NAMES[:-1]:
            line = self._given.get(name)
            if line is not None and not is_no(line) and line.value != "0":
                yield name, line
