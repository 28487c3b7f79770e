"""The client knock: from its command line to packets on their way.

In here: the order of things, what is said. Not in here: options and files
(dialects.knockd), sockets (edges.send.knocks).

Differences from the original: the name is looked up once, so that all knocks go
to one address even if it has several; nothing is sent unless every port is right.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

from watchword import __version__
from watchword.dialects.knockd import client_options, words
from watchword.dialects.knockd.client_options import ClientOptions, Hit
from watchword.dialects.knockd.words import UsageError
from watchword.edges import streams
from watchword.edges.send import knocks
from watchword.edges.send.names import Place, UnresolvedError
from watchword.errors import HostError, OperatorError
from watchword.record import replace

PROGRAM: Final = "knock"


def run(argv: Sequence[str], *, own_process: bool = False) -> int:
    """Do what the command line says; the exit status is 0 or, for any failure, 1."""
    if own_process:
        streams.open_closed()
    try:
        return _run(argv)
    except UsageError as error:
        if str(error):
            _warn(f"{PROGRAM}: {error}")
        print(client_options.usage())
    except OperatorError as error:
        for each in error.complaints:
            _warn(f"{each.place}: {each.message}" if each.place else each.message)
            _warn(f"{PROGRAM}: hint: {each.hint}")
    except HostError as error:
        _warn(str(error))
        _warn(f"{PROGRAM}: hint: {error.hint}")
    except KeyboardInterrupt:
        _warn("interrupted.")
    except OSError as error:
        if (lost := streams.output_lost(error)) is None:
            raise
        if lost:
            _warn(lost)
    return 1


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def _run(argv: Sequence[str]) -> int:
    options = client_options.parse(argv)
    if options.version:
        print(words.version(PROGRAM, __version__), end="")
        return 0
    if options.help:
        print(client_options.usage())
        return 1  # as the original
    if options.named is not None:
        from watchword.service.knock import named_sequence  # noqa: PLC0415  (only for this)

        options = named_sequence.filled(options, _home(os.environ))
    if options.udp:
        options = replace(options, hits=tuple(replace(each, udp=True) for each in options.hits))
    ports = [knocks.port_number(each.port, udp=each.udp) for each in options.hits]
    places = _places(options)
    for kind, place in places if options.everywhere else places[:1]:
        _knock(options, kind, place, ports)
    sys.stdout.flush()
    return 0


def _home(environment: Mapping[str, str]) -> str:
    return environment.get("HOME") or environment.get("USERPROFILE") or ""


def _places(options: ClientOptions) -> list[tuple[int, Place]]:
    try:
        return knocks.addresses(options.host, options.family)
    except UnresolvedError as error:
        first = options.hits[0].port
        said = f"Failed to resolve hostname '{options.host}' on port {first}"
        raise HostError(f"{said}\ngetaddrinfo: {error.reason}", hint=error.hint) from None


def _knock(options: ClientOptions, kind: int, place: Place, ports: Sequence[int]) -> None:
    for hit, port in zip(options.hits, ports, strict=True):
        _tell_before(options, hit, place)
        trouble = knocks.knock(kind, place, port, udp=hit.udp)
        _tell_after(options, hit, place, port, trouble)
        pause = hit.pause if hit.pause is not None else options.delay or 0
        if pause:
            sys.stdout.flush()
            time.sleep(pause / 1000)


def _protocol(hit: Hit) -> str:
    return "udp" if hit.udp else "tcp"


def _tell_before(options: ClientOptions, hit: Hit, place: Place) -> None:
    if options.verbose and not options.json:
        print(f"hitting {_protocol(hit)} {place[0]}:{hit.port}")


def _tell_after(options: ClientOptions, hit: Hit, place: Place, port: int, trouble: str) -> None:
    if options.json:
        import json  # noqa: PLC0415  (only for this)

        told = {
            "address": place[0],
            "port": port,
            "protocol": _protocol(hit),
            "sent": not trouble,
        }
        print(json.dumps(told | ({"trouble": trouble} if trouble else {})))
    elif trouble:
        _warn(f"{PROGRAM}: {_protocol(hit)} {place[0]}:{hit.port} was not sent: {trouble}")
