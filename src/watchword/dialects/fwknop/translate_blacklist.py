"""Whom nothing is done for: BLACKLIST of fwknop 1.9.

In here: reading the list. Not in here: holding packets against it (grant.decide).

Source: fwknopd server, 12.3. IPv6 is read as well.
"""

from __future__ import annotations

from watchword.dialects.fwknop.access_conf_lists import UnfitError, networks
from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.addresses import Network

_MESSAGE = 400  # characters of a complaint that repeats an operator's words
_HINT = "write addresses and networks such as 192.0.2.7 or 2001:db8::/32, or NONE"


def blacklist(values: Values, complaints: Complaints) -> tuple[Network, ...]:
    """The list; empty: nobody is on it, or it was complained about."""
    text, place = values.text("BLACKLIST"), values.place("BLACKLIST")
    if text.upper() == "NONE":
        return ()
    try:
        found = networks(text)
    except UnfitError as unfit:
        message = f"{shown(unfit.message, _MESSAGE)}\n[*] Fatal invalid BLACKLIST"
        complaints.refuse(message, place, shown(unfit.hint, _MESSAGE))
        return ()
    if not found:
        complaints.refuse("BLACKLIST has ANY, so that nobody could come in", place, _HINT)
    return found
