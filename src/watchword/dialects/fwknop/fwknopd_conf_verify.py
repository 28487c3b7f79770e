"""Holds each value of fwknopd.conf against what its variable can be.

In here: numbers, flags, paths, chains, the names of syslog; values that have no effect.
Not in here: the names and their bounds (fwknopd_conf_table), reading (fwknopd_conf), what several
of them mean together (translate).

Source: fwknopd server, section 3. Differences: ports end at 65535; what was ignored in silence is
remarked on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from watchword.dialects.fwknop.fwknopd_conf import Value, Values, backend_of, leading_number
from watchword.dialects.fwknop.fwknopd_conf_table import VARIABLES, Kind, Variable, chain_fields
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints

_CHAIN_FIELD = re.compile(r"[A-Za-z0-9_]{1,28}")  # iptables has no longer names
_CALLER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,28}")
"""The chain that calls ours is somebody else's: DOCKER-USER, ufw-before-input."""
_FACILITIES = frozenset({"LOG_DAEMON", *(f"LOG_LOCAL{n}" for n in range(8))})


def verify(values: Values, complaints: Complaints) -> None:
    """Check each value for itself."""
    for name, value in values.given.items():
        variable = VARIABLES[name]
        match variable.kind:
            case Kind.NUMBER:
                _verify_number(variable, value, complaints)
            case Kind.FLAG | Kind.NOT_NO:
                _verify_flag(variable, value, complaints)
            case Kind.CHAIN:
                _verify_chain(value, complaints)
            case Kind.PATH if not value.text.startswith("/"):
                complaints.refuse(
                    f"Path '{shown(value.text)}' is not absolute.",
                    value.place,
                    f"write {value.name} with the whole path, from / on",
                )
    _verify_logging(values, complaints)
    _verify_sets(values, complaints)


def remark_idle(values: Values, complaints: Complaints) -> None:
    """Say which values have no effect with the firewall that was chosen, or none yet."""
    backend = backend_of(values)
    for name, value in values.given.items():
        variable = VARIABLES[name]
        idle = variable.without and backend not in variable.honoured
        if name == "FIREWALL_TYPE" and _is_by_commands(values):
            continue
        if idle and variable.is_on(value.text):
            complaints.remark(
                f"{value.name} has no effect in this version: {variable.without}", value.place
            )


def _is_by_commands(values: Values) -> bool:
    """Whether the commands of fwknop 1.9 open in place of a firewall."""
    return values.text("FIREWALL_TYPE") == "external_cmd" and values.flag("ENABLE_EXTERNAL_CMDS")


def _verify_number(variable: Variable, value: Value, complaints: Complaints) -> None:
    number = leading_number(value.text)
    low, high = variable.low, variable.high
    if not low <= number <= high:
        complaints.refuse(
            f"[*] var {value.name} value '{shown(value.text)}' not in the range {low}-{high}",
            value.place,
            f"write {value.name} and a number from {low} to {high}",
        )
    elif not value.text.isdecimal():
        complaints.remark(
            f"{value.name} is '{shown(value.text)}', taken as {number}",
            value.place,
            f"write {value.name} {number}",
        )


_NOT_GUESSED: Final = {
    "REQUIRE_SOURCE_ADDRESS": "lists of networks are for the stanzas of access.conf: write Y, or N",
    "PRIVILEGE_SEPARATION": "write Y, or remove the line; N takes protection away",
}
"""Flags that would let more in, or protect less, if an odd value were taken for N as by fwknopd."""


def _verify_flag(variable: Variable, value: Value, complaints: Complaints) -> None:
    if value.text[:1] in tuple("yYnN"):
        return
    if variable.name in _NOT_GUESSED:
        complaints.refuse(
            f"{value.name} is '{shown(value.text)}', neither Y nor N",
            value.place,
            _NOT_GUESSED[variable.name],
        )
    else:
        taken = "Y" if variable.is_on(value.text) else "N"
        complaints.remark(
            f"{value.name} is '{shown(value.text)}', taken as {taken}",
            value.place,
            f"write {value.name} Y or {value.name} N",
        )


def _verify_chain(value: Value, complaints: Complaints) -> None:
    fields = chain_fields(value.text)
    if len(fields) != 6 or not _is_chain(fields):
        hint = (
            "write: target, table, from-chain, jump position, own chain, rule position; names have "
            "up to 28 letters, digits and _"
        )
        if len(fields) == 7:
            hint = f"seven fields are of fwknop 1.9, with src, dst or both in the second; {hint}"
        complaints.refuse(
            f"Invalid {value.name} specification, see fwknopd.conf comments", value.place, hint
        )
        return
    for position, what in ((fields[3], "jump"), (fields[5], "to_chain")):
        if leading_number(position) > 65536:
            complaints.refuse(
                f"[*] invalid {what} rule position in Line: {shown(value.text)}",
                value.place,
                "positions go from 0 to 65536",
            )


def _is_chain(fields: Sequence[str]) -> bool:
    ours = (*fields[:2], *fields[3:])
    return _CALLER.fullmatch(fields[2]) is not None and all(map(_CHAIN_FIELD.fullmatch, ours))


def _verify_logging(values: Values, complaints: Complaints) -> None:
    if values.text("SYSLOG_FACILITY") not in _FACILITIES:
        complaints.refuse(
            f"Invalid SYSLOG_FACILITY setting '{shown(values.text('SYSLOG_FACILITY'))}'",
            values.place("SYSLOG_FACILITY"),
            "write LOG_DAEMON or one of LOG_LOCAL0 to LOG_LOCAL7",
        )
    if leading_number(values.text("VERBOSE")) < 0:
        complaints.refuse(
            f"[*] VERBOSE value '{shown(values.text('VERBOSE'))}' not in the range (>0)",
            values.place("VERBOSE"),
            "write VERBOSE 0, or 1 for more",
        )


def _verify_sets(values: Values, complaints: Complaints) -> None:
    active, expire = values.number("IPFW_ACTIVE_SET_NUM"), values.number("IPFW_EXPIRE_SET_NUM")
    # 1.9 knows only the latter: the other is then chosen beside it (translate_ipfw).
    one = "IPFW_ACTIVE_SET_NUM" not in values.given and (
        "IPFW_EXPIRE_SET_NUM" in values.given
        and values.given["IPFW_EXPIRE_SET_NUM"].name == "IPFW_SET_NUM"
    )
    if active == expire > 0 and not one:
        complaints.refuse(
            "[*] Cannot set identical ipfw active and expire sets.",
            values.place("IPFW_EXPIRE_SET_NUM"),
            "give IPFW_EXPIRE_SET_NUM another number",
        )
