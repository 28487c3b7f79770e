"""The addresses behind a name.

In here: looking names up on this machine.
Not in here: names that only a relay looks up (relays).
"""

from __future__ import annotations

from watchword.edges.send import sockets
from watchword.edges.send.sent import NOT_SENT
from watchword.errors import HostError
from watchword.model.routes import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final, TypeAlias

Place: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""What a socket connects to: address, port; for IPv6 flow and scope as well."""

_FAMILIES: Final = {4: sockets.AF_INET, 6: sockets.AF_INET6}


class UnresolvedError(HostError):
    """A name leads nowhere."""

    def __init__(self, reason: str, *, hint: str) -> None:
        super().__init__(f"error in getaddrinfo: {reason}\n{NOT_SENT}", hint=hint)
        self.reason = reason


def places(route: Route) -> Iterator[tuple[int, Place]]:
    """Where the server is: address families with places, in the system's order.

    Raises UnresolvedError: the name is not known, or not in the family that is asked for.
    """
    return looked_up(route.address or route.host, route.port, route.family)


def looked_up(host: str, port: int, family: int | None) -> Iterator[tuple[int, Place]]:
    """The same for any host. ``family`` is 4, 6 or None."""
    wanted = _FAMILIES[family] if family else sockets.AF_UNSPEC
    if "\0" in host:  # the system would look up what stands before it
        raise _unresolved("not a host name", host, family)
    if not host.isascii():
        _refuse_doubtful(host)
    try:
        # Given as text, even an address would have the tables of international names loaded.
        name = host.encode("ascii") if host.isascii() else host
        found = sockets.getaddrinfo(name, port, wanted, sockets.SOCK_DGRAM)
    except sockets.gaierror as error:
        raise _unresolved(str(error.strerror), host, family) from error
    except (OSError, ValueError) as error:  # ValueError: a name that IDNA cannot encode
        raise _unresolved("not a host name", host, family) from error
    for kind, _, _, _, place in found:
        if isinstance(place[0], str):  # the other form is of a Python without IPv6
            yield kind, place


def _refuse_doubtful(host: str) -> None:
    from watchword.edges import doubtful  # noqa: PLC0415  (few hosts need it)

    if doubtful.is_doubtful(host):
        raise UnresolvedError(doubtful.REASON, hint=doubtful.REMEDY)


def zoned(place: Place) -> str:
    """The address of a place, as it can be looked up again: with the number of its interface."""
    if len(place) == 4 and place[3] and "%" not in place[0]:
        return f"{place[0]}%{place[3]}"
    return place[0]


def ascii_name(host: str) -> str:
    """A host as requests and relays are told it: international names as they are looked up.

    Raises UnresolvedError for a name that stands for two.
    """
    if host.isascii():
        return host
    _refuse_doubtful(host)
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host  # which nobody takes for a name


def _unresolved(reason: str, host: str, family: int | None) -> UnresolvedError:
    if family:
        remedy = f"only IPv{family} addresses were looked for; see that the name is right"
    elif "%" in host:
        remedy = "what stands behind the % has to be an interface of this machine"
    else:
        remedy = "see that the name is right, and that this machine can look names up"
    return UnresolvedError(reason, hint=remedy)
