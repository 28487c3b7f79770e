"""How those are written who can be asked for our address: URLs, and lists of resolvers.

In here: ``https://host/path``, ``stun:host``, ``dns:name@server/TXT`` to values.
Not in here: which of them a run asks (client_whereabouts).

Source: client, section 7, for URLs; the list is ours.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final

from watchword.dialects.fwknop import client_values as values
from watchword.errors import OperatorError
from watchword.model.whereabouts import Dns, Record, Resolver, Stun, Web
from watchword.wire.whereabouts import stun

MAX_RESOLVERS: Final = 16

_URL: Final = re.compile(
    r"(?:(?i:(https?)://))?(\[[^]\[]*\]|[^/:?#]*)(?::([^/]*))?(/.*)?", re.DOTALL
)
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,256}")
_PATH: Final = re.compile(r"/[!\"$-~]{0,1023}")
_DNS_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
_DNS_PORT: Final = 53
_FORMS: Final = "write https://HOST/PATH, http://HOST/PATH, stun:HOST or dns:NAME@SERVER/TXT"


def resolvers(text: str) -> tuple[Resolver, ...]:
    """A list of resolvers, separated by commas; one that is named twice counts once.

    Raises OperatorError naming the item that is wrong.
    """
    found = tuple(dict.fromkeys(_resolver(item.strip()) for item in text.split(",")))
    if len(found) > MAX_RESOLVERS:
        raise OperatorError(f"More than {MAX_RESOLVERS} resolvers are named.", hint="name fewer")
    return found


def _resolver(text: str) -> Resolver:
    kind, _, rest = text.partition(":")
    match kind.lower():
        case "http" | "https":
            return web(text)
        case "stun":
            return _stun(rest)
        case "dns":
            return _dns(rest)
    raise OperatorError(f"'{values.printable(text)}' is no resolver", hint=_FORMS)


def web(url: str) -> Web:
    """A URL: ``[http[s]://]host[:port][/path]``, without one slash at its end.

    Raises OperatorError.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise _bad_url("it has no host")
    scheme, host, port, path = found.groups()
    tls = (scheme or "http").lower() == "https"
    path = path or "/"
    if len(path) > 1:
        path = path.removesuffix("/")
    if not _PATH.fullmatch(path):
        raise _bad_url("its path has 1 to 1024 printable characters without blanks and #")
    return Web(_host(host), _port(port, 443 if tls else 80), path, tls)


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            address = IPv6Address(text[1:-1])
        except ValueError:
            raise _bad_url("what stands in brackets is no IPv6 address") from None
        return str(address)
    if not _HOST.fullmatch(text):
        raise _bad_url("its host is neither a name nor an address")
    return text


def _port(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0
    if not 1 <= number <= 65535:
        raise OperatorError(
            "[*] resolve-url port value is invalid, must be in [1-65535]\n"
            "Error parsing resolve-url",
            hint="write it as in http://page.example:8080/ip",
        )
    return number


def _bad_url(why: str) -> OperatorError:
    return OperatorError("Error parsing resolve-url", hint=why)


def _stun(rest: str) -> Stun:
    host, port = _server(rest, "stun")
    return Stun(host, port or stun.PORT)


def _dns(rest: str) -> Dns:
    name, at, place = rest.partition("@")
    server, slash, kind = place.partition("/")
    if not at or not _DNS_NAME.fullmatch(name) or ".." in name or name.startswith("."):
        raise OperatorError(f"'dns:{values.printable(rest)}' is no resolver", hint=_FORMS)
    try:
        record = Record(kind.upper()) if slash else None
    except ValueError:
        raise OperatorError(
            f"'{values.printable(kind)}' is no kind of record with an address",
            hint="write TXT, A or AAAA after the slash",
        ) from None
    host, port = _server(server, "dns")
    return Dns(name.removesuffix("."), host, port or _DNS_PORT, record)


def _server(text: str, kind: str) -> tuple[str, int | None]:
    said = f"'{kind}:{values.printable(text)}' is no resolver"
    try:
        host, port = (server := values.server(text)).host, server.port
    except ValueError as error:
        raise OperatorError(said, hint=str(error)) from None
    if ":" not in host and _HOST.fullmatch(host):
        return host, port
    try:
        return str(IPv6Address(host)), port
    except ValueError:
        raise OperatorError(said, hint="its host is neither a name nor an address") from None
