"""The file of signatures by which systems are told (``pf.os``, as OpenBSD and p0f 1 had it).

In here: the format. Not in here: what is held against it (recognise.fingerprints).

    WINDOW:TTL:DF:LENGTH:OPTIONS:   Genre:Version:Subtype:Details

Everything behind the blank is the name. Source: legacy port knocking, section 10.
"""

from __future__ import annotations

import re
from typing import Final

from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.errors import Place
from watchword.model.old_knocks import Measure, OptionRule, Signature, Size

MOST: Final = 10_000
_LINE: Final = re.compile(r"([^\s:]*):([^\s:]*):([^\s:]*):([^\s:]*):([^\s:]*):\s+(\S.*)")
_SIZE: Final = re.compile(r"(\*)|([%S]?)([0-9]{1,6})")
_OPTION: Final = re.compile(r"([A-Z?])(\*|%?[0-9]{1,6})?")
_FROM_LINKS: Final = "T"
"""A window in terms of the link's MTU, which no packet tells: such lines are passed over."""


def read(text: str, file: str, complaints: Complaints) -> tuple[Signature, ...]:
    """The signatures of a file. What is none is remarked on, and passed over."""
    found: list[Signature] = []
    for number, whole in enumerate(text.splitlines(), start=1):
        line = whole.strip()
        if not line or line.startswith("#"):
            continue
        if len(found) == MOST:
            complaints.remark(f"only {MOST} signatures are used", Place(file, number))
            break
        try:
            signature = _signature(line)
        except ValueError as error:
            complaints.remark(
                f"no signature: '{shown(line)}': {shown(str(error))}",
                Place(file, number),
                "write WINDOW:TTL:DF:LENGTH:OPTIONS:, a blank, and the name",
            )
            continue
        if signature is not None:
            found.append(signature)
    return tuple(found)


def _signature(line: str) -> Signature | None:
    """None: its window goes by the link. Raises ValueError."""
    parts = _LINE.fullmatch(line)
    if parts is None:
        raise ValueError("it has not five fields and a name")
    window, ttl, whole, length, options, name = parts.groups()
    if window.startswith(_FROM_LINKS):
        return None
    if not ttl.isdecimal() or not 1 <= int(ttl) <= 255:
        raise ValueError(f"the second field is '{ttl}'")
    if whole not in ("0", "1", "*"):
        raise ValueError(f"the third field is '{whole}'")
    return Signature(
        name=name,
        text=line.split(maxsplit=1)[0],
        window=_size(window, "first", segments=True),
        ttl=int(ttl),
        whole=None if whole == "*" else whole == "1",
        length=_size(length, "fourth"),
        options=() if options == "." else tuple(map(_option, options.split(","))),
    )


def _size(text: str, which: str, *, segments: bool = False) -> Size:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"the {which} field is '{text}'")
    anything, sign, digits = found.groups()
    if anything:
        return Size(Measure.ANY)
    measure = {"": Measure.EQUAL, "%": Measure.MULTIPLE, "S": Measure.SEGMENTS}[sign]
    if (measure is Measure.SEGMENTS and not segments) or (sign and not int(digits)):
        raise ValueError(f"the {which} field is '{text}'")
    return Size(measure, int(digits))


def _option(text: str) -> OptionRule:
    found = _OPTION.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is no TCP option")
    letter, size = found.groups()
    if letter == "T":
        return OptionRule("T", zero=size == "0")
    return OptionRule(letter, _size(size or "*", "option's"))


OURS: Final = """\
# How the SYNs of systems of today look. Orders of options and first hop counts are what their
# networking code has; windows and scales differ with memory and settings, so they are left open.
*:64:1:60:M*,S,T,N,W*:            Linux:2.6-6::Linux 2.6 to 6
*:64:1:64:M*,N,W*,N,N,T,S:        MacOS:10-15::macOS and iOS
*:128:1:52:M*,N,W*,N,N,S:         Windows:7-11::Windows 7 to 11
*:128:1:48:M*,N,N,S:              Windows:2000-XP::Windows 2000 and XP
*:64:1:60:M*,N,W*,S,T:            FreeBSD:6-14::FreeBSD 6 to 14
*:64:1:64:M*,N,N,S,N,W*,N,N,T:    OpenBSD:4-7::OpenBSD 4 to 7
S4:64:1:60:M*,S,T,N,W0:           Linux:2.4::Linux 2.4/2.6
S4:64:1:60:M*,S,T,N,W0:           Linux:2.6::Linux 2.4/2.6
S22:64:1:60:M*,S,T,N,W0:          Linux:2.2::Linux 2.2
"""
"""Of our own making, for where there is no file."""
