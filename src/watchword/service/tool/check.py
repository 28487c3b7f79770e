"""The command watchword check: what is wrong with a configuration, and what it allows.

In here: its options, and what it prints, for people and as JSON.
Not in here: reading and judging the files (own_configuration, dialects).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from watchword.errors import Complaint, HostError, OperatorError
from watchword.service.complain import say
from watchword.service.tool import questions as tool_questions

if TYPE_CHECKING:
    from watchword.model.doors import Door
    from watchword.model.policy import Policy

PROGRAM = "watchword"
USABLE, UNUSABLE = 0, 1


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "check",
        parents=[tool_questions.options()],
        help="what is wrong with the configuration, and what it amounts to",
        description="Read the configuration as fwknopd would, list everything that is wrong "
        "with it, try its policy tests, and say in words what it allows. Exit status 0: it can "
        "be used; 1: it cannot.",
    )
    parser.add_argument(
        "--knockd", metavar="FILE", help="look at the doors of a knockd.conf, and only at these"
    )
    parser.set_defaults(answer=_check)


def _check(arguments: argparse.Namespace) -> int:
    if arguments.knockd:
        return _doors(arguments)
    from watchword.dialects.fwknop import explain_words
    from watchword.dialects.knockd.weakness import weaknesses
    from watchword.service import policy_trial
    from watchword.service.daemon import absent, assembly, leading, own_configuration
    from watchword.service.daemon.sources import doubts

    try:
        configuration = tool_questions.configuration(arguments)
    except OperatorError as error:
        return _unusable(error.complaints, as_json=arguments.json)
    policy, tests = configuration.policy, configuration.tests
    failed = tuple(policy_trial.failures(policy, tests, own_configuration.fits))
    doubtful = (*doubts(configuration.settings), *leading.doubts(policy), *absent.doubts(policy))
    doubtful = (*doubtful, *_expired(policy))
    lacking: Sequence[Complaint] = ()
    try:
        assembly.check_needs(configuration.settings, policy)
    except OperatorError as error:
        lacking = error.complaints
    said = (*configuration.complaints, *doubtful, *failed, *weaknesses(policy.doors), *lacking)
    usable = not any(each.fatal for each in said)
    shown, doubt = _blocked(configuration.settings.state_dir, policy)
    said = (*said, *doubt)
    words = list(explain_words.policy_in_words(configuration.settings, shown))
    if arguments.json:
        found = tool_questions.complaints(said)
        counts = {"tests": len(tests), "failed_tests": len(failed)}
        print(json.dumps({"usable": usable, "complaints": found, "policy": words} | counts))
        return USABLE if usable else UNUSABLE
    say(PROGRAM, said)
    print("\n".join(words))
    if tests:
        print(f"{len(tests) - len(failed)} of {len(tests)} policy tests pass")
    print(f"the configuration {'can' if usable else 'cannot'} be used")
    return USABLE if usable else UNUSABLE


def _expired(policy: Policy) -> list[Complaint]:
    """Stanzas whose time is over: nothing is wrong with them, and they let nobody in."""
    from watchword.edges.clock import SystemClock

    now = SystemClock().now().wall
    return [
        Complaint(
            f"access stanza #{terms.number} has expired: it lets nobody in",
            terms.place,
            "set another date in ACCESS_EXPIRE (or ACCESS_EXPIRE_EPOCH), or remove the stanza",
            fatal=False,
        )
        for terms in policy.stanzas
        if terms.expires is not None and terms.expires < now
    ]


def _unusable(complaints: Sequence[Complaint], *, as_json: bool) -> int:
    """Of files that cannot be read there is nothing else to be said."""
    if as_json:
        found = tool_questions.complaints(complaints)
        print(json.dumps({"usable": False, "complaints": found}))
    else:
        say(PROGRAM, complaints)
        print("the configuration cannot be used")
    return UNUSABLE


def _doors(arguments: argparse.Namespace) -> int:
    """What is wrong with a knockd.conf, and what is weak about its doors."""
    from watchword.dialects.knockd.weakness import weaknesses
    from watchword.service.knock.loading import load

    doors: Sequence[Door] = ()
    try:
        found = load(arguments.knockd)
    except OperatorError as error:
        said: tuple[Complaint, ...] = error.complaints
    else:
        doors = found.doors
        said = (*found.complaints, *weaknesses(doors))
    usable = not any(each.fatal for each in said)
    if arguments.json:
        told = tool_questions.complaints(said)
        print(json.dumps({"usable": usable, "complaints": told, "doors": len(doors)}))
    else:
        say(PROGRAM, said)
        print(f"{len(doors)} doors; the configuration {'can' if usable else 'cannot'} be used")
    return USABLE if usable else UNUSABLE


def _blocked(state_dir: Path, policy: Policy) -> tuple[Policy, Sequence[Complaint]]:
    """The policy with the keys that are blocked, as far as one may know."""
    from watchword.service.daemon.blocks import Blocks

    try:
        return Blocks.noted(state_dir).applied(policy), ()
    except HostError as error:
        return policy, (Complaint(str(error), hint=error.hint, fatal=False),)
