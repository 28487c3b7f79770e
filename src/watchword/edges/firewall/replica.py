"""A copy of this host's ruleset, in a network namespace of its own that nothing passes through.

In here: making the copy, and listing it as text that can be compared.
Not in here: what is changed in it (service.tool.diff), the backends.

Tables of nftables are copied as nft lists them; what nft cannot read back, because iptables made
it, by iptables-save; sets of ipset by the program ipset, where it is installed. The namespace is
that of one thread, and gone with it.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from watchword.errors import HostError
from watchword.ports import Completed, NotStartedError, ProgramRunner
from watchword.record import record

Answer = TypeVar("Answer")
_CLONE_NEWNET: Final = 0x40000000
_SECONDS: Final = 60.0
# What counts up or down by itself.
_RUNNING: Final = re.compile(
    r" expires [0-9a-z]+|packets \d+ bytes \d+|\[\d+:\d+\]|^# (Gen|Comp).*"
)
_PACE: Final = re.compile(r" timeout \d+(?= |$)")


@record
class Ruleset:
    """As text, for reading it in again."""

    nft: tuple[tuple[str, str, str], ...]
    """Family, name and text of each table."""
    saved: tuple[tuple[str, str], ...]
    """Program that restores it, and what the one that saves it said."""
    old: bool
    """Whether those programs are of the make whose tables nft does not see."""
    ipset: str
    """Empty: there are no sets, or no program to list them."""


def of_this_host(programs: ProgramRunner, exe: str = "iptables") -> Ruleset:
    """Read everything. ``exe``: which iptables. Raises HostError."""
    tables = []
    for line in _said(programs, "nft", "list", "tables").splitlines():
        _, family, name = line.split(maxsplit=2)
        tables.append((family, name, _said(programs, "nft", "list", "table", family, name)))
    saved = []
    for program in _both(exe):
        said = _perhaps(programs, f"{program}-save")
        if said is not None:
            saved.append((f"{program}-restore", said))
    old = bool(saved) and "nf_tables" not in _said(programs, exe, "--version")
    return Ruleset(tuple(tables), tuple(saved), old, _perhaps(programs, "ipset", "save") or "")


def in_a_copy(ruleset: Ruleset, programs: ProgramRunner, work: Callable[[], Answer]) -> Answer:
    """Do some work in a copy, in a thread of its own. Needs root.

    Raises HostError: there can be no copy; and whatever the work raises.
    """
    answers: list[Answer] = []
    failures: list[BaseException] = []

    def alone() -> None:
        try:
            _leave()
            _load(ruleset, programs)
            answers.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=alone, name="copy")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return answers[0]


def _leave() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        reason = os.strerror(ctypes.get_errno())
        raise HostError(f"no network namespace for a copy: {reason}", hint="run it as root")


def listed(programs: ProgramRunner, exe: str = "iptables", *, by_iptables: bool) -> list[str]:
    """The ruleset of the calling thread's namespace, line by line, without what runs by itself."""
    if not by_iptables:
        return _lines(_said(programs, "nft", "list", "ruleset"))
    found = []
    for program in _both(exe):
        found += [f"# {program}", *_lines(_perhaps(programs, f"{program}-save") or "")]
    sets = _perhaps(programs, "ipset", "save")
    return [*found, *(["# ipset"] if sets else []), *_lines(_PACE.sub("", sets or ""))]


def _load(ruleset: Ruleset, programs: ProgramRunner) -> None:
    if ruleset.ipset:
        _fed(programs, ruleset.ipset, "ipset", "restore")
    by_iptables = False
    for family, name, text in ruleset.nft:
        if programs.run(["nft", "-f", "-"], stdin=text.encode(), seconds=_SECONDS).status:
            if family not in ("ip", "ip6"):
                raise HostError(f"the table {family} {name} cannot be copied: nft does not read it")
            by_iptables = True
    for program, text in ruleset.saved if by_iptables or ruleset.old else ():
        _fed(programs, text, program)


def _both(exe: str) -> tuple[str, str]:
    folder, slash, name = exe.rpartition("/")
    six = name.replace("iptables", "ip6tables", 1)
    return exe, f"{folder}{slash}{six}"


def _lines(text: str) -> list[str]:
    plain = (_RUNNING.sub("", line).rstrip() for line in text.splitlines())
    return [line for line in plain if line]


def _said(programs: ProgramRunner, *argv: str) -> str:
    done = programs.run(argv, seconds=_SECONDS)
    if done.status:
        raise HostError(f"{' '.join(argv)} failed: {_complaint(done)}", hint="run it as root")
    return done.stdout.decode("utf-8", "replace")


def _perhaps(programs: ProgramRunner, *argv: str) -> str | None:
    """None: there is no such program, or nothing for it to list."""
    try:
        done = programs.run(argv, seconds=_SECONDS)
    except NotStartedError:
        return None
    return None if done.status else done.stdout.decode("utf-8", "replace")


def _fed(programs: ProgramRunner, text: str, *argv: str) -> None:
    done = programs.run(argv, stdin=text.encode(), seconds=_SECONDS)
    if done.status:
        raise HostError(f"the ruleset cannot be copied: {argv[0]}: {_complaint(done)}")


def _complaint(done: Completed) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[0] if lines else f"status {done.status}"
