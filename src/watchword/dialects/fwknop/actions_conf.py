"""Reads the file of ACTIONS_FILE: programs that callers may have run by name.

In here: ACTION and the lines below it, and what is wrong with them.
Not in here: what one ACTION_ARGUMENT says (action_arguments), which stanza lists which action
(access_conf_actions), what callers say (grant.actions), running (service.daemon.hand).

The file is ours, and as fwknop's are: a name and a value on a line. Nothing in it is passed
over: a name that is not known, a variable that no argument has and a program without its
path are mistakes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from watchword.dialects.fwknop import action_arguments
from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_commands import Accounts, CommandReader
from watchword.dialects.fwknop.lines import (
    Entry,
    entries,
    shown,
    shown_file,
    shown_name,
    unreadable,
)
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.suggest import nearest
from watchword.errors import HostError, OperatorError, Place
from watchword.model.actions import ADMIT, CLOSE, Action, Argument, Piece
from watchword.record import record

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_LINES: Final = frozenset({"ACTION_RUN", "ACTION_USER", "ACTION_GROUP", "ACTION_TIMEOUT"})
_KNOWN: Final = _LINES | {"ACTION", "ACTION_ARGUMENT"}
_MOST: Final = 200  # actions
_MOST_ARGUMENTS: Final = 8  # each may have an expression to match, for a second
_LONGEST: Final = 86_400  # seconds that an action may take


@dataclass(slots=True)
class _Block:
    """From one ACTION to the next. ``lines.source`` is the ACTION line."""

    lines: Stanza
    arguments: list[Entry] = field(default_factory=list)


@record
class Programs:
    """What is to be known of this machine's programs."""

    read: Callable[[str], str]
    """A file's text. Raises OperatorError or HostError."""
    is_program: Callable[[str], bool]
    is_private: Callable[[str], bool]
    """Whether nobody but root and this process's own user can write into a folder."""


def read(
    file: str, place: Place, programs: Programs, accounts: Accounts, complaints: Complaints
) -> Mapping[str, Action]:
    """The actions of a file by their names; those that were complained about are left out.

    ``place`` is what names the file.
    """
    complaints.opened(file)
    try:
        text = programs.read(file)
    except (OperatorError, HostError) as error:
        complaints.refuse(
            f"the file of ACTIONS_FILE cannot be read: {error}",
            place,
            "create it, or name another one; without the line there are no actions",
        )
        return {}
    if (wrong := unreadable(text, file)) is not None:
        complaints.add(wrong)
        return {}
    found: dict[str, Action] = {}
    for block in _blocks(text, file, complaints):
        name = block.lines.source.value
        if name in found:
            complaints.refuse(
                f"there are two actions {name}",
                block.lines.source.place,
                "give one of them another name, or remove it",
            )
        action = _Reader(block, programs, accounts, complaints).action()
        if action is not None:
            found[name] = action
    return found


def _blocks(text: str, file: str, complaints: Complaints) -> Iterator[_Block]:
    block: _Block | None = None
    count = 0
    for entry in entries(text, file):
        if entry.name not in _KNOWN or not entry.value:
            _stumble(entry, complaints)
        elif entry.name == "ACTION":
            if block is not None:
                yield block
            count += 1
            if count > _MOST:
                complaints.refuse(
                    f"there are more than {_MOST} actions",
                    entry.place,
                    "have fewer: one with an argument does for several",
                )
                return
            block = _Block(Stanza(count, entry))
        elif block is None:
            complaints.refuse(
                f"{entry.name} stands before the first ACTION",
                entry.place,
                "begin with a line such as ACTION wake; the lines below it belong to it",
            )
        elif entry.name == "ACTION_ARGUMENT":
            block.arguments.append(entry)
        elif entry.name in block.lines.given:
            complaints.refuse(
                f"{entry.name} stands twice below one ACTION",
                entry.place,
                "remove one of them, or begin another action above it",
            )
        else:
            block.lines.note(entry.name, entry)
    if block is not None:
        yield block


def _stumble(entry: Entry, complaints: Complaints) -> None:
    meant = nearest(entry.name, sorted(_KNOWN))
    quoted = shown(entry.name) if meant else shown_name(entry.name)
    what = "has no value" if entry.name in _KNOWN else "is not known here"
    complaints.refuse(
        f"'{quoted}' {what}: {shown_file(entry.place.file)} holds actions",
        entry.place,
        f"did you mean {meant}?" if meant else f"the lines are {', '.join(sorted(_KNOWN))}",
    )


