"""How the programs of the firewall are run: variables that fwknop 1.9 had for iptables.

In here: IPT_CMD_ALARM, IPT_EXEC_SLEEP, IPT_EXEC_TRIES, and what IPT_EXEC_STYLE comes to.
Not in here: keeping to it (edges.paced).

They count for whatever program the firewall is changed by: iptables-restore, ipset, nft. Grants
in nftables are changed without one. Source: fwknopd server, 12.3.
"""

from __future__ import annotations

from typing import Final

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.firewalls import ProgramPace

STYLE: Final = "IPT_EXEC_STYLE"
_STYLES: Final = ("waitpid", "system", "popen")


def pace(values: Values, complaints: Complaints) -> ProgramPace:
    """What the variables say; nothing in particular where they are not given."""
    _remark_style(values, complaints)
    given = "IPT_CMD_ALARM" in values.given
    return ProgramPace(
        float(values.number("IPT_CMD_ALARM")) if given else None,
        float(values.number("IPT_EXEC_SLEEP")),
        max(1, values.number("IPT_EXEC_TRIES")),
    )


def _remark_style(values: Values, complaints: Complaints) -> None:
    """All styles come to one: no shell, and waited for within a limit."""
    text = values.text(STYLE)
    if STYLE not in values.given or text == "waitpid":
        return
    if text in _STYLES:
        complaints.remark(
            f"{STYLE} {text} comes to the same as waitpid: programs are run without a shell and "
            "waited for",
            values.place(STYLE),
        )
    else:
        complaints.remark(
            f"{STYLE} is '{shown(text)}', which fwknop 1.9 did not know: taken as waitpid",
            values.place(STYLE),
            f"write {', '.join(_STYLES)}, which are all the same here, or remove the line",
        )
