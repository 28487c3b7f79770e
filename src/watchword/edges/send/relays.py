"""Connections that go through somebody else.

In here: the conversation with a relay, bounded in time and in bytes.
Not in here: its words (wire.carriers.relays).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from watchword.edges.send import names
from watchword.edges.send.connections import Connection, reached
from watchword.edges.send.sent import NOT_SENT
from watchword.errors import HostError
from watchword.model.relays import Relay, RelayKind
from watchword.model.routes import Route
from watchword.wire.carriers.answers import DeclinedError
from watchword.wire.carriers.relays import Conversation, connect, socks4, socks5

_WORDS = {RelayKind.SOCKS4: socks4, RelayKind.SOCKS5: socks5, RelayKind.HTTP: connect}


@contextlib.contextmanager
def open_way(route: Route) -> Iterator[Connection]:
    """A connection to the server: direct, or through the relay of the route.

    With a relay the server's name is looked up by it and nowhere else. Raises HostError.
    """
    relay = route.relay
    if relay is None:
        with reached(route.address or route.host, route.port, route) as connection:
            yield connection
        return
    with reached(relay.host, relay.port, route) as connection:
        try:
            host = names.ascii_name(route.address or route.host)
            talk = _WORDS[relay.kind](host, route.port, relay.login)
            converse(talk, connection, relay)
        except ValueError as error:
            remedy = "check the server's name and the login, or take another kind of proxy"
            raise declined(relay, f"cannot be asked: {error}", remedy) from None
        yield connection


def converse(talk: Conversation, connection: Connection, relay: Relay) -> None:
    """Have a conversation to its good end. Raises HostError for any other."""
    try:
        turn = next(talk)
        while True:
            if turn.say:
                connection.say(turn.say)
            turn = talk.send(connection.hear_exactly(turn.await_bytes))
    except StopIteration:
        return
    except DeclinedError as error:
        remedy = error.hint or "check the server's name and port; the proxy's log may say more"
        raise declined(relay, f"declines: {error}", remedy) from error
    except EOFError:
        raise declined(relay, "ended the connection instead of answering") from None
    except TimeoutError:
        raise declined(relay, connection.silence) from None


def declined(relay: Relay, what: str, hint: str = "", *, end: str = NOT_SENT) -> HostError:
    return HostError(
        f"send_spa_packet: the {relay} {what}\n{end}",
        hint=hint or "see that a proxy of this kind runs there",
    )