class _Reader:
    """One action under reading."""

    def __init__(
        self, block: _Block, programs: Programs, accounts: Accounts, complaints: Complaints
    ) -> None:
        self._block = block
        self._name = block.lines.source.value
        self._place = block.lines.source.place
        self._given = block.lines.given
        self._programs = programs
        self._accounts = accounts
        self._complaints = complaints

    def action(self) -> Action | None:
        """None if it was complained about."""
        if not _NAME.fullmatch(self._name) or self._name in (CLOSE, ADMIT):
            self._complaints.refuse(
                f"'{shown(self._name)}' is no name for an action",
                self._place,
                "write letters, digits, dots and dashes; "
                f"'{CLOSE}' and '{ADMIT}' have meanings of their own",
            )
            return None
        arguments = self._arguments()
        words = self._words(arguments)
        reader = CommandReader(self._block.lines, self._accounts, self._complaints)
        account = reader.account("ACTION", f"for action '{self._name}'")
        if arguments is None or words is None:
            return None
        if "ACTION_USER" not in self._given and "ACTION_GROUP" not in self._given:
            self._remark_root(words)
        return Action(self._name, words, arguments, account, self._seconds())

    def _arguments(self) -> tuple[Argument, ...] | None:
        found: dict[str, Argument] = {}
        for line in self._block.arguments:
            try:
                argument = action_arguments.argument(line.value)
            except action_arguments.UnfitError as unfit:
                self._complaints.refuse(
                    f"ACTION_ARGUMENT {unfit}", line.place, action_arguments.HOW
                )
                return None
            if argument.name in found or len(found) == _MOST_ARGUMENTS:
                self._complaints.refuse(
                    f"ACTION_ARGUMENT {argument.name} is one too many",
                    line.place,
                    f"each name stands once, and there are {_MOST_ARGUMENTS} at the most",
                )
                return None
            found[argument.name] = argument
        return tuple(found.values())

    def _words(
        self, arguments: tuple[Argument, ...] | None
    ) -> tuple[tuple[Piece, ...], ...] | None:
        line = self._given.get("ACTION_RUN")
        if line is None:
            self._complaints.refuse(
                f"action {self._name} has no ACTION_RUN",
                self._place,
                "add one below it: the path of a program, and its words",
            )
            return None
        known = {each.name: each for each in arguments or ()}
        try:
            split = shlex.split(line.value)
            words = tuple(action_arguments.pieces(each, known) for each in split)
        except ValueError as error:
            if arguments is not None:  # else the variable may be one that was complained about
                self._complaints.refuse(
                    f"ACTION_RUN cannot be read: {error}",
                    line.place,
                    "close every quote, and declare what begins with a $ as ACTION_ARGUMENT",
                )
            return None
        program = words[0][0] if words and len(words[0]) == 1 else ""
        if not isinstance(program, str) or not program.startswith("/"):
            self._complaints.refuse(
                "ACTION_RUN does not begin with the path of a program",
                line.place,
                "write the whole path, such as /usr/bin/wakeonlan",
            )
            return None
        self._remark_words(line, program, words, known)
        return words

    def _remark_words(
        self,
        line: Entry,
        program: str,
        words: tuple[tuple[Piece, ...], ...],
        known: Mapping[str, Argument],
    ) -> None:
        if not self._programs.is_program(program):
            self._complaints.remark(
                f"there is no program {shown_file(program)}, which ACTION_RUN names",
                line.place,
                "install it, or correct the path; until then the action fails",
            )
        used = {each.name for word in words for each in word if isinstance(each, Argument)}
        if idle := sorted(known.keys() - used):
            self._complaints.remark(
                f"ACTION_RUN does nothing with the argument {idle[0]}",
                line.place,
                f"write ${idle[0]} where it belongs, or remove it",
            )

    def _remark_root(self, words: tuple[tuple[Piece, ...], ...]) -> None:
        folder = str(words[0][0]).rpartition("/")[0] or "/"
        if self._programs.is_private(folder):
            self._complaints.remark(
                f"action {self._name} runs as the user that fwknopd runs as, which is mostly root",
                self._place,
                "add ACTION_USER and a user who may do no more than is meant",
            )
        else:
            self._complaints.remark(
                f"action {self._name} runs as the user that fwknopd runs as, and others can write "
                f"into {shown_file(folder)}, where its program is",
                self._place,
                "add ACTION_USER, or move the program where only root can write",
            )

    def _seconds(self) -> float:
        line = self._given.get("ACTION_TIMEOUT")
        if line is None:
            return self._accounts.seconds
        if not (line.value.isascii() and line.value.isdecimal()) or not (
            1 <= int(line.value[:8]) <= _LONGEST
        ):
            self._complaints.refuse(
                f"ACTION_TIMEOUT is '{shown(line.value)}'",
                line.place,
                f"write seconds, from 1 to {_LONGEST}",
            )
            return self._accounts.seconds
        return float(line.value[:8])
