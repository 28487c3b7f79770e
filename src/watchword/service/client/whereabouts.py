"""Finds out which address the outside sees us under, for -R (client, section 7).

In here: one resolver after the other, until as many as it takes have answered.
Not in here: how each is asked (edges.whereabouts), who is asked and the
sentences (dialects.fwknop.client_whereabouts).

Where two have to agree and do not, nobody else is asked: one of them is wrong,
or lies, and a third would not tell which.
"""

from __future__ import annotations

from collections.abc import Sequence

from watchword.dialects.fwknop import client_whereabouts as words
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import Allow, AllowKind, Given
from watchword.dialects.fwknop.client_whereabouts import Wish
from watchword.errors import HostError, PeerError
from watchword.model.addresses import Address
from watchword.model.whereabouts import Dns, Resolver, Stun, Web
from watchword.record import record, replace
from watchword.service.client.console import Console
from watchword.wire.whereabouts.claims import NoAddressError


@record
class _Found:
    resolver: Resolver
    address: Address


def located(line: CommandLine, settings: Given, family: int | None, console: Console) -> Given:
    """The settings with the address that was found.

    Args:
        family: 4 or 6, if the packet goes that way; None: as the settings have it.

    Raises HostError if it cannot be found out: then nothing may be sent.
    """
    wish = words.wish(line, settings)
    if family is not None:
        wish = replace(wish, version=family, chosen=True)
    for warning in wish.warnings:
        console.warn(warning)
    address = _agreed(wish, console, verbose=bool(settings.verbose))
    return replace(settings, allow=Allow(AllowKind.ADDRESS, str(address)))


def _agreed(wish: Wish, console: Console, *, verbose: bool) -> Address:
    found: list[_Found] = []
    failures: list[str] = []
    hints: list[str] = []
    for resolver in wish.resolvers:
        way = words.wget_command(resolver, wish)
        via = f"'{' '.join(way)}'" if way else words.name(resolver)
        try:
            address = _ask(resolver, wish, way)
        except (HostError, PeerError) as error:
            heard = error.heard if isinstance(error, NoAddressError) else b""
            failures.append(words.failed_lines(resolver, via, str(error), heard))
            hints += [error.hint] if isinstance(error, HostError) and error.hint else []
            continue
        if verbose:
            console.say(words.found_line(via, str(address)))
        found.append(_Found(resolver, address))
        if len(found) > wish.agreeing:
            return _same(found)
    if found:
        failures.append("Two resolvers have to agree, and only one has answered.")
    raise HostError(
        "\n".join(failures), hint="; ".join([*dict.fromkeys(hints), words.NOTHING_SENT])
    )


def _same(found: Sequence[_Found]) -> Address:
    if len({each.address for each in found}) > 1:
        said = ", ".join(f"{each.resolver} says {each.address}" for each in found)
        raise HostError(f"The resolvers do not agree: {said}.", hint=words.NOTHING_SENT)
    return found[0].address


def _ask(resolver: Resolver, wish: Wish, way: Sequence[str]) -> Address:
    """Only the way that is taken is loaded. ``way`` is the command line of wget, if it is asked."""
    if way:
        from watchword.edges.whereabouts import wget

        return wget.ask(way, wish.version)
    match resolver:
        case Web():
            from watchword.edges.whereabouts import web

            return web.ask(resolver, wish.version, agent=wish.agent, ca_file=wish.ca_file)
        case Stun():
            from watchword.edges.whereabouts import stun_server

            return stun_server.ask(resolver, wish.version)
        case Dns():
            from watchword.edges.whereabouts import name_server

            return name_server.ask(resolver, wish.version)
