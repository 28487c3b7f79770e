"""Ends connections that are under way, where a chain of the operator's lets those go on.

In here: the order of what is done: sockets here are ended by the kernel, which tells both
ends; then connection tracking forgets the connection, and with it where it was led.
Not in here: the guard, which drops the packets of what it cuts by itself (nft.passes).

What was led on cannot come back: without its translation the answers of the host behind come
from an address that the caller does not talk to. What only passed through (FORWARD_ALL) is
barred (barring), since the host behind would begin it again.
"""

from __future__ import annotations

from collections.abc import Collection

from watchword.edges.firewall.barring import Bars
from watchword.edges.firewall.nft.arrivals import Arrivals, arrivals, passing_through
from watchword.edges.firewall.nft.connections import Connection
from watchword.edges.firewall.nft.conntrack import drop, forget
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.edges.firewall.nft.sock_diag import SOCK_DIAG, can_destroy, destroy
from watchword.errors import HostError
from watchword.model.openings import Hole


def can_cut() -> bool:
    """Whether this kernel can do it. Changes nothing. Raises HostError."""
    diag = Netlink(SOCK_DIAG)
    try:
        return can_destroy(diag)
    finally:
        diag.close()


def cut_off(holes: Collection[Hole], spared: Collection[Hole], bars: Bars | None = None) -> int:
    """End what came in through these holes, and may not by others that are ``spared``.

    ``bars``: to bar what only passes through; None: these holes let nothing through.
    Works on the network namespace of the calling thread. Returns how many connections that
    were. Raises HostError, also for no holes if this kernel cannot do it.
    """
    diag, netlink = Netlink(SOCK_DIAG), Netlink()
    try:
        if not can_destroy(diag):
            raise HostError(
                "this kernel ends no connections: it was built without CONFIG_INET_DIAG_DESTROY",
                hint="use FIREWALL_BACKEND nftables with FIREWALL_ATTACH guard",
            )
        return _cut_off(diag, netlink, holes, spared, bars) if holes else 0
    finally:
        diag.close()
        netlink.close()


def _cut_off(
    diag: Netlink,
    netlink: Netlink,
    holes: Collection[Hole],
    spared: Collection[Hole],
    bars: Bars | None,
) -> int:
    found = arrivals(netlink, passing_through(holes))
    let_in, else_let_in = (found.through(each, translated=True) for each in (holes, spared))
    came = let_in - else_let_in
    try:
        _end(diag, netlink, came, found, bars)
    finally:
        forgotten = forget(netlink, holes, spared)
    return len(came | forgotten)


def end(
    netlink: Netlink, connections: Collection[Connection], found: Arrivals, bars: Bars | None
) -> None:
    """End these, which are among the ``found``. Raises HostError."""
    diag = Netlink(SOCK_DIAG)
    try:
        _end(diag, netlink, frozenset(connections), found, bars)
    finally:
        diag.close()


def _end(
    diag: Netlink,
    netlink: Netlink,
    came: frozenset[Connection],
    found: Arrivals,
    bars: Bars | None,
) -> None:
    # First the sockets: the reset finds its way back by what connection tracking knows.
    destroy(diag, {found.led.get(each, each) for each in came})
    passing = came & found.transit
    try:
        if passing and bars is not None:
            bars.bar(passing)
    finally:
        drop(netlink, came)
