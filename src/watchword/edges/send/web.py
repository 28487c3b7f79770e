"""HTTP and HTTPS: the packet as a request, and the first line of the answer.

In here: to whom it goes, whether an answer is waited for, and what it shows.
Not in here: the request's text (wire.carriers.http).

The answer's first line is all that is looked at, and 4 kilobytes are read at the most.
"""

from __future__ import annotations

import contextlib
from typing import Final

from watchword.edges.send import names
from watchword.edges.send.connections import Connection, reached
from watchword.edges.send.relays import declined, open_way
from watchword.edges.send.sent import NO_SIGN, NOT_SENT, UNKNOWN, Sent
from watchword.errors import HostError
from watchword.model.relays import Relay, RelayKind
from watchword.model.routes import Carrier, Route
from watchword.record import replace
from watchword.wire.carriers.answers import LONGEST_LINE, DeclinedError, Status, status
from watchword.wire.carriers.http import AGENT, request

_DENIALS: Final = (400, 403, 405)
_LOGIN_WANTED: Final = 407


def send(payload: bytes, route: Route, *, confirm: bool) -> Sent:
    """Send a payload as a request. Raises HostError."""
    content = request_for(payload, route)
    proxy = _plain_proxy(route)
    if proxy:
        with reached(proxy.host, proxy.port, route) as connection:
            return _through(proxy, connection, content)
    with open_way(route) as way:
        if route.carrier is Carrier.HTTP:
            return _asked(way, content, wait=confirm)
        from watchword.edges.send import tls  # noqa: PLC0415  (loads slowly)

        secured = tls.secured(way, names.ascii_name(route.host), route.authorities)
        with contextlib.closing(secured):
            # Whoever ends TLS for the server may give up a request that is left alone.
            return _asked(secured, content, wait=True)


def request_for(payload: bytes, route: Route) -> bytes:
    """The request that goes out. Raises HostError: host, agent or login do not fit into one."""
    proxy = _plain_proxy(route)
    try:
        return request(
            payload, names.ascii_name(route.host), agent=route.agent or AGENT,
            proxy=proxy.host if proxy else None,
            port=route.port if proxy and route.port != 80 else None,
            login=proxy.login if proxy else None,
        )  # fmt: skip
    except ValueError as error:
        raise HostError(
            f"send_spa_packet: {error}\n{NOT_SENT}",
            hint="check the server's name, the user agent (-u) and the proxy's login",
        ) from error


def shown(payload: bytes, route: Route) -> str:
    """The request as text for a person, without the login of a proxy. Raises HostError."""
    relay = route.relay and replace(route.relay, login=None)
    return request_for(payload, replace(route, relay=relay)).decode("ascii")


def _plain_proxy(route: Route) -> Relay | None:
    """The proxy that is given the request itself; others are asked for a connection."""
    relay = route.relay
    http = relay is not None and relay.kind is RelayKind.HTTP
    return relay if http and route.carrier is Carrier.HTTP else None


def _through(proxy: Relay, connection: Connection, content: bytes) -> Sent:
    """A proxy's answer is always waited for: it may give up a request that is left alone."""
    connection.say(content)
    try:
        answer = _status_line(connection)
    except TimeoutError:
        raise declined(proxy, connection.silence, end=UNKNOWN) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise declined(proxy, f"broke the connection: {reason}", end=UNKNOWN) from error
    except EOFError:  # what some proxies make of a server that says nothing
        sign = "the proxy ended the connection without an answer"
        return Sent(*connection.place[:2], len(content), sign=sign)
    except DeclinedError as error:
        raise declined(proxy, f"does not answer as it should: {error}", end=UNKNOWN) from error
    if answer.code == _LOGIN_WANTED:
        raise declined(proxy, f"answers {answer}", answer.hint)
    place = connection.place
    # What else may be the proxy's own answer confirms nothing.
    arrived = answer.code < 500 and answer.code not in _DENIALS
    return Sent(place[0], place[1], len(content), arrived, f"the proxy answers {answer}")


def _asked(connection: Connection, content: bytes, *, wait: bool) -> Sent:
    connection.say(content)
    if not wait:
        return Sent(*connection.place[:2], len(content))
    answer = _answered(connection)
    sign = f"the server answers {answer}" if answer else NO_SIGN
    return Sent(*connection.place[:2], len(content), bool(answer), sign)


def _answered(connection: Connection) -> str:
    """The answer of the server itself; empty if there is none, or none in HTTP."""
    try:
        return str(_status_line(connection))
    except (OSError, EOFError, DeclinedError):
        return ""


def _status_line(connection: Connection) -> Status:
    """The first line of an answer. Raises DeclinedError, EOFError, OSError."""
    heard = b""
    while b"\n" not in heard and len(heard) < LONGEST_LINE:
        piece = connection.hear(LONGEST_LINE - len(heard))
        if not piece:
            raise EOFError
        heard += piece
    return status(heard)
