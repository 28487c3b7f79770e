"""What the server says of a grant that begins, in the words of fwknopd 2.6.10.

In here: one line for each rule that fwknopd would have made for it.
Not in here: everything else that is said of a packet (voice_packets).

The packaged server names the chains that these rules are in, and so does this, whatever the
firewall. Source: fwknopd server, sections 9.1 and 11.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.dialects.fwknop.voice_words import Line, Priority, listed
from watchword.model.openings import Caller, Grant, Lead
from watchword.model.settings import LogChains, LogStyle


def added(grant: Grant, chains: LogChains, style: LogStyle) -> Iterator[Line]:
    """One line for each rule: for each port, or for each step of what leads on."""
    for caller in grant.callers:
        for kind, chain in rules(grant, chains):
            yield Priority.INFO, _line(grant, caller, kind, chain, style)


def rules(grant: Grant, chains: LogChains) -> Iterator[tuple[str, str]]:
    """What each rule of a grant is called, and the chain it is in."""
    if grant.lead is not None:
        yield from _leading(grant.lead, chains)
        return
    for _ in grant.services:
        yield "access", chains.input
        if chains.output and (grant.answers or not chains.answers_apart):
            yield "OUTPUT", chains.output


def _leading(lead: Lead, chains: LogChains) -> Iterator[tuple[str, str]]:
    everything = " ALL" if lead.everything else ""
    if lead.host is None and not lead.everything:
        yield "local NAT", chains.input
    else:
        yield f"FORWARD{everything}", chains.forward
    if lead.host is not None or not lead.everything:
        yield f"DNAT{everything}", chains.dnat
    if lead.source is not None:
        chain = chains.masquerade if lead.source.address is None else chains.snat
        yield f"SNAT{everything}", chain


def _line(grant: Grant, caller: Caller, kind: str, chain: str, style: LogStyle) -> str:
    anywhere = "0.0.0.0/0" if caller.who.version == 4 else "::/0"
    where = anywhere if grant.destination is None else str(grant.destination)
    what = "*/*" if grant.lead and grant.lead.everything else listed(grant.services)
    until = int(grant.ends)
    if style is LogStyle.OLD:
        named = "" if kind == "access" else f"{kind} "
        return f"Added {named}Rule to {chain} for {caller}, {what} expires at {until}"
    return f"Added {kind} rule to {chain} for {caller} -> {where} {what}, expires at {until}"
