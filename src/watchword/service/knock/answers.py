"""What the knock daemon tells and lets itself be told at its control socket.

In here: who is in and by which door, ending that before its time.
Not in here: the socket (service.daemon.control), asking (service.tool).

The answers are those of fwknopd, so that the same commands show them: a door
stands in the place of the user, its number in that of the stanza.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from watchword.errors import HostError, OperatorError
from watchword.model.addresses import canonical
from watchword.model.door_events import DoorEvent, Remark, Trouble
from watchword.model.openings import Grant
from watchword.model.settings import ControlSettings
from watchword.ports import Clock
from watchword.service.daemon.answers import PAGE, missing_of, whole_number
from watchword.service.daemon.changes import counted, ended
from watchword.service.daemon.control import NAME, Control, Question, Rights
from watchword.service.daemon.grant_rows import row
from watchword.service.knock.managed import ManagedDoors
from watchword.service.knock.runs import Runs

_LONGEST = 100  # characters of what somebody asked for, in the log


class DoorAnswers:
    """Grants of doors: those in the firewall, and those that commands made."""

    def __init__(
        self,
        managed: Callable[[], ManagedDoors | None],
        runs: Runs,
        clock: Clock,
        tell: Callable[[DoorEvent], None],
    ) -> None:
        self._managed = managed
        self._runs = runs
        self._clock = clock
        self._tell = tell

    async def open(self, folder: Path) -> Control | None:
        """Begin to answer; None: the socket cannot be made there, which is told."""
        control = Control(
            folder / NAME,
            Rights.of(ControlSettings()),
            {"grants": self.grants},
            {"revoke": self.revoke},
        )
        try:
            await control.open()
        except HostError as error:
            self._tell(Trouble(str(error), "see that RunDir names a folder of root's"))
            return None
        return control

    async def grants(self, question: Question) -> dict[str, object]:
        """``from``: how many to leave out at the beginning."""
        start = whole_number(question, "from", 0, 1 << 31, default=0)
        now = self._clock.now()
        rows = [row(grant, (), now) for grant in self._runs.grants]
        managed = self._managed()
        if managed is not None and (enforcer := managed.enforcer) is not None:
            installed = await enforcer.held()
            rows += [
                row(grant, missing_of(enforcer, grant, installed), now)
                for grant in enforcer.ledger.grants()
            ]
        page = list(islice(rows, start, start + PAGE))
        return {"at": now.wall, "total": len(rows), "grants": page}

    async def revoke(self, question: Question) -> dict[str, object]:
        """One of ``grant``, ``address``, ``all``. Stop commands that wait are run now."""
        target, wanted = _wanted(question)
        by_commands = self._runs.end(wanted)
        names = [grant.id for grant in by_commands]
        cut, trouble = 0, None
        managed = self._managed()
        if managed is not None and (enforcer := managed.enforcer) is not None:
            cutting = question.fields.get("cut") is True
            if cutting:
                enforcer.check_cut()
            revoked = await enforcer.revoke(wanted, cut=cutting)
            names += [grant.id for grant in revoked.grants]
            cut, trouble = revoked.cut, revoked.trouble
        self._tell(
            Remark(f"user {question.peer.uid} ended {counted(len(names), 'grant')} ({target})")
        )
        return ended(names, cut, trouble, by_commands)


def _wanted(question: Question) -> tuple[str, Callable[[Grant], bool]]:
    given = question.fields.keys() & {"grant", "address", "all"}
    if len(given) != 1:
        raise OperatorError(
            "name a grant or an address, or say --all", hint="see watchword revoke --help"
        )
    value = question.fields[kind := given.pop()]
    if kind == "all":
        return "all", lambda grant: True
    if kind == "grant":
        return str(value)[:_LONGEST], lambda grant: grant.id == value
    try:
        address = canonical(str(value))
    except ValueError:
        raise OperatorError(
            f"{str(value)[:_LONGEST]} is no address", hint="write it as watchword grants shows it"
        ) from None
    return str(address), lambda grant: address in (grant.who, grant.source)
