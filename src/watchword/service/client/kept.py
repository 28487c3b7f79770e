"""Keeps the options of a run, and finds those of earlier runs again.

In here: ``~/.fwknop.run`` (the last run), ``~/.fwknop.save`` (what --Save-dst
kept; goes first), ``~/.fwknop.hosts`` (the last run for each server).
Not in here: what a kept line looks like (dialects.fwknop.client_last).

Source: client, sections 11 and 17. Several clients may run at once: each file
is replaced whole, and the lines of other servers are kept under a lock.
"""

from __future__ import annotations

import os

from watchword.dialects.fwknop import client_last
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.edges import files
from watchword.errors import HostError, OperatorError
from watchword.service.client.console import Console
from watchword.service.client.files import check_permissions, exists, read_own

_LIMIT = 1 << 20  # bytes of such a file; a thousand lines of the longest kind
_SAVED = ".fwknop.save"
_HOSTS = ".fwknop.hosts"


class KeptLines:
    """The kept options beside one file of the last run."""

    def __init__(self, run: str, line: CommandLine, console: Console) -> None:
        """``run`` is that file. Named with -E, it stands alone and has no others beside it."""
        self._run = run
        self._alone = line.args_file is not None
        self._console = console

    def last(self) -> str:
        """The line of the last run, or what was saved on purpose. Raises OperatorError."""
        saved = self._beside(_SAVED)
        path = saved if not self._alone and exists(saved) else self._run
        if not exists(path):
            raise OperatorError(
                f"Could not open args file: {path}",
                hint="run fwknop with options once, or name the file with -E",
            )
        line = self._read(path).removesuffix("\n")
        if not line.strip():
            raise OperatorError(
                f"Could not read line from file: {path}",
                hint="run fwknop with options once, or name the file with -E",
            )
        return line

    def of_host(self, host: str) -> str:
        """The line of the last run for a server. Raises OperatorError if there is none."""
        paths = [self._beside(name) for name in (_SAVED, _HOSTS)]
        for path in paths:
            if exists(path) and (line := client_last.of_host(self._read(path), host)):
                return line
        raise OperatorError(
            f"No options are kept for host: {host}",
            hint=f"{paths[1]} has a line for each server that was called by its name",
        )

    def keep(self, line: str, *, for_good: bool) -> None:
        """Keep a line, as ``client_last.kept`` writes it.

        That it cannot be written is said and no more.
        """
        self._write(self._run, line, lasting=False)
        if for_good:
            self._write(self._beside(_SAVED), line, lasting=True)

    def keep_for_host(self, line: str) -> None:
        """Keep it as the last one for its server, too."""
        if self._alone:
            return
        if "\n" in line:  # a command of several lines, which the perl client's file cannot hold
            return
        path = self._beside(_HOSTS)

        def changed(before: bytes) -> bytes:
            text = client_last.with_host(before.decode("utf-8", "surrogateescape"), line)
            return text.encode("utf-8", "surrogateescape")

        try:
            files.change_private(path, changed, _LIMIT)
        except (HostError, OperatorError) as error:
            self._console.warn(f"Could not save the options of this run: {error}")

    def _beside(self, name: str) -> str:
        return os.path.join(os.path.dirname(self._run), name)

    def _read(self, path: str) -> str:
        return read_own(path, self._console, _LIMIT)

    def _write(self, path: str, line: str, *, lasting: bool) -> None:
        from watchword.edges.send_file import write_private  # noqa: PLC0415  (after the packet)

        check_permissions(path, self._console)
        try:
            write_private(path, f"{line}\n".encode("utf-8", "surrogateescape"), lasting=lasting)
        except HostError as error:
            self._console.warn(f"Could not save the options of this run: {error}")
