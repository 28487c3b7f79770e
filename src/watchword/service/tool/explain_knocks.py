"""What watchword explain says of knocks: which of them are right, and at which doors.

In here: playing knocks to the doors of the configuration, and telling what each did.
Not in here: which knocks count (recognise.doors), packets (explain_answers).

Nothing is opened and no sequence is used up. Whoever can read the doors' file can see all of this
there; it is for who wonders why a knock leads nowhere.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from watchword.dialects.fwknop.explain_doors import leads_to
from watchword.dialects.knockd.sequences import SequenceError, sequence
from watchword.edges.clock import SystemClock
from watchword.errors import OperatorError
from watchword.grant import warrants
from watchword.model.doors import TCP, Door, Flag, Knock, Step
from watchword.recognise.doors import DoorRecogniser
from watchword.service.tool.explain_questions import moment

if TYPE_CHECKING:
    from watchword.dialects.fwknop.translate import Configuration
    from watchword.model.addresses import Address
    from watchword.model.policy import Policy
    from watchword.model.services import Service

GRANTED, REFUSED = 0, 1
_APART: Final = 0.1  # seconds between two knocks
_SOMEBODY: Final = "192.0.2.1"


class _Told(NamedTuple):
    knock: Service
    steps: list[dict[str, object]]


def answer(arguments: argparse.Namespace, configuration: Configuration) -> int:
    """Print what the knocks do. Raises OperatorError: they, or the doors, cannot be read."""
    policy = configuration.policy
    if not policy.doors:
        raise OperatorError(
            "there are no doors in this configuration", hint="name their file with KNOCKD_CONF"
        )
    try:
        knocks, _ = sequence(arguments.knocks)
    except SequenceError as error:
        raise OperatorError(str(error), hint=error.hint) from None
    source = _address(arguments.source or _SOMEBODY)
    told, opened = _played(arguments, policy, knocks, source)
    barred = warrants.against_caller(policy, source)
    opens = [] if barred else opened
    if arguments.json:
        leads = [{"door": each.name, "leads_to": leads_to(each)} for each in opens]
        rows = [{"knock": str(each.knock), "doors": each.steps} for each in told]
        print(json.dumps({"knocks": rows, "opened": leads, "barred": barred or None}))
    else:
        print("\n".join(_in_words(told, opens, barred)))
    return GRANTED if opens else REFUSED


def _played(
    arguments: argparse.Namespace, policy: Policy, knocks: Sequence[Service], source: Address
) -> tuple[list[_Told], list[Door]]:
    to = _destination(arguments, policy, source)
    wall = SystemClock().now().wall if arguments.time is None else moment(arguments.time)
    followers = []
    for kernel in (False, True):  # each knows its own doors only
        doors = [each for each in policy.doors if each.kernel is kernel]
        followers.append(DoorRecogniser(doors, [to.packed]))
        followers[-1].turn(wall)
    told, opened = [], []
    for number, each in enumerate(knocks):
        protocol = each.proto.number
        flags = int(Flag.SYN) if protocol == TCP else 0
        knock = Knock(source.packed, to.packed, protocol, each.port, flags)
        progress = [p for one in followers for p in one.observe(knock, number * _APART)]
        steps: list[dict[str, object]] = [
            {
                "door": one.door.name,
                "step": "right" if one.step is Step.ADVANCED else one.step.value,
                "stage": one.stage,
                "of": one.length,
            }
            for one in progress
        ]
        told.append(_Told(each, steps))
        opened += [one.door for one in progress if one.opened]
    return told, opened


def _destination(arguments: argparse.Namespace, policy: Policy, source: Address) -> Address:
    """Where they are sent: to this host, unless somebody or every door says otherwise."""
    if arguments.destination:
        return _address(arguments.destination)
    targets = {each.target for each in policy.doors}
    only = next(iter(targets))
    if len(targets) == 1 and only is not None:
        return only
    return ip_address("127.0.0.1" if source.version == 4 else "::1")


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise OperatorError(f"{text!r} is no address", hint="write one like 192.0.2.7") from None


def _in_words(told: Sequence[_Told], opened: Sequence[Door], barred: str) -> Iterator[str]:
    for each in told:
        said = [
            f"{one['door']}: right, {one['stage']} of {one['of']}"
            if one["step"] == "right"
            else f"{one['door']}: {one['step']} after {one['stage']} right ones"
            for one in each.steps
        ]
        yield f"{each.knock}: {'; '.join(said) or 'no door minds it'}"
    for door in opened:
        yield f"door {door.name} {leads_to(door)}"
    if barred:
        yield f"nothing is opened: {barred}"
    elif not opened:
        yield "no door opens"
