"""A client program knocks at a server program, cell by cell, judged from outside.

In here: one exchange: a network, one start of the server with a stanza for each cell, one
run of the client for each cell, and whether the right doors opened.
Not in here: which cells there are (catalogue, recorded), the table (table).

What is judged is what somebody on the network can see: a door is silent before, answers
afterwards who was to be let in, and stays silent for a stranger. That something stays shut
is looked at when a later packet has opened another door, so the server has seen them all.
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Final

from watchword.conformance import client_program
from watchword.conformance.case import Case, case_of, open_for_business
from watchword.conformance.cells import Cell, Expect, Words, settings_text, stanza_text
from watchword.conformance.findings import Finding
from watchword.conformance.server_program import SPA_PORT, NotServingError, ServerProgram
from watchword.conformance.venue import Door, Sight, Venue
from watchword.lab.hosts import Lab
from watchword.lab.sockets import send_datagram

PATIENCE: Final = 30.0
"""Seconds until a door has to answer; every server needs a fraction of one at rest."""
SHORT: Final = 20.0
"""Seconds within which a short grant has to end, which is before a usual one (30) would."""
PAUSE: Final = 0.1
"""Seconds between two looks."""
AT_ONCE: Final = 8
"""Cells under way at the same time; most of their time is waiting for silence."""


def exchange(
    client: Sequence[str],
    server: Sequence[str],
    cells: Sequence[Cell],
    words: Words = MappingProxyType({}),
) -> Iterator[Finding]:
    """Try these cells between two programs; needs root and network namespaces.

    Args:
        client: The client's command, to which options like fwknop's are added.
        server: The server's command, to which options like fwknopd's are added.
        cells: What to try. They have the settings of the server in common.
        words: What more the texts of the cells may name, such as a folder of GnuPG keys.

    Yields:
        A finding for each cell, as soon as it is judged: those whose grant has to end first,
        because they take longest, and because fwknopd 2.6 ends grants late when it has more
        than about forty; those that must stay shut last.

    Raises:
        ValueError: Two cells want different settings of one server.
    """
    with (
        tempfile.TemporaryDirectory(prefix="watchword-exchange-") as folder,  # outlives a server
        Lab() as lab,
        closing(Venue(lab)) as venue,
    ):
        meeting = _Meeting(venue, Path(folder), client, ServerProgram(server, venue, Path(folder)))
        yield from meeting.judge(cells, words)


class _Meeting:
    """One client and one server at one venue."""

    def __init__(
        self, venue: Venue, folder: Path, client: Sequence[str], server: ServerProgram
    ) -> None:
        self._venue = venue
        self._folder = folder
        self._client = client
        self._server = server

    def judge(self, cells: Sequence[Cell], words: Words) -> Iterator[Finding]:
        controls = (Cell("control", "first"), Cell("control", "last"))
        first, *cases, last = (
            case_of(cell, number, self._venue, self._folder, words)
            for number, cell in enumerate((controls[0], *cells, controls[1]), 1)
        )
        for case in (first, *cases, last):
            open_for_business(case, self._venue)
        try:
            self._start((first, *cases, last))
            self._server.hide(first.doors[0])
            self._control(first)
        except NotServingError as error:
            yield from (case.failed(str(error)) for case in cases)
            return
        yield from self._try_all(sorted(cases, key=lambda case: not case.cell.ends), last)

    def _try_all(self, cases: Sequence[Case], last: Case) -> Iterator[Finding]:
        shared = Counter(door for case in cases for door in case.doors)
        locks = {door: threading.Lock() for door in shared}

        def attempt(case: Case) -> Finding | None:
            door = case.doors[0]
            with locks[door]:
                return self._attempt(case, patient=shared[door] > 1)

        pending = []
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            for case, finding in zip(cases, pool.map(attempt, cases), strict=True):
                if finding is None:
                    pending.append(case)
                else:
                    yield finding
        finally:
            pool.shutdown(cancel_futures=True)
        try:
            self._control(last)
        except NotServingError as error:
            yield from (case.failed(str(error)) for case in pending)
        else:
            yield from self._still_shut(pending)

    # --- before ------------------------------------------------------------

    def _start(self, cases: Sequence[Case]) -> None:
        """Raises NotServingError."""
        usual = self._server.usual_settings()
        settings = settings_text([case.cell for case in cases], usual)
        access = "\n".join(stanza_text(case.cell, case.words) for case in cases)
        self._server.start(settings, access)

    # --- one cell ----------------------------------------------------------

    def _attempt(self, case: Case, patient: bool) -> Finding | None:
        """Knock and look; None for what has to stay shut, which is looked at later.

        ``patient``: an earlier cell may have opened the same door, and its grant has to end.
        """
        before = self._until(case.doors, Sight.SILENT, SHORT if patient else 0.0)
        if before is not None:
            return case.failed(f"before anything was sent: {before}")
        complaint = self._knock(case)
        if case.cell.expect is Expect.UNSENT:
            return _refused(case, complaint)
        if complaint:
            return case.failed(f"the client does not send it: {complaint}")
        if case.cell.digest and (digest := case.digest_sent()) != case.cell.digest:
            return case.failed(f"the digest inside is {digest}")
        if case.cell.expect is Expect.OPENS:
            return self._opened(case)
        return self._ran(case) if case.cell.expect is Expect.RUNS else None

    def _knock(self, case: Case) -> str:
        host, server = self._venue.caller.host, case.words["server"]
        if case.cell.packet:
            send_datagram(host, case.cell.packet, server, SPA_PORT)
            return ""
        home = self._folder / f"client-{case.words['stanza']}"
        return client_program.knock(self._client, case.cell, case.words, host, home)

    def _opened(self, case: Case) -> Finding:
        if (shut := self._until(case.doors, Sight.REACHED, PATIENCE)) is not None:
            return case.failed(f"afterwards: {shut}{self._trouble()}")
        if (open_ := self._until(case.shut_doors, Sight.SILENT, 0.0)) is not None:
            return case.failed(f"it is open for others as well: {open_}")
        if case.cell.ends and (open_ := self._until(case.doors, Sight.SILENT, SHORT)) is not None:
            return case.failed(f"{SHORT:.0f} seconds later: {open_}")
        return case.met("opened" + (", and shut again" if case.cell.ends else ""))

    def _ran(self, case: Case) -> Finding:
        limit = time.monotonic() + PATIENCE
        while not case.mark.exists():
            if time.monotonic() > limit:
                return case.failed(f"the command did not run{self._trouble()}")
            time.sleep(0.05)
        return case.met("the command ran")

    def _until(self, doors: Sequence[Door], wanted: Sight, seconds: float) -> str | None:
        """Look until all doors look like this; else say what the first other one looks like.

        At least one look is taken, however short the time.
        """
        limit = time.monotonic() + seconds
        while True:
            others = [
                f"{door}: {sight.value}"
                for door, sight in self._venue.look(doors).items()
                if sight is not wanted
            ]
            if not others:
                return None
            if time.monotonic() >= limit:
                return others[0]
            time.sleep(PAUSE)

    # --- after -------------------------------------------------------------

    def _still_shut(self, cases: Sequence[Case]) -> Iterator[Finding]:
        sights = self._venue.look([door for case in cases for door in case.doors])
        for case in cases:
            open_ = [str(door) for door in case.doors if sights[door] is not Sight.SILENT]
            pattern = case.cell.said.format_map(case.words)
            if open_:
                yield case.failed(f"it opened: {', '.join(open_)}")
            elif case.mark.exists():
                yield case.failed("the command ran")
            elif not self._server.said(pattern):
                yield case.failed(f"the server does not say {pattern!r}")
            else:
                yield case.met("stayed shut" + (", and the server says why" if pattern else ""))

    def _control(self, case: Case) -> None:
        """Knock with a packet of our own that any server grants. Raises NotServingError."""
        send_datagram(self._venue.caller.host, case.packet(), case.words["server"], SPA_PORT)
        if (shut := self._until(case.doors, Sight.REACHED, PATIENCE)) is not None:
            raise NotServingError(f"it does not open for a plain packet: {shut}{self._trouble()}")

    def _trouble(self) -> str:
        return "" if self._server.running else f" (the server ended: {self._server.last_words()})"


def _refused(case: Case, complaint: str) -> Finding:
    """What comes of a cell that the client must not send."""
    if not complaint:
        return case.failed("the client sends it")
    if not re.search(case.cell.said, complaint):
        return case.failed(f"the client does not say {case.cell.said!r} but {complaint}")
    return case.met(f"not sent: {complaint}")
