"""What the daemon lets itself be told at its control socket.

In here: revoking and extending grants; each is told, and noted in the journal,
with the user id of who asked.
Not in here: who may (control), how it is done (enforcer, cycles).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from watchword.errors import HostError, OperatorError
from watchword.model.addresses import canonical
from watchword.model.doors import OpenServices
from watchword.model.openings import Grant
from watchword.model.outcomes import Action, Change
from watchword.model.policy import Policy
from watchword.ports import Clock
from watchword.service.daemon.answers import whole_number
from watchword.service.daemon.control import Handler, Question
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.numbering import Numbering

MOST: Final = 8388608  # seconds, as for the timeouts of access.conf
_NAMED: Final = 1000  # grants that an answer names
_TOLD: Final = 8  # grants that a line of the log names
_STANZAS: Final = 1 << 31


class GrantChanges:
    """Ends and prolongs grants for people."""

    def __init__(
        self,
        enforcer: Enforcer,
        cycles: Cycles,
        policy: Callable[[], Policy],
        clock: Clock,
        end_others: Callable[[Callable[[Grant], bool]], list[Grant]] = lambda wanted: [],
    ) -> None:
        """``policy``: of now, with names of keys; ``end_others``: closes what commands of doors
        have open, as far as it is wanted."""
        self._end_others = end_others
        self._enforcer = enforcer
        self._cycles = cycles
        self._policy = policy
        self._clock = clock

    @property
    def handlers(self) -> dict[str, Handler]:
        return {"revoke": self.revoke, "extend": self.extend}

    async def revoke(self, question: Question) -> dict[str, object]:
        """One of ``grant``, ``address``, ``stanza``, ``all``; with ``cut`` connections as well."""
        target, wanted = self._wanted(question)
        cut = self.is_to_cut(question)
        return await self.end(question, Action.REVOKE, target, wanted, cut=cut)

    def is_to_cut(self, question: Question) -> bool:
        """Whether connections are to end, too. Raises HostError: they cannot be ended here."""
        if question.fields.get("cut") is not True:
            return False
        self._enforcer.check_cut()
        return True

    async def end(
        self,
        question: Question,
        action: Action,
        target: str,
        wanted: Callable[[Grant], bool],
        *,
        cut: bool,
    ) -> dict[str, object]:
        """End grants for somebody, and note that."""
        revoked = await self._enforcer.revoke(wanted, cut=cut)
        closed = self._cycles.revoke(wanted)
        closed += self._end_others(wanted)
        if action is Action.REVOKE:
            closed += self._cycles.try_again(wanted)
        names = [grant.id for grant in (*revoked.grants, *closed)]
        result = _result(names, revoked.cut if cut else None)
        if revoked.trouble is not None:
            result += f"; not carried out yet: {revoked.trouble}"
        self.note(question, action, target, result)
        return ended(names, revoked.cut, revoked.trouble, closed)

    async def extend(self, question: Question) -> dict[str, object]:
        """``grant`` lasts ``seconds`` longer; ``beyond_policy``: longer than its stanza says."""
        name = str(question.fields.get("grant", ""))
        seconds = whole_number(question, "seconds", 1, MOST)
        beyond = question.fields.get("beyond_policy") is True
        if beyond and not question.root:
            raise OperatorError(
                "only root may go beyond MAX_FW_TIMEOUT",
                hint="leave --beyond-policy out, or do it as root",
            )
        enforcer = self._enforcer
        by_command = self._cycles.ledger.grant(name)
        known = by_command or enforcer.ledger.grant(name)
        most = None if beyond or known is None else self._most(known)
        if by_command is not None:
            grant = await self._cycles.extend(name, seconds, most)
        else:
            grant = await enforcer.extend(name, seconds, most)
        remaining = round(grant.until - self._clock.now().steady, 3)
        said = f"{seconds} seconds longer, {remaining:.0f} remain"
        self.note(question, Action.EXTEND, name, said + (", beyond policy" if beyond else ""))
        return {"grant": grant.id, "ends": grant.ends, "remaining": remaining}

    def _most(self, grant: Grant) -> float:
        """Seconds that may remain of a grant. Raises OperatorError: nobody says so any more."""
        policy = self._policy()
        if grant.door:
            return self._most_of_door(policy, grant.door)
        number = Numbering(policy).now(grant)
        for terms in policy.stanzas:
            if terms.number == number:
                return terms.max_seconds
        raise OperatorError(
            f"its stanza (#{grant.stanza} then) is gone, and nothing says how long it may be",
            hint="extend it as root with --beyond-policy, or have the caller knock again",
        )

    def _most_of_door(self, policy: Policy, name: str) -> float:
        actions = [each.action for each in policy.doors if each.name == name]
        found = [each.seconds for each in actions if isinstance(each, OpenServices)]
        if not found:
            raise OperatorError(
                f"its door {name} is gone, and nothing says how long it may be",
                hint="extend it as root with --beyond-policy, or have the caller knock again",
            )
        return max(found)

    def _wanted(self, question: Question) -> tuple[str, Callable[[Grant], bool]]:
        """What is to end, as somebody named it. Raises OperatorError."""
        given = question.fields.keys() & {"grant", "address", "stanza", "all"}
        if len(given) != 1:
            raise OperatorError(
                "name a grant, an address or a stanza, or say --all",
                hint="see watchword revoke --help",
            )
        value = question.fields[kind := given.pop()]
        if kind == "all":
            return "all", lambda grant: True
        if kind == "stanza":
            number = whole_number(question, "stanza", 1, _STANZAS)
            numbering = Numbering(self._policy())
            return f"stanza #{number}", lambda grant: numbering.now(grant) == number
        if kind == "grant":
            return str(value), lambda grant: grant.id == value
        try:
            address = canonical(str(value))
        except ValueError:
            raise OperatorError(
                f"{str(value)[:100]} is no address", hint="write it as watchword grants shows it"
            ) from None
        return str(address), lambda grant: address in (grant.who, grant.source)

    def note(self, question: Question, action: Action, target: str, result: str) -> None:
        """Tell and write down what somebody had us do."""
        peer, at = question.peer, self._clock.now().wall
        self._enforcer.record(Change(action, target[:200], peer.uid, peer.pid, at, result))


def ended(
    names: Sequence[str], cut: int, trouble: HostError | None, by_commands: Iterable[Grant]
) -> dict[str, object]:
    """The answer about what is over by somebody's word; ``by_commands``: what commands opened.

    Its ``closing``: commands that run now close these grants. ``not_closed``: there is no such
    command, and what was opened ends by itself, if it does.
    """
    closing: list[str] = []
    not_closed: list[str] = []
    for grant in by_commands:
        if grant.cycle is not None:
            (closing if grant.cycle.closings else not_closed).append(grant.id)
    return {
        "count": len(names),
        "revoked": names[:_NAMED],
        "cut": cut,
        "trouble": str(trouble) if trouble is not None else None,
        "closing": closing[:_NAMED],
        "not_closed": not_closed[:_NAMED],
    }


def _result(names: list[str], cut: int | None) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    which = f" ({', '.join(names[:_TOLD])}{more})" if names else ""
    connections = "" if cut is None else f", {counted(cut, 'connection')} cut"
    return f"{counted(len(names), 'grant')} revoked{which}{connections}"


def counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
