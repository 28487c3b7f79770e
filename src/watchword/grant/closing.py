"""A caller who leaves, and closes the door behind him.

In here: how that is said in a command message, and whose grants it means.
Not in here: whether the stanza allows it (decide), ending grants (service.daemon.gate).

It takes the same key as opening, and counts once as every packet does. It ends what the same
stanza gave to the same user for the same address, and nothing of anybody else's.
"""

from __future__ import annotations

import re
from typing import Final

from watchword.grant.actions import UnfitError
from watchword.model.actions import CLOSE
from watchword.model.addresses import Address
from watchword.model.openings import Grant
from watchword.model.requests import Request
from watchword.model.services import Service
from watchword.record import record

_MOST: Final = 64  # services; the format has room for fewer


@record
class ClosePermit:
    """A yes to the end of the caller's own grants. Nothing has ended yet."""

    request: Request
    who: Address
    services: frozenset[Service] | None
    """Grants for these, and no others, end; None: whatever they are for."""

    def covers(self, grant: Grant) -> bool:
        """Whether it means this grant, if that is of the same stanza."""
        mine = grant.user == self.request.user and grant.who == self.who
        return mine and (self.services is None or self.services.issuperset(grant.services))


def asks_to_close(command: str) -> bool:
    """Whether the first word of a command message says so."""
    return command.split(maxsplit=1)[:1] == [CLOSE]


def services(command: str) -> frozenset[Service] | None:
    """What is to be closed, after the first word; None: everything.

    Raises UnfitError: a word is no service. The message does not quote it.
    """
    words = [each for each in re.split(r"[\s,]+", command) if each][1:]
    if not words:
        return None
    if len(words) > _MOST:
        raise UnfitError(f"{len(words)} services where {_MOST} may be")
    try:
        return frozenset(Service.parse(each.lower()) for each in words)
    except ValueError:
        raise UnfitError("what is to be closed is named as tcp/22, or not at all") from None
