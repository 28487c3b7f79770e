"""Sends a mail by the program that this host sends its mail with.

In here: how sendmail and mail are called, and the message that sendmail wants.
Not in here: which of them (dialects.fwknop.translate_alerts), what is told (voice_mail).

Neither is run through a shell. Recipients have been checked; the subject is one line, and goes
to sendmail inside a message whose headers the standard library wrote.
"""

from __future__ import annotations

import os
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from watchword.errors import HostError
from watchword.model.settings import MailSettings
from watchword.ports import ProgramRunner

PATIENCE: Final = 30.0  # seconds


def send(settings: MailSettings, subject: str, programs: ProgramRunner) -> None:
    """Send one mail that is its subject. Blocks.

    Raises HostError: the program did not take it.
    """
    if settings.takes_message:
        argv = [settings.program, "-oi", *settings.addresses]
        ended = programs.run(argv, stdin=_message(settings, subject), seconds=PATIENCE)
    else:
        argv = [settings.program, "-s", subject, *settings.addresses]
        ended = programs.run(argv, seconds=PATIENCE)
    if ended.status != 0:
        raise HostError(
            f"{settings.program} took no mail: it ended with status {ended.status}",
            hint="try it by hand; whom alerts go to stands in fwknopd.conf",
        )


def own_name() -> str:
    """What this host calls itself."""
    return os.uname().nodename


def _message(settings: MailSettings, subject: str) -> bytes:
    message = EmailMessage(policy=SMTP.clone(linesep="\n"))
    message["To"] = ", ".join(settings.addresses)
    message["Subject"] = subject
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
    return message.as_bytes() + b"\n"
