"""What a stanza does against others at its caller's address, in words.

Not in here: everything else of a stanza (explain_words).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.model.sharing import SharingTerms


def words(terms: SharingTerms) -> Iterator[str]:
    """One sentence for each thing that is not as with fwknop."""
    if terms.connections is not None:
        count = terms.connections
        what = "1 new connection" if count == 1 else f"{count} new connections"
        yield f"a grant lets in {what} and no more (COUNT_CONNECTIONS, MAX_CONNECTIONS)"
    if terms.door_seconds is not None:
        yield f"nobody new is let in {terms.door_seconds} s after a packet (DOOR_TIMEOUT)"
    if terms.secret_ports is not None:
        low, high = terms.secret_ports
        yield f"each grant has a port of its own, from {low} to {high} (SECRET_PORTS)"
    if terms.lease is not None:
        others = {"refuse": "others are refused", "queue": "others wait", "tell": "it is told"}
        yield (
            f"while somebody has a grant for an address, {others[terms.lease.value]}, for up to "
            f"{terms.lease_seconds} s (EXCLUSIVE_LEASE, MAX_LEASE_TIME)"
        )
    if terms.identities is not None:
        yield f"of an address, {terms.identities} may have grants (MAX_IDENTITIES_PER_ADDRESS)"
    if terms.grants is not None:
        yield f"for an address, there are {terms.grants} grants (MAX_GRANTS_PER_ADDRESS)"


def provisos(terms: SharingTerms) -> Iterator[str]:
    """The same of one grant, and what only the running daemon knows."""
    yield from words(terms)
    if terms.lease is not None or terms.identities is not None or terms.grants is not None:
        yield "who else has the address just now was not looked at: watchword grants says that"
