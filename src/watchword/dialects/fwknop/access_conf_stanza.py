"""Turns the lines of one stanza into terms.

In here: who, and what; the original's checks of a stanza; refusal of what this
version cannot deliver.
Not in here: how long and until when (access_conf_times), keys (access_conf_credentials),
lists (access_conf_lists), files (access_conf).

Source: access.conf, sections 4 and 8. Differences: REQUIRE_USERNAME takes a
list; what is no flag is refused where taking it as nothing would allow more.
"""

from __future__ import annotations

import re
from dataclasses import replace

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_actions import listed_actions
from watchword.dialects.fwknop.access_conf_callers import caller_terms
from watchword.dialects.fwknop.access_conf_commands import Accounts, command_terms, is_on
from watchword.dialects.fwknop.access_conf_credentials import credentials
from watchword.dialects.fwknop.access_conf_cycle import cycle_terms, has_cycle
from watchword.dialects.fwknop.access_conf_external import external_pair, external_terms
from watchword.dialects.fwknop.access_conf_gpg import Surroundings
from watchword.dialects.fwknop.access_conf_knock import SHARED, cut_users, knock_terms
from watchword.dialects.fwknop.access_conf_lists import (
    UnfitError,
    networks,
    services,
    split_networks,
)
from watchword.dialects.fwknop.access_conf_nat import ServerNat, nat_terms
from watchword.dialects.fwknop.access_conf_perl import any_port, is_off
from watchword.dialects.fwknop.access_conf_sharing import sharing_terms
from watchword.dialects.fwknop.access_conf_table import (
    FLAGS,
    OF_KNOCKS,
    REFUSED,
    RESTRICTIONS,
    asks_for_missing,
)
from watchword.dialects.fwknop.access_conf_times import Times
from watchword.dialects.fwknop.lines import Entry, shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.errors import Complaint
from watchword.model.addresses import Network
from watchword.model.commands import CycleTerms
from watchword.model.old_knocks import Shared
from watchword.model.policy import Terms
from watchword.model.services import Service

INTERFACE = re.compile(r"[!-~]{1,15}")
_MESSAGE = 400  # characters of a complaint that repeats an operator's words


def terms(
    stanza: Stanza,
    complaints: Complaints,
    around: Surroundings,
    accounts: Accounts,
    *,
    source_required: bool = False,
    nat: ServerNat | None = None,
) -> Terms | None:
    """What the stanza says. None if it is out of use, or if it has no key.

    Where a fatal complaint was made the value is not to be used.

    Args:
        around: What GPG lines fall back on.
        accounts: As whom commands can run.
        source_required: REQUIRE_SOURCE_ADDRESS of the whole configuration.
        nat: What the whole configuration says of leading on.
    """
    reader, times = _Reader(stanza, complaints), Times(stanza, complaints)
    reader.check_missing_features()
    knocks = stanza.knocks and not stanza.dead
    found = None if knocks else credentials(stanza, around, complaints)
    said = Terms(stanza.number, stanza.source.place, shown(stanza.source.value), None)
    said = _who_may(said, stanza, reader, source_required)
    said = _what_for_how_long(said, stanza, reader, times)
    said = replace(
        said,
        commands=command_terms(stanza, accounts, complaints),
        actions=listed_actions(stanza, accounts.actions, complaints),
        cycle=_cycle(stanza, accounts, complaints),
    )
    said = replace(said, keep_seconds=times.keep_seconds(by_commands=said.cycle is not None))
    if said.cycle is None and said.access and not (stanza.knocks and stanza.dead):
        said = replace(said, nat=nat_terms(stanza, nat or ServerNat(), complaints))
        reader.check_list()
    said = replace(
        said, callers=caller_terms(stanza, complaints, by_commands=said.cycle is not None)
    )
    said = replace(said, sharing=sharing_terms(stanza, said, complaints))
    if knocks:
        return _knocked(said, stanza, complaints)
    if found is None:
        return None
    said = replace(said, credential=found.symmetric, openpgp=found.openpgp)
    return replace(said, proves=reader.proves(keyed=said.mac_key is not None))


def _knocked(said: Terms, stanza: Stanza, complaints: Complaints) -> Terms | None:
    """The same for a stanza that is knocked at."""
    may_open = said.open_services is None or said.cycle is not None
    knock = knock_terms(stanza, complaints, may_open=may_open)
    if knock is None:
        return None
    if isinstance(knock, Shared):
        return replace(said, knock=knock, source_required=False)
    return replace(said, knock=knock, users=cut_users(said.users))


def _who_may(said: Terms, stanza: Stanza, reader: _Reader, source_required: bool) -> Terms:
    """Callers, and where their packets go."""
    sources, barred = reader.sources()
    return replace(
        said,
        sources=sources,
        barred=barred,
        destinations=reader.networks("DESTINATION", stanza.given.get("DESTINATION")),
        interfaces=reader.interfaces(),
        users=reader.users(),
        source_required=reader.source_required(source_required),
        source_optional_from=stanza.source_optional_from,
    )


def _what_for_how_long(said: Terms, stanza: Stanza, reader: _Reader, times: Times) -> Terms:
    default, most = times.seconds()
    return replace(
        said,
        open_services=reader.opened(),
        closed_services=reader.services("RESTRICT_PORTS") or frozenset(),
        default_seconds=default,
        max_seconds=most,
        seconds_by_caller=not is_off(stanza, "PERMIT_CLIENT_TIMEOUT"),
        expires=times.expires(),
        access=not is_on(stanza, "DISABLE_FW_ACCESS"),
        owner_closes=is_on(stanza, "ENABLE_OWNER_CLOSE"),
    )


