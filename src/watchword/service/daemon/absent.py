"""Programs that stanzas have open or close, and that this machine does not have.

In here: looking for them, as those do who start them.
Not in here: named actions (dialects.fwknop.actions_conf), starting programs (edges.programs).
"""

from __future__ import annotations

from collections.abc import Callable

from watchword.errors import Complaint
from watchword.model.policy import Policy
from watchword.model.templates import Blank, Template
from watchword.service.daemon.own_files import is_program


def doubts(policy: Policy, is_there: Callable[[str], bool] = is_program) -> list[Complaint]:
    """Worth saying, and no more: they may be installed before anybody knocks."""
    found = []
    for terms in policy.stanzas:
        if terms.cycle is None or terms.cycle.shell:
            continue
        cycle = terms.cycle
        for what, template in (("open", cycle.opening), ("close", cycle.closing)):
            program = _program(template)
            if program and not is_there(program):
                found.append(
                    Complaint(
                        f"there is no program {program}, which is to {what} for access stanza "
                        f"#{terms.number}",
                        terms.place,
                        "install it, or correct the path; until then nobody gets in, or out",
                        fatal=False,
                    )
                )
    return found


def _program(template: Template | None) -> str:
    """Empty: there is none, or it is for the caller's request to say."""
    first = template.words[0] if template is not None and template.words else ()
    return "" if any(isinstance(each, Blank) for each in first) else "".join(first)
