"""What follows from the options of the perl client in a run (client, section 17).

In here: what may not stand together, and the settings of 2.6 that the options
come to.
Not in here: what they say (client_perl), the defaults of fwknop1 (client_perl_packet).
"""

from __future__ import annotations

import re
from typing import Final

from watchword.dialects.fwknop.client_perl import Perl
from watchword.dialects.fwknop.client_settings import Given
from watchword.errors import OperatorError
from watchword.record import replace

LOCAL_NAT_PORT: Final = 55000
_NAT = re.compile(r"([0-9.]+)(?:[:,]([0-9]{1,5}))?")


def settled(perl: Perl, given: Given, *, verbose: bool, as_perl: bool) -> Given:
    """The layer of the command line with everything that perl's options say in 2.6's terms.

    Args:
        verbose: Whether -v was given.
        as_perl: Whether options that 2.6 has too may not stand together where 1.9 said so.

    Raises OperatorError for what cannot stand together.
    """
    _check(perl, given, verbose=verbose, as_perl=as_perl)
    proto = given.proto
    if perl.http:
        proto = "http"
    elif perl.tcp_sock:
        proto = "tcp"
    elif perl.spoof_proto or perl.spoofed:
        proto = perl.spoof_proto or proto or "udpraw"
    asks = True if perl.spoof_proto == "icmp" else given.icmp_asks
    return _with_nat(perl, replace(given, proto=proto, icmp_asks=asks))


def _check(perl: Perl, given: Given, *, verbose: bool, as_perl: bool) -> None:
    ports = given.server_port is not None and bool(given.rand_port)
    nat = perl.nat or perl.nat_local or given.nat_access or given.nat_local
    clashes = {
        "--quiet and --verbose": perl.quiet and verbose,
        "--Server-port and --rand-port": as_perl and ports,
        "--HTTP and --rand-port": perl.http and bool(given.rand_port),
        "--HTTP and --TCP-sock": perl.http and perl.tcp_sock,
        "--TCP-sock and --Spoof-src": perl.tcp_sock and perl.spoofed,
        "--Server-auth and NAT options": perl.server_auth and bool(nat),
    }
    for pair, clash in clashes.items():
        if clash:
            raise OperatorError(f"{pair} cannot be combined.", hint="leave one of them out")
    if perl.knocking and not perl.knocks:
        raise OperatorError(
            f"--{perl.knocking[0]} is for a knock sequence, and a packet was asked for: nothing "
            "was sent.",
            hint="leave it out, or add --Server-mode knock to send a sequence",
        )


def _with_nat(perl: Perl, given: Given) -> Given:
    """The number of --NAT-access is the outer port; the inner one is that of -A (section 17)."""
    host, port = given.nat_access, given.nat_port
    if perl.nat is not None:
        found = _NAT.fullmatch(perl.nat)
        if found is None:
            raise OperatorError(
                f"--NAT-access is an IPv4 address and a port, and not '{perl.nat}'.",
                hint="for example 10.0.0.5:55000; with names and inner ports use -N and --nat-port",
            )
        host, port = found[1], int(found[2] or LOCAL_NAT_PORT)
    elif perl.nat_local:
        port = port or LOCAL_NAT_PORT
    local = perl.nat_local or given.nat_local
    return replace(given, nat_access=host, nat_port=port, nat_local=local)
