"""One round of trials at a live server program, in a network of its own.

In here: starting it with the round's stanzas, sending, and looking from outside at
what became of it.
Not in here: what is tried (repertoire), what shares a server (rounds), the network
and the program's files (venue, server_program).

That something stays shut is only looked at when a later packet, one that any server
grants, has opened something else: so the server has read the packet in question.
"""

from __future__ import annotations

import itertools
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final

from watchword.conformance import yardstick
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.openpgp import Rings
from watchword.conformance.rounds import Round
from watchword.conformance.server_program import SPA_PORT, NotServingError, ServerProgram
from watchword.conformance.trials import GPG_HOME, Knock, Must, Target, Trial
from watchword.conformance.venue import Door, Sight, Venue
from watchword.lab.hosts import Lab
from watchword.lab.sockets import open_socket

PATIENCE: Final = 30.0
"""Seconds until something has to open; every server needs a fraction of one at rest."""
ENDS: Final = 20.0
"""Seconds until what was opened for two or three has to be shut again."""


def sit(program: Sequence[str], one: Round, rings: Rings | None = None) -> list[Finding]:
    """Try a round. One finding for each packet, and one for each trial that is answered.

    ``rings`` are the key rings that its stanzas need, if they need any.
    """
    with (
        tempfile.TemporaryDirectory(prefix="watchword-server-") as folder,  # outlives the server
        Lab() as lab,
        closing(Venue(lab)) as venue,
        closing(_Sitting(program, one, venue, Path(folder), rings)) as sitting,
    ):
        return list(sitting.findings())


