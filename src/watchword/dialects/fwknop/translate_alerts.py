"""Who is told of alerts, and how: variables that fwknop 1.9 had.

In here: ALERTING_METHODS, EMAIL_ADDRESSES, HOSTNAME, sendmailCmd, mailCmd; SMTP_SERVER is ours.
Not in here: which events are alerts (voice_mail), sending (edges.mail).

Differences: without EMAIL_ADDRESSES no mail is sent (1.9: to root@localhost).
Source: fwknopd server, 12.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.settings import MailSettings

_METHODS: Final = ("ALL", "NOSYSLOG", "NOEMAIL", "VERBOSE")
_ADDRESS = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9._%+=-]{0,63}(@[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]{0,252})?"
)
_MOST: Final = 20  # recipients
_SMTP: Final = 25  # the port of a server that names none
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]{0,252})(?::([0-9]{1,5}))?")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_UNSET: Final = ("", "_CHANGEME_", "__CHANGEME__", "NONE")


def methods(values: Values) -> frozenset[str]:
    """What ALERTING_METHODS says, in capitals."""
    return frozenset(re.split(r"[\s,]+", values.text("ALERTING_METHODS").upper())) - {""}


def mail(
    values: Values, complaints: Complaints, is_program: Callable[[str], bool]
) -> MailSettings | None:
    """Whom alerts are mailed to; None: nobody."""
    _verify_methods(values, complaints)
    text = values.text("EMAIL_ADDRESSES")
    if text.upper() in _UNSET or "NOEMAIL" in methods(values):
        return None
    place = values.place("EMAIL_ADDRESSES")
    addresses = tuple(dict.fromkeys(filter(None, re.split(r"[\s,]+", text))))
    wrong = [each for each in addresses if not _ADDRESS.fullmatch(each)]
    if wrong or not 1 <= len(addresses) <= _MOST:
        what = f"has '{shown(wrong[0])}', which is no address" if wrong else "has too many"
        complaints.refuse(
            f"EMAIL_ADDRESSES {what}",
            place,
            f"write up to {_MOST} addresses, separated by commas or blanks",
        )
        return None
    if (server := _server(values, complaints)) is not None:
        return MailSettings(
            addresses, "", takes_message=True, host=host_name(values, complaints), server=server
        )
    for name, takes_message in (("sendmailCmd", True), ("mailCmd", False)):
        program = values.text(name)
        if program.startswith("/") and is_program(program):
            return MailSettings(addresses, program, takes_message, host_name(values, complaints))
    complaints.remark(
        "EMAIL_ADDRESSES is set, and there is neither sendmail nor mail: no mail is sent",
        place,
        "install one, name it in sendmailCmd or mailCmd, or write ALERTING_METHODS noemail",
    )
    return None


def _server(values: Values, complaints: Complaints) -> tuple[str, int] | None:
    """Who takes mails by SMTP, in place of a program: a host, or ``host:port``, or ``[::1]:25``."""
    text = values.text("SMTP_SERVER")
    if text.upper() in _UNSET:
        return None
    found = _PLACE.fullmatch(text)
    port = int(found[2] or _SMTP) if found else 0
    if found is None or not 1 <= port <= 65535:
        complaints.refuse(
            f"SMTP_SERVER is '{shown(text)}', which is no host with a port",
            values.place("SMTP_SERVER"),
            "write a host, or host:port; without it sendmail or mail sends the mails",
        )
        return None
    return found[1].strip("[]"), port


def _verify_methods(values: Values, complaints: Complaints) -> None:
    place = values.place("ALERTING_METHODS")
    if unknown := sorted(methods(values) - set(_METHODS)):
        complaints.remark(
            f"ALERTING_METHODS has '{shown(unknown[0])}', which is not known",
            place,
            "write ALL, or some of noemail, nosyslog, verbose",
        )
    if "NOSYSLOG" in methods(values):
        complaints.remark("ALERTING_METHODS nosyslog: nothing is told to the system's log", place)


def host_name(values: Values, complaints: Complaints) -> str:
    """What HOSTNAME calls this host; empty: it is called what it calls itself."""
    text = values.text("HOSTNAME")
    if text in _UNSET:
        return ""
    if not _HOST.fullmatch(text):
        complaints.remark(
            f"HOSTNAME '{shown(text)}' is no name, and this host's own is used",
            values.place("HOSTNAME"),
        )
        return ""
    return text
