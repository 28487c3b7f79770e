"""Runs the programs of iptables and ip6tables, each to its end.

In here: which programs, of which make, listing a table, carrying out a script.
Not in here: the scripts (chains), the programs that go on standing (restores).

Both makes are driven alike: the one that speaks nf_tables (the "nft shim") and
the old one ("legacy"). Whoever holds iptables' lock is waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchword.edges.firewall.tables.listing import Listing, parse
from watchword.errors import HostError, ProgramError

if TYPE_CHECKING:  # the warden starts sooner without
    from watchword.ports import Completed, ProgramRunner

LOCK_SECONDS = 10
"""How long others may hold iptables' lock before that is a failure."""
_SECONDS = 30.0
_INSTALL = "install the package iptables, or name the program with FIREWALL_EXE"


def program(exe: str, version: int, suffix: str = "") -> str:
    """``ip6tables-restore`` for IPv6 and ``-restore``, in the same folder as for IPv4."""
    folder, slash, name = exe.rpartition("/")
    family = name if version == 4 else name.replace("iptables", "ip6tables", 1)
    return f"{folder}{slash}{family}{suffix}"


def restoring(exe: str, version: int) -> list[str]:
    """The command that carries out scripts and leaves alone what they do not name."""
    return [program(exe, version, "-restore"), "--noflush", "-w", str(LOCK_SECONDS)]


class Tools:
    """The programs that belong to one ``iptables``."""

    def __init__(self, exe: str, programs: ProgramRunner) -> None:
        """``exe``: the program for IPv4, by name or path, with iptables in its name."""
        self._exe = exe
        self._programs = programs

    def program(self, version: int, suffix: str = "") -> str:
        return program(self._exe, version, suffix)

    def is_legacy(self) -> bool:
        """Whether the tables are the kernel's old ones. Raises HostError: no such program."""
        done = self._run([self.program(4), "--version"], hint=_INSTALL)
        return b"nf_tables" not in done.stdout

    def table(self, version: int, name: str) -> Listing:
        """Raises HostError: it cannot be listed, or cannot be understood by this make."""
        done = self._run([self.program(version, "-save"), "-t", name], hint=_INSTALL)
        if b"is incompatible, use 'nft' tool" in done.stdout + done.stderr:
            raise HostError(
                f"the table {name} has rules in it that {self.program(version)} cannot read",
                hint="use FIREWALL_BACKEND nftables with FIREWALL_ATTACH jump",
            )
        return parse(done.stdout.decode("utf-8", "replace"))

    def versions(self, name: str) -> tuple[int, ...]:
        """The IP versions that have a table of this name. Raises HostError: not even IPv4."""
        self.table(4, name)
        try:
            self.table(6, name)
        except HostError:  # a kernel without IPv6, or a host without ip6tables
            return (4,)
        return (4, 6)

    def restore(self, version: int, script: str) -> None:
        """Carry out one script, whole or not at all. Raises HostError."""
        self._run(restoring(self._exe, version), stdin=script)

    def shown(self, version: int, table: str, chain: str, *words: str) -> str:
        """A chain, or a whole table, as iptables lists it for people, its complaints included."""
        program = self.program(version)
        argv = [program, "-t", table, *words, "-L", *([chain] if chain else []), "--line-numbers"]
        done = self._programs.run([*argv, "-n"], seconds=_SECONDS)
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    def has_match(self, version: int, name: str) -> bool:
        """Whether the program has an extension, such as ``set``."""
        done = self._programs.run([self.program(version), "-m", name, "--help"], seconds=_SECONDS)
        return done.status == 0

    def _run(self, argv: list[str], *, stdin: str = "", hint: str = "") -> Completed:
        try:
            done = self._programs.run(argv, stdin=stdin.encode(), seconds=_SECONDS)
        except HostError as error:
            raise HostError(str(error), hint=error.hint or hint) from error
        if done.status:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            why = f"{argv[0]} refused: {complaint(done.stderr, done.status)}"
            raise ProgramError(why, argv=argv, status=done.status, said=said)
        return done


def complaint(stderr: bytes, status: int) -> str:
    """The first line of what a program complains about."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[0] if lines else f"status {status}"
