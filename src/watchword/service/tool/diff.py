"""The command watchword diff: what a packet would change in the ruleset, changing nothing.

In here: its options; the change, made in a copy of the ruleset, and what differs then.
Not in here: judging the packet (explain), the copy (edges.firewall.replica), the backends.

The copy is changed by the same code that changes the ruleset itself. Where the daemon has not
attached itself yet, what it makes at its start is part of the difference.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from watchword.errors import OperatorError
from watchword.service.tool import questions as tool_questions

if TYPE_CHECKING:
    from watchword.grant.ledger import Ledger
    from watchword.grant.permits import Permit
    from watchword.model.settings import Settings
    from watchword.ports import Clock
    from watchword.service.explain import Explanation

GRANTED, REFUSED = 0, 1


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "diff",
        parents=[tool_questions.options()],
        help="what a packet would change in the firewall, changing nothing",
        description="Judge a packet as fwknopd would, make the change that it would make in a copy "
        "of this host's ruleset, and print what differs. Needs root. Exit status 0: it would be "
        "granted; 1: it would be refused.",
    )
    parser.add_argument("packet", nargs="?", help="the packet's text")
    parser.add_argument("--file", metavar="FILE", help="file with one packet a line (fwknop -B); -")
    parser.add_argument("-s", "--source", metavar="ADDRESS", help="where it comes from")
    parser.add_argument("-d", "--destination", metavar="ADDRESS", help="where it is sent to")
    parser.add_argument(
        "-t", "--time", metavar="TIME", help="judge by this time: Unix seconds or 2026-01-31T12:00"
    )
    parser.set_defaults(answer=_diff, pcap=None)


def _diff(arguments: argparse.Namespace) -> int:
    import json

    from watchword.service.tool import explain, explain_answers

    if (arguments.packet is None) == (arguments.file is None):
        raise OperatorError("name one packet, or a file with --file", hint="watchword diff --help")
    configuration = tool_questions.configuration(arguments)
    told, places = explain.judged(arguments, configuration)
    permits = [_opens(each) for each in told]
    lines = _difference(configuration.settings, [each for each in permits if each is not None])
    if arguments.json:
        answers = [explain_answers.as_json(each) for each in told]
        print(json.dumps({"packets": answers, "diff": lines}, indent=2))
        return GRANTED if all(permits) else REFUSED
    for each in told:
        print("\n".join(explain_answers.in_words(each, places)))
    print("\n".join(lines) if lines else "nothing would change in the firewall")
    return GRANTED if all(permits) else REFUSED


def _opens(told: Explanation) -> Permit | None:
    """What the firewall would be changed for; None: nothing of it."""
    from watchword.grant.permits import Permit

    permit = told.permit
    return permit if isinstance(permit, Permit) and permit.cycle is None else None


def _difference(settings: Settings, permits: list[Permit]) -> list[str]:
    """Raises HostError: there can be no copy, or the firewall refuses the change there, too."""
    if not permits:
        return []
    from watchword.edges.firewall import replica
    from watchword.edges.programs import SystemPrograms

    programs, firewall = SystemPrograms(), settings.firewall
    if firewall.in_dated_rules or firewall.in_zones:
        return _unified(*_rehearsed(settings, permits))
    if firewall.backend != "nftables" and not firewall.in_iptables:
        raise OperatorError(
            f"there is no copying what the firewall backend {firewall.backend} changes",
            hint="watchword explain says what would be granted",
        )
    ruleset = replica.of_this_host(programs, firewall.exe)

    def work() -> tuple[list[str], list[str]]:
        before = replica.listed(programs, firewall.exe, by_iptables=firewall.in_iptables)
        with _changed(settings, permits):
            after = replica.listed(programs, firewall.exe, by_iptables=firewall.in_iptables)
        return before, after

    return _unified(*replica.in_a_copy(ruleset, programs, work))


def _unified(before: list[str], after: list[str]) -> list[str]:
    return list(difflib.unified_diff(before, after, "before", "after", n=3, lineterm=""))


def _rehearsed(settings: Settings, permits: list[Permit]) -> tuple[list[str], list[str]]:
    """Of rules that are each by themselves: nothing is changed to see what would be."""
    from watchword.edges.clock import SystemClock
    from watchword.edges.firewall.dated.backend import DatedFirewall
    from watchword.edges.firewall.firewalld.backend import FirewalldFirewall
    from watchword.service.daemon import assembly

    clock = SystemClock()
    backend = assembly.firewall_for(settings, clock)
    if not isinstance(backend, DatedFirewall | FirewalldFirewall):  # nothing is to be opened in it
        return [], []
    backend.probe()
    return backend.rehearsed(_ledger(permits, clock).change().add)


def _ledger(permits: list[Permit], clock: Clock) -> Ledger:
    from watchword.grant.ledger import Ledger

    ledger = Ledger()
    for permit in permits:
        ledger.admit(permit, clock.now())
    return ledger


@contextlib.contextmanager
def _changed(settings: Settings, permits: list[Permit]) -> Iterator[None]:
    """The firewall of this thread's namespace has what the permits come to, for a while."""
    from watchword.edges.clock import SystemClock
    from watchword.service.daemon import assembly

    clock = SystemClock()
    backend = assembly.firewall_for(settings, clock)
    ledger = _ledger(permits, clock)
    backend.probe()
    backend.prepare()
    try:
        backend.apply(ledger.change())
        yield
    finally:
        backend.teardown()
        if (close := getattr(backend, "close", None)) is not None:
            close()
