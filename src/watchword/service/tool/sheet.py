"""The command watchword sheet: one-time knock sequences, made up here and printed.

In here: its options, the sheet as a file of knockd's, as text, as a QR code.
Not in here: using them up (service.knock), what a line means (dialects.knockd.one_time).
"""

from __future__ import annotations

import argparse
import sys

from watchword.errors import HostError, OperatorError

LINES, MOST_LINES = 20, 1000
KNOCKS, FEWEST, MOST = 4, 3, 32
_SECRET = 32  # bytes that one sheet is made from, and that are then forgotten


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "sheet",
        help="one-time sequences for a door of knockd",
        description="Make up knock sequences, each good for one opening: for "
        "One_Time_Sequences of a door, and for the caller's ~/.knockrc or a piece of paper.",
    )
    parser.add_argument("--lines", type=int, default=LINES, metavar="N", help="how many (20)")
    parser.add_argument(
        "--knocks", type=int, default=KNOCKS, metavar="N", help="knocks of each (4)"
    )
    parser.add_argument("--write", metavar="FILE", help="write them to a new file of mode 0600")
    parser.add_argument("--qr", action="store_true", help="draw a QR code of them as well")
    parser.set_defaults(answer=_sheet)


def _sheet(arguments: argparse.Namespace) -> int:
    _refuse(arguments)
    text = made_up(arguments.lines, arguments.knocks)
    if arguments.write:
        from watchword.edges import files

        if not files.create_private(arguments.write, text.encode("ascii")):
            raise HostError(
                f"{arguments.write} exists already", hint="name a new file: sheets are not mixed"
            )
        print(f"{arguments.lines} sequences are in {arguments.write}")
    if arguments.qr:
        from watchword.edges import qr, streams
        from watchword.service.tool import qr_drawing

        colour = streams.colours(sys.stdout)
        print(qr_drawing.in_half_blocks(qr.modules(text), colour=colour))
    if not arguments.write:
        print(text, end="")
    return 0


def _refuse(arguments: argparse.Namespace) -> None:
    for name, least, most in (("lines", 1, MOST_LINES), ("knocks", FEWEST, MOST)):
        if not least <= getattr(arguments, name) <= most:
            raise OperatorError(
                f"--{name} is {getattr(arguments, name)}", hint=f"choose {least} to {most}"
            )


def made_up(lines: int, knocks: int) -> str:
    """A sheet as knockd reads it, a blank in front of each line for the mark."""
    from watchword.edges.randomness import key_bytes
    from watchword.model.crypto import Secret
    from watchword.wire.rotating import sequence_of

    secret = Secret(key_bytes(_SECRET))
    sequences = (sequence_of(secret, number, knocks) for number in range(lines))
    return "".join(f" {','.join(str(each.port) for each in found)}\n" for found in sequences)
