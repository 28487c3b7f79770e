"""The options about the knock, alike for every command of watchword that knocks.

In here: adding them to a parser, and reading ports, seconds and other numbers, for any command.
Not in here: what they do (caller).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument("-n", "--name", metavar="NAME", help="the stanza of the rc file to use")
    parser.add_argument("--rc-file", metavar="FILE", help="rc file to go by (~/.fwknoprc)")
    family = parser.add_mutually_exclusive_group()
    for number in ("4", "6"):
        family.add_argument(
            f"-{number}", f"--ipv{number}", dest="family", action="store_const",
            const=f"-{number}", help=f"use only IPv{number} addresses",
        )  # fmt: skip
    parser.add_argument(
        "-o", "--options", metavar="OPTIONS", action="append", default=[],
        help="options of fwknop for the knock, as on its command line; may be repeated",
    )  # fmt: skip
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more, as fwknop -v")


def add_timeout(parser: argparse.ArgumentParser, usual: float = 15.0) -> None:
    """How long to wait for a port."""
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=seconds, default=usual,
        help=f"give up when the port has not answered for so long ({usual:g})",
    )  # fmt: skip


def add_renewal(parser: argparse.ArgumentParser) -> None:
    """Whether and how often the grant is renewed."""
    parser.add_argument("--renew", action="store_true", help="renew the grant before it ends")
    parser.add_argument(
        "--renew-every", metavar="SECONDS", type=seconds,
        help="renew it so often (two thirds of FW_TIMEOUT, or 20)",
    )  # fmt: skip


def whole(most: int, what: str = "a number") -> Callable[[str], int]:
    """What reads numbers from 1 to ``most``; it raises argparse.ArgumentTypeError."""

    def read(text: str) -> int:
        digits = text.lstrip("0")[:20]  # Python would not read thousands of them
        if not (digits.isascii() and digits.isdecimal() and int(digits) <= most):
            raise argparse.ArgumentTypeError(f"{what} from 1 to {most}")
        return int(digits)

    return read


port: Final = whole(65535, "a port is a number")


def seconds(text: str) -> float:
    """More than nothing, and at most a day. Raises argparse.ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= 86400:
        raise argparse.ArgumentTypeError("give seconds, more than 0 and at most 86400")
    return number
