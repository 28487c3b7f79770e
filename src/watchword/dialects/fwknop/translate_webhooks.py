"""Where alerts are posted to, besides mail and log: variables of Watchword's own.

In here: WEBHOOK_URL, WEBHOOK_EVENTS, WEBHOOK_KEY_FILE, WEBHOOK_CA_FILE, WEBHOOK_TIMEOUT.
Not in here: which events are alerts (voice_mail), the body (voice_webhook), sending
(edges.webhook).

The path of a URL is often a password. It is shown nowhere, also not by ``--dump-config``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown, shown_file
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.translate_alerts import host_name
from watchword.errors import HostError, OperatorError
from watchword.model.crypto import Secret
from watchword.model.settings import Webhook, WebhookKind, WebhookSettings

URL: Final = "WEBHOOK_URL"
_MOST: Final = 5  # places
_LONGEST: Final = 2000  # characters of a URL
_SHORTEST_KEY: Final = 16  # bytes
_PATH: Final = re.compile(r"[\x21-\x7e]+")  # what HTTP takes between two blanks
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?")
_REMEDY: Final = "write https://host/path, up to five of them, separated by commas or blanks"
_CHOOSABLE: Final = tuple(each for each in WebhookKind if each is not WebhookKind.MORE)


def webhooks(
    values: Values, complaints: Complaints, read: Callable[[str], str]
) -> WebhookSettings | None:
    """Where alerts are posted; None: nowhere, or it has been complained about.

    ``read`` gives the text of the key's file. Raises OperatorError or HostError.
    """
    text = values.text(URL)
    if not text or text.upper() == "NONE":
        return None
    places = []
    for url in dict.fromkeys(filter(None, re.split(r"[\s,]+", text))):
        try:
            places.append(place_of(url))
        except ValueError as error:
            complaints.refuse(f"{URL} has what is no place: {error}", values.place(URL), _REMEDY)
            return None
    if not 1 <= len(places) <= _MOST:
        complaints.refuse(f"{URL} has {len(places)} places", values.place(URL), _REMEDY)
        return None
    for place in places:
        if not place.tls and not _is_here(place.host):
            complaints.remark(
                f"{URL}: what is posted to {place} can be read, and changed, on the way",
                values.place(URL),
                "write https://, or post to this host",
            )
    return WebhookSettings(
        tuple(places),
        _kinds(values, complaints),
        _key(values, complaints, read),
        float(values.number("WEBHOOK_TIMEOUT")),
        values.text("WEBHOOK_CA_FILE"),
        host_name(values, complaints),
    )


def place_of(url: str) -> Webhook:
    """Read one URL. Raises ValueError; the message has none of it."""
    found = urlsplit(url) if len(url) <= _LONGEST else None
    if found is None or found.scheme not in ("https", "http") or not found.hostname:
        raise ValueError("it does not begin with https:// or http:// and a host")
    if found.username is not None or found.password is not None:
        raise ValueError("a name and a password are not taken from it")
    if found.fragment:
        raise ValueError("what follows a # is not sent")
    host, tls = found.hostname, found.scheme == "https"
    if not _is_host(host):
        raise ValueError("its host is none")
    try:
        port = found.port or (443 if tls else 80)
    except ValueError:
        raise ValueError("its port is none") from None
    path = (found.path or "/") + (f"?{found.query}" if found.query else "")
    if not _PATH.fullmatch(path):
        raise ValueError("its path has characters that have to be written as %XX")
    return Webhook(host, port, path, tls)


def masked(text: str) -> str:
    """The value of WEBHOOK_URL without what may be a password."""
    return ", ".join(_masked(each) for each in re.split(r"[\s,]+", text) if each)


def _masked(url: str) -> str:
    try:
        return f"{place_of(url)}/..."
    except ValueError:
        return "..."


def _is_host(text: str) -> bool:
    if ":" not in text:
        return _HOST.fullmatch(text) is not None
    try:
        return ip_address(text).version == 6
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kinds(values: Values, complaints: Complaints) -> frozenset[WebhookKind]:
    text = values.text("WEBHOOK_EVENTS").lower()
    names = frozenset(filter(None, re.split(r"[\s,]+", text)))
    if names <= {"all"}:
        return frozenset(WebhookKind)
    if unknown := sorted(names - {each.value for each in _CHOOSABLE}):
        complaints.refuse(
            f"WEBHOOK_EVENTS has '{shown(unknown[0])}', which is no kind of event",
            values.place("WEBHOOK_EVENTS"),
            f"write all, or some of {', '.join(each.value for each in _CHOOSABLE)}",
        )
        return frozenset()
    return frozenset(map(WebhookKind, names)) | {WebhookKind.MORE}


def _key(values: Values, complaints: Complaints, read: Callable[[str], str]) -> Secret | None:
    file = values.text("WEBHOOK_KEY_FILE")
    if not file or file.upper() == "NONE":
        return None
    place = values.place("WEBHOOK_KEY_FILE")
    try:
        text = read(file).strip()
    except (OperatorError, HostError) as error:
        complaints.refuse(
            f"the file of WEBHOOK_KEY_FILE cannot be read: {error}",
            place,
            "create it, or remove the line: then nothing is signed",
        )
        return None
    octets = text.encode("utf-8", "surrogateescape")
    if len(octets) < _SHORTEST_KEY:
        complaints.refuse(
            f"{shown_file(file)} has less than {_SHORTEST_KEY} characters",
            place,
            f"make a key: head -c 32 /dev/urandom | base64 > {shown_file(file)}",
        )
    return Secret(octets)
