"""Draws a QR code with characters.

In here: half blocks, two rows in one line; and for terminals without them, two letters
for a module.
Not in here: making the code (edges.qr).
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Final

from watchword.edges.qr import Modules

_HALVES: Final = {
    (True, True): " ", (True, False): "▄", (False, True): "▀", (False, False): "█",
}  # fmt: skip
"""By upper and lower module; light is drawn, dark is left as it is."""
_WHITE_ON_BLACK: Final = "\033[0;97;40m"
_AS_BEFORE: Final = "\033[0m"


def in_half_blocks(modules: Modules, *, colour: bool) -> str:
    """Light modules in the foreground: right on dark terminals, and with ``colour`` on all."""
    pairs = zip_longest(modules[::2], modules[1::2], fillvalue=(True,) * len(modules[0]))
    lines = ("".join(_HALVES[each] for each in zip(*pair, strict=True)) for pair in pairs)
    return "\n".join(f"{_WHITE_ON_BLACK}{line}{_AS_BEFORE}" if colour else line for line in lines)


def in_letters(modules: Modules) -> str:
    """Plain ASCII, dark modules as ``##``; two columns for each module."""
    return "\n".join("".join("##" if each else "  " for each in row) for row in modules)
