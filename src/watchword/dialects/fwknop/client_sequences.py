"""Knock sequences as the client is asked for them (legacy port knocking, sections 2, 3 and 6).

In here: which of the two kinds a command line asks for, what is encrypted, the file of shared
sequences, the lines that are printed.
Not in here: the message (wire.knock_message), sending (service.client.sequence).

Differences: a list of services is refused, of which the original takes the first number and some
protocol; an entry of the file that is none is refused, which the original leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address
from typing import Final

from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import AllowKind, Given
from watchword.dialects.fwknop.client_values import printable
from watchword.errors import OperatorError, Place
from watchword.model.old_knocks import MOST_HITS, Element
from watchword.wire.knock_message import KnockMessage

ENCRYPTED_PAUSE: Final = 0.1
SHARED_PAUSE: Final = 1.0
"""Seconds between two hits where none are given. The original has 1 for both, with which an
encrypted sequence takes longer than its servers wait for it."""
SHORTEST_KEY: Final = 8
FINISHED: Final = "[+] Finished knock sequence."
REMEDY: Final = "leave it out, or send a packet instead (--Server-mode pcap)"
_SERVICE = re.compile(r"(tcp|udp|icmp)/([0-9]{1,5})")
_ENTRY = re.compile(r"(\S+?):\s+(\S.*)")
_NUMBERS: Final = {"tcp": 6, "udp": 17, "icmp": 1}
_NAMES: Final = {6: "tcp", 17: "udp", 1: "icmp"}


def is_shared(line: CommandLine, settings: Given) -> bool:
    """Whether the sequence is one of the file: it is called that, or nothing else is said."""
    if line.perl.server_mode == "shared":
        return True
    return settings.access is None and settings.allow is None


def verify(line: CommandLine, settings: Given) -> None:
    """What has to be there, and what no sequence can carry. Raises OperatorError."""
    if not settings.server and not line.test:
        raise OperatorError(
            "Must use --Destination to knock at a server.", hint="name the server with -D"
        )
    _check_others(line, settings)
    if is_shared(line, settings):
        if line.perl.rotate_proto or line.perl.offset is not None:
            raise OperatorError(
                "--rotate-proto and --offset are for encrypted sequences.",
                hint="a shared one says itself what is knocked: leave them out",
            )
        return
    if settings.access is None:
        raise OperatorError(
            "Must use -A to say what the server is asked to open.", hint="for example -A tcp/22"
        )
    if settings.allow is None:
        raise OperatorError(
            "Must use one of [-s|-R|-a] to specify who is to be let in.",
            hint="-s lets in the address that the knocks come from, -a ADDRESS that one",
        )
    service(settings.access)


def _check_others(line: CommandLine, settings: Given) -> None:
    beyond = {
        "--Server-cmd": line.command is not None,
        "--NAT-access": settings.nat_access is not None or bool(settings.nat_local),
        "--fw-timeout": settings.seconds is not None,
        "--Server-auth": line.perl.server_auth,
        "--Spoof-src": line.perl.spoofed,
        "--HTTP": line.perl.http,
        "--TCP-sock": line.perl.tcp_sock,
        "GnuPG": settings.elsewhere.get("USE_GPG", "N")[:1] in ("y", "Y"),
    }
    for what, asked in beyond.items():
        if asked:
            raise OperatorError(
                f"{what} has no place in a knock sequence: nothing was sent.", hint=REMEDY
            )


def service(text: str) -> Element:
    """The one service that an encrypted sequence asks for. Raises OperatorError."""
    found = _SERVICE.fullmatch(text.lower())
    port = int(found[2]) if found else 0
    if found is None or port > 65535 or (not port and found[1] != "icmp"):
        raise OperatorError(
            f"-A is '{printable(text)}', and an encrypted sequence asks for one service.",
            hint="write one, such as tcp/22; for several knock once for each, or send a packet",
        )
    return Element(_NUMBERS[found[1]], port if found[1] != "icmp" else 0)


def message(settings: Given, user: str) -> KnockMessage:
    """What is encrypted. Raises OperatorError: it has no room for the address."""
    wanted = service(settings.access or "")
    allow = settings.allow
    if allow is None or allow.kind is AllowKind.SOURCE:
        return KnockMessage(None, wanted.protocol, wanted.port, user)
    try:
        return KnockMessage(IPv4Address(allow.text), wanted.protocol, wanted.port, user)
    except ValueError:
        raise OperatorError(
            f"An encrypted sequence has room for IPv4 addresses only, and not for "
            f"{printable(allow.text)}.",
            hint="use -s and knock from the address that is to be let in",
        ) from None


def shared(text: str, file: str, names: Collection[str]) -> tuple[Element, ...]:
    """The sequence of a file for a server that has these names and addresses.

    Sections of fwknop 2.x may stand in the same file, and are passed over. Raises OperatorError.
    """
    found: list[Element] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            break  # sections go on to the end of the file
        entry = _ENTRY.fullmatch(stripped)
        if entry is None or stripped.startswith("#") or entry[1] not in names:
            continue
        found += _elements(entry[2], Place(file, number))
    if not 2 <= len(found) <= MOST_HITS:
        who = printable(sorted(names)[0]) if names else "that server"
        raise OperatorError(
            f"There is no sequence of 2 to {MOST_HITS} hits for {who} in {file}: nothing was sent.",
            hint=f"add a line to it, above all sections: {who}: tcp/5001, udp/5002, tcp/5003",
        )
    return tuple(found)


def _elements(text: str, place: Place) -> Iterator[Element]:
    for item in text.split(","):
        try:
            yield Element.parse(item.strip())
        except ValueError:
            raise OperatorError(
                f"'{printable(item.strip())}' is no hit of a sequence",
                place=place,
                hint="write tcp/PORT, udp/PORT or icmp",
            ) from None


def hit_line(host: str, hit: Element, number: int) -> str:
    """As the original says it of each hit; ``number`` counts from 0."""
    name = _NAMES[hit.protocol]
    return f"    -> {host} {name}/{hit.port} (packet: {number})"
