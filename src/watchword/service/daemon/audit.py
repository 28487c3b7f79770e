"""Writes down what happened, in a chain, behind everything else.

In here: what waits to be written, what happens when it cannot be, when the log is told how far
the journal goes.
Not in here: which events are entries (dialects.fwknop.audit_events), the chain
(dialects.audit), files (edges.audit).

Nobody waits for it: an event joins a queue, and a task writes what has gathered there. While it
cannot, that is told, and what does not fit into the queue is counted and confessed later.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from watchword.dialects import audit
from watchword.dialects.fwknop.audit_events import what_happened
from watchword.dialects.fwknop.voice_json import utc
from watchword.edges.audit import ROTATES_AT, AuditFiles, Found
from watchword.errors import HostError
from watchword.model.daemon_events import AuditAnchored, HostTrouble
from watchword.model.outcomes import Event
from watchword.model.settings import Settings
from watchword.ports import Clock, Reporter
from watchword.service.daemon.pace import Pace
from watchword.service.daemon.restraint import is_overheard

WAITING: Final = 4096  # entries that wait to be written at the most
BATCH: Final = 500  # entries written together
AGAIN: Final = 5.0  # seconds until the next try after one that failed
ANCHOR_SECONDS: Final = 3600.0  # from an entry to the anchor that covers it, at the most
ANCHOR_ENTRIES: Final = 1000
CHEAP_AT_ONCE: Final = 100  # entries in a row about what needs no key (service.daemon.restraint)
CHEAP_PAUSE: Final = 10.0  # seconds until there may be one more: 5 MB in a day
PATIENCE: Final = 5.0  # seconds for the last entries at the end


class Audit:
    """One for a daemon. Does nothing unless the settings ask for it."""

    def __init__(self, settings: Settings, reporter: Reporter, clock: Clock) -> None:
        self.wanted = settings.audit_log and not settings.dry_run
        self._files = AuditFiles(settings.state_dir)
        self._reporter = reporter
        self._clock = clock
        self._link = audit.START
        self._first = 1
        """Number of the first entry in the current file."""
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._lost = 0
        self._cheap = Pace(CHEAP_AT_ONCE, CHEAP_PAUSE, clock.now().steady)
        self._left_out = 0
        self._unanchored = 0
        self._in_trouble = False
        self._closing = False
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "audit")
        """Begun before anything is written: later there may be no room for another one."""

    def hear(self, event: Event) -> None:
        """Take note of an event. Never waits."""
        if not self.wanted:
            return
        what = what_happened(event, self._clock.now().wall)
        if what is None:
            return
        if is_overheard(event):  # older entries are worth more
            if not self._cheap.allows(self._clock.now().steady):
                self._left_out += 1
                return
            if self._left_out:
                what, self._left_out = {**what, "left_out": self._left_out}, 0
        if len(self._waiting) >= WAITING:
            self._lost += 1
        else:
            self._waiting.append(what)
            self._arrived.set()

    def open(self) -> None:
        """Go on where the journal ends. Raises HostError: it cannot be opened."""
        if not self.wanted:
            return
        try:
            self._go_on(self._files.open())
        except HostError:
            self._files.close()
            raise
        self._thread.submit(int)
        self._task = asyncio.get_running_loop().create_task(self._write_forever(), name="audit")

    def _go_on(self, found: Found) -> None:
        """From the last entry, or from where the note beside it says that the last one was."""
        last = audit.place(found.last) or audit.START
        head = audit.Link.of_head(found.head)
        first = audit.place(found.first)
        self._link = last
        if head is None and last.seq == 0:
            self._files.append(b"", audit.START.head)
        elif head is None:
            self._found_changed(last.seq, "nothing beside it says how far it went")
        elif head.seq > last.seq or (head.seq == last.seq and head != last):
            self._link = head
            self._found_changed(last.seq, f"{head.seq} were written")
        self._first = first.seq if first is not None else self._link.seq + 1
        if found.torn:
            digest = hashlib.sha256(found.torn).hexdigest()
            self._note(event="recovered", bytes=len(found.torn), digest=digest)

    def _found_changed(self, last: int, but: str) -> None:
        what = f"it ends with entry {last}, and {but}"
        hint = "somebody has changed it; look with watchword audit verify"
        self._reporter.report(HostTrouble("audit journal", what, hint))
        self._note(event="tampered", found=last, written=self._link.seq)

    def _note(self, *, event: str, **more: Any) -> None:
        """An entry about the journal itself, before those that wait."""
        self._waiting.appendleft({"event": event, "time": utc(self._clock.now().wall), **more})

    async def _write_forever(self) -> None:
        while not (self._closing and not self._waiting):
            if not self._waiting:
                try:
                    async with asyncio.timeout(ANCHOR_SECONDS if self._unanchored else None):
                        await self._arrived.wait()
                except TimeoutError:
                    self._anchor()
                self._arrived.clear()
                continue
            try:
                await self._write()
            except HostError as error:
                self._tell(error)
                if self._closing:
                    return
                await asyncio.sleep(AGAIN)
        self._anchor()

    async def _write(self) -> None:
        if self._lost:
            self._note(event="lost", entries=self._lost)
            self._lost = 0
        batch = [self._waiting[at] for at in range(min(BATCH, len(self._waiting)))]
        loop, link, written = asyncio.get_running_loop(), self._link, []
        for what in batch:
            line, link = audit.entry(what, link)
            written.append(line)
        await loop.run_in_executor(self._thread, self._files.append, b"".join(written), link.head)
        self._link = link
        for _ in batch:
            self._waiting.popleft()
        self._unanchored += len(batch)
        if self._unanchored >= ANCHOR_ENTRIES:
            self._anchor()
        if self._files.size >= ROTATES_AT:
            kept = await loop.run_in_executor(self._thread, self._files.rotate, self._first)
            self._first = self._link.seq + 1
            self._note(event=audit.ROTATED, kept_from=kept)
        self._in_trouble = False

    def _anchor(self) -> None:
        """Have the log say how far the journal goes."""
        if self._unanchored:
            self._unanchored = 0
            self._reporter.report(AuditAnchored(self._link.seq, self._link.hash))

    def _tell(self, error: HostError) -> None:
        """Trouble is told once, until it works again."""
        if not self._in_trouble:
            self._in_trouble = True
            self._reporter.report(HostTrouble("audit journal", str(error), error.hint))

    async def aclose(self) -> None:
        """Write down what waits, as far as that takes no more than some seconds."""
        self._closing = True
        self._arrived.set()
        task, self._task = self._task, None
        if task is not None:
            _, unfinished = await asyncio.wait({task}, timeout=PATIENCE)
            for each in unfinished:
                each.cancel()
                await asyncio.wait({each})
            self._thread.shutdown(wait=False)
            if unfinished:
                return  # a thread may still write: what it writes to stays open until we end
        self._files.close()
