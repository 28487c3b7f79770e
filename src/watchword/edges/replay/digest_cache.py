"""fwknop's own replay memory, the text file digest.cache (fwknopd server, section 4).

In here: text to packet digests and sightings, and back. Not in here: reading the file
(edges.files) and storing them (sqlite, memory).

The file knows the digest of a packet as it was received, not that of its
decrypted text, and no time after which it may be forgotten.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from watchword.errors import Complaint, Place
from watchword.model.addresses import canonical
from watchword.model.requests import Sighting

Entry: TypeAlias = tuple[bytes, Sighting]
"""A packet's digest, 32 bytes, and how it arrived."""

HEADER = "# <digest> <proto> <src_ip> <src_port> <dst_ip> <dst_port> <time>\n"
MOST_COMPLAINTS = 100  # a file of another kind has a bad line for every line
_UNKNOWN = "0.0.0.0"  # noqa: S104 - what fwknopd writes where it cannot tell; nothing is bound


def read(text: str, file: str) -> tuple[Sequence[Entry], Sequence[Complaint]]:
    """Every entry in the text, and a complaint for each line that holds none.

    Comments and empty lines are passed over, line ends may be LF or CRLF. No
    complaint is fatal: a bad line is skipped, the others are kept. After
    ``MOST_COMPLAINTS`` one last complaint counts the rest.
    """
    entries, bad = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        try:
            entries.append(_entry(words))
        except ValueError:
            bad.append(number)
    return entries, _complaints(bad, file)


def write(seen: Iterable[Entry]) -> Iterator[str]:
    """The lines of a digest.cache, header first, for these entries.

    fwknopd passes over a line with an IPv6 address in silence and would let the
    packet in again, so such an address is written as unknown.
    """
    yield HEADER
    for packet, sighting in seen:
        digest = b64encode(packet).decode("ascii").rstrip("=")
        protocol, source, source_port, destination, destination_port, at = sighting
        sender = f"{_four(source)} {source_port}"
        target = f"{_four(destination)} {destination_port}"
        yield f"{digest} {protocol} {sender} {target} {int(at)}\n"


def _entry(line: str) -> Entry:
    """Raises ValueError if the line is not one that fwknopd wrote."""
    digest, protocol, source, source_port, destination, destination_port, at = line.split()
    sighting = Sighting(
        protocol=_number(protocol, 255),
        source=str(canonical(source)),
        source_port=_number(source_port, 65535),
        destination="" if destination == _UNKNOWN else str(canonical(destination)),
        destination_port=_number(destination_port, 65535),
        at=float(_number(at, 1 << 53)),
    )
    return _digest(digest), sighting


def _four(address: str) -> str:
    return address if address and ":" not in address else _UNKNOWN


def _digest(text: str) -> bytes:
    try:
        digest = b64decode(text + "=", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(digest) != 32 or b64encode(digest).decode("ascii") != text + "=":
        raise ValueError("not the base64 of 32 bytes")
    return digest


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 16 and int(text) <= most):
        raise ValueError("not a number of that range")
    return int(text)


def _complaints(bad: Sequence[int], file: str) -> Sequence[Complaint]:
    said = [
        Complaint(
            f"*Skipping invalid digest file entry in {file} at line {number}.",
            Place(file, number),
            fatal=False,
        )
        for number in bad[:MOST_COMPLAINTS]
    ]
    if len(bad) > MOST_COMPLAINTS:
        rest = f"{len(bad) - MOST_COMPLAINTS} more invalid entries skipped"
        said.append(Complaint(rest, Place(file, 0), fatal=False))
    return tuple(said)
