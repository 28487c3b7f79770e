"""Reads which named actions the callers of a stanza may ask for.

In here: ACTIONS. Not in here: what the actions are (actions_conf).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.suggest import nearest
from watchword.model.actions import Action


def listed_actions(
    stanza: Stanza, known: Mapping[str, Action], complaints: Complaints
) -> tuple[Action, ...]:
    """The actions that ACTIONS lists, in its order."""
    line = stanza.given.get("ACTIONS")
    if line is None:
        return ()
    names = dict.fromkeys(filter(None, re.split(r"[\s,]+", line.value)))
    for name in names:
        if name not in known:
            meant = nearest(name, sorted(known))
            complaints.refuse(
                f"ACTIONS has '{shown(name)}', and there is no such action",
                line.place,
                f"did you mean {meant}?"
                if meant
                else "declare it in the file that ACTIONS_FILE of fwknopd.conf names",
            )
    return tuple(known[name] for name in names if name in known)
