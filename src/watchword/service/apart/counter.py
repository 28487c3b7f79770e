"""Does what the gate asks of the firewall.

In here: holding each order against the policy, then carrying it out, one at a time.
Not in here: what is opened for the gate (ways), commands (workshop), which policy (rulebook), the
rules (grant.warrants), sockets between the two (hand_process).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from watchword.errors import HostError
from watchword.grant import warrants
from watchword.grant.approvals import Approvals
from watchword.model.addresses import Address
from watchword.model.doors import KernelOpening
from watchword.model.moments import Moment
from watchword.model.openings import ChangeSet, Hole, Tag
from watchword.model.orders import (
    Apply,
    Compile,
    Cut,
    Firewall,
    OpenWay,
    Order,
    Plain,
    Recognise,
    Settle,
    Unused,
    UseUp,
    Wanted,
)
from watchword.model.settings import (
    Settings,
)
from watchword.ports import (
    Clock,
    CountsConnections,
    FirewallBackend,
    FollowsKnocks,
    ForbiddenError,
    KeepsNoTags,
    UnwarrantedError,
)
from watchword.service.apart.licences import Licences
from watchword.service.apart.rulebook import Rulebook, Rules
from watchword.service.apart.ways import Files, Ways
from watchword.service.daemon import assembly

_TAKE_LONG: Final = (Plain.PROBE, Plain.PREPARE, Plain.TEARDOWN, Plain.REST)
_SHOWN: Final = 5  # openings that a refusal names


class Counter:
    """One order after the other. Methods block, as the firewall does."""

    def __init__(self, book: Rulebook, clock: Clock, ways: Ways | None = None) -> None:
        self._book = book
        self._clock = clock
        self._ways = ways or Ways(book)
        self._approved = Approvals()
        self.licences = Licences(clock)

    def may_take_long(self, order: Order) -> bool:
        """Whether it may start programs, and so has to be left to a thread."""
        if isinstance(order, Firewall) and order.what in _TAKE_LONG:
            return True
        if isinstance(order, Cut) and any(each.lead is not None for each in order.holes):
            return True
        slow = any(each.firewall.slow for each in (self._book.now, self._book.coming) if each)
        return slow or isinstance(order, (OpenWay, Compile, UseUp))

    def serve(self, order: Order) -> tuple[Any, Files]:
        """The answer, and open files that go with it, for the caller to close.

        Raises ForbiddenError: it may not be. Raises what the firewall raises.
        """
        match order:
            case OpenWay():
                return None, self._ways.opened(order)
            case Compile(text):
                return self._ways.compiled(text), []
            case Unused(holes):
                return self._unused(holes), []
            case UseUp():
                return self._ways.use_up(order), []
            case _:
                return self._firewall(order), []

    def _unused(self, holes: Collection[Hole]) -> Mapping[Hole, int]:
        self.check_known(holes)
        firewall = self._book.now.firewall
        return firewall.unused(holes) if isinstance(firewall, CountsConnections) else {}

    def _firewall(self, order: Order) -> Any:
        match order:
            case Apply():
                return self._apply(order)
            case Recognise():
                return self._recognise(order)
            case Settle(taken, coming):
                return self._settle(self._rules(coming), taken)
            case Cut(holes, coming):
                self.check_known(holes)
                return self._rules(coming).firewall.cut(holes)
            case Firewall(what, coming):
                return self._plain(what, coming)
            case _:
                raise ForbiddenError(f"{type(order).__name__} is nothing for the firewall")

    def _rules(self, coming: bool) -> Rules:
        if not coming:
            return self._book.now
        if self._book.coming is None:
            raise ForbiddenError("no other settings are on their way")
        return self._book.coming

    def _apply(self, order: Apply) -> None:
        rules, now = self._rules(order.coming), self._clock.now()
        found = [(each, self._against(rules, each, now)) for each in order.add]
        # What is over by now is no offence: its stanza may have ended with it. It is left out, for
        # what was never open is not to be cut either.
        forbidden = [(each, why) for each, why in found if why and each.opening.until > now.steady]
        if forbidden:
            raise UnwarrantedError(
                _told(forbidden), holes=[each.opening.hole for each, _ in forbidden]
            )
        wanted = [each for each, why in found if not why]
        added = tuple(each.opening for each in wanted)
        if not self._approved.has_room(added, now.steady):
            raise HostError(
                "more is open already than can be remembered",
                hint="no honest gate asks for so much: restart fwknopd, and look for who broke in",
            )
        rules.firewall.apply(ChangeSet(added, order.remove))
        for each in wanted:
            self.licences.know(each.grant, _whose(each), each.opening.until)
        # with two firewalls, what is out of one may still be in the other
        gone = () if self._book.coming else order.remove
        self._approved.note(added, gone, now.steady)

    def check_known(self, holes: Collection[Hole]) -> None:
        """Raises ForbiddenError: some of them were never open."""
        strange = [each for each in holes if not self._approved.knows(each)]
        if strange:
            first = strange[0]
            said = f"{first.service or 'everything'} for {first.who} was never open"
            raise ForbiddenError(said + (f"; and {len(strange) - 1} more" if strange[1:] else ""))

    def _against(self, rules: Rules, wanted: Wanted, now: Moment) -> str:
        opening = wanted.opening
        if self._approved.covers(opening):
            return ""
        why = warrants.against(rules.policy, wanted, now)
        before = self._approved.until(opening.hole)
        if why and self.licences.covers(wanted.grant, _whose(wanted), before, opening.until):
            return ""
        return why

    def _recognise(self, order: Recognise) -> frozenset[Tag]:
        """What the firewall has under our own names, it has because we put it there."""
        firewall = self._rules(order.coming).firewall
        if isinstance(firewall, KeepsNoTags):
            installed = firewall.recognise(order.openings)
        else:
            installed = firewall.installed()
        self._approved.recognise(order.openings, installed, self._clock.now().steady)
        return installed

    def _plain(self, what: Plain, coming: bool) -> Any:
        rules = self._rules(coming)
        firewall = rules.firewall
        match what:
            case Plain.NAME:
                return firewall.name, firewall.slow, isinstance(firewall, KeepsNoTags)
            case Plain.PROBE:
                features = firewall.probe()
                rules.learn(features)
                return features
            case Plain.PREPARE:
                adopted = firewall.prepare()
                rules.prepared = True
                return adopted
            case Plain.INSTALLED | Plain.INTACT:
                return firewall.installed() if what is Plain.INSTALLED else firewall.intact()
            case Plain.KNOCKED | Plain.REST:
                return _of_doors(what, firewall)
            case _:
                return self._teardown(rules)

    def _settle(self, rules: Rules, taken: Sequence[tuple[int, Address]]) -> None:
        """It shuts what the kernel opened: nothing to be held against a policy."""
        if isinstance(rules.firewall, FollowsKnocks):
            rules.firewall.settle([KernelOpening(door, "", who, 0.0) for door, who in taken])

    def _teardown(self, rules: Rules) -> None:
        """What hides goes only where something else hides already."""
        if self._book.ending and _dismantles(rules.settings):
            rules.firewall.teardown()
            return
        coming = self._book.coming
        moving = coming is not None and rules is self._book.now and coming.prepared
        if coming is None or not moving or _place(coming) == _place(rules):
            raise ForbiddenError("what hides the services is not taken down")
        rules.firewall.teardown()


def _whose(wanted: Wanted) -> tuple[Address, Address]:
    """Of whom a grant is, as far as that does not change with a reload."""
    return wanted.opening.hole.who, wanted.source


def _of_doors(what: Plain, firewall: FirewallBackend) -> Any:
    """Of those that the kernel follows. To rest only shuts: no policy is asked."""
    if not isinstance(firewall, FollowsKnocks):
        return ()
    return firewall.knocked() if what is Plain.KNOCKED else firewall.rest()


def _dismantles(settings: Settings) -> bool:
    """As the daemon does when it is stopped (running.Running.stop)."""
    firewall = settings.firewall
    return firewall.flush_at_exit and (firewall.in_iptables or firewall.in_dated_rules)


def _place(rules: Rules) -> tuple[object, ...]:
    return assembly.place_of(rules.settings.firewall)


def _told(forbidden: Collection[tuple[Wanted, str]]) -> str:
    named = [
        f"{wanted.opening.hole.service or 'everything'} for {wanted.opening.hole.who} "
        f"by {f'door {wanted.door}' if wanted.door else f'stanza #{wanted.stanza}'}: {why}"
        for wanted, why in list(forbidden)[:_SHOWN]
    ]
    more = len(forbidden) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")
