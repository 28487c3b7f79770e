"""Reads what a stanza says about command messages.

In here: ENABLE_CMD_EXEC and its kin, CMD_REGEX, CMD_SHELL, and as whom commands run.
Not in here: command cycles (access_conf_cycle), running anything (service.daemon.hand).

Source: access.conf, 4.5 and 11. Differences: a group is looked up among the
groups first; a user of the name root is a user; sudo's group counts without
CMD_EXEC_GROUP; CMD_REGEX has to match the whole command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_external import External
from watchword.dialects.fwknop.lines import Entry, shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.actions import Action
from watchword.model.commands import Account, CommandTerms

_ROOT: Final = 0


@dataclass(frozen=True, slots=True)
class Accounts:
    """Users and groups of this machine, and what else all stanzas' commands share."""

    user: Callable[[str], tuple[int, int] | None]
    """User id and primary group of a user; None: there is no such user."""
    group: Callable[[str], int | None]
    sudo: str
    """Path of the program sudo."""
    seconds: float
    """How long a command may take."""
    external: External
    actions: Mapping[str, Action] = field(default_factory=dict)
    """Everything that ACTIONS_FILE declares, by name."""


def command_terms(
    stanza: Stanza, accounts: Accounts, complaints: Complaints
) -> CommandTerms | None:
    """What is to be done with command messages; None: they are refused.

    After a fatal complaint the value is not to be used.
    """
    if not is_on(stanza, "ENABLE_CMD_EXEC") or "CMD_CYCLE_OPEN" in stanza.given:
        return None  # a cycle takes every packet, and none that asks for a command
    reader = CommandReader(stanza, accounts, complaints)
    account = reader.account("CMD_EXEC")
    prefix = reader.sudo() if is_on(stanza, "ENABLE_CMD_SUDO_EXEC") else ()
    if account is None and not prefix:
        complaints.remark(
            "commands of this stanza run as the user that fwknopd runs as, which is mostly root",
            stanza.given["ENABLE_CMD_EXEC"].place,
            "add CMD_EXEC_USER and a user who may do no more than is meant",
        )
    return CommandTerms(
        account=account,
        prefix=prefix,
        pattern=reader.pattern(),
        shell=is_on(stanza, "CMD_SHELL"),
        seconds=accounts.seconds,
    )


def is_on(stanza: Stanza, name: str) -> bool:
    line = stanza.given.get(name)
    return line is not None and line.value[:1] in ("y", "Y")


class CommandReader:
    """Lines about commands, of a stanza or of an action, under reading."""

    def __init__(self, stanza: Stanza, accounts: Accounts, complaints: Complaints) -> None:
        self._stanza = stanza
        self._accounts = accounts
        self._complaints = complaints
        self._whose = f"in stanza source: '{shown(stanza.source.value)}'"

    def account(self, prefix: str, whose: str = "") -> Account | None:
        """Whom ``<prefix>_USER`` and ``<prefix>_GROUP`` name; None: nobody in particular.

        ``whose`` stands in messages, if it is not a stanza's.
        """
        user = self._stanza.given.get(f"{prefix}_USER")
        group = self._stanza.given.get(f"{prefix}_GROUP")
        if user is None:
            if group is None:
                return None
            gid = self._group(group)
            return Account("root", group.value, _ROOT, _ROOT if gid is None else gid)
        found = self._user(user)
        if found is None:
            return None
        uid, primary = found
        if group is None:
            self._complaints.remark(
                f"Setting gid to group associated with {prefix}_USER '{shown(user.value)}' for "
                f"setgid() execution {whose or self._whose}",
                user.place,
            )
            return Account(user.value, user.value, uid, primary)
        gid = self._group(group)
        return Account(user.value, group.value, uid, primary if gid is None else gid)

    def sudo(self) -> tuple[str, ...]:
        """The words before the caller's. After ``--`` nothing of his is an option of sudo."""
        user = self._stanza.given.get("CMD_SUDO_EXEC_USER")
        group = self._stanza.given.get("CMD_SUDO_EXEC_GROUP")
        words = [self._accounts.sudo, "-n"]
        if user is not None and self._user(user) is not None:
            words += ["-u", user.value]
        if group is not None and self._group(group) is not None:
            words += ["-g", group.value]
        return (*words, "--")

    def pattern(self) -> str | None:
        line = self._stanza.given.get("CMD_REGEX")
        if line is None:
            return None
        try:
            re.compile(line.value)
        except (re.error, ValueError, OverflowError, RecursionError) as error:
            self._complaints.refuse(
                f"CMD_REGEX is '{shown(line.value)}', which is no regular expression: {error}",
                line.place,
                "write one in Python's syntax that the whole command has to match",
            )
        return line.value

    def _user(self, line: Entry) -> tuple[int, int] | None:
        found = self._accounts.user(line.value)
        if found is None:
            self._complaints.refuse(
                f"[*] Unable to determine UID for {line.name.removesuffix(':')}: "
                "Not a user on this system.",
                line.place,
                f"add the user '{shown(line.value)}' (adduser --system), or name another",
            )
        return found

    def _group(self, line: Entry) -> int | None:
        gid = self._accounts.group(line.value)
        if gid is not None:
            return gid
        of_user = self._accounts.user(line.value)  # where the original looks, and only there
        if of_user is not None:
            return of_user[1]
        self._complaints.refuse(
            f"[*] Unable to determine GID for {line.name.removesuffix(':')}: "
            "Not a group on this system.",
            line.place,
            f"add the group '{shown(line.value)}' (addgroup --system), or name another",
        )
        return None
