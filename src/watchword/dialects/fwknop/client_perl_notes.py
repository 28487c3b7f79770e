"""What the options of the perl client do to a command line under construction.

In here: makers of ``Note`` functions for what has no option in fwknop 2.6, or
another meaning there.
Not in here: the options themselves (client_perl_table), how they work together
(client_perl).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from watchword.dialects.fwknop import client_notes
from watchword.dialects.fwknop import client_values as values
from watchword.dialects.fwknop.client_notes import Note, Said
from watchword.dialects.fwknop.client_settings import (
    Allow,
    AllowKind,
    KeyForm,
    KeyWord,
    RelayForm,
    RelayWord,
    note_allow,
)
from watchword.model.crypto import Digest

_HIGHEST_OFFSET: Final = 65279
_SECONDS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?")
_LONGEST_DELAY: Final = 3600
_DIGESTS: Final = ("md5", "sha1", "sha256")
_CARRIERS: Final = {"udp": "udpraw", "tcp": "tcpraw", "icmp": "icmp"}


def said(name: str, value: object = True) -> Note:
    """A flag of ``Perl``."""

    def note(flags: Said, _given: Said, _text: str) -> None:
        flags.setdefault("perl", {})[name] = value

    return note


def told(name: str) -> Note:
    """A text of ``Perl``."""

    def note(flags: Said, _given: Said, text: str) -> None:
        flags.setdefault("perl", {})[name] = text

    return note


def counted(name: str, low: int, high: int) -> Note:
    """A number of ``Perl``, written in digits."""

    def note(flags: Said, _given: Said, text: str) -> None:
        if not (text.isascii() and text.isdecimal() and low <= int(text[:9]) <= high):
            raise ValueError(f"'{text}' is not within {low} to {high}")
        flags.setdefault("perl", {})[name] = int(text)

    return note


def knocking(name: str, field: str, read: Callable[[str], object]) -> Note:
    """An option that only knock sequences have a use for; ``Perl`` remembers its name, too."""

    def note(flags: Said, _given: Said, text: str) -> None:
        perl = flags.setdefault("perl", {})
        perl[field] = read(text)
        perl["knocking"] = (*perl.get("knocking", ()), name)

    return note


def offset(text: str) -> int | None:
    """The lowest port of a sequence; 0 stands for the usual one."""
    if text.isascii() and text.isdecimal() and int(text[:6]) <= _HIGHEST_OFFSET:
        return int(text[:6]) or None
    raise ValueError(f"--offset is 1 to {_HIGHEST_OFFSET}, and not {text}")


def delay(text: str) -> float:
    """Seconds, with or without parts of them."""
    if _SECONDS.fullmatch(text) and float(text) <= _LONGEST_DELAY:
        return float(text)
    raise ValueError(f"--time-delay is a number of seconds up to {_LONGEST_DELAY}, and not {text}")


def rotated(_text: str) -> bool:
    return True


def nothing(_flags: Said, _given: Said, _text: str) -> None:
    """An option about the inside of the perl program."""


def access(_flags: Said, given: Said, text: str) -> None:
    given["access"] = text.lower()


def address(flags: Said, given: Said, text: str) -> None:
    """Who is to be let in: an address, or a name that is looked up."""
    numeric = ":" in text or text.replace(".", "").isdecimal()
    note_allow(given, Allow(AllowKind.ADDRESS if numeric else AllowKind.NAME, text))
    if not numeric:
        flags.setdefault("perl", {})["allows_name"] = True


def url(_flags: Said, given: Said, text: str) -> None:
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"--URL begins with http:// or https://, and {text} does not")
    note_allow(given, Allow(AllowKind.RESOLVE))
    kept = given.setdefault("elsewhere", {})
    kept["RESOLVE_URL"] = text
    if text.startswith("http://"):
        kept["RESOLVE_HTTP_ONLY"] = "Y"


def proto(_flags: Said, given: Said, text: str) -> None:
    given["proto"] = values.transport(text)
    if given["proto"] == "icmp":
        given["icmp_asks"] = True


def http_proxy(flags: Said, given: Said, text: str) -> None:
    """Without a value: the proxy of the environment, which is looked up when it is needed."""
    if text:
        client_notes.http_proxy(flags, given, text)
    else:
        given["relay"] = RelayWord(RelayForm.HTTP, "")
        given["proto"] = "http"


def proxy_password(_flags: Said, given: Said, text: str) -> None:
    given["relay_password"] = KeyWord(KeyForm.TEXT, text)


def carrier(flags: Said, _given: Said, text: str) -> None:
    """``--Spoof-proto``."""
    if text.lower() not in _CARRIERS:
        raise ValueError(f"--Spoof-proto is tcp, udp or icmp, and not {text}")
    flags.setdefault("perl", {})["spoof_proto"] = _CARRIERS[text.lower()]


def spoof(flags: Said, given: Said, text: str) -> None:
    """``--Spoof-src``: an address; a name is looked up."""
    if not text:
        raise ValueError("Invalid spoof IP")
    if text.replace(".", "").isdecimal():
        try:
            IPv4Address(text)
        except ValueError:
            raise ValueError("Invalid spoof IP") from None
    given["spoof_source"] = text
    flags.setdefault("perl", {})["spoofed"] = True


def digest(_flags: Said, given: Said, text: str) -> None:
    if text.lower() not in _DIGESTS:
        raise ValueError(f"--digest-alg is sha256, sha1 or md5, and not {text}")
    given["digest"] = Digest[text.upper()]


def plus(_flags: Said, given: Said, text: str) -> None:
    given.setdefault("time_offset", values.perl_time_offset(text))


def minus(_flags: Said, given: Said, text: str) -> None:
    given["time_offset"] = -values.perl_time_offset(text)


def debug(flags: Said, _given: Said, _text: str) -> None:
    """As ``-vv``, on standard error."""
    flags["verbose"] = max(flags.get("verbose", 0), 2)
    flags.setdefault("perl", {})["debug"] = True


def server_auth(flags: Said, _given: Said, text: str) -> None:
    if text != "crypt":
        raise ValueError(f"--Server-auth is crypt, and not {text}")
    flags.setdefault("perl", {})["server_auth"] = True


def server_mode(flags: Said, _given: Said, text: str) -> None:
    if text.lower() not in ("pcap", "knock", "shared"):
        raise ValueError(f"--Server-mode is pcap, knock or shared, and not {text}")
    flags.setdefault("perl", {})["server_mode"] = text.lower()


def gpg(name: str) -> Note:
    """A flag of ``Perl`` that asks for GnuPG, too."""

    def note(flags: Said, given: Said, _text: str) -> None:
        given.setdefault("elsewhere", {})["USE_GPG"] = "Y"
        flags.setdefault("perl", {})[name] = True

    return note


def agent_info(flags: Said, given: Said, text: str) -> None:
    given.setdefault("elsewhere", {}).update({"USE_GPG": "Y", "USE_GPG_AGENT": "Y"})
    flags.setdefault("perl", {})["gpg_agent_info"] = text


def appended(flags: Said, _given: Said, _text: str) -> None:
    flags["append"] = True
    flags.setdefault("perl", {})["save_packet"] = True


def show_last(flags: Said, _given: Said, _text: str) -> None:
    flags["show_last"] = True
    flags.setdefault("perl", {})["show_last"] = True
