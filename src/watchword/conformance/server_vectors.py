"""Trials that were recorded at a running fwknopd: with its files, its replies, its replays.

In here: which of the ``server`` vectors can be tried over UDP, and what must become
of each packet of those that have several.
Not in here: vectors of single packets (repertoire).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from watchword.conformance import golden
from watchword.conformance.golden import Vector
from watchword.conformance.strictness import LISTED_IN_OTHER_WORDS, LONGER_THAN_FWKNOPD_TAKES
from watchword.conformance.trials import GPG_HOME, Knock, Must, Target, Trial, Unseen, watched
from watchword.model.services import Service

_OPENED = re.compile(r"Added access rule to FWKNOP_INPUT for (\S+) -> \S+ (\S+), expires")
_S, _O = Must.SHUT, Must.OPEN
SEQUENCES: Final = {
    "srv-replay": (_O, _S),
    "srv-replay-other-source": (_O, _S),
    "srv-replay-variants": (_O, _S, _S, _S, _S),
    "srv-replay-variants-hmac": (_O, _S, _S, _S),
    "srv-failed-then-good": (_S, _O),
    "srv-legacy-long": (_O, _S),
    "srv-gpg-replay": (_O, _S),
    "srv-http-replay": (_O, _S),
    "srv-http-prefix-replay": (_O, _S),
}
"""What must become of each packet of a vector that has several; no replay opens (chapter 16)."""
ONE_OF_A_KIND: Final = ("srv-cap-", "srv-hmactype-", "srv-mode-", "srv-wire4", "srv-key33")
"""Vectors that are tried with everything only: what they show, others show as well."""
REFUSABLE: Final = {"srv-key33", "srv-wire417-hmac-cmd"}
"""Vectors with a stanza that a server may refuse to start with: too long a key, commands."""
OVER_HTTP: Final = ("srv-http-udp", "srv-http-replay", "srv-http-prefix-replay")
"""Requests that a server takes from a datagram as well, where it takes HTTP at all."""
EITHER: Final = LONGER_THAN_FWKNOPD_TAKES | LISTED_IN_OTHER_WORDS | {"srv-equals"}


def trials(everything: bool) -> Iterator[Trial | Unseen]:
    for vector in golden.load("server"):
        name, group = vector["id"], _group_of(vector)
        if why := _cannot_be_sent(vector):
            yield Unseen(group, name, why)
        elif everything or not name.startswith(ONE_OF_A_KIND):
            yield _of_server(vector, group)


def _group_of(vector: Vector) -> str:
    if vector["id"].startswith("srv-http"):
        return "http"
    if GPG_HOME in vector["access_conf"]:
        return "gpg"
    return "replay" if "replay" in vector["id"] else "server"


def _cannot_be_sent(vector: Vector) -> str:
    """Why the packets of a vector are not tried; empty if they are."""
    if not all(packet.get("payload") for packet in vector["packets"]):
        return "its packet was good for two minutes; one like it is tried live"
    datagrams = all(packet["transport"] == "udp" for packet in vector["packets"])
    if not datagrams and vector["id"] not in OVER_HTTP:
        return "it came over TCP or ICMP, and the kit sends datagrams"
    return ""


def _of_server(vector: Vector, group: str) -> Trial:
    access = vector["access_conf"]
    return Trial(
        group,
        tuple(_knocks(vector)),
        access,
        () if GPG_HOME in access else tuple(golden.credentials_in(access)),
        settings=_settings(vector["fwknopd_conf"]),
        shares=False,
        optional=group == "http" or vector["id"] in REFUSABLE,
    )


def _settings(fwknopd_conf: str) -> tuple[str, ...]:
    return tuple(line.rstrip(";") for line in fwknopd_conf.splitlines())


def _knocks(vector: Vector) -> Iterator[Knock]:
    name, packets = vector["id"], vector["packets"]
    musts = SEQUENCES.get(name) or (_only(vector),)
    targets = tuple(dict.fromkeys(opened(vector["log"])))
    first = packets[0]["payload"]
    for number, (packet, must) in enumerate(zip(packets, musts, strict=True), 1):
        source = packet["src"]
        yield Knock(
            name if number == 1 else f"{name} #{number}",
            packet["payload"].encode("latin-1"),
            must,
            targets if must is Must.OPEN else watched(source),
            source,
            _offence(name, number, packet["payload"] == first),
        )


def _only(vector: Vector) -> Must:
    if vector["id"] in EITHER:
        return Must.EITHER
    return Must.OPEN if vector["rules_added"] else Must.SHUT


def _offence(name: str, number: int, same: bool) -> str:
    if number == 1 or "replay" not in name:
        return "it opens"
    return "it accepts a replay" if same else "it accepts a replay in other words"


def opened(log: Iterable[str]) -> Iterator[Target]:
    for line in log:
        if found := _OPENED.match(line):
            yield from (Target(found[1], Service.parse(text)) for text in found[2].split(","))
