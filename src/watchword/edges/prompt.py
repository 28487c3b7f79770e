"""Asks for secrets: on the terminal without showing them, or from a descriptor.

In here: lines from a descriptor, a yes-or-no question on standard input.
Not in here: what a good key is (dialects), the terminal of each kind of system
(terminal, terminal_windows).
"""

from __future__ import annotations

import os
import sys

from watchword.errors import HostError, OperatorError

LONGEST = 4095  # bytes of a line; what a terminal gives at the most


class InterruptedAskingError(OperatorError):
    """Whoever was asked pressed Ctrl-C."""


class Terminal:
    """Asks on the controlling terminal, wherever input and output are led."""

    def ask(self, question: str) -> bytes:
        """Show the question, read one line without echo; without its end of line.

        Raises OperatorError if there is no terminal, or on Ctrl-C.
        """
        try:
            from watchword.edges.terminal import ask  # noqa: PLC0415  (not on Windows)
        except ImportError:
            from watchword.edges.terminal_windows import ask  # noqa: PLC0415
        return ask(question)


class Descriptor:
    """Takes answers from an open descriptor, one line after the other."""

    def __init__(self, number: int) -> None:
        self._number = number

    def ask(self, _question: str) -> bytes:
        """The next line, without its end; empty at the end of the input.

        Reads no further than the line, so that whoever comes next finds the rest.
        Raises OperatorError if the descriptor is not open for reading.
        """
        try:
            return read_line(self._number)
        except OSError as error:
            raise OperatorError(
                "getpasswd() - Unable to create a stream from the file descriptor : "
                f"{error.strerror}\n[*] getpasswd() key error.",
                hint="open it for the client: fwknop --fd 3 3<file",
            ) from error


def confirm(question: str) -> bool:
    """Ask on standard output; True if the next line of standard input begins with ``y``.

    The end of the input is a no.
    """
    print(question, end="", flush=True)
    try:
        return sys.stdin.readline()[:1] == "y"
    except (OSError, ValueError) as error:
        raise HostError(
            f"standard input cannot be read: {error}", hint="use --force-stanza, which asks nothing"
        ) from error


def read_line(descriptor: int) -> bytes:
    """One line without its end, read byte by byte; what there is at the end of the input."""
    line = bytearray()
    while len(line) < LONGEST:
        octet = os.read(descriptor, 1)
        if octet in (b"", b"\n"):
            break
        line += octet
    return bytes(line).removesuffix(b"\r")
