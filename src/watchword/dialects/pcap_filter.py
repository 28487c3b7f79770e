"""Capture filters in the words of tcpdump: the part of them that everyday filters use.

In here: ``udp port 62201``, ``udp dst portrange 10000-65535``, ``host``, ``net``,
``src``, ``dst``, ``proto``, protocols by name, ``less``, ``greater``, ``and``,
``or``, ``not``, parentheses, lists that take their keywords from the front.
Not in here: expressions over bytes, link addresses, names that have to be
looked up. Whoever wants those has tcpdump compile them (edges.capture).

As there, ``and`` and ``or`` bind alike, from left to right. Source:
pcap-filter(7).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, ip_network
from typing import Final, NamedTuple

from watchword.model.addresses import Network
from watchword.model.filters import (
    All,
    Any,
    Direction,
    Filter,
    HostIs,
    LengthIs,
    Not,
    PortIs,
    ProtocolIs,
)

MOST_TESTS: Final = 100
"""Beyond that the kernel's program would be too long; nobody writes that by hand."""
LONGEST: Final = 65535

_TOKEN = re.compile(r"\(|\)|&&|\|\||!|[^\s()!&|]+")
_NUMBER = re.compile(r"[0-9]{1,5}")
_WITH_PORTS = {"tcp": 6, "udp": 17, "sctp": 132}
_PROTOCOLS = {**_WITH_PORTS, "icmp": 1, "icmp6": 58, "igmp": 2, "esp": 50, "ah": 51}
_BOTH = frozenset({4, 6})
_VERSIONS = {
    "ip": frozenset({4}),
    "ip6": frozenset({6}),
    "icmp": frozenset({4}),
    "igmp": frozenset({4}),
    "icmp6": frozenset({6}),
}
_TYPES = ("host", "net", "port", "portrange", "proto")


class NotUnderstoodError(Exception):
    """A filter that is not of this part of the language. The text says which word."""


class _Keywords(NamedTuple):
    """What stands in front of an address or number, and is taken over by those that follow."""

    protocol: str = ""
    direction: Direction = Direction.EITHER
    type: str = "host"