def _cycle(stanza: Stanza, accounts: Accounts, complaints: Complaints) -> CycleTerms | None:
    """The commands that open and close: those of 2.6 or, failing that, those of 1.9."""
    if has_cycle(stanza):
        return cycle_terms(stanza, accounts.seconds, complaints)
    shell = is_on(stanza, "CMD_SHELL")
    return external_terms(stanza, accounts.external, complaints, shell=shell)


def offered(stanza: Stanza, accounts: Accounts) -> frozenset[Service] | None:
    """What callers may ask for, also of a stanza out of use; None: anything.

    A list that cannot be read offers nothing; ``terms`` complains about it.
    """
    by_commands = has_cycle(stanza) or any(external_pair(stanza, accounts.external))
    if by_commands or is_on(stanza, "DISABLE_FW_ACCESS"):
        return frozenset()
    line = stanza.given.get("OPEN_PORTS")
    try:
        return services(line.value) if line and not any_port(stanza) else None
    except UnfitError:
        return frozenset()


class _Reader:
    """One stanza under reading, and where to complain."""

    def __init__(self, stanza: Stanza, complaints: Complaints) -> None:
        self._stanza = stanza
        self._complaints = complaints
        self._label = shown(stanza.source.value)

    def check_missing_features(self) -> None:
        if self._stanza.knocks and self._stanza.dead:
            return
        for name, line in self._stanza.given.items():
            if self._stanza.knocks and name in OF_KNOCKS:
                continue
            if asks_for_missing(name, line.value):
                self._complaints.refuse(
                    f"{name} is not supported by this version", line.place, REFUSED[name]
                )
            elif name in FLAGS and line.value[:1] not in tuple("yYnN"):
                self._complaints.add(
                    Complaint(
                        f"{name} is '{shown(line.value)}', neither Y nor N",
                        line.place,
                        f"write {name} Y or {name} N",
                        fatal=name in RESTRICTIONS,
                    )
                )

    def sources(self) -> tuple[tuple[Network, ...], tuple[Network, ...]]:
        """Where packets may come from, and where not although the first has it."""
        try:
            return split_networks(self._stanza.source.value)
        except UnfitError as unfit:
            self._unfit("SOURCE", self._stanza.source, unfit)
            return (), ()

    def opened(self) -> frozenset[Service] | None:
        """What may be asked for; None: anything."""
        return None if any_port(self._stanza) else self.services("OPEN_PORTS")

    def proves(self, *, keyed: bool) -> bool:
        """Whether connections prove whose they are; without an HMAC key they cannot."""
        on = is_on(self._stanza, "PROVE")
        if on and not keyed:
            self._complaints.refuse(
                "PROVE needs an HMAC key, from which the proof is made",
                self._stanza.given["PROVE"].place,
                "add HMAC_KEY_BASE64, on both sides",
            )
        return on and keyed

    def check_list(self) -> None:
        """For a stanza that opens in the firewall: callers choose only where they may."""
        line = self._stanza.given.get("PERMIT_CLIENT_PORTS")
        if line is None or "OPEN_PORTS" in self._stanza.given or any_port(self._stanza):
            return
        self._complaints.refuse(
            f"OPEN_PORTS is missing, and PERMIT_CLIENT_PORTS is not on: '{self._label}'",
            line.place,
            "add OPEN_PORTS and what callers may ask for, such as tcp/22",
        )

    def networks(self, name: str, line: Entry | None) -> tuple[Network, ...]:
        if line is None:
            return ()
        try:
            return networks(line.value)
        except UnfitError as unfit:
            self._unfit(name, line, unfit)
            return ()

    def services(self, name: str) -> frozenset[Service] | None:
        line = self._stanza.given.get(name)
        if line is None:
            return None
        try:
            return services(line.value)
        except UnfitError as unfit:
            self._unfit(name, line, unfit)
            return frozenset()

    def interfaces(self) -> frozenset[str]:
        line = self._stanza.given.get("RESTRICT_INTF")
        names = [each.strip() for each in line.value.split(",")] if line else []
        for name in names:
            if line is not None and not INTERFACE.fullmatch(name):
                self._complaints.refuse(
                    f"RESTRICT_INTF has '{shown(name)}', which cannot be the name of an interface",
                    line.place,
                    "write names as ip link shows them, such as eth0",
                )
        return frozenset(names)

    def users(self) -> frozenset[str]:
        line = self._stanza.given.get("REQUIRE_USERNAME")
        if line is None:
            return frozenset()
        names = frozenset(each.strip() for each in line.value.split(",") if each.strip())
        if not names:
            self._complaints.refuse(
                "REQUIRE_USERNAME names nobody", line.place, "write a name, or remove the line"
            )
        return names

    def source_required(self, everywhere: bool) -> bool:
        line = self._stanza.given.get("REQUIRE_SOURCE_ADDRESS")
        if everywhere if line is None else line.value[:1] in ("y", "Y"):
            return True
        if SHARED in self._stanza.given:
            return False  # nobody can name an address there
        self._complaints.remark(
            "Warning: REQUIRE_SOURCE_ADDRESS not enabled "
            f"for access stanza source: '{self._label}'",
            (line or self._stanza.source).place,
            "add REQUIRE_SOURCE_ADDRESS Y if clients name their address (-a or -R)",
        )
        return False

    def _unfit(self, name: str, line: Entry, unfit: UnfitError) -> None:
        self._complaints.refuse(
            f"{shown(unfit.message, _MESSAGE)}\n[*] Fatal invalid {name} in access stanza",
            line.place,
            shown(unfit.hint, _MESSAGE),
        )
