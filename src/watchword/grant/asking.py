"""What a caller asks for that an access message has no field for: in the words of a command
message.

In here: how that is said. Not in here: whether the stanza allows it (callers).

``admit tcp/22,udp/53 port 40123``, and, in any order: ``prefix 64``, ``also 2001:db8::5`` as often
as needed, ``for 60``. A command message, because a server that knows nothing of it refuses it:
it may never be taken for an ordinary request, which would open more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from watchword.model.actions import ADMIT
from watchword.model.addresses import Address, canonical
from watchword.model.policy import Terms
from watchword.model.requests import AccessWish, CommandWish, Particulars, Request
from watchword.model.services import Service

MOST: Final = 16  # words; the longest that makes sense has fewer
_SECONDS: Final = 10**6


class UnreadableError(Exception):
    """It begins with the word, and what follows is not readable. The message quotes nothing."""


def spelled_out(terms: Terms, request: Request) -> Request:
    """The request with the wish that its command message stands for, if it is one of these.

    Where the stanza offers nothing of the kind, it is a command like any other.

    Raises UnreadableError.
    """
    wish = request.wish
    if not isinstance(wish, CommandWish) or not terms.callers.asked_in_words:
        return request
    words = wish.command.split()
    if words[:1] != [ADMIT]:
        return request
    if not 2 <= len(words) <= MOST or len(words) % 2:
        raise UnreadableError("what is asked for is incomplete, or too much")
    services = _services(words[1])
    pairs = list(zip(words[2::2], words[3::2], strict=True))
    if len({name for name, _ in pairs if name != "also"}) < sum(n != "also" for n, _ in pairs):
        raise UnreadableError("something is said twice")
    particulars, seconds = Particulars(), request.seconds
    for name, value in pairs:
        if name == "for":
            seconds = _number(value, _SECONDS)
        else:
            particulars = _with(particulars, name, value)
    if particulars.port and particulars.bits:
        raise UnreadableError("a port and a prefix do not go together")
    return replace(request, wish=AccessWish(services, particulars), seconds=seconds)


def _with(said: Particulars, name: str, value: str) -> Particulars:
    match name:
        case "port":
            return replace(said, port=_number(value, 65535))
        case "prefix":
            return replace(said, bits=_number(value, 128))
        case "also":
            return replace(said, also=(*said.also, _address(value)))
    raise UnreadableError("a word that nobody knows")


def _services(text: str) -> tuple[Service, ...]:
    try:
        return tuple(Service.parse(each) for each in text.split(","))
    except ValueError:
        raise UnreadableError("services are named as tcp/22") from None


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 7 and 1 <= int(text) <= most):
        raise UnreadableError("a number that cannot be")
    return int(text)


def _address(text: str) -> Address:
    try:
        return canonical(text) if "%" not in text else _no_address()
    except ValueError:
        return _no_address()


def _no_address() -> Address:
    raise UnreadableError("what is no address")
