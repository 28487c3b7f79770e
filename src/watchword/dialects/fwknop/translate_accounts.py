"""What stanzas are read with: users and groups, key rings, named actions, external commands.

Not in here: what a stanza says with them (access_conf_stanza).
"""

from __future__ import annotations

from dataclasses import replace

from watchword.dialects.fwknop import actions_conf
from watchword.dialects.fwknop.access_conf_commands import Accounts
from watchword.dialects.fwknop.access_conf_external import ALARM, CLOSE, ENABLE, OPEN, External
from watchword.dialects.fwknop.access_conf_gpg import Surroundings
from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import Entry
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.server_files import Sources
from watchword.model.commands import DEFAULT_SECONDS


def surroundings(sources: Sources, values: Values) -> Surroundings:
    return Surroundings(
        home=values.text("GPG_HOME_DIR"),
        program=values.text("GPG_EXE"),
        is_folder=sources.is_folder,
        is_program=sources.is_program,
        is_private=sources.is_private,
    )


def accounts_of(sources: Sources, values: Values) -> Accounts:
    return Accounts(
        user=sources.user,
        group=sources.group,
        sudo=values.text("SUDO_EXE"),
        seconds=float(values.number("CMD_EXEC_TIMEOUT") or DEFAULT_SECONDS),
        external=_external(values),
    )


def with_actions(
    accounts: Accounts, sources: Sources, values: Values, complaints: Complaints
) -> Accounts:
    file = values.text("ACTIONS_FILE")
    if not file or file.upper() == "NONE":
        return accounts
    programs = actions_conf.Programs(sources.read, sources.is_program, sources.is_private)
    place = values.place("ACTIONS_FILE")
    return replace(accounts, actions=actions_conf.read(file, place, programs, accounts, complaints))


def _external(values: Values) -> External:
    """External commands of fwknop 1.9, for all stanzas."""

    def entry(name: str) -> Entry | None:
        given = values.given.get(name)
        return Entry(given.name, given.text, given.place) if given else None

    prefix = values.text("EXT_CMD_PREFIX") if values.flag("ENABLE_EXT_CMD_PREFIX") else ""
    return External(
        enabled=values.flag(ENABLE) if ENABLE in values.given else None,
        opening=entry(OPEN),
        closing=entry(CLOSE),
        seconds=float(values.number(ALARM) or DEFAULT_SECONDS),
        prefix=prefix,
    )
