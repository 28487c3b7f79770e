"""One run of a client program, in an empty home, with nothing of its caller around it.

In here: its environment, its time limit, the packet that it saved, what it said.
Not in here: what is demanded of it (clients, carriers).

Nothing is run through a shell. The keys among the arguments are those of the
vectors, which are published and for tests only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchword.lab.hosts import can_make_namespaces

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USER: Final = "tester"
"""Who the recorded packets say they are from, unless told otherwise."""
PATIENCE: Final = 60.0
"""Seconds until a program that has not ended is ended; the slowest needs less than one at rest."""
_LONGEST_SAVED: Final = 65536
"""Bytes of the file with the packet that are read."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one run."""

    status: int | None
    """Exit status, negative for a signal; None: it did not end in time."""
    said: str
    """The first line of its complaint, or else the last line that it printed."""
    packet: bytes | None
    """What is in the file that it was told to save the packet in; None: there is no file."""

    @property
    def ended_well(self) -> bool:
        return self.status == 0

    def __str__(self) -> str:
        if self.status is None:
            return f"it did not end within {PATIENCE:.0f} seconds"
        return f"exit status {self.status}: {self.said}" if self.said else f"status {self.status}"


def run(
    program: Sequence[str],
    options: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    before: Sequence[str] = (),
) -> Run:
    """Run a client to its end in a home that is made for this run and removed after it.

    In the home is an rc file that says nothing, so that no program has to make one.

    Args:
        program: The command, with arguments that it always needs.
        options: Options as fwknop has them. ``{packet}`` in one becomes the name
            of the file that the packet is to be saved in.
        environment: Variables beside HOME, PATH, LOGNAME, USER and LC_ALL.
        before: Words in front of the command, such as ``ip netns exec NAME``. Without any
            it runs in a network of its own that leads nowhere, where that can be had.
    """
    before = before or _nowhere()
    with tempfile.TemporaryDirectory(prefix="watchword-client-") as home:
        saved = Path(home) / "packet"
        rc = Path(home) / ".fwknoprc"
        rc.touch(mode=0o600)
        rc.write_text("[default]\n", "ascii")
        filled = [str(saved) if option == "{packet}" else option for option in options]
        surroundings = {"HOME": home, "PATH": PATH, "LOGNAME": USER, "USER": USER, "LC_ALL": "C"}
        process = subprocess.Popen(
            [*before, *program, *filled],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=home, env=surroundings | dict(environment or {}), start_new_session=True,
        )  # fmt: skip
        status, said = _to_the_end(process)
        return Run(status, said, _content(saved))


def _nowhere() -> Sequence[str]:
    return () if can_make_namespaces() else ("unshare", "--net", "--")


def _to_the_end(process: subprocess.Popen[bytes]) -> tuple[int | None, str]:
    """Exit status and the telling line. What the program leaves running is ended with it."""
    status: int | None = None
    output = complaint = b""
    try:
        output, complaint = process.communicate(timeout=PATIENCE)
        status = process.returncode
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    complained, told = (
        text.decode("utf-8", "replace").strip().splitlines() for text in (complaint, output)
    )
    return status, (complained[:1] or told[-1:] or [""])[0].strip()


def _content(saved: Path) -> bytes | None:
    if not saved.is_file():
        return None
    with saved.open("rb") as file:
        return file.read(_LONGEST_SAVED).removesuffix(b"\n")
