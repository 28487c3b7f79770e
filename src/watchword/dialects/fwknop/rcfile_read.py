"""Reads the sections of an rc file into settings.

In here: the variables as a table, what each value may be, and every mistake of
the sections that are in use.
Not in here: lines and sections (rcfile), saving (rcfile_write).

A message never shows the value of a variable that holds a key or that is
unknown. Source: client, section 9. Differences: CLIENT_TIMEOUT is FW_TIMEOUT,
HMAC_KEY_FILE is the file of the HMAC key, a boolean may say yes in other words,
and may say no.
"""

from __future__ import annotations

from watchword.dialects.fwknop import client_values as values
from watchword.dialects.fwknop import rcfile
from watchword.dialects.fwknop.client_settings import (
    Allow,
    AllowKind,
    Given,
    KeyForm,
    KeyWord,
    note_allow,
    note_key,
)
from watchword.errors import Complaint, OperatorError, Place
from watchword.record import record
from watchword.wire.spa.checks import check_allow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final, TypeAlias

_Said: TypeAlias = "dict[str, Any]"
_Take: TypeAlias = "Callable[[_Said, str], None]"


def _field(name: str, read: Callable[[str], Any]) -> _Take:
    def take(said: _Said, text: str) -> None:
        said[name] = read(text)

    return take


def _allow(said: _Said, text: str) -> None:
    if text.lower() == "source":
        note_allow(said, Allow(AllowKind.SOURCE))
    elif text.lower() == "resolve":
        said["allow"] = Allow(AllowKind.RESOLVE)
    else:
        check_allow(text)
        note_allow(said, Allow(AllowKind.ADDRESS, text))


def _resolve(name: str) -> _Take:
    def take(said: _Said, text: str) -> None:
        _elsewhere(name)(said, text)
        if values.is_yes(text):
            note_allow(said, Allow(AllowKind.RESOLVE))

    return take


def _elsewhere(name: str, read: Callable[[str], object] = str) -> _Take:
    """A variable that is checked and kept, and not acted on by this version."""

    def take(said: _Said, text: str) -> None:
        read(text)
        said.setdefault("elsewhere", {})[name] = text

    return take


def _key(name: str, form: KeyForm) -> _Take:
    what = "HMAC" if name == "mac_key" else "Rijndael"

    def take(said: _Said, text: str) -> None:
        if form is KeyForm.BASE64:
            values.base64_key(text, what)
        note_key(said, name, KeyWord(form, text))

    return take


def _ports(text: str) -> object:
    from watchword.dialects.fwknop import client_secret  # noqa: PLC0415  (few runs need it)

    return client_secret.ports(text)