def parse(text: str) -> Filter | None:
    """Read a filter; None if it is empty, which lets everything pass.

    Raises NotUnderstoodError: it is not of this part of the language, or wrong.
    """
    tokens = _TOKEN.findall(text)
    if not tokens:
        return None
    reader = _Reader(tokens)
    found = reader.expression()
    if reader.here:
        raise NotUnderstoodError(f"'{reader.here}' is not understood")
    return found


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._tests = 0
        self._last: _Keywords | None = None

    @property
    def here(self) -> str:
        """The next word, empty at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        word = self.here
        if not word:
            raise NotUnderstoodError("it ends too early")
        self._at += 1
        return word

    def _take_if(self, *words: str) -> str:
        return self._take() if self.here in words else ""

    def expression(self) -> Filter:
        return self._joined(self._unary)

    def _joined(self, operand: Callable[[], Filter]) -> Filter:
        found = operand()
        while word := self._take_if("and", "or", "&&", "||"):
            pair = (found, operand())
            found = All(pair) if word in ("and", "&&") else Any(pair)
        return found

    def _unary(self) -> Filter:
        self._tests += 1
        if self._tests > MOST_TESTS:
            raise NotUnderstoodError("it is too long")
        if self._take_if("not", "!"):
            return Not(self._unary())
        if self._take_if("("):
            found = self.expression()
            self._close()
            return found
        return self._primitive()

    def _close(self) -> None:
        if not self._take_if(")"):
            raise NotUnderstoodError("a ) is missing")

    def _primitive(self) -> Filter:
        if word := self._take_if("less", "greater"):
            number = self._number(self._take(), LONGEST)
            return LengthIs(0, number) if word == "less" else LengthIs(number, LONGEST)
        protocol = self._take_if(*_PROTOCOLS, *_VERSIONS)
        direction = self._direction()
        kind = self._take_if(*_TYPES)
        if protocol and not kind and direction is None:
            return self._alone(protocol)
        if not (protocol or kind or direction):
            return self._value(self._last or _Keywords())
        keywords = _Keywords(protocol, direction or Direction.EITHER, kind or "host")
        self._last = keywords
        if self._take_if("("):
            found = self._joined(lambda: self._listed(keywords))
            self._close()
            return found
        return self._value(keywords)

    def _listed(self, keywords: _Keywords) -> Filter:
        self._tests += 1
        return Not(self._listed(keywords)) if self._take_if("not", "!") else self._value(keywords)

    def _alone(self, protocol: str) -> Filter:
        versions = _VERSIONS.get(protocol, _BOTH)
        return ProtocolIs(versions, _PROTOCOLS.get(protocol))

    def _direction(self) -> Direction | None:
        word = self._take_if("src", "dst")
        if not word:
            return None
        joint = self._tokens[self._at : self._at + 2]
        if len(joint) == 2 and joint[0] in ("or", "and") and joint[1] in ("src", "dst"):
            self._at += 2
            if joint[1] != word:
                return Direction.EITHER if joint[0] == "or" else Direction.BOTH
        return Direction.SOURCE if word == "src" else Direction.DESTINATION

    def _value(self, keywords: _Keywords) -> Filter:
        word = self._take()
        match keywords.type:
            case "port" | "portrange":
                return self._port(word, keywords)
            case "proto":
                return self._protocol(word, keywords)
            case _:
                return self._host(word, keywords)

    def _port(self, word: str, keywords: _Keywords) -> Filter:
        first, dash, last = word.partition("-")
        if bool(dash) != (keywords.type == "portrange"):
            raise NotUnderstoodError(f"'{word}' is not understood as a {keywords.type}")
        low = self._number(first, LONGEST)
        high = self._number(last, LONGEST) if dash else low
        if keywords.protocol and keywords.protocol not in (*_WITH_PORTS, "ip", "ip6"):
            raise NotUnderstoodError(f"{keywords.protocol} has no ports")
        number = _WITH_PORTS.get(keywords.protocol)
        protocols = frozenset({number} if number else _WITH_PORTS.values())
        versions = _VERSIONS.get(keywords.protocol, _BOTH)
        return PortIs(min(low, high), max(low, high), protocols, versions, keywords.direction)

    def _protocol(self, word: str, keywords: _Keywords) -> Filter:
        if keywords.protocol not in ("", "ip", "ip6") or keywords.direction is not Direction.EITHER:
            raise NotUnderstoodError(f"'{keywords.protocol} proto' is not understood")
        name = word.removeprefix("\\")
        number = _PROTOCOLS[name] if name in _PROTOCOLS else self._number(word, 255)
        return ProtocolIs(_VERSIONS.get(keywords.protocol, _BOTH), number)

    def _host(self, word: str, keywords: _Keywords) -> Filter:
        if keywords.protocol not in ("", "ip", "ip6"):
            raise NotUnderstoodError(f"'{keywords.protocol} {keywords.type}' is not understood")
        network = self._network(word, is_net=keywords.type == "net")
        if network.version not in _VERSIONS.get(keywords.protocol, _BOTH):
            raise NotUnderstoodError(f"'{word}' is no address of {keywords.protocol}")
        return HostIs(network, keywords.direction)

    def _network(self, word: str, *, is_net: bool) -> Network:
        mask = self._take() if is_net and self._take_if("mask") else ""
        whole = f"{word}/{mask}" if mask else word
        if not is_net and "/" in word:
            raise NotUnderstoodError(f"'{word}' is a network: write net {word}")
        if is_net and "/" not in whole and ":" not in word:
            # 192.168 stands for 192.168.0.0/16
            parts = word.split(".")
            whole = f"{'.'.join([*parts, *['0'] * (4 - len(parts))])}/{8 * len(parts)}"
        try:
            network = ip_network(whole)
        except ValueError:
            raise NotUnderstoodError(f"'{whole}' is not understood as an address") from None
        if isinstance(network, IPv4Network) and mask and "." not in mask:
            raise NotUnderstoodError(f"'mask {mask}' is not understood")
        return network

    def _number(self, word: str, most: int) -> int:
        if not _NUMBER.fullmatch(word) or int(word) > most:
            raise NotUnderstoodError(f"'{word}' is not understood as a number up to {most}")
        return int(word)
