"""Knock sequences of fwknop 1.9: from verified settings to hits on their way.

In here: what is asked of whom in which order, the pauses.
Not in here: what a sequence is (dialects.fwknop.client_sequences, wire.knock_message), sockets
(edges.send).

Hits are not waited for, and one that nobody answers is not sent again: the original's are, which
spoils its own sequence at a firewall that drops.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from watchword.dialects.fwknop import (
    client_request,
    client_routes,
    client_sequences,
    client_values,
)
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import AllowKind, Given
from watchword.edges import randomness
from watchword.edges.login import login_name
from watchword.edges.send import echo, knocks
from watchword.edges.send.names import Place, looked_up
from watchword.errors import HostError, OperatorError
from watchword.model.crypto import Secret
from watchword.model.old_knocks import LOWEST_PORT, Element
from watchword.service.client.console import Console
from watchword.service.client.files import home, read_own
from watchword.service.client.perl import PerlManner
from watchword.wire import knock_message

_BYTE: Final = b"0"
_UDP, _ICMP = 17, 1


def knock(
    line: CommandLine,
    settings: Given,
    environment: Mapping[str, str],
    console: Console,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Knock once, or in test mode say what would be. Raises OperatorError, HostError."""
    Sequencer(line, settings, environment, console, pause).knock()
    return 0


class Sequencer:
    """One run."""

    def __init__(
        self,
        line: CommandLine,
        settings: Given,
        environment: Mapping[str, str],
        console: Console,
        pause: Callable[[float], None],
    ) -> None:
        """``pause`` lets so many seconds pass."""
        self._line = line
        self._settings = settings
        self._environment = environment
        self._console = console
        self._pause = pause
        self._manner = PerlManner(line, settings, environment, console)

    def knock(self) -> None:
        host = client_values.server(self._settings.server).host if self._settings.server else ""
        family, place = self._place(host)
        shared = client_sequences.is_shared(self._line, self._settings)
        hits = self._shared(host, place[0]) if shared else self._encrypted()
        seconds = self._line.perl.time_delay
        if seconds is None:
            of_kind = (client_sequences.ENCRYPTED_PAUSE, client_sequences.SHARED_PAUSE)
            seconds = of_kind[shared]
        self._send(hits, family, place, seconds)

    def _place(self, host: str) -> tuple[int, Place]:
        """The first address of the server; in test mode it may be left out."""
        if not host:
            return 2, ("0.0.0.0", 0)  # noqa: S104  (nothing is sent)
        family = client_routes.family(self._line, self._settings)
        return next(iter(looked_up(host, 0, family)))

    def _shared(self, host: str, address: str) -> Sequence[Element]:
        path = self._line.perl.user_rc
        if path is None:
            folder = home(self._line, self._environment)
            if folder is None:
                raise OperatorError(
                    "There is no home folder with a .fwknoprc in it.", hint="use --user-rc"
                )
            path = os.path.join(folder, ".fwknoprc")
        text = read_own(path, self._console)
        return client_sequences.shared(text, path, {host, address})

    def _encrypted(self) -> Sequence[Element]:
        settings = self._manner.with_addresses(self._settings)
        allow = settings.allow
        if allow is not None and allow.kind is AllowKind.RESOLVE:
            from watchword.service.client.whereabouts import located  # noqa: PLC0415  (few runs)

            settings = located(self._line, settings, 4, self._console)
        person = client_request.Person(self._environment, login_name())
        message = client_sequences.message(settings, client_request.user_name(settings, person))
        key = Secret(self._key(settings))
        octets = knock_message.seal(message, key, salt=randomness.salt())
        offset = self._line.perl.offset or LOWEST_PORT
        protocols = knock_message.protocols_of(octets, rotate=self._line.perl.rotate_proto)
        ports = knock_message.ports_of(octets, offset)
        return [Element(*each) for each in zip(protocols, ports, strict=True)]

    def _key(self, settings: Given) -> bytes:
        key = self._manner.key(settings)
        if len(key) < client_sequences.SHORTEST_KEY:
            raise OperatorError(
                f"The encryption key has to have {client_sequences.SHORTEST_KEY} characters or "
                "more.",
                hint="use a longer one on both sides",
            )
        return key

    def _send(self, hits: Sequence[Element], family: int, place: Place, seconds: float) -> None:
        line, console = self._line, self._console
        telling = line.test or line.as_perl or bool(self._settings.verbose)
        for number, hit in enumerate(hits):
            if telling:
                said = client_sequences.hit_line(place[0], hit, number)
                (console.say if line.test else console.notice)(said)
            if line.test:
                continue
            if number:
                self._pause(seconds)
            if why := _hit(hit, family, place):
                raise HostError(
                    f"hit {number + 1} of {len(hits)} could not be sent: {why}",
                    hint="what was sent opens nothing; knock again once it can be",
                )
        if telling and not line.test:
            console.notice(client_sequences.FINISHED)


def _hit(hit: Element, family: int, place: Place) -> str:
    """Empty: it is on its way, else why it is not."""
    if hit.protocol == _ICMP:
        return echo.ask(family, place)
    return knocks.knock(family, place, hit.port, udp=hit.protocol == _UDP, octets=_BYTE)
