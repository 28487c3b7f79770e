"""Host names that mean one host here and another one elsewhere.

In here: the letters that make such names, and what is said of them.
Not in here: looking names up (send.names, dial, whereabouts.reaching).

Python turns names of other letters into those of DNS as IDNA of 2003 says; browsers and ssh do
as IDNA of 2008 says. Four characters are different names there: faß.example is fass.example for
one and xn--fa-hia.example for the other, and the two may belong to different people.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_DIFFERENT: Final = "\N{LATIN SMALL LETTER SHARP S}\N{GREEK SMALL LETTER FINAL SIGMA}\u200c\u200d"
REASON: Final = "the name stands for two, by the old rules for international names and the new"
REMEDY: Final = "write it as it is in DNS: xn--..."


def is_doubtful(host: str) -> bool:
    return not host.isascii() and any(each in host for each in _DIFFERENT)
