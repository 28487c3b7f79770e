"""Runs the program nft.

In here: handing it a script, and saying what it said. Not in here: the
scripts (guard, jump).

A script is one transaction. It is read as text and never with ``-j``: given
text and ``-j``, nft 1.0.6 fails with exit status 0.
"""

from __future__ import annotations

from watchword.errors import HostError, ProgramError
from watchword.ports import ProgramRunner

_SECONDS = 20.0  # a host with a hundred thousand rules takes its time


def run(programs: ProgramRunner, script: str, *, check: bool = False) -> None:
    """Carry out a script, all of it or nothing; ``check``: only find out whether it would do.

    Raises HostError with the first of nft's complaints.
    """
    argv = ["nft", *(["--check"] if check else []), "-f", "-"]
    done = programs.run(argv, stdin=script.encode(), seconds=_SECONDS)
    if done.status:
        why = f"nft refused: {_complaint(done.stderr) or f'status {done.status}'}"
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        raise ProgramError(why, argv=argv, status=done.status, said=said)


def version(programs: ProgramRunner) -> str:
    """``nftables v1.0.6 (...)``. Raises HostError if there is no such program."""
    try:
        done = programs.run(["nft", "--version"], seconds=_SECONDS)
    except HostError as error:
        raise HostError(str(error), hint="install the package nftables") from error
    if done.status:
        raise HostError(f"nft --version ended with status {done.status}")
    return done.stdout.decode("utf-8", "replace").strip()


def _complaint(stderr: bytes) -> str:
    """``Error: ...`` without the script it quotes."""
    lines = stderr.decode("utf-8", "replace").splitlines()
    for line in lines:
        if "Error: " in line:
            return line.partition("Error: ")[2]
    return lines[0] if lines else ""
