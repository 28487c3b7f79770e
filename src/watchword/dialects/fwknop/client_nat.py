"""What the client asks for when a service is to be forwarded (client, section 6).

In here: the NAT text (inner host and port) and the access text (outer port).
Not in here: the kind of message (client_request).
"""

from __future__ import annotations

from watchword.dialects.fwknop.client_settings import Given
from watchword.dialects.fwknop.client_values import server
from watchword.errors import OperatorError
from watchword.wire.spa.checks import parse_port

_BRACKETED = r"\[([^][]*)\](?:[:,](.*))?"
_LIBRARY = "fwknop: fko_set_nat_access_str: Error 4 - Args contain invalid data"


def nat_text(settings: Given, access: str) -> str | None:
    """``host,port`` inside, or None where nothing is forwarded.

    The access list is one that the library takes. Raises OperatorError.
    """
    if not (settings.nat_access or settings.nat_local):
        return None
    port = access.partition(",")[0].partition("/")[2]
    if not settings.nat_access:
        if not settings.server:
            raise OperatorError(
                "--nat-local needs the server's name.", hint="give it with -D, or use -N"
            )
        return f"{server(settings.server).host},{port}"
    host, inner = _target(settings.nat_access)
    return _checked(host, port if inner is None else inner)


def _target(text: str) -> tuple[str, str | None]:
    """Host and port of -N; ``:`` and ``,`` are equal, an IPv6 address stands in brackets."""
    import re  # noqa: PLC0415  (few runs need it)

    if found := re.fullmatch(_BRACKETED, text, re.DOTALL):
        return found[1], found[2]
    host, *rest = re.split("[:,]", text, maxsplit=1)
    return host, rest[0] if rest else None


def _checked(host: str, port: str) -> str:
    try:
        parse_port(port)
    except ValueError:
        raise _refused("[*] Invalid port value in -N arg.") from None
    from watchword.wire.spa.grammar import parse_nat  # noqa: PLC0415  (few runs need it)

    try:
        parse_nat(f"{host},{port}")
    except ValueError:
        raise _refused(f"[*] Invalid NAT destination '{host}' for -N arg.") from None
    return f"{host},{port}"


def _refused(reason: str) -> OperatorError:
    return OperatorError(
        f"{reason}\n{_LIBRARY}", hint="write -N host, -N host:port or -N [address]:port"
    )


def outer_access(access: str, port: int, nat: str | None) -> str:
    """The access list with the port that callers will use outside, if one was named.

    Raises OperatorError, also for a port that leads nowhere.
    """
    if not port:
        return access
    if nat is None:
        raise OperatorError(
            "--nat-port and --nat-rand-port need to know where the port leads to.",
            hint="use them together with -N or --nat-local",
        )
    if "," in access:
        raise OperatorError(
            "[*] NAT for multiple ports/protocols not yet supported.",
            hint="ask for one of them at a time, for example -A tcp/22",
        )
    return f"{access.partition('/')[0]}/{port}"


def perl_nat(asked: str, outer: str, nat: str) -> tuple[str, str]:
    """The same request as perl servers read it: access text and NAT text.

    There the access text names the inner service, and the NAT text the inner
    host and the outer port (client, section 17).

    Args:
        asked: The access list of the user.
        outer: What ``outer_access`` made of it.
        nat: What ``nat_text`` says.
    """
    if "," in asked:
        raise OperatorError(
            "[*] NAT for multiple ports/protocols not yet supported.",
            hint="ask for one of them at a time, for example -A tcp/22",
        )
    proto, _, outer_port = outer.partition("/")
    host, _, inner_port = nat.partition(",")
    return f"{proto}/{inner_port}", f"{host},{outer_port}"
