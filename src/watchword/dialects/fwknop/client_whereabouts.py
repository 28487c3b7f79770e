"""Finding out one's own address: whom to ask, as options and variables say it.

In here: which of the settings count, the command line of wget, the sentences of the
original about what came of it.
Not in here: how a resolver is written (client_resolvers), asking (edges.whereabouts), in
which order (service.client.whereabouts).

Source: client, section 7. RESOLVERS and RESOLVE_AGREE are ours.
"""

from __future__ import annotations

from typing import Final

from watchword.dialects.fwknop import client_values as values
from watchword.dialects.fwknop.client_option_table import Family
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_resolvers import resolvers, web
from watchword.dialects.fwknop.client_settings import Given
from watchword.errors import OperatorError
from watchword.model.whereabouts import Resolver, Web, bracketed
from watchword.record import record

DEFAULT_HTTPS: Final = "https://www.cipherdyne.org/cgi-bin/myip"
DEFAULT_HTTP: Final = (
    "http://www.cipherdyne.org/cgi-bin/myip",
    "http://www.cipherdyne.com/cgi-bin/myip",
)
"""The original's, so that nobody is told of us who was not told before."""
AGENT: Final = "Fwknop/2.6.10"
"""As the compatible client calls itself."""
NOTHING_SENT: Final = (
    "no packet was sent; give your address with -a, or use -s, or name others to ask "
    "with --resolvers"
)


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
        raise OperatorError(
            "[*] https is not supported for --resolve-http-only.",
            hint="leave --resolve-http-only out, or write http:// in --resolve-url",
        )
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