def _admitted(name: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        from watchword.dialects.fwknop import client_admit  # noqa: PLC0415  (few runs need it)

        return getattr(client_admit, name)(text)

    return read


def _filed_seconds(text: str) -> int:
    return values.seconds(text, values.MAX_FILED_SECONDS)


def _verbosity(text: str) -> int:
    return {"Y": 1, "N": 0}.get(text.upper()) or values.number(text, 0, 4)


_YES: Final = values.is_yes
VARIABLES: Final[dict[str, _Take]] = {
    "SPA_SERVER": _field("server", str),
    "ACCESS": _field("access", str),
    "ALLOW_IP": _allow,
    "SPA_SERVER_PORT": _field("server_port", values.port),
    "SPA_SERVER_PROTO": _field("proto", values.transport),
    "SPA_SOURCE_PORT": _field("source_port", values.port),
    "FW_TIMEOUT": _field("seconds", _filed_seconds),
    "CLIENT_TIMEOUT": _field("seconds", _filed_seconds),
    "TIME_OFFSET": _field("time_offset", values.signed_time_offset),
    "DIGEST_TYPE": _field("digest", values.digest),
    "HMAC_DIGEST_TYPE": _field("mac_digest", values.digest),
    "ENCRYPTION_MODE": _field("mode", values.mode),
    "KEY": _key("key", KeyForm.TEXT),
    "KEY_BASE64": _key("key", KeyForm.BASE64),
    "KEY_FILE": _key("key", KeyForm.FILE),
    "HMAC_KEY": _key("mac_key", KeyForm.TEXT),
    "HMAC_KEY_BASE64": _key("mac_key", KeyForm.BASE64),
    "HMAC_KEY_FILE": _key("mac_key", KeyForm.FILE),
    "USE_HMAC": _field("use_hmac", _YES),
    "GPG_SIGNING_PW": _key("key", KeyForm.TEXT),
    "GPG_SIGNING_PW_BASE64": _key("key", KeyForm.BASE64),
    "SPOOF_USER": _field("user", str),
    "RAND_PORT": _field("rand_port", _YES),
    "NAT_ACCESS": _field("nat_access", str),
    "NAT_LOCAL": _field("nat_local", _YES),
    "NAT_PORT": _field("nat_port", values.port),
    "NAT_RAND_PORT": _field("nat_rand_port", _YES),
    "SERVER_RESOLVE_IPV4": _field("only_ipv4", _YES),
    "NO_SAVE_ARGS": _field("no_save_args", _YES),
    "VERBOSE": _field("verbose", _verbosity),
    "RESOLVE_IP_HTTPS": _resolve("RESOLVE_IP_HTTPS"),
    "RESOLVE_IP_HTTP": _resolve("RESOLVE_IP_HTTP"),
    "SPOOF_SOURCE_IP": _field("spoof_source", values.spoof),
    "HTTP_USER_AGENT": _field("user_agent", values.agent),
    # Ours; the packaged client refuses a file with them.
    "VIA": _field("via", values.via),
    "HTTP_PROXY": _field("relay", values.http_proxy),
    "SOCKS_PROXY": _field("relay", values.socks),
    "CA_FILE": _field("ca_file", str),
    "ICMP_TYPE": _field("icmp_type", lambda text: values.icmp(text, "type")),
    "ICMP_CODE": _field("icmp_code", lambda text: values.icmp(text, "code")),
    "ALL_ADDRESSES": _field("every_address", _YES),
    **{
        name: _elsewhere(name)
        for name in (
            "USE_GPG", "USE_GPG_AGENT", "GPG_RECIPIENT", "GPG_SIGNER", "GPG_HOMEDIR", "GPG_EXE",
            "GPG_NO_SIGNING_PW", "RESOLVE_HTTP_ONLY", "RESOLVE_URL", "WGET_CMD",
            "USE_WGET_USER_AGENT", "RESOLVERS", "RESOLVE_AGREE",
        )
    },
    "BIND_SOURCE_PORT": _elsewhere("BIND_SOURCE_PORT", _admitted("binding")),
    "ASK_PREFIX": _elsewhere("ASK_PREFIX", _admitted("prefix")),
    "ALSO_ALLOW": _elsewhere("ALSO_ALLOW", _admitted("also")),
    "PROVE": _elsewhere("PROVE", _YES),
    "SECRET_PORTS": _elsewhere("SECRET_PORTS", _ports),
}  # fmt: skip

SECRETS: Final = frozenset(
    {
        "KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64", "GPG_SIGNING_PW",
        "GPG_SIGNING_PW_BASE64", "HTTP_PROXY", "SOCKS_PROXY",
    }
)  # fmt: skip
"""Variables whose value is never shown."""
_NO_SUCH: Final = "there is no such variable; fwknop(8) lists those that there are"


@record
class Section:
    """One section, all its parts in the file put together."""

    given: Given
    variables: tuple[str, ...]
    """What it sets, in the order of the file."""


def read(text: str, file: str, *names: str) -> list[Section | None]:
    """The sections of these names, in this order; None where the file has none.

    Only these sections are looked at. Raises OperatorError with every wrong
    value; a broken line ends the reading at once (section 9).
    """
    complaints: list[Complaint] = []
    found = [_section(text, file, name, complaints) for name in names]
    if complaints:
        raise OperatorError.of(complaints)
    return found


def _section(text: str, file: str, name: str, complaints: list[Complaint]) -> Section | None:
    said: _Said = {}
    variables: list[str] = []
    exists = False
    for line in _lines_of(text, name):
        place = Place(file, line.number)
        if line.head:
            exists = True
        elif line.broken:
            complaints.append(_broken(line, place))
            raise OperatorError.of(complaints)
        else:
            variables.append(line.name)
            complaints.extend(_take(said, line, place))
    if said.get("mac_key") is not None:
        said["use_hmac"] = True
    return Section(Given(**said), tuple(variables)) if exists else None


def _lines_of(text: str, name: str) -> Iterator[rcfile.Line]:
    for line in rcfile.lines(text):
        if rcfile.same(line.section, name) and (line.head or line.name or line.broken):
            yield line


def _take(said: _Said, line: rcfile.Line, place: Place) -> Iterator[Complaint]:
    # The value of a name that nobody knows may be a key under a misspelt name, or a part of one.
    open_to_all = line.name in VARIABLES and line.name not in SECRETS
    shown = line.value if open_to_all else "(not shown)"
    message = (
        f"Parameter error in {place.file}, line {place.line}: var={_shown(line.name)}, val={shown}"
    )
    take = VARIABLES.get(line.name)
    if take is None:
        from watchword.dialects.fwknop.suggest import did_you_mean  # noqa: PLC0415  (mistakes)

        yield Complaint(message, hint=did_you_mean(line.name, VARIABLES) or _NO_SUCH)
        return
    try:
        take(said, line.value)
    except ValueError as error:
        yield Complaint(message, hint=str(error))


def _broken(line: rcfile.Line, place: Place) -> Complaint:
    """A line that says nothing. It may be half of a key, so only a known name of it is shown."""
    word = (line.text.split(maxsplit=1) or [""])[0]
    rule = "write a name, blanks and a value; a comment begins with # in column 1"
    if len(line.text) > rcfile.MAX_LINE:
        rule = f"a line has at most {rcfile.MAX_LINE} bytes"
    return Complaint(f"*Invalid entry in '{_shown(word)}'", hint=f"{place}: {rule}")


def _shown(word: str) -> str:
    near = word.removesuffix(":") in VARIABLES or (word.isidentifier() and word.isupper())
    return word if near or not word or word.startswith("#") else "(not shown)"