class _Sitting:
    """One server, the round's packets, and what is seen."""

    def __init__(
        self, program: Sequence[str], one: Round, venue: Venue, folder: Path, rings: Rings | None
    ) -> None:
        self._round = one
        self._rings = rings if one.openpgp else None
        self._venue = venue
        self._server = ServerProgram(program, venue, folder)
        self._yardsticks = itertools.cycle(yardstick.SERVICES)
        self._sockets = ExitStack()
        self._senders: list[tuple[Knock, socket.socket]] = []
        self._stuck = ""
        """What is open and does not shut any more: nothing can be judged after that."""

    def close(self) -> None:
        self._sockets.close()

    def findings(self) -> Iterator[Finding]:
        try:
            self._open_house()
        except NotServingError as error:
            yield from self._not_served(str(error))
            return
        for trial in self._round.trials:
            yield from self._try(trial)
        yield from self._answers()

    def _not_served(self, why: str) -> Iterator[Finding]:
        for trial in self._round.trials:
            verdict = Verdict.SKIP if trial.optional else Verdict.FAIL
            for knock in trial.knocks:
                yield Finding(trial.group, knock.name, verdict, why)

    # --- before ------------------------------------------------------------

    def _open_house(self) -> None:
        """Start the server and see that nothing is open. Raises NotServingError."""
        services = {each.service for each in self._targets()} | set(yardstick.SERVICES)
        for address in {each.address for each in self._targets()} | self._sources():
            if address != self._venue.caller.six:
                self._venue.roam(address)
        server = self._venue.server
        for service, address in itertools.product(services, (server.four, server.six)):
            self._venue.serve(server.host, address, service.proto, service.port)
        offers = f"OPEN_PORTS {','.join(map(str, sorted(services)))}"
        self._server.start(self._settings(), "\n".join(self._stanzas(offers)))
        before = [self._door(target) for target in self._targets()]
        self._server.hide(before[0])
        if seen := self._sights(before, Sight.REACHED, Sight.REFUSED):
            raise NotServingError(f"open before anybody asks: {seen[0]}")
        if not self._measure():
            raise NotServingError(f"a plain packet opens nothing{self._trouble()}")

    def _targets(self) -> dict[Target, None]:
        return {
            target: None
            for trial in self._round.trials
            for knock in trial.knocks
            for target in knock.targets
        }

    def _sources(self) -> set[str]:
        knocks = [knock for trial in self._round.trials for knock in trial.knocks]
        return {yardstick.CALLER} | {knock.source for knock in knocks}

    def _settings(self) -> str:
        lines = (*self._server.usual_settings(), *self._round.settings)
        return "".join(f"{line};\n" for line in lines)

    def _stanzas(self, offers: str) -> Iterator[str]:
        """The round's, each with what it offers, and the yardsticks' behind them."""
        ring = str(self._rings.servers) if self._rings else ""
        for text in (*self._round.access, *yardstick.stanzas(openpgp=bool(ring))):
            first, *others = text.replace(GPG_HOME, ring).split("SOURCE ")
            for each in others:
                yield f"{first}SOURCE {each.rstrip()}\n{offers}\n"

    # --- one trial ---------------------------------------------------------

    def _try(self, trial: Trial) -> Iterator[Finding]:
        """Send the packets in their order; after one that should have opened, no more."""
        missed = ""
        for knock in trial.knocks:
            if missed or self._stuck:
                why = missed or f"{self._stuck} is open since an earlier packet"
                yield Finding(trial.group, knock.name, Verdict.SKIP, why)
                continue
            self._send(knock)
            if knock.must is Must.OPEN:
                wrong = self._opened(knock)
                missed = f"the packet before it failed: {wrong}" if wrong else ""
                if wrong and trial.optional:
                    self._senders.pop()  # what nobody takes in, the kernel may answer
                    yield Finding(trial.group, knock.name, Verdict.SKIP, f"not taken: {wrong}")
                    continue
                verdict = Verdict.FAIL if wrong else Verdict.PASS
                yield Finding(trial.group, knock.name, verdict, wrong)
            else:
                yield self._stayed_shut(trial.group, knock)

    def _send(self, knock: Knock) -> None:
        """The socket stays open, to see whether anybody answers."""
        sender = open_socket(self._venue.caller.host, knock.source, socket.SOCK_DGRAM)
        self._sockets.enter_context(closing(sender))
        sender.setblocking(False)
        sender.bind((knock.source, 0))
        sender.connect((self._server_for(knock.source), SPA_PORT))
        with suppress(ConnectionRefusedError):
            sender.send(knock.payload)
        self._senders.append((knock, sender))

    def _opened(self, knock: Knock) -> str:
        """What is amiss with what should have opened, for whom it should, for as long."""
        doors = [self._door(target) for target in knock.targets]
        if shut := self._until_reached(doors):
            return f"it does not open {shut}{self._trouble()}"
        strangers = [self._door(target, stranger=True) for target in knock.targets]
        if seen := self._sights(strangers, Sight.REACHED, Sight.REFUSED):
            return f"it opens for others as well: {seen[0]}"
        if still := self._until_silent(doors):
            return f"{still} is still open after {ENDS:.0f} seconds"
        return ""

    def _stayed_shut(self, group: str, knock: Knock) -> Finding:
        if not self._measure():
            why = f"afterwards it serves nobody{self._trouble()}"
            return Finding(group, knock.name, Verdict.FAIL, why)
        doors = [self._door(target) for target in knock.targets]
        seen = self._sights(doors, Sight.REACHED, Sight.REFUSED)
        for _ in range(self._looks_more(knock)):
            if seen or (knock.must is Must.EITHER and not self._measure()):
                break
            seen = self._sights(doors, Sight.REACHED, Sight.REFUSED)
        if not seen:
            return Finding(group, knock.name, Verdict.PASS)
        self._until_silent(doors)
        if knock.must is Must.EITHER:
            return Finding(group, knock.name, Verdict.PASS, "it opens, as it may")
        return Finding(group, knock.name, Verdict.FAIL, f"{knock.offence}: {seen[0]}")

    def _looks_more(self, knock: Knock) -> int:
        """Two gpg may be at work at once, and end in another order.

        What may open is given the time of some packets more, so that it is told from what does not.
        """
        if not self._rings:
            return 0
        return 4 if knock.must is Must.EITHER else 1

    def _measure(self) -> bool:
        """Send a packet that any server grants; whether what it asks for opens."""
        target = Target(yardstick.CALLER, next(self._yardsticks))
        with closing(
            open_socket(self._venue.caller.host, yardstick.CALLER, socket.SOCK_DGRAM)
        ) as s:
            s.bind((yardstick.CALLER, 0))
            clients = self._rings.clients if self._rings else None
            s.sendto(yardstick.packet(target, clients), (self._venue.server.four, SPA_PORT))
        return not self._until_reached([self._door(target)])

    # --- looking -----------------------------------------------------------

    def _door(self, target: Target, stranger: bool = False) -> Door:
        station = self._venue.stranger if stranger else self._venue.caller
        source = target.address
        if stranger:
            source = station.six if ":" in source else station.four
        service = target.service
        return Door(station.host, source, self._server_for(source), service.proto, service.port)

    def _server_for(self, source: str) -> str:
        """The server's address of the same family."""
        return self._venue.server.six if ":" in source else self._venue.server.four

    def _sights(self, doors: Iterable[Door], *wanted: Sight) -> list[str]:
        """Which doors look like this, in words."""
        return [str(door) for door, sight in self._venue.look(doors).items() if sight in wanted]

    def _until_reached(self, doors: Sequence[Door]) -> str:
        """Look until each door has been open once; else name one that has not."""
        waiting, limit = set(doors), time.monotonic() + PATIENCE
        while waiting and time.monotonic() < limit:
            sights = self._venue.look(waiting, 0.1)
            waiting -= {door for door, sight in sights.items() if sight is Sight.REACHED}
            if not self._server.running:
                break
        return str(min(waiting, key=str)) if waiting else ""

    def _until_silent(self, doors: Sequence[Door]) -> str:
        """Look until nothing is open; else name what is."""
        limit = time.monotonic() + ENDS
        while seen := self._sights(doors, Sight.REACHED, Sight.REFUSED):
            if time.monotonic() > limit:
                self._stuck = seen[0]
                return self._stuck
            time.sleep(0.1)
        return ""

    def _answers(self) -> Iterator[Finding]:
        """A finding for each packet that anything came back for."""
        for knock, sender in self._senders:
            with suppress(BlockingIOError):
                try:
                    came = f"{len(sender.recv(65536))} bytes come back"
                except ConnectionRefusedError:
                    came = "an ICMP error comes back"
                yield Finding("silence", knock.name, Verdict.FAIL, came)

    def _trouble(self) -> str:
        return "" if self._server.running else f" (it ended: {self._server.last_words()})"
