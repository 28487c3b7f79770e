"""One cell of the interoperability matrix: what is asked for, and what must become of it.

In here: the value, and how its lines become an rc file and a stanza.
Not in here: which cells there are (catalogue, recorded), trying one (exchange).

Every text of a cell may use the names of ``Words`` in braces. ``exchange`` gives
each cell a key of its own, so that one start of a server serves them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Words: TypeAlias = Mapping[str, str]
"""``who`` asks, at ``caller``, a ``server``; ``services`` are the cell's; ``port``, ``port2``,
``port3`` and ``inside`` are its ports, ``inner`` a host behind the server, ``mark`` a file that
a command may make, ``packet`` one for the client to save its packet in, ``key`` and ``mac`` the
keys in base64, ``stanza`` its number at the server."""

KNOCK = ("-A", "{services}", "-a", "{who}")


class Expect(StrEnum):
    """What must become of a cell, as far as it is visible from outside."""

    OPENS = "opens"
    """Silence before; afterwards an answer for who was to be let in, and silence for strangers."""
    RUNS = "runs"
    """The command's mark is made."""
    SHUT = "stays shut"
    """Silence before and afterwards, though the server has seen the packet."""
    UNSENT = "is not sent"
    """The client refuses, with an exit status other than 0."""


class LeadsTo(StrEnum):
    """Where the connection arrives that is let through."""

    SERVICE = "the service itself"
    INSIDE = "another port of the server"
    INNER = "a host behind the server"


@dataclass(frozen=True, slots=True)
class Cell:
    """One exchange. ``group`` and ``name`` together are unique."""

    group: str
    name: str
    client: tuple[str, ...] = KNOCK
    """Options of the client, besides its rc file, which has the server and the keys."""
    rc: tuple[str, ...] = ()
    """Lines for the rc file; each takes the place of one of that name. A name alone removes it."""
    stanza: tuple[str, ...] = ()
    """Lines for the stanza in access.conf, in the same way."""
    settings: tuple[str, ...] = ()
    """Lines for fwknopd.conf, which all cells of an exchange have in common."""
    services: tuple[str, ...] = ("tcp/{port}",)
    """What answers afterwards."""
    leads_to: LeadsTo = LeadsTo.SERVICE
    six: bool = False
    """Whether caller and server use their IPv6 addresses."""
    who: str = "{caller}"
    """The address that is to be let in; the caller's host has it."""
    ends: bool = False
    """Whether the grant must end by itself within ``exchange.SHORT`` seconds."""
    digest: str = ""
    """The digest that has to be inside, where the client was told to save the packet as
    ``{packet}``: no server minds which it is, so nothing else would show it."""
    packet: bytes = b""
    """A recorded packet that is sent as it is, in place of running the client."""
    expect: Expect = Expect.OPENS
    said: str = ""
    """A regular expression for what the server has to log of what stays shut, or the client has
    to say of what it does not send; empty: anything. Its own braces are doubled."""

    def __str__(self) -> str:
        return f"{self.group} {self.name}"


def rc_text(cell: Cell, words: Words) -> str:
    """The rc file of the cell's client, with its one stanza."""
    usual = (
        "SPA_SERVER {server}",
        "KEY_BASE64 {key}",
        "HMAC_KEY_BASE64 {mac}",
        "USE_HMAC Y",
    )
    return "\n".join(("[default]", "[cell]", *_merged(usual, cell.rc, words), ""))


def stanza_text(cell: Cell, words: Words) -> str:
    """The cell's stanza in access.conf."""
    usual = (
        "SOURCE ANY",
        "OPEN_PORTS {services}",
        "KEY_BASE64 {key}",
        "HMAC_KEY_BASE64 {mac}",
    )
    return "\n".join((*_merged(usual, cell.stanza, words), ""))


def settings_text(cells: Iterable[Cell], usual: Sequence[str]) -> str:
    """fwknopd.conf for all these cells. Raises ValueError if two want different values."""
    values = dict(_named(line) for line in usual)
    for cell in cells:
        for name, value in map(_named, cell.settings):
            if values.setdefault(name, value) != value:
                raise ValueError(f"{cell} wants {name} {value}, another cell {values[name]}")
    return "".join(f"{name} {value};\n" for name, value in values.items())


def filled(texts: Iterable[str], words: Words) -> list[str]:
    return [text.format_map(words) for text in texts]


def _merged(usual: Iterable[str], own: Iterable[str], words: Words) -> list[str]:
    values = dict(_named(line) for line in usual) | dict(_named(line) for line in own)
    return filled((f"{name} {value}" for name, value in values.items() if value), words)


def _named(line: str) -> tuple[str, str]:
    name, _, value = line.partition(" ")
    return name, value
