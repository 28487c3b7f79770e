"""Orders read: what came from a process that may have been taken over.

In here: every bound on an order's form. Not in here: writing (orders), what an order is allowed
to say (grant.warrants).

The reader believes nothing. What is not exactly of the form raises PeerError, and the writer is
ended for it.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from watchword.errors import PeerError
from watchword.model.addresses import Address
from watchword.model.doors import MOST_KNOCKS
from watchword.model.openings import (
    MOST_TICKETS,
    ON_TICKETS,
    Extent,
    Hole,
    Lead,
    Opening,
    SourceNat,
    Tag,
    tickets,
)
from watchword.model.orders import (
    Apply,
    Awaiting,
    CloseByCommand,
    Compile,
    Cut,
    Decrypt,
    Firewall,
    Mail,
    OpenByCommand,
    OpenControl,
    OpenDoor,
    OpenWay,
    Order,
    Plain,
    Prolong,
    Recognise,
    RunCommand,
    Settle,
    Through,
    Unused,
    UseUp,
    Wanted,
    Way,
)
from watchword.model.services import Proto, Service

_TEXT: Final = 64 << 10  # characters of one text
_WORDS: Final = 1024  # of one command
_NAME: Final = 1024  # characters of a door's
_GRANT: Final = 64  # and of a grant's, which we made up
_STANZAS: Final = 10_000_000
_TAG: Final = 16
_TICKETS: Final = tickets(MOST_TICKETS, MOST_TICKETS)
_IPV4: Final = 4  # bytes of an address
_MOST_SECONDS: Final = 1e12
_HEX: Final = frozenset("0123456789abcdef")
_Fields = Mapping[str, Any]
_NO_ORDER: Final = (
    ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, IndexError,
)  # fmt: skip


def decode(octets: bytes) -> Order:
    """Read an order. Raises PeerError: it is none."""
    try:
        fields = json.loads(octets)
        kind = fields["do"]
        if kind in _PLAIN:
            _only(fields, "do")
            return Plain(kind)
        return _READERS[kind](fields)
    except PeerError:
        raise
    except _NO_ORDER as error:
        raise PeerError(f"no order: {type(error).__name__}") from error


def _only(fields: _Fields, *names: str) -> None:
    if fields.keys() != set(names):
        raise PeerError(f"an order with the fields {sorted(fields)}"[:200])


def _number(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise PeerError("a number that cannot be")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, (int, float)) or not 0 <= value < _MOST_SECONDS:  # nan is neither
        raise PeerError("a time that cannot be")
    return float(value)


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise PeerError("neither true nor false")
    return value


def _text(value: object, longest: int = _TEXT) -> str:
    if type(value) is not str or len(value) > longest:
        raise PeerError("a text that cannot be")
    return value


def _texts(value: object, least: int = 1) -> tuple[str, ...]:
    if type(value) is not list or not least <= len(value) <= _WORDS:
        raise PeerError("words that cannot be")
    return tuple(_text(each) for each in value)


def _address(value: object) -> Address:
    """From its bytes in hexadecimal, which takes a fraction of the time of the usual notation."""
    octets = bytes.fromhex(_text(value, 32))
    return IPv4Address(octets) if len(octets) == _IPV4 else IPv6Address(octets)


def _maybe_address(value: object) -> Address | None:
    return None if value is None else _address(value)


def _service(proto: object, port: object) -> Service:
    return Service(Proto(_text(proto, 3)), _number(port, 1, 65535))


def _read_hole(row: Any) -> Hole:
    who, proto, port, destination, lead, extent, ticket, answers = row
    to = None if lead is None else _read_lead(lead)
    if proto == "" and port == 0 and to is not None and to.everything:
        service = None
    else:
        service = _service(proto, port)
    address = _address(who)
    part = None if extent is None else _read_extent(extent, address)
    if to is not None and part is not None:
        raise PeerError("what leads somewhere is for a whole address")
    number = _number(ticket, ON_TICKETS, _TICKETS)
    if number and (service is None or part is not None or (number > 0 and to is not None)):
        raise PeerError("a ticket for what is not counted")
    out = _flag(answers)
    if out and (to is not None or part is not None or number):
        raise PeerError("answers to what is no whole address, or leads elsewhere")
    hole = Hole(address, service, _maybe_address(destination), to, part, number, out)
    if number > 0 and not 1 <= hole.numbers[0] <= hole.numbers[-1] <= MOST_TICKETS:
        raise PeerError("tickets that cannot be")
    return hole


def _read_extent(row: Any, who: Address) -> Extent:
    """A port or a network, and not both."""
    port, bits, first = row
    most = who.max_prefixlen
    extent = Extent(_number(port, 0, 65535), _number(bits, 0, most), _flag(first))
    host = int(who) & ((1 << most - extent.bits) - 1) if extent.bits else 0
    if bool(extent.port) is bool(extent.bits) or host or (first and not extent.bits):
        raise PeerError("a part of an address that cannot be")
    return extent


def _read_lead(row: Any) -> Lead:
    host, port, everything, source = row
    least = 0 if _flag(everything) else 1
    return Lead(_maybe_address(host), _number(port, least, 65535), everything, _read_source(source))


def _read_source(row: Any) -> SourceNat | None:
    if row is None:
        return None
    [address] = row
    return SourceNat(_maybe_address(address))


def _read_opening(row: Any) -> Opening:
    *hole, until = row
    return Opening(_read_hole(hole), _seconds(until))


def _read_wanted(row: Any) -> Wanted:
    *opening, stanza, source, door, grant = row
    number = _number(stanza, 0, _STANZAS)
    named = _text(door, _NAME), _text(grant, _GRANT)
    return Wanted(_read_opening(opening), number, _address(source), *named)


def _tag(value: object) -> Tag:
    if len(text := _text(value, _TAG)) != _TAG or not _HEX.issuperset(text):
        raise PeerError("no tag")
    return Tag(text)


def _firewall(fields: _Fields) -> Order:
    _only(fields, "do", "what", "coming")
    if fields["what"] not in _OF_FIREWALLS:
        raise PeerError("nothing that a firewall does")
    return Firewall(Plain(fields["what"]), _flag(fields["coming"]))


def _apply(fields: _Fields) -> Order:
    _only(fields, "do", "add", "remove", "coming")
    return Apply(
        tuple(_read_wanted(row) for row in fields["add"]),
        frozenset(_tag(each) for each in fields["remove"]),
        _flag(fields["coming"]),
    )


def _settle(fields: _Fields) -> Order:
    _only(fields, "do", "taken", "coming")
    taken = tuple((_number(door, 1, _STANZAS), _address(who)) for door, who in fields["taken"])
    return Settle(taken, _flag(fields["coming"]))


def _recognise(fields: _Fields) -> Order:
    _only(fields, "do", "openings", "coming")
    openings = tuple(_read_opening(row) for row in fields["openings"])
    return Recognise(openings, _flag(fields["coming"]))


def _cut(fields: _Fields) -> Order:
    _only(fields, "do", "holes", "coming")
    return Cut(tuple(_read_hole(row) for row in fields["holes"]), _flag(fields["coming"]))


def _through(fields: _Fields) -> Order:
    _only(fields, "do", "holes")
    return Through(tuple(_read_hole(row) for row in fields["holes"]))


def _unused(fields: _Fields) -> Order:
    _only(fields, "do", "holes")
    return Unused(tuple(_read_hole(row) for row in fields["holes"]))


def _command(fields: _Fields) -> Order:
    _only(fields, "do", "stanza", "command", "policy")
    return RunCommand(
        _number(fields["stanza"], 0, _STANZAS),
        _text(fields["command"]),
        _number(fields["policy"], 0, 1 << 62),
    )


def _open(fields: _Fields) -> Order:
    _only(
        fields, "do", "stanza", "who", "source", "destination", "proto", "port", "ends",
        "seconds", "policy", "grant",
    )  # fmt: skip
    return OpenByCommand(
        stanza=_number(fields["stanza"], 0, _STANZAS),
        who=_address(fields["who"]),
        source=_address(fields["source"]),
        destination=_maybe_address(fields["destination"]),
        service=_service(fields["proto"], fields["port"]),
        ends=_number(fields["ends"], 0, 1 << 62),
        seconds=_number(fields["seconds"], 0, 1 << 40),
        policy=_number(fields["policy"], 0, 1 << 62),
        grant=_text(fields["grant"], _GRANT),
    )


def _door(fields: _Fields) -> Order:
    _only(fields, "do", "door", "who", "policy")
    return OpenDoor(
        _number(fields["door"], 1, _STANZAS),
        _address(fields["who"]),
        _number(fields["policy"], 0, 1 << 62),
    )


def _use(fields: _Fields) -> Order:
    _only(fields, "do", "door", "sequence", "policy")
    knocks = [_service(*row) for row in fields["sequence"]]
    if not 1 <= len(knocks) <= MOST_KNOCKS:
        raise PeerError("no sequence")
    number = _number(fields["door"], 1, _STANZAS)
    return UseUp(number, tuple(knocks), _number(fields["policy"], 0, 1 << 62))


def _close(fields: _Fields) -> Order:
    _only(fields, "do", "argv")
    return CloseByCommand(_texts(fields["argv"]))


def _prolong(fields: _Fields) -> Order:
    _only(fields, "do", "argv", "until", "grant")
    grant = _text(fields["grant"], _GRANT)
    return Prolong(_texts(fields["argv"]), _seconds(fields["until"]), grant)


def _decrypt(fields: _Fields) -> Order:
    _only(fields, "do", "keyring", "message")
    message = b64decode(_text(fields["message"]), validate=True)
    return Decrypt(bytes.fromhex(_text(fields["keyring"], 128)), message)


def _awaiting(fields: _Fields) -> Order:
    _only(fields, "do", "what")
    what = _texts(fields["what"], least=0)
    if not all(each.isprintable() for each in what):  # they stand in a line for systemd
        raise PeerError("nothing that is waited for")
    return Awaiting(what)


def _mail(fields: _Fields) -> Order:
    _only(fields, "do", "subject")
    subject = _text(fields["subject"], 1000)
    if not subject.isprintable() or subject.startswith("-"):
        raise PeerError("no subject of a mail")
    return Mail(subject)


def _way(fields: _Fields) -> Order:
    _only(fields, "do", "way", "family", "port", "path")
    return OpenWay(
        Way(fields["way"]),
        _number(fields["family"], 0, 6),
        _number(fields["port"], 0, 65535),
        _text(fields["path"], 4096),
    )


def _compile(fields: _Fields) -> Order:
    _only(fields, "do", "text")
    return Compile(_text(fields["text"]))


def _control(fields: _Fields) -> Order:
    _only(fields, "do", "answers", "changes")
    return OpenControl(_texts(fields["answers"]), _texts(fields["changes"]))


_OF_FIREWALLS: Final = frozenset({
    "name", "probe", "prepare", "installed", "intact", "teardown", "knocked", "rest",
})  # fmt: skip
_PLAIN: Final = frozenset(each.value for each in Plain) - _OF_FIREWALLS
_READERS: Final[Mapping[str, Callable[[_Fields], Order]]] = {
    "firewall": _firewall, "apply": _apply, "settle": _settle, "recognise": _recognise, "cut": _cut,
    "through": _through, "unused": _unused,
    "command": _command, "open": _open, "door": _door, "use": _use,
    "close": _close, "prolong": _prolong,
    "decrypt": _decrypt, "awaiting": _awaiting, "mail": _mail, "way": _way,
    "compile": _compile, "control": _control,
}  # fmt: skip
