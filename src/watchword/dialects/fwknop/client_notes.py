"""What each kind of client option does to the two piles it can land on.

In here: makers of ``Note`` functions. A note is given the fields of
CommandLine under construction, those of Given, and the option's value; it
raises ValueError with the original's sentence.
Not in here: which option is of which kind (client_options), how values are
read (client_values).
"""

from __future__ import annotations

from watchword.dialects.fwknop import client_values as values
from watchword.dialects.fwknop.client_settings import (
    Allow,
    AllowKind,
    KeyForm,
    KeyWord,
    note_allow,
    note_key,
)
from watchword.model.routes import Carrier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

Said: TypeAlias = "dict[str, Any]"
"""Fields that were set so far."""

Note: TypeAlias = "Callable[[Said, Said, str], None]"


def flag(name: str, value: object = True) -> Note:
    def note(flags: Said, _given: Said, _text: str) -> None:
        flags[name] = value

    return note


def text(name: str, read: Callable[[str], object] = str, **implied: object) -> Note:
    def note(flags: Said, _given: Said, text: str) -> None:
        flags[name] = read(text)
        flags.update(implied)

    return note


def given(name: str, read: Callable[[str], object] = str) -> Note:
    def note(_flags: Said, given: Said, text: str) -> None:
        given[name] = read(text)

    return note


def switch(name: str) -> Note:
    return given(name, lambda _text: True)


def more(flags: Said, _given: Said, _text: str) -> None:
    flags["verbose"] = flags.get("verbose", 0) + 1


def key(name: str, form: KeyForm) -> Note:
    what = "HMAC" if name == "mac_key" else "Rijndael"

    def note(_flags: Said, given: Said, text: str) -> None:
        if form is KeyForm.BASE64:
            values.base64_key(text, what)
        note_key(given, name, KeyWord(form, text))
        if name == "mac_key":
            given["use_hmac"] = True

    return note


def mac_digest(_flags: Said, given: Said, text: str) -> None:
    given["mac_digest"] = values.digest(text, "hmac digest")
    given["use_hmac"] = True


def mac_length(flags: Said, given: Said, text: str) -> None:
    flags["mac_key_length"] = values.length(text, "hmac key")
    given["use_hmac"] = True


def address(_flags: Said, given: Said, text: str) -> None:
    if ":" in text:
        text = _canonical_ipv6(text)
    note_allow(given, Allow(AllowKind.ADDRESS, text))


def _canonical_ipv6(text: str) -> str:
    from ipaddress import IPv6Address  # noqa: PLC0415  (few runs need it)

    try:
        return str(IPv6Address(text))
    except ValueError:
        raise ValueError("Invalid allow IP specified for SPA access") from None


def source(_flags: Said, given: Said, _text: str) -> None:
    note_allow(given, Allow(AllowKind.SOURCE))


def resolve(variable: str = "", value: str | None = "Y") -> Note:
    """Our own address is to be found out; ``value`` None keeps what was typed."""

    def note(_flags: Said, given: Said, text: str) -> None:
        note_allow(given, Allow(AllowKind.RESOLVE))
        if variable:
            given.setdefault("elsewhere", {})[variable] = text if value is None else value

    return note


def kept(variable: str) -> Note:
    """A variable with the value that was typed, be it empty."""

    def note(_flags: Said, given: Said, text: str) -> None:
        given.setdefault("elsewhere", {})[variable] = text

    return note


def elsewhere(variable: str, *, gpg: bool = False, typed: bool = False) -> Note:
    """A variable of the rc file: Y, or where it is ``typed`` what stands behind the option."""

    def note(_flags: Said, given: Said, text: str) -> None:
        kept = given.setdefault("elsewhere", {})
        if gpg:
            kept["USE_GPG"] = "Y"
        kept[variable] = text if typed else "Y"

    return note


def user(_flags: Said, given: Said, text: str) -> None:
    given["user"] = text or None


def plus(_flags: Said, given: Said, text: str) -> None:
    given.setdefault("time_offset", values.time_offset(text))


def minus(_flags: Said, given: Said, text: str) -> None:
    """Replaces what ``plus`` says, whichever comes first."""
    given["time_offset"] = -values.time_offset(text)


def icmp(what: str) -> Note:
    return given(f"icmp_{what}", lambda text: values.icmp(text, what))


def http_proxy(_flags: Said, given: Said, text: str) -> None:
    """Selects HTTP, unless it is the other web carrier that was chosen before."""
    given["relay"] = values.http_proxy(text)
    if given.get("proto") not in (Carrier.HTTP, Carrier.HTTPS):
        given["proto"] = Carrier.HTTP.value


def no_faults(_flags: Said, _given: Said, _text: str) -> None:
    raise ValueError("fwknop not compiled with fault injection support.")
