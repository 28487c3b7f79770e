"""How the log is kept and worded, as fwknopd.conf says it.

In here: SYSLOG_*, VERBOSE, LOCALE, LOG_STYLE, and what lines about grants call their place.
Not in here: the lines themselves (voice), who is mailed (translate_alerts).

LOG_STYLE is Watchword's own. Source: fwknopd server, sections 6 and 11.
"""

from __future__ import annotations

from typing import Final

from watchword.dialects.fwknop import translate_alerts
from watchword.dialects.fwknop.fwknopd_conf import Values, leading_number
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.translate_chains import use
from watchword.model.settings import LogChains, LogSettings, LogStyle

STYLE: Final = "LOG_STYLE"


def log(values: Values, more: int, complaints: Complaints) -> LogSettings:
    """What fwknopd.conf says of the log. ``more``: how often the command line says -v."""
    alerting = translate_alerts.methods(values)
    return LogSettings(
        identity=values.text("SYSLOG_IDENTITY"),
        facility=values.text("SYSLOG_FACILITY"),
        verbosity=leading_number(values.text("VERBOSE")) + more + ("VERBOSE" in alerting),
        chains=_chains(values),
        style=_style(values, complaints),
        syslog="NOSYSLOG" not in alerting,
    )


def locale(values: Values) -> str:
    """The locale of the process; empty: none is asked for."""
    name = values.text("LOCALE")
    return "" if name.upper() == "NONE" else name


def _chains(values: Values) -> LogChains:
    """The operator's names for where grants go: log filters look for them."""
    return LogChains(
        input=use(values, "INPUT").chain,
        output=use(values, "OUTPUT").chain if values.flag("ENABLE_IPT_OUTPUT") else "",
        forward=use(values, "FORWARD").chain,
        dnat=use(values, "DNAT").chain,
        snat=use(values, "SNAT").chain,
        masquerade=use(values, "MASQUERADE").chain,
    )


def _style(values: Values, complaints: Complaints) -> LogStyle:
    written = values.text(STYLE)
    if written in list(LogStyle):
        return LogStyle(written)
    complaints.refuse(
        f"{STYLE} is '{shown(written)}', which is no style of log lines",
        values.place(STYLE),
        f"write {' or '.join(LogStyle)}",
    )
    return LogStyle.LATEST
