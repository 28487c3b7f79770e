"""A stanza of the rc file as one line of text, to be carried to another device.

In here: our own form, a URI, and which variables travel in it.
Not in here: the form of the Android client (stanza_android), pictures (edges), what a
value may be (rcfile_read).

    watchword:v1?stanza=NAME&spa-server=HOST&access=tcp/22&key-base64=...

A field is a variable of the rc file in lower case, with dashes. What is not in
CARRIED is refused when it is read: paths, proxies and names of programs belong to
one machine, and a picture that somebody else drew must not name a program to run.
No message quotes a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, unquote

from watchword.dialects.fwknop import client_keys, rcfile, rcfile_write
from watchword.dialects.fwknop.client_settings import AllowKind, Given, KeyForm
from watchword.dialects.fwknop.client_verify import uses_gpg
from watchword.dialects.fwknop.rcfile_read import VARIABLES
from watchword.errors import Complaint, OperatorError
from watchword.model.crypto import CipherMode
from watchword.model.undisclosed import Undisclosed
from watchword.record import record

SCHEME: Final = "watchword:"
LONGEST: Final = 2048
"""Characters; what fits into one QR code, with room to spare."""
CARRIED: Final = (
    "SPA_SERVER", "SPA_SERVER_PORT", "SPA_SERVER_PROTO", "VIA", "SERVER_RESOLVE_IPV4",
    "ALL_ADDRESSES", "RAND_PORT", "ICMP_TYPE", "ICMP_CODE", "ACCESS", "ALLOW_IP", "FW_TIMEOUT",
    "NAT_ACCESS", "NAT_LOCAL", "NAT_PORT", "NAT_RAND_PORT", "SPOOF_USER", "RESOLVE_URL",
    "RESOLVERS", "RESOLVE_AGREE", "RESOLVE_HTTP_ONLY", "HTTP_USER_AGENT", "USE_WGET_USER_AGENT",
    "DIGEST_TYPE", "ENCRYPTION_MODE", "KEY_BASE64", "USE_HMAC", "HMAC_KEY_BASE64",
    "HMAC_DIGEST_TYPE", "USE_GPG", "USE_GPG_AGENT", "GPG_RECIPIENT", "GPG_SIGNER",
    "GPG_NO_SIGNING_PW", "BIND_SOURCE_PORT", "ASK_PREFIX", "ALSO_ALLOW", "PROVE", "SECRET_PORTS",
)  # fmt: skip
"""What travels, in the order in which it is written."""
STAYS: Final = frozenset(
    {
        "SPA_SOURCE_PORT", "SPOOF_SOURCE_IP", "TIME_OFFSET", "VERBOSE", "NO_SAVE_ARGS", "WGET_CMD",
        "GPG_EXE", "GPG_HOMEDIR", "CA_FILE", "HTTP_PROXY", "SOCKS_PROXY",
    }
)  # fmt: skip
"""What belongs to one machine."""
OTHER_WORDS: Final = frozenset(
    {
        "KEY", "KEY_FILE", "HMAC_KEY", "HMAC_KEY_FILE", "GPG_SIGNING_PW", "GPG_SIGNING_PW_BASE64",
        "CLIENT_TIMEOUT", "RESOLVE_IP_HTTP", "RESOLVE_IP_HTTPS",
    }
)  # fmt: skip
"""What is said by another variable of CARRIED when it travels."""

_STANZA: Final = "stanza"
_SAFE: Final = "/:,@"
_START: Final = re.compile(r"(?i:watchword):v([0-9]{1,4})\?")
_FIELD: Final = re.compile(r"([a-z0-9-]{1,40})=((?:[!-$'-~]|%[0-9A-Fa-f]{2})*)")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Carried(Undisclosed):
    """A stanza that came from elsewhere. It may hold keys and is not shown."""

    __slots__ = ("given", "name")

    def __init__(self, name: str, given: Given) -> None:
        self.name = name
        """Empty: it has none."""
        self.given = given


@record
class _Pair:
    name: str
    text: str


def write(name: str, given: Given) -> str:
    """A stanza as a URI.

    Args:
        given: With its keys in base64 (``client_keys``), if they are to travel.

    Raises OperatorError for what is too long, or could not be read back.
    """
    said = fields(given)
    pairs = [(_STANZA, name), *((_outer(each), said[each]) for each in said)]
    text = f"{SCHEME}v1?" + "&".join(f"{key}={quote(value, safe=_SAFE)}" for key, value in pairs)
    if len(text) > LONGEST:
        raise OperatorError(
            f"stanza {name!r} is too long for a URI: {len(text)} characters, and {LONGEST} go in",
            hint="take out what another device has no use for",
        )
    return text


def fields(given: Given) -> dict[str, str]:
    """The variables that travel, with their values, in order. Raises OperatorError."""
    said = rcfile_write.variables(given)
    if given.allow is not None and given.allow.kind is AllowKind.RESOLVE:
        said["ALLOW_IP"] = "resolve"
    return {each: said[each] for each in CARRIED if each in said}


def left_behind(given: Given) -> list[str]:
    """Names of variables that do not travel because they belong to this machine."""
    return [each for each in rcfile_write.variables(given) if each in STAYS]


def read(text: str) -> Carried:
    """The stanza in a URI. Raises OperatorError with everything that is wrong with it."""
    body = _body(text)
    said: dict[str, str] = {}
    complaints: list[Complaint] = []
    for part in body.split("&"):
        pair = _pair(part, complaints)
        if pair is None:
            continue
        if pair.name in said:
            complaints.append(Complaint(f"the URI has {pair.name} twice"))
        said[pair.name] = pair.text
    name = said.pop(_STANZA, "")
    if name and not rcfile.is_section_name(name):
        complaints.append(
            Complaint(
                "no stanza can have the name that the URI gives it",
                hint="whoever made it has to choose another",
            )
        )
    given = _given(said, complaints)
    if complaints:
        raise OperatorError.of(complaints)
    check_keys(given)
    return Carried(name, given)


def check_keys(given: Given) -> None:
    """Raises OperatorError for keys that no packet could be sealed with."""
    key = b""
    if given.key is not None and given.key.form is not KeyForm.FILE:
        key = client_keys.octets(given.key)
        if not uses_gpg(given):
            client_keys.check_key(key, given.mode or CipherMode.CBC)
    if given.mac_key is not None and given.mac_key.form is not KeyForm.FILE:
        client_keys.check_mac_key(client_keys.octets(given.mac_key), key)


def _body(text: str) -> str:
    if len(text) > LONGEST:
        raise OperatorError(
            f"this is longer than the {LONGEST} characters that a URI can have",
            hint="take what watchword export --uri printed, and nothing else",
        )
    start = _START.match(text)
    if start is None:
        raise OperatorError(
            "this is no watchword URI", hint="it begins with watchword:v1? and is one line"
        )
    if start[1] != "1":
        raise OperatorError(
            f"the URI is of version {start[1]}, and this program knows version 1",
            hint="use a newer Watchword, or have the URI made by this one",
        )
    return text[start.end() :]


def _pair(part: str, complaints: list[Complaint]) -> _Pair | None:
    found = _FIELD.fullmatch(part)
    if found is None or _BAD_ESCAPE.search(found[2]):
        complaints.append(Complaint("a part of the URI is not of the form name=value"))
        return None
    name = found[1]
    if name != _STANZA and _inner(name) not in CARRIED:
        complaints.append(
            Complaint(
                f"the URI has {name}, which this program does not take from elsewhere",
                hint="only set what you know: leave it out, or use a newer Watchword",
            )
        )
        return None
    try:
        return _Pair(name, unquote(found[2], errors="strict"))
    except UnicodeDecodeError:
        complaints.append(Complaint(f"the value of {name} is not UTF-8"))
        return None


def _given(said: Mapping[str, str], complaints: list[Complaint]) -> Given:
    given: dict[str, object] = {}
    for name, text in said.items():
        if not rcfile.is_value(text):
            complaints.append(Complaint(f"the value of {name} cannot stand in an rc file"))
            continue
        try:
            VARIABLES[_inner(name)](given, text)
        except ValueError:
            complaints.append(Complaint(f"the value of {name} cannot be"))
    if given.get("mac_key") is not None:
        given["use_hmac"] = True
    return Given(**given)  # type: ignore[arg-type]  # what VARIABLES fills in fits


def _outer(variable: str) -> str:
    return variable.lower().replace("_", "-")


def _inner(name: str) -> str:
    return name.upper().replace("-", "_")


def shown(given: Given) -> Iterator[str]:
    """A line for each variable, as it would be shown to its owner: keys are not."""
    for name, text in fields(given).items():
        yield f"{name:<24}    {'(not shown)' if name.endswith('KEY_BASE64') else text}"
