"""Does what the gate asks of the firewall, and opens what the gate may not open itself.

In here: holding each order against the policy, then carrying it out, one at a time.
Not in here: commands (workshop), which policy (rulebook), the rules (grant.warrants), sockets
between the two (hand_process).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from watchword.edges import scrapes
from watchword.edges.capture import door_log
from watchword.edges.capture.openers import Openers
from watchword.edges.firewall.nft.doors import group
from watchword.edges.report import lines
from watchword.errors import HostError
from watchword.grant import warrants
from watchword.grant.approvals import Approvals
from watchword.model.addresses import Address
from watchword.model.door_events import DoorEvent
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
    Way,
)
from watchword.model.services import Service
from watchword.model.settings import (
    CaptureFile,
    CaptureFilter,
    KnockGroup,
    KnockLog,
    KnockSniffer,
    Settings,
    Sniffer,
    TcpPort,
    UdpPort,
    UnixSocket,
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
from watchword.service.daemon import assembly
from watchword.service.knock.one_time_doors import used_up

_TAKE_LONG: Final = (Plain.PROBE, Plain.PREPARE, Plain.TEARDOWN, Plain.REST)
_SHOWN: Final = 5  # openings that a refusal names
Files = list[int]


class Counter:
    """One order after the other. Methods block, as the firewall does."""

    def __init__(self, book: Rulebook, clock: Clock, openers: Openers | None = None) -> None:
        self._book = book
        self._clock = clock
        self._openers = openers or Openers()
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
                return None, self._open(order)
            case Compile(text):
                return self._compiled(text), []
            case Unused(holes):
                return self._unused(holes), []
            case UseUp():
                return self._use_up(order), []
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

    def _compiled(self, text: str) -> Any:
        for each in self._filters():
            if each.text == text and each.puzzle:
                return self._openers.compiled(text, each.puzzle)
        raise ForbiddenError("no such capture filter is configured")

    def _use_up(self, order: UseUp) -> tuple[bool, tuple[Service, ...], list[DoorEvent]]:
        """Mark a sequence in the file that our own reading of the door names."""
        rules = self._book.of(order.policy)
        door = None if rules is None else rules.policy.door(order.door)
        if door is None or door.one_time is None:
            raise ForbiddenError(f"door {order.door} has no one-time sequences")
        told: list[DoorEvent] = []
        opens, waiting = used_up(replace(door, sequence=order.sequence), door.one_time, told.append)
        return opens, waiting.sequence, told

    def _filters(self) -> Iterator[CaptureFilter]:
        for settings in self._settings():
            for each in settings.sources:
                if isinstance(each, (Sniffer, CaptureFile)):
                    yield each.filter

    def _door_log(self) -> Files:
        """What the kernel says of the doors that it follows."""
        firewall = (self._book.coming or self._book.now).settings.firewall
        if not firewall.doors:
            raise ForbiddenError("the kernel follows no doors")
        return [door_log.joined(group(firewall)).detach()]

    def _metrics(self) -> Files:
        settings = (self._book.coming or self._book.now).settings
        if settings.metrics is None:
            raise ForbiddenError("metrics are not served")
        return [scrapes.bound(settings.metrics, settings.control.group).detach()]

    def admit_to_metrics(self, settings: Settings) -> None:
        """Raises HostError: the group could not be let at their socket."""
        path = _place_of_metrics(settings)
        if path is None or not path.exists():
            return
        try:
            scrapes.give(path, settings.control.group)
        except OSError as error:
            raise HostError(f"cannot give {path} to the group: {error.strerror}") from error

    def clear_metrics(self, before: Settings, now: Settings | None) -> None:
        """Remove the socket of settings that hold no more; ``now``: those that do."""
        path = _place_of_metrics(before)
        if path is not None and (now is None or _place_of_metrics(now) != path):
            path.unlink(missing_ok=True)

    def _books(self) -> list[Rules]:
        """Those of now, and those that were read last."""
        return [each for each in (self._book.now, self._book.coming) if each is not None]

    def _settings(self) -> list[Settings]:
        return [each.settings for each in self._books()]

    def _open(self, order: OpenWay) -> Files:
        match order.way:
            case Way.LOG:
                return [lines.connected().detach()]
            case Way.METRICS:
                return self._metrics()
            case Way.DOORS:
                return self._door_log()
            case Way.DIGESTS:
                return _if_there(_readable, self._book.now.settings.digest_file)
            case _:
                return self._open_source(order)

    def _open_source(self, order: OpenWay) -> Files:
        wanted = [each for settings in self._settings() for each in settings.sources]
        files = {str(each.path): each.path for each in wanted if isinstance(each, CaptureFile)}
        if order.way is Way.UDP and UdpPort(order.port) in wanted:
            return [_bound(self._openers.udp, order)]
        if order.way is Way.TCP and TcpPort(order.port) in wanted:
            return [_bound(self._openers.tcp, order)]
        listens = any(each.policy.doors for each in self._books())
        listens = listens or any(isinstance(each, (Sniffer, KnockSniffer)) for each in wanted)
        if order.way is Way.PACKETS and listens:
            return [self._openers.packets(bool(order.family)).detach()]
        if order.way is Way.CAPTURE and order.path in files:
            return _if_there(self._openers.capture, files[order.path])
        if order.way is Way.GROUP and KnockGroup(order.port) in wanted:
            return [self._openers.group(order.port).detach()]
        if order.way in (Way.KERNEL_LOG, Way.KERNEL_PIPE):
            return self._open_log(order, [each for each in wanted if isinstance(each, KnockLog)])
        raise ForbiddenError(f"no {order.way} {order.path or order.port} is configured")

    def _open_log(self, order: OpenWay, logs: Sequence[KnockLog]) -> Files:
        pipe = order.way is Way.KERNEL_PIPE
        for each in logs:
            if str(each.path) == order.path and each.pipe is pipe:
                return _if_there(lambda path: self._openers.log(path, pipe), each.path)
        raise ForbiddenError(f"no {order.way} {order.path} is configured")


def _whose(wanted: Wanted) -> tuple[Address, Address]:
    """Of whom a grant is, as far as that does not change with a reload."""
    return wanted.opening.hole.who, wanted.source


def _of_doors(what: Plain, firewall: FirewallBackend) -> Any:
    """Of those that the kernel follows. To rest only shuts: no policy is asked."""
    if not isinstance(firewall, FollowsKnocks):
        return ()
    return firewall.knocked() if what is Plain.KNOCKED else firewall.rest()


def _place_of_metrics(settings: Settings) -> Path | None:
    return settings.metrics.path if isinstance(settings.metrics, UnixSocket) else None


def _readable(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _if_there(opened: Callable[[Path], int], path: Path) -> Files:
    try:
        return [opened(path)]
    except FileNotFoundError:
        return []


def _bound(make: Callable[[int, int], socket.socket], order: OpenWay) -> int:
    family = socket.AF_INET6 if order.family == 6 else socket.AF_INET
    return make(family, order.port).detach()


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
