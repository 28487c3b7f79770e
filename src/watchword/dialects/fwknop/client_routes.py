"""Which ways a packet is to go: from settings to routes.

In here: carriers in their order, ports, relays, and what contradicts what among
them (client, sections 2.2, 4 and 13).
Not in here: how each of these is written (client_values, client_relays),
sending (edges.send).

Random ports are drawn by the caller's function.
"""

from __future__ import annotations

from watchword.dialects.fwknop import client_values as values
from watchword.dialects.fwknop.client_option_table import Family
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import DEFAULT_PORT, Given, RelayForm, RelayWord
from watchword.dialects.fwknop.client_values import Stop
from watchword.errors import OperatorError
from watchword.model.crypto import Secret
from watchword.model.routes import Carrier, Route
from watchword.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    from watchword.model.relays import Login, Relay

WEB_PORT: Final = 80
SOCKS_PORT: Final = 1080

_PORTS: Final = {Carrier.HTTP: WEB_PORT, Carrier.HTTPS: 443}
_PROXY_VARIABLE: Final = "http_proxy"
_BY_SOCKS: Final = "use -P tcp, http or https, or leave the SOCKS proxy out"


def check(line: CommandLine, settings: Given) -> None:
    """What the way of a packet has to satisfy. Raises OperatorError."""
    carriers = [stop.carrier for stop in stops(settings)]
    if settings.spoof_source and not all(each.raw for each in carriers):
        raise OperatorError(
            "Must set -P <udpraw|tcpraw|icmp> with a spoofed source IP",
            hint="use -P udpraw as root, or leave -Q and SPOOF_SOURCE_IP out",
        )
    typed = line.given.relay
    if typed and typed.form is RelayForm.HTTP and not any(each.web for each in carriers):
        raise OperatorError(
            "Cannot set --http-proxy with a non-HTTP protocol.",
            hint="use -P http or https, or leave -H out",
        )
    if settings.every_address and _proxied(settings, carriers):
        raise OperatorError(
            "--all-addresses needs the addresses of the server, which a proxy looks up.",
            hint="leave one of them out",
        )
    if settings.relay is None or settings.relay.form is not RelayForm.SOCKS:
        return
    direct = next((each for each in carriers if not each.connected), None)
    if direct is not None:
        raise OperatorError(f"A SOCKS proxy carries no {direct}.", hint=_BY_SOCKS)


def _proxied(settings: Given, carriers: list[Carrier]) -> bool:
    """Whether any of these carriers goes through a relay."""
    if settings.relay is None:
        return False
    socks = settings.relay.form is RelayForm.SOCKS
    return any(each.connected if socks else each.web for each in carriers)


def stops(settings: Given) -> tuple[Stop, ...]:
    """The carriers of this run, in the order in which they are tried."""
    if settings.via is not None:
        return values.stops(settings.via)
    if settings.proto is not None:
        return (Stop(Carrier(settings.proto), None),)
    if settings.relay is None:
        return (Stop(Carrier.UDP, None),)
    http = settings.relay.form is RelayForm.HTTP
    return (Stop(Carrier.HTTP if http else Carrier.TCP, None),)


def routes(
    line: CommandLine,
    settings: Given,
    environment: Mapping[str, str],
    draw: Callable[[], int],
) -> tuple[Route, ...]:
    """The routes of this run, at least one, in the order in which they are tried.

    Args:
        settings: All layers combined, checked.
        environment: Asked only for the proxy of a bare ``--HTTP-proxy``.
        draw: Gives a random port, a new one each time.

    Raises OperatorError.
    """
    return tuple(_route(stop, line, settings, environment, draw) for stop in stops(settings))


def _route(
    stop: Stop,
    line: CommandLine,
    settings: Given,
    environment: Mapping[str, str],
    draw: Callable[[], int],
) -> Route:
    carrier = stop.carrier
    port = _port(stop, line, settings, draw)
    relay = _relay(carrier, settings, environment)
    if relay and not relay.port:
        # The original takes the port of -p for that of a proxy without one.
        taken = carrier is Carrier.HTTP and stop.port is None and settings.via is None
        relay = replace(relay, port=port if taken else WEB_PORT)
        port = WEB_PORT if taken else port
    return Route(
        carrier=carrier,
        host=values.server(settings.server).host if settings.server else "",
        port=port,
        family=family(line, settings),
        source_port=settings.source_port or (draw() if carrier.raw else 0),
        source=settings.spoof_source or "",
        icmp_type=settings.icmp_type,
        icmp_code=settings.icmp_code or 0,
        icmp_asks=bool(settings.icmp_asks),
        agent=settings.user_agent or "",
        relay=relay,
        authorities=settings.ca_file or "",
    )


def _port(stop: Stop, line: CommandLine, settings: Given, draw: Callable[[], int]) -> int:
    """Where the packet goes: what is written nearest to it counts, the carrier's own port last.

    In a list, the ports of -p and SPA_SERVER_PORT are not those of the web.
    """
    if stop.port is not None:
        return stop.port
    usual = _PORTS.get(stop.carrier, DEFAULT_PORT)
    if settings.via is not None and stop.carrier.web:
        return usual
    if settings.rand_port:
        return draw()
    given = _given_port(line, settings)
    return usual if given is None else given


def _given_port(line: CommandLine, settings: Given) -> int | None:
    """A port beside the server's name is nearer to it than another."""
    if line.given.server_port is not None:
        return line.given.server_port
    beside = values.server(settings.server).port if settings.server else None
    return settings.server_port if beside is None else beside


def family(line: CommandLine, settings: Given) -> int | None:
    if line.family is Family.ANY:
        return 4 if settings.only_ipv4 else None
    return 4 if line.family is Family.FOUR else 6


def _relay(carrier: Carrier, settings: Given, environment: Mapping[str, str]) -> Relay | None:
    """Whom the connection goes through; port 0 where none was written."""
    word = settings.relay
    if word is None or not carrier.connected:
        return None
    from watchword.dialects.fwknop.client_relays import written  # noqa: PLC0415  (few have one)
    from watchword.model.relays import Relay  # noqa: PLC0415

    if word.form is RelayForm.SOCKS:
        return written(word).at(SOCKS_PORT)
    if not carrier.web:
        return None
    found = written(word if word.text else _of_environment(environment))
    return Relay(found.kind, found.host, found.port or 0, found.login or _login(settings))


def _of_environment(environment: Mapping[str, str]) -> RelayWord:
    text = environment.get(_PROXY_VARIABLE, "")
    if not text:
        raise OperatorError(
            f"The proxy is to be that of the environment, which has no {_PROXY_VARIABLE}.",
            hint="name the proxy: --HTTP-proxy http://proxy.example:3128",
        )
    try:
        return values.http_proxy(text)
    except ValueError as error:
        raise OperatorError(
            f"{_PROXY_VARIABLE} in the environment: {error}",
            hint="name the proxy: --HTTP-proxy http://proxy.example:3128",
        ) from None


def _login(settings: Given) -> Login | None:
    if not settings.relay_user:
        return None
    from watchword.dialects.fwknop.client_keys import octets  # noqa: PLC0415  (few have one)
    from watchword.model.relays import Login  # noqa: PLC0415

    word = settings.relay_password
    return Login(settings.relay_user, Secret(octets(word) if word else b""))
