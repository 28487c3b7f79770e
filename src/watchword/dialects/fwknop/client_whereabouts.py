"""Finding out one's own address: whom to ask, as options and variables say it.

In here: the grammar of URLs and of resolver lists, which of the settings count,
the sentences of the original about what came of it.
Not in here: asking (edges.whereabouts), in which order (service.client_whereabouts).

Source: client, section 7. RESOLVERS and RESOLVE_AGREE are ours.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final

from watchword.dialects.fwknop import client_values as values
from watchword.dialects.fwknop.client_option_table import Family
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import Given
from watchword.errors import OperatorError
from watchword.model.whereabouts import Dns, Record, Resolver, Stun, Web, bracketed
from watchword.record import record
from watchword.wire.whereabouts import stun

DEFAULT_HTTPS: Final = "https://www.cipherdyne.org/cgi-bin/myip"
DEFAULT_HTTP: Final = (
    "http://www.cipherdyne.org/cgi-bin/myip",
    "http://www.cipherdyne.com/cgi-bin/myip",
)
"""The original's, so that nobody is told of us who was not told before."""
AGENT: Final = "Fwknop/2.6.10"
"""As the compatible client calls itself."""
MAX_RESOLVERS: Final = 16
NOTHING_SENT: Final = (
    "no packet was sent; give your address with -a, or use -s, or name others to ask "
    "with --resolvers"
)

_URL: Final = re.compile(
    r"(?:(?i:(https?)://))?(\[[^]\[]*\]|[^/:?#]*)(?::([^/]*))?(/.*)?", re.DOTALL
)
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,256}")
_PATH: Final = re.compile(r"/[!\"$-~]{0,1023}")
_DNS_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
_DNS_PORT: Final = 53
_FORMS: Final = "write https://HOST/PATH, http://HOST/PATH, stun:HOST or dns:NAME@SERVER/TXT"


@record
class Wish:
    """Whom a run asks for its address."""

    resolvers: tuple[Resolver, ...]
    """In the order in which they are asked."""
    version: int
    """4 or 6: the family of the address that is looked for."""
    chosen: bool
    """Whether that follows from what was asked for; if not, it is 4, as servers expect."""
    agreeing: bool
    """Whether two of them have to say the same."""
    agent: str | None
    """What we call ourselves; None: nothing."""
    ca_file: str
    """Certificate authorities that count; empty: those of the system."""
    wget: str
    """The program that asks HTTPS resolvers; empty: no program does."""
    warnings: tuple[str, ...]


def wish(line: CommandLine, settings: Given) -> Wish:
    """What the settings of a run come to. Raises OperatorError; nobody has been asked yet."""
    kept = settings.elsewhere
    listed, url = kept.get("RESOLVERS"), kept.get("RESOLVE_URL")
    plain = values.is_yes(kept.get("RESOLVE_HTTP_ONLY", "N"))
    agreeing = values.is_yes(kept.get("RESOLVE_AGREE", "N"))
    if listed is not None and url is not None:
        raise OperatorError(
            "RESOLVE_URL and RESOLVERS both say whom to ask.", hint="leave one of them out"
        )
    found = _by_url(url, plain=plain) if listed is None else resolvers(listed)
    if plain and any(isinstance(each, Web) and each.tls for each in found):
        raise OperatorError("[*] https is not supported for --resolve-http-only.")
    if agreeing and len(found) < 2:
        raise OperatorError(
            "Two resolvers have to agree, and there is only one.",
            hint="name two or more with --resolvers or RESOLVERS",
        )
    warnings = () if plain else tuple(_warnings(found, url))
    version = _version(line, settings)
    return Wish(
        resolvers=found,
        version=version or 4,
        chosen=version is not None,
        agreeing=agreeing,
        agent=_agent(settings),
        ca_file=settings.ca_file or "",
        wget="" if plain else kept.get("WGET_CMD", ""),
        warnings=warnings,
    )


def _by_url(url: str | None, *, plain: bool) -> tuple[Resolver, ...]:
    if url is not None:
        return (web(url),)
    return tuple(web(each) for each in (DEFAULT_HTTP if plain else (DEFAULT_HTTPS,)))


def _warnings(found: tuple[Resolver, ...], url: str | None) -> list[str]:
    unsafe = [str(each) for each in found if isinstance(each, Web) and not each.tls]
    if unsafe and url is not None:
        unsafe = [url]
    return [
        f"[-] Warning: IP resolution URL '{each}' should begin with 'https://' in -R mode."
        for each in unsafe
    ]


def _version(line: CommandLine, settings: Given) -> int | None:
    """The family that was chosen, or that of the server's address."""
    if line.family is not Family.ANY:
        return 6 if line.family is Family.SIX else 4
    if settings.only_ipv4:
        return 4
    host = values.server(settings.server).host if settings.server else ""
    return 6 if ":" in host else None


def _agent(settings: Given) -> str | None:
    if settings.user_agent is not None:
        return settings.user_agent
    return None if values.is_yes(settings.elsewhere.get("USE_WGET_USER_AGENT", "N")) else AGENT


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
            "[*] resolve-url port value is invalid, must be in [1-65535]\nError parsing resolve-url"
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
        host = str(IPv6Address(host)) if ":" in host else host
    except ValueError as error:
        raise OperatorError(said, hint=str(error)) from None
    if ":" not in host and not _HOST.fullmatch(host):
        raise OperatorError(said, hint="its host is neither a name nor an address")
    return host, port


def wget_command(resolver: Resolver, wish: Wish) -> tuple[str, ...]:
    """The command line of the program that asks it; empty: we ask it ourselves (section 7)."""
    if not wish.wget or not isinstance(resolver, Web):
        return ()
    return (
        wish.wget,
        *(("-U", wish.agent) if wish.agent is not None else ()),
        *((f"-{wish.version}",) if wish.chosen else ()),
        *((f"--ca-certificate={wish.ca_file}",) if wish.ca_file else ()),
        "--secure-protocol=auto",
        "--quiet",
        "-O",
        "-",
        str(resolver),
    )


# What is said of it.


def name(resolver: Resolver) -> str:
    """A resolver as it is called; one over plain HTTP without its port, as in the original."""
    if isinstance(resolver, Web) and not resolver.tls:
        return f"http://{bracketed(resolver.host)}{resolver.path}"
    return str(resolver)


def found_line(via: str, address: str) -> str:
    """The line of a success, for -v."""
    return f"\n[+] Resolved external IP (via {via}) as: {address}"


def failed_lines(resolver: Resolver, via: str, reason: str, heard: bytes) -> str:
    """What is said of one that failed: whom we asked, why, and a page that is not an address."""
    if reason.startswith("Invalid IP"):
        page = "\n".join(map(values.printable, _text(heard).splitlines()))
        return f"[-] From {name(resolver)}\n    {reason}\n\n{page}"
    quoted = via if via.startswith("'") else f"'{via}'"
    return f"[-] Could not resolve IP via: {quoted}\n{values.printable(reason)}"


_SHOWN: Final = 300  # bytes of a page; enough to see what kind of page it is


def _text(heard: bytes) -> str:
    return heard[:_SHOWN].decode("utf-8", "backslashreplace")
