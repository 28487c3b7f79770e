"""Reads the section of one door.

In here: its keys, what they default to, which of them cannot stand together.
Not in here: sequences and flags (sequences), commands (commands), [options], what goes
beyond knockd's rules (door_care).

Source: knockd, section 3. Of our own: ``Open`` names services that are opened in
the firewall in place of commands, for ``Cmd_Timeout`` seconds, ``Close`` those
that are closed before; ``Shell = yes`` gives the commands to a shell in any case.
Differences: a time is a number; a target is an address, however it is spelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword.dialects.knockd.commands import command
from watchword.dialects.knockd.door_care import CARE, rotation
from watchword.dialects.knockd.door_draft import Draft, Read, services, whole_number, yes_or_no
from watchword.dialects.knockd.door_kernel import kernel
from watchword.dialects.knockd.lines import Directive, Section
from watchword.dialects.knockd.sequences import SequenceError, flag_rule, sequence
from watchword.errors import Complaint
from watchword.model.addresses import canonical
from watchword.model.doors import (
    CloseServices,
    Door,
    DoorAction,
    DoorCommand,
    OpenServices,
    RunCommands,
)


def door(section: Section, number: int, complaints: list[Complaint]) -> tuple[Door, bool]:
    """The door of a section, and whether it asked for the system's log.

    What is wrong with it is complained about; after a fatal complaint the door
    is not to be used.
    """
    draft = Draft(section, complaints)
    for directive in section.directives:
        read = _KEYS.get(directive.key)
        draft.is_knocked |= directive.key in _KNOCKED
        if read is not None and directive.value is not None:
            read(draft, directive, directive.value)
        elif directive.key == "usesyslog" and directive.value is None:
            draft.syslog = True
        else:
            draft.refuse(directive.place, "syntax error", _puzzle(directive))
    return _finished(draft, number), draft.syslog


def _puzzle(directive: Directive) -> str:
    from watchword.dialects.fwknop.suggest import did_you_mean  # noqa: PLC0415  (mistakes)

    if directive.value is None and directive.key in _KEYS:
        return f"write {directive.key} = and a value"
    if directive.key == "usesyslog":
        return "write UseSyslog alone on its line"
    if directive.key in ("logfile", "pidfile", "interface"):
        return "this key belongs below [options]"
    meant = did_you_mean(directive.key, _KEYS)
    return meant or "there is no such key for a door; see knockd.conf(5)"


def _finished(draft: Draft, number: int) -> Door:
    section = draft.section
    if not draft.is_knocked:
        general = section.name.casefold() == "options"
        draft.complaints.append(
            Complaint(
                f"error: section '{section.name}' has an empty knock sequence",
                section.place,
                "write [options], in small letters, for what is no door"
                if general
                else "give it a line such as sequence = 7000,8000,9000",
            )
        )
    if sum(map(bool, (draft.services, draft.closed, draft.commands))) > 1:
        draft.refuse(
            draft.opens or section.place,
            "Open, Close and commands cannot stand in one door",
            "leave all but one of them out, or make several doors with the same sequence",
        )
    if draft.services and draft.cmd_timeout <= 0:
        draft.refuse(
            draft.opens or section.place,
            "Open needs a time",
            "write cmd_timeout = and the seconds for which it stays open",
        )
    return Door(
        number=number,
        place=section.place,
        name=section.name,
        sequence=draft.sequence,
        seq_timeout=draft.seq_timeout,
        flags=draft.flags,
        target=canonical(draft.target) if draft.target is not None else None,
        one_time=draft.one_time,
        action=_action(draft),
        care=draft.care,
        rotation=rotation(draft),
        kernel=kernel(draft),
    )


def _action(draft: Draft) -> DoorAction:
    if draft.services:
        return OpenServices(draft.services, draft.cmd_timeout)
    if draft.closed:
        return CloseServices(draft.closed)
    return _commands(draft)


def _commands(draft: Draft) -> RunCommands:
    def read(*keys: str) -> DoorCommand | None:
        text = next((draft.commands[key] for key in keys if key in draft.commands), "")
        return command(text, through_shell=draft.shell) if text else None

    seconds = draft.cmd_timeout if draft.cmd_timeout >= 0 else None
    return RunCommands(
        start=read("start"),
        start_6=read("start_6", "start"),
        stop=read("stop"),
        stop_6=read("stop_6", "stop"),
        seconds=seconds,
    )


def _sequence(draft: Draft, directive: Directive, value: str) -> None:
    try:
        draft.sequence, ignored = sequence(value)
    except SequenceError as error:
        draft.refuse_section(str(error), error.hint)
        return
    for text in ignored:
        draft.remark(directive.place, f"{text!r} is ignored", "comments have lines of their own")


def _one_time(draft: Draft, directive: Directive, value: str) -> None:
    if not value:
        draft.refuse(directive.place, "syntax error", "name a file of sequences")
    draft.one_time = value


def _seq_timeout(draft: Draft, directive: Directive, value: str) -> None:
    seconds = whole_number(draft, directive, value)
    if seconds is not None and seconds < 0:
        draft.refuse(directive.place, "Seq_Timeout is negative", "write seconds, such as 10")
    elif seconds is not None:
        draft.seq_timeout = seconds


def _cmd_timeout(draft: Draft, directive: Directive, value: str) -> None:
    seconds = whole_number(draft, directive, value)
    if seconds is None:
        return
    if seconds < 0:
        draft.remark(directive.place, "a stop command is never run", "write seconds if it is to be")
    draft.cmd_timeout = seconds


def _flags(draft: Draft, directive: Directive, value: str) -> None:
    try:
        draft.flags = flag_rule(value)
    except ValueError as error:
        draft.refuse(
            directive.place,
            f'unrecognized flag "{error}"',
            "write fin, syn, rst, psh, ack and urg, with commas and no blanks between them",
        )
        return
    if draft.flags.wanted & draft.flags.unwanted:
        draft.remark(directive.place, "no TCP packet has these flags", "leave one of them out")


def _target(draft: Draft, directive: Directive, value: str) -> None:
    try:
        canonical(value)
    except ValueError:
        draft.refuse(directive.place, f"Target is {value!r}", "write an IP address")
        return
    draft.target = value


def _kept(key: str) -> Read:
    def read(draft: Draft, directive: Directive, value: str) -> None:
        if "\0" in value:
            draft.refuse(directive.place, "syntax error", "leave the NUL out")
        draft.commands[key] = value

    return read


def _open(draft: Draft, directive: Directive, value: str) -> None:
    draft.opens = directive.place
    draft.services = services(draft, directive, value)


def _close(draft: Draft, directive: Directive, value: str) -> None:
    draft.opens = directive.place
    draft.closed = services(draft, directive, value)


def _shell(draft: Draft, directive: Directive, value: str) -> None:
    draft.shell = yes_or_no(directive, value, draft.complaints)


def _kernel(draft: Draft, directive: Directive, value: str) -> None:
    draft.kernel = directive.place if yes_or_no(directive, value, draft.complaints) else None


_KEYS: Final[dict[str, Read]] = {
    "sequence": _sequence,
    "one_time_sequences": _one_time,
    "seq_timeout": _seq_timeout,
    "timeout": _seq_timeout,
    "tcpflags": _flags,
    "target": _target,
    "start_command": _kept("start"),
    "command": _kept("start"),
    "start_command_6": _kept("start_6"),
    "command_6": _kept("start_6"),
    "cmd_timeout": _cmd_timeout,
    "stop_command": _kept("stop"),
    "stop_command_6": _kept("stop_6"),
    "open": _open,
    "close": _close,
    "shell": _shell,
    "kernel": _kernel,
    **CARE,
}
_KNOCKED: Final = ("sequence", "one_time_sequences", "secret")
KEYS: Final[Sequence[str]] = tuple(_KEYS)
"""Of a door, in lower case."""
