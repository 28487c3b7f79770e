"""Sends a mail by the program that this host sends its mail with, or to a server.

In here: how sendmail and mail are called, the message that sendmail wants, and SMTP.
Not in here: which of them (dialects.fwknop.translate_alerts), what is told (voice_mail).

Neither is run through a shell. Recipients have been checked; the subject is one line, and goes
to sendmail inside a message whose headers the standard library wrote. SMTP is spoken by an
interpreter of its own: so it is ended when its time is up, whatever the server does.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from watchword.errors import HostError
from watchword.model.settings import MailSettings
from watchword.ports import Completed, ProgramRunner

PATIENCE: Final = 30.0  # seconds
_BY_SMTP: Final = """
import ipaddress, smtplib, ssl, sys
host, port, sender, *to = sys.argv[1:]
def far(host):
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
with smtplib.SMTP(host, int(port), timeout=20) as server:
    server.ehlo()
    if far(host) and server.has_extn("starttls"):
        server.starttls(context=ssl.create_default_context())
        server.ehlo()
    server.sendmail(sender, to, sys.stdin.buffer.read())
"""


def send(settings: MailSettings, subject: str, programs: ProgramRunner) -> None:
    """Send one mail that is its subject. Blocks.

    Raises HostError: the program did not take it.
    """
    if settings.server is not None:
        argv = _speaking_smtp(settings, *settings.server)
        ended = programs.run(argv, stdin=_message(settings, subject), seconds=PATIENCE)
    elif settings.takes_message:
        argv = [settings.program, "-oi", *settings.addresses]
        ended = programs.run(argv, stdin=_message(settings, subject), seconds=PATIENCE)
    else:
        argv = [settings.program, "-s", subject, *settings.addresses]
        ended = programs.run(argv, seconds=PATIENCE)
    if ended.status != 0:
        raise HostError(
            _refusal(settings, ended),
            hint="try it by hand; whom alerts go to stands in fwknopd.conf",
        )


def _speaking_smtp(settings: MailSettings, host: str, port: int) -> list[str]:
    sender = f"fwknopd@{settings.host or own_name()}"
    return [
        sys.executable,
        "-I",
        "-S",
        "-c",
        _BY_SMTP,
        host,
        str(port),
        sender,
        *settings.addresses,
    ]


def _refusal(settings: MailSettings, ended: Completed) -> str:
    if settings.server is None:
        return f"{settings.program} took no mail: it ended with status {ended.status}"
    said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    host, port = settings.server
    return f"{host} port {port} took no mail: {said[-1][:200] if said else 'nobody knows why'}"


def own_name() -> str:
    """What this host calls itself."""
    return os.uname().nodename


def _message(settings: MailSettings, subject: str) -> bytes:
    from email.message import EmailMessage  # noqa: PLC0415  (loads slowly, and few send mails)
    from email.policy import SMTP  # noqa: PLC0415

    message = EmailMessage(policy=SMTP.clone(linesep="\n"))
    message["To"] = ", ".join(settings.addresses)
    message["Subject"] = subject
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
    return message.as_bytes() + b"\n"
